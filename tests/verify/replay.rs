//! Trainings that are computed again in part: what passes, what is noticed, what cannot be shown.

use std::path::PathBuf;

use super::mutants::{forge, object, provenance, reseal, step};
use super::*;
use nn::checkpoint;
use store::Output;
use store::key::Digest;

const TRAINING: &str = "train/plain8/seed0";
const OTHER: &str = "train/plain8/seed1";

/// How the replay of a training ended, and what is said about it.
fn replayed(project: &Project, arguments: &[&str], training: &str) -> (String, String) {
    let all = checks(project, &[&["--level", "replay"], arguments].concat());
    let mut of = all.iter().filter(|check| check["level"] == "replay");
    let check = of.find(|check| check["name"] == training).unwrap();
    let text = |field: &str| check[field].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

/// The content behind the training's only snapshot, which is after two of four iterations.
fn snapshot(project: &Project, training: &str) -> (Output, PathBuf) {
    let mut found = None;
    reseal(project, training, |manifest| {
        found = manifest.evidence.get(&checkpoint::name(2)).cloned();
    });
    let found: Output = found.unwrap();
    let hex = found.digest.to_string();
    let objects = project.path("artifacts/objects");
    let path = objects.join(&hex[..2]).join(&hex[2..]);
    (found, path)
}

/// Says in provenance and manifest that this is the training's output.
fn forge_everywhere(project: &Project, output: &str, content: &[u8]) {
    forge(project, TRAINING, output, content);
    let (digest, bytes) = (Digest::of(content).to_string(), content.len());
    provenance(project, |value| {
        let record = serde_json::json!({ "bytes": bytes, "blake3": digest });
        step(value, TRAINING)["outputs"][output] = record;
    });
}

#[test]
fn trainings_that_come_out_the_same_pass_with_all_windows_and_stretches() {
    let project = finished();
    let before = project.results();
    let answer = verify(&project, &["--level", "replay", "--verbose"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let said = "2 windows, 4 iterations: the same states, and the same bytes in 4 files, after ";
    assert_eq!(answer.out.matches(said).count(), 4, "{}", answer.out);
    assert!(
        answer.out.contains("not checked: execute"),
        "{}",
        answer.out
    );

    let (status, said) = replayed(&project, &["--segments", "2"], TRAINING);
    assert_eq!(status, "passed", "{said}");
    let whole = "2 windows, 4 iterations, and the whole training, in 2 stretches: the same states";
    assert!(said.starts_with(whole), "{said}");

    let drawn = |seed: &str| {
        let (status, said) = replayed(
            &project,
            &["--segments", "1", "--sample-seed", seed],
            TRAINING,
        );
        assert_eq!(status, "passed", "{said}");
        let (_, drawn) = said
            .split_once("and 1 of 2 stretches between snapshots (")
            .unwrap();
        drawn[..drawn.find(')').unwrap()].to_owned()
    };
    let seeds = ["0", "1", "2", "3", "4", "5"];
    let all: Vec<String> = seeds.map(drawn).into();
    assert_eq!(drawn("5"), all[5]);
    for part in ["iterations 0 to 2", "iterations 2 to 4"] {
        assert!(all.iter().any(|it| it == part), "{all:?}");
    }
    assert!(before == project.results());
}

#[test]
fn segments_that_there_are_not_or_that_nobody_looks_at_are_wrong_usage() {
    let project = finished();
    for (arguments, said) in [
        (
            &["--level", "replay", "--segments", "3"][..],
            "--segments 3 is more than there are: train/plain8/seed0 has 2 stretches",
        ),
        (&["--segments", "1"], "--segments needs --level replay"),
        (
            &["--level", "evaluate", "--segments", "1"],
            "--segments needs",
        ),
        (&["--level", "replay", "--segments", "0"], "zero"),
        (&["--level", "replay", "--segments", "-1"], "invalid"),
        (&["--level", "replay", "--sample-seed", "1"], "--segments"),
    ] {
        let answer = verify(&project, arguments);
        assert_eq!(
            answer.code, 2,
            "{arguments:?}: {}{}",
            answer.out, answer.err
        );
        assert!(answer.err.contains(said), "{arguments:?}: {}", answer.err);
        assert_eq!(answer.out, "", "{arguments:?}");
    }
}

#[test]
fn a_training_with_another_trace_or_other_results_fails_where_they_differ() {
    let project = finished();
    let trace = fs::read_to_string(object(&project, TRAINING, "trace.json")).unwrap();
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut trace: Value = serde_json::from_str(&trace).unwrap();
        change(&mut trace);
        let project = finished();
        forge_everywhere(&project, "trace.json", trace.to_string().as_bytes());
        replayed(&project, &[], TRAINING)
    };
    for (at, window) in [("1", "0 to 2"), ("3", "2 to 4")] {
        let (status, said) = altered(&|trace| trace["states"][at] = "0".repeat(64).into());
        let expected =
            format!("not the same: iterations {window}: other numbers from iteration {at} on");
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(status, "failed");
    }
    let (status, said) = altered(&|trace| trace["learning_rates"][1][1] = 0.5.into());
    assert_eq!(status, "failed");
    assert!(
        said.contains("the learning rate of iteration 3 is 0.01 today and was 0.5"),
        "{said}"
    );
    let (status, said) =
        altered(&|trace| drop(trace["states"].as_object_mut().unwrap().remove("3")));
    assert_eq!(status, "undecided");
    assert!(
        said.contains("the trace has no state after iteration 3"),
        "{said}"
    );

    let other = fs::read(object(&project, OTHER, "weights.safetensors")).unwrap();
    forge_everywhere(&project, "weights.safetensors", &other);
    let (status, said) = replayed(&project, &[], TRAINING);
    assert_eq!(status, "failed", "{said}");
    assert!(
        said.contains("other bytes in weights.safetensors"),
        "{said}"
    );
    assert_eq!(replayed(&project, &[], OTHER).0, "passed");
}

#[test]
fn what_is_missing_damaged_or_of_another_training_leaves_it_undecided_and_says_what_it_is() {
    type Alteration = fn(&Project);
    let cases: [(&str, Alteration, &str); 7] = [
        (
            "a damaged trace",
            |project| flip(&object(project, TRAINING, "trace.json")),
            "its trace.json is damaged (",
        ),
        (
            "no trace",
            |project| fs::remove_file(object(project, TRAINING, "trace.json")).unwrap(),
            "its trace.json is not there; `fig6 reproduce`",
        ),
        (
            "a damaged snapshot",
            |project| flip(&snapshot(project, TRAINING).1),
            "its snapshot after iteration 2 is damaged (",
        ),
        (
            "a snapshot that was dropped",
            |project| fs::remove_file(snapshot(project, TRAINING).1).unwrap(),
            "its snapshot after iteration 2 is not there; `--rebuild train/plain8/seed0` computes the whole \
             training again; 1 of 2 windows came to the same states",
        ),
        (
            "a snapshot of another training",
            |project| {
                let (other, _) = snapshot(project, OTHER);
                reseal(project, TRAINING, |manifest| {
                    manifest.evidence.insert(checkpoint::name(2), other);
                });
            },
            "it is of another training: seed is 1 there and 0 here",
        ),
        (
            "no manifest",
            |project| fs::remove_file(object(project, TRAINING, "manifest.json")).unwrap(),
            "its manifest (",
        ),
        (
            "no images",
            |project| fs::remove_file(object(project, "preprocess", "train.bin")).unwrap(),
            "its input train.bin (",
        ),
    ];
    for (what, alter, expected) in cases {
        let project = finished();
        alter(&project);
        let (status, said) = replayed(&project, &["--segments", "2"], TRAINING);
        assert_eq!(status, "undecided", "{what}: {said}");
        assert!(said.starts_with("cannot be shown: "), "{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
        // Something is broken, or at least cannot be shown: never as good as passed.
        assert_ne!(verify(&project, &["--level", "replay"]).code, 0, "{what}");
    }
    // Nobody needs snapshots but who computes from them.
    let project = finished();
    fs::remove_file(snapshot(&project, TRAINING).1).unwrap();
    assert_eq!(verify(&project, &["--level", "evaluate"]).code, 0);
    assert_eq!(verify(&project, &["--level", "replay"]).code, 3);
}

#[test]
fn a_forged_snapshot_is_noticed_by_its_state() {
    let project = finished();
    let (_, path) = snapshot(&project, TRAINING);
    let folder = testing::folder();
    let mut forged = checkpoint::Checkpoint::read(&path).unwrap();
    forged.weights.values_mut().next().unwrap().values[0] += 1.0;
    let checkpoints = checkpoint::Checkpoints {
        folder: folder.path().to_owned(),
        every: std::time::Duration::ZERO,
        snapshots: None,
    };
    checkpoints.write(&forged).unwrap();
    let content = fs::read(folder.path().join(checkpoint::name(2))).unwrap();
    let (digest, bytes) = (Digest::of(&content), content.len() as u64);
    let hex = digest.to_string();
    let path = project.path("artifacts/objects").join(&hex[..2]);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join(&hex[2..]), content).unwrap();
    reseal(&project, TRAINING, |manifest| {
        manifest
            .evidence
            .insert(checkpoint::name(2), Output { digest, bytes });
    });
    let (status, said) = replayed(&project, &[], TRAINING);
    assert_eq!(status, "failed");
    let expected = "its snapshot after iteration 2 is another state than the trace says";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_replay_runs_although_the_lock_says_that_the_code_changed() {
    let project = finished();
    // As if the report were of other code: all keys are those of a crate that differs.
    let path = project.path("reports/tiny/provenance.json");
    let statement = fig6::report::provenance::Statement::read(path.parent().unwrap());
    let mut statement = statement.unwrap();
    let internal = &mut statement.predicate.build_definition.internal_parameters;
    let place = internal.step(TRAINING).unwrap().basis;
    let basis = std::sync::Arc::make_mut(&mut internal.bases[place]);
    basis
        .code
        .insert("nn".to_owned(), Digest::of(b"other code"));
    fs::write(&path, statement.text()).unwrap();
    let all = checks(&project, &["--level", "replay"]);
    let of = |level: &str| {
        let check = all
            .iter()
            .find(|it| it["level"] == level && it["name"] == TRAINING);
        check.unwrap()["status"].clone()
    };
    assert_eq!(
        (of("lock"), of("replay")),
        ("failed".into(), "passed".into())
    );
    assert_eq!(verify(&project, &["--level", "replay"]).code, 1);
}

#[test]
fn another_processor_or_another_backend_is_no_reason_to_fail() {
    let project = finished();
    let trace = fs::read_to_string(object(&project, TRAINING, "trace.json")).unwrap();
    let mut trace: Value = serde_json::from_str(&trace).unwrap();
    trace["states"]["1"] = "0".repeat(64).into();
    forge_everywhere(&project, "trace.json", trace.to_string().as_bytes());
    for training in [TRAINING, OTHER] {
        reseal(&project, training, |manifest| {
            manifest.run.cpu = "another".to_owned()
        });
    }
    let (status, said) = replayed(&project, &[], TRAINING);
    assert_eq!(status, "undecided", "{said}");
    assert!(
        said.contains("instead of another may round otherwise"),
        "{said}"
    );
    // Where the numbers are the same, the machine does not matter.
    assert_eq!(replayed(&project, &[], OTHER).0, "passed");

    provenance(&project, |value| {
        let definition = &mut value["predicate"]["buildDefinition"];
        let bases = definition["internalParameters"]["bases"]
            .as_array_mut()
            .unwrap();
        for basis in bases.iter_mut().filter(|basis| basis["kind"] == "train") {
            basis["numeric"]["architecture"] = "riscv64".into();
        }
    });
    let (status, said) = replayed(&project, &[], OTHER);
    assert_eq!(status, "undecided", "{said}");
    assert!(
        said.contains("here it is another computation (architecture: riscv64 → "),
        "{said}"
    );
}

#[test]
fn a_bundle_is_replayed_elsewhere_if_its_snapshots_are_in_it() {
    let project = finished();
    let artifacts = project.path("artifacts");
    let artifacts = artifacts.to_str().unwrap();
    let bundle = |arguments: &[&str]| {
        let answer = project.fig6(&[&["bundle", "--output", "tiny.tar.gz"], arguments].concat());
        let elsewhere = Project::new(CLAIMS);
        let copied = fs::copy(project.path("tiny.tar.gz"), elsewhere.path("tiny.tar.gz"));
        copied.map(|_| elsewhere).map_err(|_| answer.err)
    };
    let elsewhere = bundle(&[]).unwrap();
    let arguments = ["tiny.tar.gz", "--artifacts", artifacts];
    assert_eq!(replayed(&elsewhere, &arguments, TRAINING).0, "passed");
    // With the images, and without snapshots.
    for training in ["plain8", "resnet8"]
        .into_iter()
        .flat_map(|model| ["seed0", "seed1"].map(|seed| format!("train/{model}/{seed}")))
    {
        fs::remove_file(snapshot(&project, &training).1).unwrap();
    }
    let (status, said) = replayed(&elsewhere, &arguments, TRAINING);
    assert_eq!(status, "undecided", "{said}");
    let expected = "not there; pack them with `fig6 bundle --snapshots`";
    assert!(said.contains(expected), "{said}");
}
