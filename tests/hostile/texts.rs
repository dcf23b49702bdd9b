//! Texts that fig6 reads: pipeline files, and the store's manifests, tasks and index.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use fig6::pipeline::Pipeline;
use fig6::plan::{Bases, Format, Graph, draw};
use fig6::run::Task;
use fig6::steps::Environment;
use nn::device::Backend;
use records::parse_metrics;
use serde::Deserialize;
use serde_json::Value;
use store::key::{Basis, Digest, KeyInputs, Numeric, SCHEMA};
use store::{Claimed, Lookup, Manifest, RunRecord, Store};

use super::dice::Dice;
use super::target::{Bound, KB, Target, alone};
use testing::folder;

/// Small, and has every kind of entry.
const PIPELINE: &str = r#"(
    data: {
        "a": (from: archives([(url: "https://host/a.tar.gz", bytes: 12, sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]), validation: 5),
        "g": (from: generated(train: 100, test: 20, seed: 3), validation: 10, split_seed: 7),
    },
    models: { "plain8": (n: 1, shortcut: "none"), "resnet8": (n: 1, shortcut: "zeropad", warm_up: "w", label: "R") },
    recipe: (batch_size: 8, learning_rate: 0.1, divide_at: [2, 3], divide_by: 10, iterations: 4, momentum: 0.9, weight_decay: 1e-4, pad: 4, flip: true, evaluate_every: 2),
    warm_ups: { "w": until_error(learning_rate: 0.01, train_error: 80), "v": iterations(learning_rate: 0.01, iterations: 400, slip: true) },
    seeds: [0, 1],
    panels: { "p": (title: "t", models: ["plain8", "resnet8"]) },
    figure: ["p"],
    sources: { "he": (cite: "c", url: "u", within: "1 points"), "s": (cite: "c", url: "u", within: "5 percent") },
    published: (data: "a", iterations: 64000, results: { "resnet8": (he: (mean: 8.75, std: 0.1, runs: 5, note: "n"), s: (mean: 1)) }),
    claims: [(says: "test_error(resnet8) < 90", source: "he", profiles: ["x"]), (says: "parameters(resnet8) = 0.075M", source: "s", disputed: "d")],
    significance: 0.05,
    profiles: { "x": (data: "g", models: ["plain8", "resnet8"], seeds: [5], shorten: 2, recipe: (iterations: 8), figure: ["p"]), "y": (models: ["resnet8"]) },
    default_profile: "x",
)
"#;

/// What a sound pipeline file leads to before anything runs.
fn plan(path: &Path) -> Result<()> {
    let pipeline = Pipeline::load(path)?;
    let bases = Bases::only(&Backend::Flex);
    for profile in pipeline.profiles() {
        let experiment = pipeline.experiment(Some(profile))?;
        let graph = Graph::of(experiment)?;
        for step in graph.steps() {
            assert!(step.params.amount() >= 0.0);
            bases.key_inputs(&step.params, [].into(), None).key();
        }
        draw(&graph, &vec![true; graph.steps().len()], Format::Mermaid);
        let claims = pipeline.claims(experiment);
        claims.here.iter().for_each(|claim| drop(claim.name()));
    }
    Ok(())
}

#[test]
fn pipeline_files_whatever_they_hold_are_planned_or_refused() {
    let _alone = alone();
    let fixtures = [
        PIPELINE,
        include_str!("../../pipeline.ron"),
        include_str!("../pipelines/sample.ron"),
        include_str!("../pipelines/tiny.ron"),
    ];
    Target {
        name: "pipeline",
        bound: Bound {
            fixed: 512 * KB,
            per_byte: 60,
        },
        seeds: fixtures.map(|text| text.as_bytes().to_vec()).to_vec(),
        damage: &Dice::damage_text,
        parse: &|path, _| plan(path),
    }
    .run();
}

fn key_inputs() -> KeyInputs {
    KeyInputs {
        basis: Arc::new(Basis {
            schema: SCHEMA,
            kind: "train".into(),
            code: [("nn::fit".to_owned(), Digest::of(b"code"))].into(),
            crates: [("burn".to_owned(), Digest::of(b"crate"))].into(),
            numeric: Some(Numeric {
                backend: "flex".into(),
                version: "1".into(),
                float: "f32".into(),
                architecture: "x86_64".into(),
                compiler: "rustc".into(),
            }),
        }),
        parameters: r#"{"seed":3,"recipe":{"momentum":0.9}}"#.to_owned().into(),
        inputs: [("train.bin".to_owned(), Digest::of(b"images"))].into(),
    }
}

