//! A remote that is a folder: what is done with results, whatever the remote is.

use std::fs;
use std::path::Path;

use serde_json::Value;
use store::key::Digest;
use store::{Claimed, Manifest, Store};

use super::common::{Project, done, run_as_nobody};
use super::{NONE, STEPS, TINY, copy, count, finished, is_whole, own, said};

/// A folder to which everything was pushed.
fn filled() -> tempfile::TempDir {
    let folder = testing::folder();
    let remote = folder.path().to_str().unwrap();
    let pushed = said(&finished(), &["push", "--remote", remote]);
    assert_eq!(
        (&pushed["results"], count(&pushed["skipped"])),
        (&STEPS.into(), 0)
    );
    folder
}

/// The key of a step's result.
fn key_of(step: &str) -> Digest {
    let status = finished().status(&[]);
    let step = status.iter().find(|found| found["step"] == step).unwrap();
    step["key"].as_str().unwrap().parse().unwrap()
}

fn reproduce(project: &Project, remote: &Path) -> (super::common::Done, Value, String) {
    let mut command = project.command();
    command
        .args(["reproduce", "--json", "--remote"])
        .arg(remote);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    (done(&output), last, text)
}

#[test]
fn what_one_machine_pushes_another_one_pulls_and_nothing_runs_there() {
    let remote = filled();
    let url = remote.path().to_str().unwrap();
    let again = said(&finished(), &["push", "--remote", url]);
    assert_eq!(
        (&again["results"], &again["already"]),
        (&0.into(), &STEPS.into())
    );
    let project = Project::new(TINY);
    let pulled = said(&project, &["pull", "--remote", url]);
    assert_eq!(
        (count(&pulled["fetched"]), count(&pulled["absent"])),
        (STEPS, 0)
    );
    is_whole(&project);
    let answer = project.fig6(&["verify", "--level", "evaluate"]);
    assert!(
        answer.out.contains("integrity") && answer.code != 1,
        "{}",
        answer.out
    );
    assert!(project.fig6(&["log", "train/resnet8/seed0"]).code == 0);
    // Now it asks nobody.
    let pulled = said(&project, &["pull", "--remote", "/nowhere/at/all"]);
    assert_eq!(
        (count(&pulled["fetched"]), &pulled["here"]),
        (0, &STEPS.into())
    );
    // As an environment variable, and in words.
    let second = Project::new(TINY);
    let mut command = second.command();
    command
        .args(["pull", "train/resnet8"])
        .env("FIG6_REMOTE", url);
    let output = super::common::answer(command.output().unwrap());
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(
        output.out.contains("fetched 4 results from"),
        "{}",
        output.out
    );
}

