//! Trainings that only other code has computed are carried over by a replay; whatever is wrong with
//! what they have left, nothing is carried over, and they are trained again to the same bytes.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::Project;
use serde_json::Value;
use store::key::Digest;
use store::{Manifest, Store};
use testing::amount;

const PIPELINE: &str = include_str!("../pipelines/tiny.ron");
const TRAINING: &str = "train/plain8/seed0";

/// A finished project.
fn finished() -> Project {
    let project = Project::new(PIPELINE);
    assert_eq!(project.reproduce(&[]).code, 0);
    project
}

fn store(project: &Project) -> Store {
    Store::at(&project.path("artifacts"), true)
}

fn newest(project: &Project) -> Manifest {
    store(project).newest(TRAINING).unwrap().unwrap()
}

fn as_of_other_code(project: &Project, edit: impl FnOnce(&mut Manifest)) -> Digest {
    common::as_of_other_code(project, TRAINING, edit)
}

/// Where a content lies.
fn object(project: &Project, digest: &Digest) -> PathBuf {
    let store = store(project);
    store.object(digest).unwrap().expect("the content is there")
}

/// Puts other bytes in the place of a content.
fn replace(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The training's snapshots as they lie in the store, the first one first.
fn snapshots(project: &Project) -> Vec<PathBuf> {
    let evidence = newest(project).evidence;
    let files = evidence.values();
    files.map(|file| object(project, &file.digest)).collect()
}

/// All outputs of steps, and none of the reports, which say what was carried over.
fn outputs(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let mut outputs = project.results();
    outputs.retain(|(path, _)| path.starts_with("artifacts"));
    outputs
}

/// Asks for a replay, and says what was said about the training.
fn replayed(project: &Project) -> (common::Done, String) {
    let mut command = project.command();
    let output = command.args(["reproduce", "--json", "--replay"]).output();
    let output = output.unwrap();
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let notes = lines.lines().filter_map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        Some(event["progress"]["note"].as_str()?.to_owned())
    });
    let notes: Vec<String> = notes.collect();
    (common::done(&output), notes.join("\n"))
}

/// Asks for a replay that carries nothing over and trains again to the same bytes; says why.
fn refused(project: &Project, results: &[(PathBuf, Vec<u8>)]) -> String {
    let (done, notes) = replayed(project);
    assert_eq!((done.code, &*done.carried_over), (0, &[][..]), "{notes}");
    assert!(done.ran.contains(&TRAINING.to_owned()), "{done:?}");
    assert!(newest(project).carried_over.is_none());
    assert!(project.results() == *results, "other results");
    let said = "not carried over, so it is trained again: ";
    assert!(notes.contains(said), "{notes}");
    notes
}

#[test]
fn a_training_of_other_code_is_carried_over_only_if_that_is_asked_for() {
    let project = finished();
    let (results, trained) = (outputs(&project), newest(&project));
    let made = project.read("reports/tiny/results.md");
    let other = as_of_other_code(&project, |_| {});

    let status = project.status(&[TRAINING]);
    let offer = &status.last().unwrap()["replay"];
    assert_eq!(offer["of"], other.to_string());
    // Two windows of two iterations of the four; the end of the first is the begin of the other.
    assert_eq!(offer["iterations"], 4);
    let explained = project.fig6(&["explain", TRAINING]).out;
    assert!(explained.contains("only code differs: "), "{explained}");
    let dry = project.fig6(&["reproduce", "--dry-run"]).out;
    assert!(dry.contains("or a replay of 4 iterations"), "{dry}");

    let (done, _) = replayed(&project);
    assert_eq!(
        (done.code, &*done.carried_over),
        (0, &[TRAINING.to_owned()][..])
    );
    assert_eq!(done.ran, [""; 0]);
    let carried = newest(&project);
    assert_eq!(
        (carried.key, &carried.outputs),
        (trained.key, &trained.outputs)
    );
    assert_eq!(
        (&carried.evidence, &carried.run),
        (&trained.evidence, &trained.run)
    );
    let shown = carried.carried_over.unwrap();
    assert_eq!(shown.original, other);
    let stretches: Vec<(u64, u64)> = shown.stretches.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(stretches, [(0, 2), (2, 4)]);
    assert!(outputs(&project) == results);
    let page = project.read("reports/tiny/carried-over.md");
    assert!(page.contains(TRAINING), "{page}");
    let table = project.read("reports/tiny/results.md");
    let named = format!("\n**Carried over from earlier code: {TRAINING}.** ");
    assert!(table.contains(&named), "{table}");
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
    assert_eq!(project.read("reports/tiny/results.md"), table);

    as_of_other_code(&project, |_| {});
    let done = project.reproduce(&[]);
    assert_eq!(
        (&*done.carried_over, &*done.ran),
        (&[][..], &[TRAINING.to_owned()][..])
    );
    assert_eq!(project.read("reports/tiny/results.md"), made);
}