/// A store with one result, and its index; gives the result's key.
fn store(root: &Path) -> Digest {
    let store = Store::at(root, false);
    store.prepare().unwrap();
    let key_inputs = key_inputs();
    let key = key_inputs.key();
    let Claimed::Ours(claim) = store.claim(&key).unwrap() else {
        panic!("it is ours");
    };
    let step = "train/a/seed0";
    store.begin(&claim, step).unwrap();
    fs::write(claim.output().join("metrics.jsonl"), "{}\n").unwrap();
    let manifest = Manifest {
        step: step.into(),
        key,
        key_inputs,
        outputs: claim.collect(&["metrics.jsonl"]).unwrap(),
        evidence: Default::default(),
        summary: "done".into(),
        run: RunRecord {
            started: "2026-01-01T00:00:00.000Z".into(),
            seconds: 1.5,
            work_seconds: 1.0,
            amount: 1.0,
            threads: 1,
            because: vec!["no result yet".into()],
            host: "here".into(),
            cpu: "some".into(),
            fig6: "0.1.0".into(),
            log: None,
        },
        carried_over: None,
    };
    let entry = store.commit(&claim, &manifest).unwrap();
    store.show(step, &entry).unwrap();
    fs::write(root.join("outside"), "content").unwrap();
    // The index remembers nothing that has changed just now.
    std::thread::sleep(Duration::from_millis(120));
    store.lookup(&key).unwrap();
    store.content(&root.join("outside")).unwrap();
    store.save_index().unwrap();
    key
}

fn manifest_file(root: &Path, key: &Digest) -> std::path::PathBuf {
    root.join("manifests").join(format!("{key}.json"))
}

/// A damaged manifest that fits its key and its checksum, if it is still one.
fn seal(bytes: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Sealed {
        manifest: Manifest,
    }
    let Sealed { mut manifest } = serde_json::from_slice(bytes).ok()?;
    manifest.key = manifest.key_inputs.key();
    let text = serde_json::to_string(&manifest).unwrap();
    let checksum = Digest::of(text.as_bytes());
    Some(format!("{{\"checksum\":\"{checksum}\",\"manifest\":{text}}}").into_bytes())
}

/// What the store makes of a key.
fn ask(store: &Store, key: &Digest) -> Result<()> {
    store.all_results()?;
    store.earlier("train/a/seed0", &|_| Ok(true))?;
    store.newest("train/a/seed0")?;
    match store.lookup(key)? {
        Lookup::Found(entry) => {
            for output in entry.outputs.values() {
                store.read(output)?;
            }
            Ok(())
        }
        Lookup::Absent => bail!("nothing is there"),
        Lookup::Damaged(why) => Err(anyhow!(why)),
    }
}

#[test]
fn manifests_whatever_they_hold_are_used_or_refused() {
    let _alone = alone();
    let folder = folder();
    let root = folder.path();
    let own = store(root);
    let seed = fs::read(manifest_file(root, &own)).unwrap();
    Target {
        name: "manifest",
        bound: Bound {
            fixed: 128 * KB,
            per_byte: 60,
        },
        seeds: vec![seed],
        damage: &|dice, bytes, other| {
            dice.damage_text(bytes, other);
            if !dice.one_in(4)
                && let Some(sealed) = seal(bytes)
            {
                *bytes = sealed;
            }
        },
        parse: &|_, bytes| {
            let said: Option<Value> = serde_json::from_slice(bytes).ok();
            let said = said.and_then(|file| file["manifest"]["key"].as_str()?.parse().ok());
            let key = said.unwrap_or(own);
            let path = manifest_file(root, &key);
            fs::write(&path, bytes)?;
            let outcome = ask(&Store::at(root, false), &key);
            fs::remove_file(path)?;
            outcome
        },
    }
    .run();
}

