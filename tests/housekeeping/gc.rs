//! `fig6 gc`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::common::Project;
use super::{Moments, NONE, TINY, finished};
use testing::{amount, start, until};

/// The names of results that gc removed or would remove, sorted.
fn removed(project: &Project, arguments: &[&str]) -> Vec<String> {
    let answer = project.fig6(&[&["gc", "--json"], arguments].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    let record: Value = serde_json::from_str(&answer.out).unwrap();
    let artifacts = record["artifacts"].as_array().unwrap().iter();
    let gone = artifacts.filter(|artifact| artifact["fate"] == "removed");
    let mut names: Vec<String> = gone
        .map(|artifact| artifact["step"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn is_in_order(project: &Project) {
    let answer = project.fig6(&["fsck"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
}

#[test]
fn of_a_store_that_has_just_been_filled_nothing_goes_and_nothing_runs_again() {
    let project = finished();
    let before = project.results();
    assert_eq!(removed(&project, &["--keep-runs", "0"]), NONE);
    let done = project.reproduce(&[]);
    assert_eq!(done.ran, NONE);
    assert_eq!(project.results(), before);
    is_in_order(&project);
}

#[test]
fn after_an_edit_exactly_the_old_results_go_and_undoing_it_makes_them_again() {
    let project = finished();
    let before = project.results();
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    let ran = project.reproduce(&[]).ran;
    let after = project.results();
    // What the last runs used is kept, so that the edit can be undone.
    assert_eq!(removed(&project, &["--dry-run"]), NONE);
    let mut expected = ran.clone();
    expected.sort();
    assert_eq!(
        removed(&project, &["--dry-run", "--keep-runs", "1"]),
        expected
    );
    let answer = project.fig6(&["gc", "--dry-run", "--keep-runs", "1"]);
    assert!(
        answer.out.contains("would remove 16 of 34 results"),
        "{}",
        answer.out
    );
    assert!(
        answer.out.contains("goes: nobody needs it"),
        "{}",
        answer.out
    );
    assert_eq!(removed(&project, &["--keep-runs", "1"]), expected);
    assert_eq!(removed(&project, &["--keep-runs", "1"]), NONE);
    is_in_order(&project);
    assert_eq!(project.reproduce(&[]).ran, NONE);
    assert_eq!(project.results(), after);
    project.edit("learning_rate: 0.05", "learning_rate: 0.1");
    assert_eq!(project.reproduce(&[]).ran, ran);
    assert_eq!(project.results(), before);
}

#[test]
fn what_led_to_a_report_stays_without_the_pipeline_that_made_it() {
    let project = finished();
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    assert_eq!(removed(&project, &["--keep-runs", "0"]), NONE);
    fs::remove_dir_all(project.path("reports")).unwrap();
    // Not only trainings: evaluations and what follows may do again if the new weights are the same.
    assert_eq!(
        removed(&project, &["--keep-runs", "0", "--dry-run"]),
        [
            "train/plain8/seed0",
            "train/plain8/seed1",
            "train/resnet8/seed0",
            "train/resnet8/seed1"
        ]
    );
}

#[test]
fn everything_that_made_room_comes_back_the_same() {
    let project = finished();
    let before = project.results();
    let answer = project.fig6(&["gc", "--max-size", "lots"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    let gone = removed(&project, &["--max-size", "1MB", "--dry-run"]);
    assert!(!gone.is_empty() && gone.len() < 18, "{gone:?}");
    assert_eq!(removed(&project, &["--max-size", "0B"]).len(), 18);
    is_in_order(&project);
    assert_eq!(project.reproduce(&[]).ran.len(), 18);
    assert_eq!(project.results(), before);
}

#[test]
fn beside_running_reproductions_nothing_fails_and_nothing_runs_twice() {
    let reference = finished().results();
    for round in 0..amount(2, 6, 60) {
        let project = Project::new(TINY);
        // Of another pipeline: nothing but the list of the run tells what it uses.
        fs::write(
            project.path("other.ron"),
            TINY.replace("rate: 0.1", "rate: 0.2")
                .replace("seed: 6", "seed: 7"),
        )
        .unwrap();
        let collect = [
            "gc",
            "--pipeline",
            "other.ron",
            "--reports",
            "none",
            "--keep-runs",
            "1",
        ];
        let mut arguments = vec!["reproduce", "--json", "--jobs", "2"];
        if round % 2 == 1 {
            assert_eq!(project.reproduce(&[]).code, 0);
            arguments.extend(["--force", "download", "--force", "evaluate/plain8/seed1"]);
        }
        let mut child = start(project.command().args(&arguments));
        let mut last = String::new();
        // While the run computes what comes after each of its steps.
        for event in BufReader::new(child.stdout.take().unwrap()).lines() {
            last = event.unwrap();
            if !last.contains("\"finished\"") {
                continue;
            }
            let answer = project.fig6(&collect);
            assert_eq!(answer.code, 0, "{}", answer.err);
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{last}{output:?}");
        let done: Value = serde_json::from_str(&last).unwrap();
        let ran = done["ran"].as_array().unwrap().len();
        assert_eq!(ran, if round % 2 == 1 { 2 } else { 18 }, "{done}");
        assert_eq!(project.results(), reference);
        assert_eq!(project.reproduce(&[]).ran, NONE);
        is_in_order(&project);
    }
}

#[test]
fn killed_at_any_moment_it_leaves_nothing_damaged() {
    let project = finished();
    project.edit("learning_rate: 0.1", "learning_rate: 0.05");
    assert_eq!(project.reproduce(&[]).code, 0);
    let after = project.results();
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        let copied = Command::new("cp")
            .arg("-a")
            .args([from, to])
            .status()
            .unwrap();
        assert!(copied.success());
    };
    let (artifacts, whole) = (project.path("artifacts"), project.path("whole"));
    copy(&artifacts, &whole);
    let collect = || start(project.command().args(["gc", "--keep-runs", "1"]));
    let started = Instant::now();
    assert!(collect().wait().unwrap().success());
    let time = started.elapsed();
    let mut moments = Moments::new(2);
    let mut halfway = 0;
    for _ in 0..amount(3, 25, 250) {
        copy(&whole, &artifacts);
        let mut child = collect();
        std::thread::sleep(moments.below(time));
        let _ = child.kill();
        child.wait().unwrap();
        is_in_order(&project);
        let left = fs::read_dir(project.path("artifacts/manifests"))
            .unwrap()
            .count();
        halfway += usize::from((14..24).contains(&left));
        assert_eq!(project.reproduce(&[]).ran, NONE);
        assert_eq!(project.results(), after);
        removed(&project, &["--keep-runs", "1"]);
        let objects = || {
            walkdir::WalkDir::new(project.path("artifacts/objects"))
                .into_iter()
                .filter(|entry| entry.as_ref().unwrap().file_type().is_file())
                .count()
        };
        let collected = objects();
        let child = collect().wait().unwrap();
        assert!(child.success());
        assert_eq!(objects(), collected);
        assert_eq!(
            fs::read_dir(project.path("artifacts/manifests"))
                .unwrap()
                .count(),
            18
        );
    }
    println!("{halfway} kills between two results, of a collection of {time:?}");
}

#[test]
fn a_checkpoint_of_an_interrupted_run_goes_only_when_that_is_asked_for() {
    let project = Project::new(&TINY.replace("iterations: 4,", "iterations: 4000,"));
    let target = [
        "reproduce",
        "train/resnet8/seed0",
        "--checkpoint-every",
        "0",
    ];
    let mut child = start(project.command().args(target));
    let iteration =
        || project.status(&["train/resnet8/seed0"])[2]["checkpoint"]["iteration"].as_u64();
    until("two iterations", || iteration() >= Some(2));
    // While it runs, nobody takes it away, whatever is asked for.
    let other = TINY.replace("rate: 0.1", "rate: 0.2");
    fs::write(project.path("other.ron"), other).unwrap();
    let collect = ["gc", "--pipeline", "other.ron", "--keep-runs", "0"];
    let answer = project.fig6(&[&collect[..], &["--interrupted"]].concat());
    assert!(answer.out.contains("1 steps under way"), "{}", answer.out);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let kept = iteration();
    assert!(kept >= Some(2));
    let answer = project.fig6(&collect);
    let said = format!("checkpoint after iteration {}", kept.unwrap());
    assert!(answer.out.contains(&said), "{}", answer.out);
    assert!(
        answer.out.contains("--interrupted removes it"),
        "{}",
        answer.out
    );
    assert_eq!(iteration(), kept);
    let answer = project.fig6(&[&collect[..], &["--interrupted", "--dry-run"]].concat());
    assert!(answer.out.contains("would go"), "{}", answer.out);
    assert_eq!(iteration(), kept);
    project.fig6(&[&collect[..], &["--interrupted"]].concat());
    assert_eq!(iteration(), None);
}