#[test]
fn the_pipeline_file_and_the_environment_ask_for_replays_as_well() {
    let project = finished();
    as_of_other_code(&project, |_| {});
    let mut command = project.command();
    command
        .args(["reproduce", "--json"])
        .env("FIG6_REPLAY", "1");
    assert_eq!(
        common::done(&command.output().unwrap()).carried_over,
        [TRAINING]
    );
    as_of_other_code(&project, |_| {});
    project.edit("default_profile:", "replay: true, default_profile:");
    assert_eq!(project.reproduce(&[]).carried_over, [TRAINING]);
}

#[test]
fn what_was_carried_over_before_is_carried_over_from_its_original_run() {
    let project = finished();
    let original = as_of_other_code(&project, |_| {});
    assert_eq!(replayed(&project).0.carried_over, [TRAINING]);
    let before = newest(&project).carried_over;
    as_of_other_code(&project, |manifest| {
        manifest.carried_over = before;
        let mut basis = (*manifest.key_inputs.basis).clone();
        basis
            .code
            .insert("nn".to_owned(), Digest::of(b"yet other code"));
        manifest.key_inputs.basis = basis.into();
    });
    assert_eq!(replayed(&project).0.carried_over, [TRAINING]);
    assert_eq!(newest(&project).carried_over.unwrap().original, original);
}

#[test]
fn a_damaged_or_missing_snapshot_shows_nothing() {
    for damage in [
        "flipped",
        "cut",
        "missing",
        "another training's",
        "another iteration's",
    ] {
        let project = finished();
        let results = project.results();
        let other = store(&project)
            .newest("train/plain8/seed1")
            .unwrap()
            .unwrap();
        let other = other.evidence.values().next().unwrap().digest;
        as_of_other_code(&project, |_| {});
        let all = snapshots(&project);
        let bytes = fs::read(&all[0]).unwrap();
        match damage {
            "missing" => fs::remove_file(&all[0]).unwrap(),
            "cut" => replace(&all[0], &bytes[..bytes.len() - 1]),
            "another training's" => {
                let bytes = fs::read(object(&project, &other)).unwrap();
                replace(&all[0], &bytes);
            }
            _ => {
                let mut bytes = bytes;
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                replace(&all[0], &bytes);
            }
        }
        refused(&project, &results);
    }
}

