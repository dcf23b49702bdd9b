//! Trainings that are computed again in part: what passes, what is noticed, what cannot be shown.

use std::path::PathBuf;

use super::mutants::{forge, object, provenance, reseal, step};
use super::*;
use nn::checkpoint;
use store::key::Digest;
use store::{CarriedOver, Manifest, Output, ShownStretch};

const TRAINING: &str = "train/plain8/seed0";
const OTHER: &str = "train/plain8/seed1";
const THIRD: &str = "train/resnet8/seed0";
const FOURTH: &str = "train/resnet8/seed1";

/// How the replay of a training ended, and what is said about it.
fn of(checks: &[Value], training: &str) -> (String, String) {
    let mut of = checks.iter().filter(|check| check["level"] == "replay");
    let check = of.find(|check| check["name"] == training).unwrap();
    let text = |field: &str| check[field].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

fn replayed(project: &Project, arguments: &[&str], training: &str) -> (String, String) {
    let all = checks(project, &[&["--level", "replay"], arguments].concat());
    of(&all, training)
}

#[track_caller]
fn expect_undecided(checks: &[Value], training: &str, expected: &str) {
    let (status, said) = of(checks, training);
    assert_eq!(status, "undecided", "{training}: {said}");
    assert!(said.starts_with("cannot be shown: "), "{training}: {said}");
    assert!(said.contains(expected), "{training}: {said}");
}

/// The content behind the training's only snapshot, which is after two of four iterations.
fn snapshot(project: &Project, training: &str) -> (Output, PathBuf) {
    let mut found = None;
    reseal(project, training, |manifest| {
        found = manifest.evidence.get(&checkpoint::snapshot(2)).cloned();
    });
    let found: Output = found.unwrap();
    let hex = found.digest.to_string();
    let objects = project.path("artifacts/objects");
    let path = objects.join(&hex[..2]).join(&hex[2..]);
    (found, path)
}

/// Says in provenance and manifest that this is the training's output.
fn forge_everywhere(project: &Project, training: &str, output: &str, content: &[u8]) {
    forge(project, training, output, content);
    let (digest, bytes) = (Digest::of(content).to_string(), content.len());
    provenance(project, |value| {
        let record = serde_json::json!({ "bytes": bytes, "blake3": digest });
        step(value, training)["outputs"][output] = record;
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

    let (_, said) = replayed(
        &project,
        &["--segments", "1", "--sample-seed", "5"],
        TRAINING,
    );
    assert!(
        said.contains("and 1 of 2 stretches between snapshots (iterations "),
        "{said}"
    );
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
    let alter = |training: &str, change: &dyn Fn(&mut Value)| {
        let trace = fs::read(object(&project, training, "trace.json")).unwrap();
        let mut trace: Value = serde_json::from_slice(&trace).unwrap();
        change(&mut trace);
        forge_everywhere(
            &project,
            training,
            "trace.json",
            trace.to_string().as_bytes(),
        );
    };
    let no_digest = || Value::from("0".repeat(64));
    alter(TRAINING, &|trace| trace["states"]["1"] = no_digest());
    alter(OTHER, &|trace| trace["states"]["3"] = no_digest());
    alter(THIRD, &|trace| trace["learning_rates"][1][1] = 0.5.into());
    let weights = fs::read(object(&project, TRAINING, "weights.safetensors")).unwrap();
    forge_everywhere(&project, FOURTH, "weights.safetensors", &weights);
    let all = checks(&project, &["--level", "replay"]);
    for (training, expected) in [
        (
            TRAINING,
            "iterations 0 to 2: other numbers from iteration 1 on",
        ),
        (
            OTHER,
            "iterations 2 to 4: other numbers from iteration 3 on",
        ),
        (
            THIRD,
            "the learning rate of iteration 3 is 0.01 today and was 0.5",
        ),
        (
            FOURTH,
            "iterations 2 to 4: the same numbers, but other bytes in weights.safetensors",
        ),
    ] {
        let (status, said) = of(&all, training);
        assert_eq!(status, "failed", "{training}: {said}");
        assert!(
            said.starts_with(&format!("not the same: {expected}")),
            "{said}"
        );
    }
}

#[test]
fn what_is_missing_damaged_or_of_another_training_leaves_it_undecided_and_says_what_it_is() {
    let project = finished();
    flip(&object(&project, TRAINING, "trace.json"));
    fs::remove_file(object(&project, OTHER, "trace.json")).unwrap();
    flip(&snapshot(&project, THIRD).1);
    fs::remove_file(snapshot(&project, FOURTH).1).unwrap();
    let all = checks(&project, &["--level", "replay", "--segments", "2"]);
    for (training, expected) in [
        (TRAINING, "its trace.json is damaged ("),
        (OTHER, "its trace.json is not there; `fig6 reproduce`"),
        (THIRD, "its snapshot after iteration 2 is damaged ("),
        (
            FOURTH,
            "its snapshot after iteration 2 is not there; `--rebuild train/resnet8/seed1` computes the whole \
             training again; 1 of 2 windows came to the same states",
        ),
    ] {
        expect_undecided(&all, training, expected);
    }

    let project = finished();
    let (other, _) = snapshot(&project, OTHER);
    reseal(&project, TRAINING, |manifest| {
        manifest.evidence.insert(checkpoint::snapshot(2), other);
    });
    reseal(&project, OTHER, |manifest| manifest.evidence.clear());
    fs::remove_file(object(&project, THIRD, "manifest.json")).unwrap();
    let trace = fs::read_to_string(object(&project, FOURTH, "trace.json")).unwrap();
    let shorter = trace.replacen("\"3\":", "\"5\":", 1);
    forge_everywhere(&project, FOURTH, "trace.json", shorter.as_bytes());
    let all = checks(&project, &["--level", "replay"]);
    for (training, expected) in [
        (
            TRAINING,
            "it is of another training: seed is 1 there and 0 here",
        ),
        (OTHER, "its snapshot after iteration 2 is not in its record"),
        (THIRD, "which names its snapshots, is missing or damaged"),
        (FOURTH, "the trace has no state after iteration 3"),
    ] {
        expect_undecided(&all, training, expected);
    }
}

#[test]
fn without_snapshots_or_images_only_a_replay_is_undecided() {
    let project = finished();
    fs::remove_file(snapshot(&project, TRAINING).1).unwrap();
    assert_eq!(verify(&project, &["--level", "evaluate"]).code, 0);
    assert_eq!(verify(&project, &["--level", "replay"]).code, 3);
    fs::remove_file(object(&project, "preprocess", "train.bin")).unwrap();
    let all = checks(&project, &["--level", "replay"]);
    expect_undecided(&all, OTHER, "its input train.bin (");
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
        snapshots: Some(folder.path().to_owned()),
    };
    checkpoints.keep(&forged).unwrap();
    let content = fs::read(folder.path().join(checkpoint::snapshot(2))).unwrap();
    let (digest, bytes) = (Digest::of(&content), content.len() as u64);
    let hex = digest.to_string();
    let path = project.path("artifacts/objects").join(&hex[..2]);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join(&hex[2..]), content).unwrap();
    reseal(&project, TRAINING, |manifest| {
        manifest
            .evidence
            .insert(checkpoint::snapshot(2), Output { digest, bytes });
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
    forge_everywhere(
        &project,
        TRAINING,
        "trace.json",
        trace.to_string().as_bytes(),
    );
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
        (answer.code == 0).then(|| {
            let elsewhere = Project::new(CLAIMS);
            fs::copy(project.path("tiny.tar.gz"), elsewhere.path("tiny.tar.gz")).unwrap();
            elsewhere
        })
    };
    let elsewhere = bundle(&[]).unwrap();
    let with_snapshots = bundle(&["--snapshots"]);
    let arguments = ["tiny.tar.gz", "--artifacts", artifacts];
    assert_eq!(replayed(&elsewhere, &arguments, TRAINING).0, "passed");
    // With the images, and without snapshots.
    for training in [TRAINING, OTHER, THIRD, FOURTH] {
        fs::remove_file(snapshot(&project, training).1).unwrap();
    }
    let (status, said) = replayed(&elsewhere, &arguments, TRAINING);
    assert_eq!(status, "undecided", "{said}");
    let expected = "not there; pack them with `fig6 bundle --snapshots`";
    assert!(said.contains(expected), "{said}");
    let Some(elsewhere) = with_snapshots else {
        println!("skipped: no bundle with snapshots");
        return;
    };
    let (status, said) = replayed(&elsewhere, &arguments, TRAINING);
    assert_eq!(status, "passed", "{said}");
}

#[test]
fn a_training_that_was_carried_over_is_verified_at_every_level_and_in_a_bundle() {
    let project = finished();
    let carried_over = |manifest: &mut Manifest| {
        let mut original_inputs = manifest.key_inputs.clone();
        let basis = std::sync::Arc::make_mut(&mut original_inputs.basis);
        basis.code.insert("nn".to_owned(), Digest::of(b"earlier"));
        manifest.carried_over = Some(CarriedOver {
            original: original_inputs.key(),
            original_inputs,
            shown: "2026-07-07T07:07:07.000Z".to_owned(),
            seconds: 1.0,
            host: "there".to_owned(),
            cpu: "another".to_owned(),
            stretches: vec![ShownStretch {
                from: 0,
                to: 2,
                state: "ab".to_owned(),
            }],
        });
    };
    reseal(&project, TRAINING, carried_over);
    let answer = verify(&project, &["--level", "integrity"]);
    assert_eq!(answer.code, 1, "{}", answer.out);
    let hidden = "what it was carried over from is not the one of the provenance";
    assert!(answer.out.contains(hidden), "{}", answer.out);
    let done = project.reproduce(&[]);
    assert_eq!((done.code, done.ran.len()), (0, 0), "{done:?}");
    assert!(
        project
            .read("reports/tiny/carried-over.md")
            .contains(TRAINING)
    );
    for level in ["integrity", "replay"] {
        let answer = verify(&project, &["--level", level]);
        assert_eq!(answer.code, 0, "{level}: {}{}", answer.out, answer.err);
    }
    let answer = project.fig6(&["bundle", "--output", "tiny.tar.gz"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let answer = verify(&project, &["tiny.tar.gz"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    // A document may quote the table; the footer below it is held against the artifacts as well.
    let mark = "<!-- fig6: table tiny: model -->\n<!-- /fig6 -->\n";
    fs::write(project.path("README.md"), mark).unwrap();
    let answer = verify(&project, &["--docs", "README.md", "--write"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let table = project.path("reports/tiny/results.md");
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text.replace("Carried over", "Computed")).unwrap();
    let answer = verify(&project, &["--level", "integrity", "--docs", "README.md"]);
    assert_eq!(answer.code, 1, "{}", answer.out);
    for said in [
        "is not what the artifacts give",
        "results.md is not what provenance.json records",
    ] {
        assert!(answer.out.contains(said), "{said}: {}", answer.out);
    }
}