#[test]
fn indices_whatever_they_hold_are_used_or_passed_over() {
    let _alone = alone();
    let folder = folder();
    let root = folder.path();
    let key = store(root);
    let path = root.join("index");
    const HEAD: usize = b"fig6 index 5\n".len() + 32;
    let seed = fs::read(&path).unwrap();
    assert!(
        seed.len() > HEAD + 300,
        "the index holds a result and files"
    );
    Target {
        name: "index",
        bound: Bound {
            fixed: 128 * KB,
            per_byte: 60,
        },
        seeds: vec![seed],
        damage: &|dice, bytes, other| {
            let mut payload = bytes.split_off(HEAD.min(bytes.len()));
            dice.damage(&mut payload, &other[HEAD.min(other.len())..]);
            if !dice.one_in(8) {
                let at = bytes.len() - 32;
                bytes[at..].copy_from_slice(Digest::of(&payload).as_bytes());
            }
            bytes.extend(payload);
        },
        parse: &|_, bytes| {
            fs::write(&path, bytes)?;
            let store = Store::at(root, false);
            store.content(&root.join("outside"))?;
            store.keep_listing("fn a\t1\n")?;
            let outcome = ask(&store, &key);
            store.save_index()?;
            outcome
        },
    }
    .run();
}

#[test]
fn metrics_whatever_they_hold_are_drawn_or_refused() {
    let _alone = alone();
    let line = r#"{"iteration":7,"epoch":0,"learning_rate":0.1,"train_loss":2.3,"train_error":90.0,"validation_error":null,"test_error":88.5}"#;
    let lines = [0, 2, 40, 64_000].map(|iteration| {
        let said = format!("\"iteration\":{iteration}");
        line.replace("\"iteration\":7", &said) + "\n"
    });
    let figure = |iterations| plot::ErrorCurves {
        panels: vec![plot::Panel {
            title: "panel".into(),
            curves: vec![plot::Curve {
                model: "m".into(),
                label: "M".into(),
                layers: 8,
                seeds: vec![0],
            }],
        }],
        iterations,
        note: None,
    };
    Target {
        name: "metrics",
        // The figure is most of it.
        bound: Bound {
            fixed: 256 * KB,
            per_byte: 100,
        },
        seeds: vec![line.into(), lines.concat().into()],
        damage: &Dice::damage_text,
        parse: &|path, bytes| {
            let text = std::str::from_utf8(bytes)?;
            let metrics = parse_metrics(text, path)?;
            for iterations in [4, 64_000, u64::MAX] {
                plot::error_curves(&figure(iterations), |_| Ok(metrics.clone()))?;
            }
            Ok(())
        },
    }
    .run();
}

#[test]
fn tasks_whatever_they_hold_are_read_or_refused() {
    let _alone = alone();
    let folder = folder();
    let pipeline = Pipeline::parse(PIPELINE, "pipeline.ron").unwrap();
    let graph = Graph::of(pipeline.experiment(None).unwrap()).unwrap();
    let bases = Bases::only(&Backend::Flex);
    let tasks = graph.steps().iter().map(|step| {
        let key_inputs = bases.key_inputs(&step.params, [].into(), None);
        let task = Task {
            step: step.name.clone(),
            key: key_inputs.key(),
            key_inputs,
            params: step.params.clone(),
            inputs: [("archive".to_owned(), "/tmp/archive".into())].into(),
            environment: Environment {
                mirrors: vec!["mirror".into()],
                sources: step.sources.clone(),
                device: "flex".into(),
                checkpoint_seconds: 60.0,
            },
            replay: Vec::new(),
        };
        task.write(folder.path()).unwrap();
        fs::read(folder.path().join("task.json")).unwrap()
    });
    Target {
        name: "task",
        bound: Bound {
            fixed: 128 * KB,
            per_byte: 60,
        },
        seeds: tasks.collect(),
        damage: &Dice::damage_text,
        parse: &|_, bytes| {
            fs::write(folder.path().join("task.json"), bytes)?;
            let task = Task::read(folder.path())?;
            task.params.outputs();
            assert!(task.params.kind().len() > 3);
            let backend: Backend = task.environment.device.parse()?;
            Bases::only(&backend)
                .key_inputs(&task.params, [].into(), None)
                .key();
            task.write(folder.path()).context("it has no JSON form")
        },
    }
    .run();
}