#[test]
fn an_altered_trace_and_a_missing_one_show_nothing() {
    let project = finished();
    let results = project.results();
    // A trace and a manifest that fit each other, as who edits them all would leave them.
    as_of_other_code(&project, |manifest| {
        let trace = manifest.outputs.get_mut("trace.json").unwrap();
        let text = fs::read_to_string(object(&project, &trace.digest)).unwrap();
        let mut parsed: Value = serde_json::from_str(&text).unwrap();
        let state = parsed["states"]["3"].as_str().unwrap().to_owned();
        parsed["states"]["3"] = Value::String(state.replacen(&state[..1], "x", 1));
        let text = parsed.to_string();
        let digest = Digest::of(text.as_bytes());
        let path = project.path(&format!(
            "artifacts/objects/{}/{}",
            &digest.to_string()[..2],
            &digest.to_string()[2..]
        ));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
        (trace.digest, trace.bytes) = (digest, text.len() as u64);
    });
    let said = refused(&project, &results);
    assert!(
        said.contains("iterations 2 to 4: other numbers from iteration 3 on"),
        "{said}"
    );

    let project = finished();
    as_of_other_code(&project, |manifest| {
        manifest.outputs.remove("trace.json");
    });
    refused(&project, &results);
    let project = finished();
    as_of_other_code(&project, |_| {});
    fs::remove_file(object(
        &project,
        &newest(&project).outputs["trace.json"].digest,
    ))
    .unwrap();
    refused(&project, &results);
}

#[test]
fn a_replay_that_was_killed_goes_on_to_the_same_evidence() {
    let whole = finished();
    as_of_other_code(&whole, |_| {});
    assert_eq!(replayed(&whole).0.carried_over, [TRAINING]);
    let expected = newest(&whole).carried_over.unwrap();
    let mut seen = 0;
    // How far it is when it is killed is left to chance.
    for _ in 0..amount(2, 6, 20) {
        let project = finished();
        as_of_other_code(&project, |_| {});
        let mut command = project.command();
        let mut run = testing::start(command.args(["reproduce", "--replay", "--quiet"]));
        let work = project.path("artifacts/work");
        let begun = || {
            let mut files = walkdir::WalkDir::new(&work).into_iter().flatten();
            files.any(|file| file.file_name() == "process-0")
        };
        let mut ended = false;
        testing::until("the replay begins or the run ends", || {
            ended = run.try_wait().unwrap().is_some();
            ended || begun()
        });
        seen += usize::from(!ended);
        run.kill().unwrap();
        run.wait().unwrap();
        let (done, notes) = replayed(&project);
        assert_eq!(done.code, 0, "{notes}");
        assert!(!done.ran.contains(&TRAINING.to_owned()), "{notes}");
        let shown = newest(&project).carried_over.unwrap();
        assert_eq!(shown.stretches, expected.stretches);
        assert!(outputs(&project) == outputs(&whole));
    }
    assert!(seen > 0, "no run was killed in its replay");
}

#[test]
fn a_replay_where_there_is_no_training_is_a_wrong_use() {
    let project = Project::new(PIPELINE);
    let answer = project.fig6(&["reproduce", "--replay", "preprocess"]);
    assert_eq!(answer.code, 2);
    assert!(
        answer.err.contains("--replay is for trainings"),
        "{}",
        answer.err
    );
    let mut command = project.command();
    let output = command.arg("reproduce").env("FIG6_REPLAY", "yes").output();
    let answer = common::answer(output.unwrap());
    assert_eq!(answer.code, 2);
    assert!(
        answer
            .err
            .contains("FIG6_REPLAY is \"yes\": expected 0 or 1"),
        "{}",
        answer.err
    );
}

#[test]
fn numbers_of_snapshots_that_do_not_fit_are_refused_by_their_place() {
    for (recipe, said) in [
        ("window: 1,", "expected from 2 to the 4 iterations"),
        ("window: 5,", "expected from 2 to the 4 iterations"),
        ("snapshots: 0,", "expected at least 1"),
        ("snapshots: 4,", "expected below the 4 iterations"),
    ] {
        let project = Project::new(PIPELINE);
        project.edit("pad: 4,", &format!("pad: 4, {recipe}"));
        let answer = project.fig6(&["status"]);
        assert_eq!(answer.code, 2, "{recipe}");
        assert!(answer.err.contains(said), "{recipe} {}", answer.err);
    }
    let project = Project::new(PIPELINE);
    project.edit("pad: 4,", "pad: 4, snapshots: 3, window: 2,");
    assert_eq!(project.reproduce(&["train/plain8/seed0"]).code, 0);
    assert_eq!(newest(&project).evidence.len(), 3);
}