#[test]
fn a_report_is_verified_with_what_it_rests_on_also_by_replays() {
    let remote = testing::folder();
    let url = remote.path().to_str().unwrap();
    said(
        &finished(),
        &["push", "--report", "--snapshots", "--remote", url],
    );
    let project = Project::new(TINY);
    copy(&finished().path("reports"), &project.path("reports"));
    let answer = project.fig6(&["verify", "--level", "integrity"]);
    assert_eq!(answer.code, 3, "{}", answer.out);
    said(&project, &["pull", "--report", "--remote", url]);
    let answer = project.fig6(&["verify", "--level", "integrity"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    let replay = ["verify", "--level", "replay", "--json"];
    let undecided = project.fig6(&replay);
    let pulled = said(
        &project,
        &["pull", "--report", "--snapshots", "--remote", url],
    );
    assert_eq!(count(&pulled["fetched"]), 4, "{pulled}");
    let decided = project.fig6(&replay);
    let passed = |text: &str| text.matches("\"level\":\"replay\"").count();
    assert!(passed(&undecided.out) > 0, "{}", undecided.out);
    assert_ne!(undecided.out, decided.out);
    assert!(!decided.out.contains("cannot be shown"), "{}", decided.out);
    // A report of which something is missing there is not said to be whole.
    let manifest = remote
        .path()
        .join(format!("manifests/{}.json", key_of("aggregate")));
    fs::remove_file(manifest).unwrap();
    let other = Project::new(TINY);
    copy(&finished().path("reports"), &other.path("reports"));
    let answer = other.fig6(&["pull", "--report", "--remote", url]);
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .out
            .contains("without a result, here and there: aggregate"),
        "{}",
        answer.out
    );
}

#[test]
fn what_a_remote_lacks_is_computed_and_what_follows_is_fetched_while_it_runs() {
    let remote = filled();
    let step = "train/resnet8/seed1";
    let manifest = remote
        .path()
        .join(format!("manifests/{}.json", key_of(step)));
    fs::remove_file(&manifest).unwrap();
    let project = Project::new(TINY);
    let dry = project.fig6(&[
        "reproduce",
        "--dry-run",
        "--remote",
        remote.path().to_str().unwrap(),
    ]);
    assert!(dry.code == 0 && dry.out.contains("download"), "{}", dry.out);
    let (done, last, text) = reproduce(&project, remote.path());
    assert_eq!((done.code, done.ran), (0, vec![step.to_owned()]), "{text}");
    assert!(
        count(&last["fetched"]) < STEPS - 1 && text.contains("its result is in"),
        "{text}"
    );
    is_whole(&project);
    // What runs in any case is not fetched.
    let forced = Project::new(TINY);
    let mut command = forced.command();
    command
        .args(["reproduce", "--json", "--force", "preprocess", "--remote"])
        .arg(remote.path());
    assert!(
        super::common::done(&command.output().unwrap())
            .ran
            .contains(&"preprocess".to_owned())
    );
}

#[test]
fn what_is_wrong_in_a_remote_is_said_and_computed_here_and_a_push_can_mend_it() {
    let remote = filled();
    let store = Store::at(&finished().path("artifacts"), false);
    let manifest = store
        .expect_manifest(&key_of("evaluate/plain8/seed0"))
        .unwrap();
    let digest = manifest.outputs.values().next().unwrap().digest.to_string();
    let object = remote
        .path()
        .join("objects")
        .join(&digest[..2])
        .join(&digest[2..]);
    let mut content = fs::read(&object).unwrap();
    content[0] ^= 1;
    fs::remove_file(&object).unwrap();
    fs::write(&object, content).unwrap();
    let project = Project::new(TINY);
    let answer = project.fig6(&["pull", "--remote", remote.path().to_str().unwrap()]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(
        answer
            .out
            .contains("has other bytes there than its digest says"),
        "{}",
        answer.out
    );
    let (done, _, text) = reproduce(&project, remote.path());
    assert_eq!(done.ran, ["evaluate/plain8/seed0"], "{text}");
    is_whole(&project);
    said(
        &project,
        &[
            "push",
            "--again",
            "--remote",
            remote.path().to_str().unwrap(),
        ],
    );
    let third = Project::new(TINY);
    assert_eq!(
        count(
            &said(
                &third,
                &["pull", "--remote", remote.path().to_str().unwrap()]
            )["fetched"]
        ),
        STEPS
    );
}

#[test]
fn a_false_result_in_a_remote_is_found_by_running_its_step_again() {
    let remote = filled();
    let step = "evaluate/resnet8/seed0";
    let key = key_of(step);
    let real = Store::at(&finished().path("artifacts"), false)
        .expect_manifest(&key)
        .unwrap();
    // Whoever can write there can do this.
    fs::remove_file(remote.path().join(format!("manifests/{key}.json"))).unwrap();
    let forger = Store::at(remote.path(), false);
    forger.prepare().unwrap();
    let Claimed::Ours(claim) = forger.claim(&key).unwrap() else {
        panic!("it is computed");
    };
    forger.begin(&claim, step).unwrap();
    for name in real.outputs.keys() {
        let file = format!("artifacts/by-step/{step}/{name}");
        let mut text = finished().read(&file);
        if name == "evaluation.json" {
            let mut value: Value = serde_json::from_str(&text).unwrap();
            value["test_error"] = 12.5.into();
            text = serde_json::to_string_pretty(&value).unwrap();
        }
        fs::write(claim.output().join(name), text).unwrap();
    }
    let names: Vec<&str> = real.outputs.keys().map(String::as_str).collect();
    let forged = Manifest {
        outputs: claim.collect(&names).unwrap(),
        evidence: Default::default(),
        ..real
    };
    forger.commit(&claim, &forged).unwrap();
    let project = Project::new(TINY);
    said(
        &project,
        &["pull", step, "--remote", remote.path().to_str().unwrap()],
    );
    let done = project.reproduce(&[]);
    assert!(
        done.code == 0 && done.up_to_date.contains(&step.to_owned()),
        "{done:?}"
    );
    let answer = project.fig6(&["verify", "--level", "execute", "--rebuild", step]);
    assert_eq!(answer.code, 1, "{}{}", answer.out, answer.err);
    assert!(answer.out.contains(step), "{}", answer.out);
}

#[test]
fn results_that_nobody_needs_go_from_a_remote_and_others_stay() {
    let remote = filled();
    let url = remote.path().to_str().unwrap();
    let files = || walkdir::WalkDir::new(remote.path()).into_iter().count();
    let before = files();
    let project = own();
    let gone = said(&project, &["gc", "--remote", url, "--older-than", "0"]);
    assert_eq!(
        (count(&gone["removed"]), &gone["files"]),
        (0, &0.into()),
        "{gone}"
    );
    // Another pipeline can use the images, but the report needs all.
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    let gone = said(&project, &["gc", "--remote", url, "--older-than", "0"]);
    assert_eq!(count(&gone["removed"]), 0);
    fs::remove_dir_all(project.path("reports")).unwrap();
    let gone = said(&project, &["gc", "--remote", url]);
    assert_eq!(count(&gone["removed"]), 0, "all are young");
    let would = said(
        &project,
        &["gc", "--remote", url, "--older-than", "0", "--dry-run"],
    );
    assert_eq!(files(), before);
    let gone = said(&project, &["gc", "--remote", url, "--older-than", "0"]);
    assert_eq!(
        (&gone["removed"], &gone["kept"]),
        (&would["removed"], &2.into())
    );
    assert!(files() < before);
    let pushed = said(&finished(), &["push", "--remote", url]);
    assert_eq!(
        (&pushed["results"], &pushed["already"]),
        (&(STEPS - 2).into(), &2.into())
    );
    let other = Project::new(TINY);
    said(&other, &["pull", "--remote", url]);
    is_whole(&other);
    let answer = project.fig6(&["gc", "--older-than", "3"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
}

#[test]
fn a_wrong_address_is_one_clear_error() {
    let project = Project::new(TINY);
    for (remote, said) in [
        ("ftp://host/geheim", "is not known"),
        ("https://user:geheim@host/a", "holds no user, no key"),
        ("s3://bucket/a?token=geheim", "holds no user, no key"),
        ("", "has no address"),
    ] {
        for command in ["pull", "push", "reproduce"] {
            let answer = project.fig6(&[command, "--remote", remote]);
            assert_eq!(answer.code, 2, "{}", answer.err);
            assert!(
                answer.err.contains(said) && !answer.err.contains("geheim"),
                "{}",
                answer.err
            );
            assert_eq!(answer.err.lines().count(), 1);
        }
    }
    let answer = project.fig6(&["pull"]);
    assert!(
        answer.code == 2 && answer.err.contains("--remote or FIG6_REMOTE"),
        "{}",
        answer.err
    );
    let answer = project.fig6(&["pull", "--remote", "/no/such/place"]);
    assert!(
        answer.code == 1 && answer.err.contains("there is no such folder"),
        "{}",
        answer.err
    );
    let answer = project.fig6(&["push", "--remote", "/tmp"]);
    assert!(
        answer.code == 2 && answer.err.contains("no result to push"),
        "{}",
        answer.err
    );
    if cfg!(not(feature = "remote")) {
        let answer = project.fig6(&["pull", "--remote", "s3://bucket/a"]);
        assert_eq!(answer.code, 1);
        assert!(
            answer.err.contains("built without the feature `remote`"),
            "{}",
            answer.err
        );
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_one_clear_error() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let project = nobody.project(TINY);
    let done = project.reproduce(&["download"]);
    assert_eq!(done.ran, ["download"]);
    let remote = testing::folder();
    fs::set_permissions(
        remote.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o555),
    )
    .unwrap();
    let answer = project.fig6(&["push", "--remote", remote.path().to_str().unwrap()]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("it may not be written to"),
        "{}",
        answer.err
    );
    assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
    assert_eq!(project.reproduce(&["download"]).ran, NONE);
}
