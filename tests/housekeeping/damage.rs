//! `fig6 fsck`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::common::{Project, answer};
use super::{NONE, TINY, finished};
use testing::{start, until};

/// Paths that fsck calls damaged, and the steps that it names.
fn damaged(project: &Project, arguments: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let answer = project.fig6(&[&["fsck", "--json"], arguments].concat());
    let record: Value =
        serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}", answer.err));
    let (mut paths, mut steps) = (Vec::new(), Vec::new());
    for finding in record["findings"].as_array().unwrap() {
        if finding["harm"] == "damage" {
            paths.push(finding["path"].as_str().unwrap().to_owned());
            let names = finding["steps"].as_array().unwrap().iter();
            steps.extend(names.map(|step| step.as_str().unwrap().to_owned()));
        }
    }
    (answer.code, paths, steps)
}

/// A file below `artifacts/`, as fsck names it, for one that a link leads to.
fn behind(project: &Project, link: &str) -> String {
    let artifacts = fs::canonicalize(project.path("artifacts")).unwrap();
    let file = fs::canonicalize(project.path("artifacts/by-step").join(link)).unwrap();
    file.strip_prefix(artifacts)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// Ways to damage a file.
const WAYS: [&str; 6] = ["cut", "emptied", "flipped", "deleted", "folder", "swapped"];

fn damage(path: &Path, other: &Path, way: &str) {
    let mut bytes = fs::read(path).unwrap();
    let swapped = fs::read(other).unwrap();
    let middle = bytes.len() / 2;
    fs::remove_file(path).unwrap();
    match way {
        "cut" => fs::write(path, &bytes[..middle]).unwrap(),
        "emptied" => fs::write(path, b"").unwrap(),
        "flipped" => {
            bytes[middle] ^= 2;
            fs::write(path, bytes).unwrap();
        }
        "deleted" => {}
        "folder" => fs::create_dir(path).unwrap(),
        "swapped" => fs::write(path, swapped).unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn each_kind_of_damage_is_named_set_aside_and_made_good_by_the_next_run() {
    let project = finished();
    let before = project.results();
    let clean = damaged(&project, &[]);
    assert_eq!(clean.0, 0, "{clean:?}");
    for (output, step) in [
        (
            "train/plain8/seed1/weights.safetensors",
            "train/plain8/seed1",
        ),
        (
            "evaluate/resnet8/seed0/manifest.json",
            "evaluate/resnet8/seed0",
        ),
        ("preprocess/statistics.json", "preprocess"),
    ] {
        for way in WAYS {
            let file = behind(&project, output);
            let other = if output.ends_with("manifest.json") {
                "table/manifest.json"
            } else {
                "table/results.md"
            };
            let other = project.path("artifacts").join(behind(&project, other));
            damage(&project.path("artifacts").join(&file), &other, way);
            let what = format!("{way} {output}");
            let (code, dry, _) = damaged(&project, &["--dry-run"]);
            assert_eq!(code, 1, "{what}");
            let (code, paths, steps) = damaged(&project, &[]);
            assert_eq!(code, 1, "{what}");
            assert_eq!(paths, dry, "{what}");
            assert!(
                steps.iter().any(|named| named == step),
                "{what}: {paths:?} {steps:?}"
            );
            assert_eq!(paths.contains(&file), way != "deleted", "{what}: {paths:?}");
            assert_eq!(damaged(&project, &[]).0, 0, "{what}");
            let done = project.reproduce(&[]);
            assert_eq!((done.code, done.ran), (0, vec![step.to_owned()]), "{what}");
            assert_eq!(project.results(), before, "{what}");
            assert_eq!(damaged(&project, &[]).0, 0, "{what}");
        }
    }
    let answer = project.fig6(&["fsck"]);
    assert!(
        answer.out.contains("checked 18 manifests and "),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("set aside before"), "{}", answer.out);
    assert!(answer.out.contains("nothing is damaged"), "{}", answer.out);
    project.fig6(&["gc", "--set-aside"]);
    assert_eq!(
        fs::read_dir(project.path("artifacts/set-aside"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn damage_beside_results_is_named_and_no_step_runs_again() {
    let project = finished();
    let before = project.results();
    let first = |folder: &str| -> PathBuf {
        let files = fs::read_dir(project.path("artifacts").join(folder)).unwrap();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.remove(0)
    };
    let files = [
        project.path("artifacts/index"),
        first("runs"),
        first("listings"),
    ];
    let other = project.path("pipeline.ron");
    for file in files {
        for way in ["cut", "emptied", "flipped", "folder", "swapped"] {
            let bytes = fs::read(&file).unwrap();
            damage(&file, &other, way);
            let what = format!("{way} {}", file.display());
            let (code, paths, _) = damaged(&project, &[]);
            assert_eq!((code, paths.len()), (1, 1), "{what}: {paths:?}");
            assert_eq!(damaged(&project, &[]).0, 0, "{what}");
            assert_eq!(project.reproduce(&[]).ran, NONE, "{what}");
            assert_eq!(project.results(), before, "{what}");
            let _ = fs::remove_file(&file);
            fs::write(&file, bytes).unwrap();
        }
    }
    fs::write(project.path("artifacts/objects/notes.txt"), "mine").unwrap();
    let answer = project.fig6(&["fsck"]);
    assert_eq!(answer.code, 0);
    assert!(
        answer
            .out
            .contains("objects/notes.txt does not belong here"),
        "{}",
        answer.out
    );
}

#[test]
fn a_damaged_checkpoint_is_set_aside_and_the_older_one_goes_on() {
    let project = Project::new(&TINY.replace("iterations: 4,", "iterations: 40,"));
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
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    let kept = iteration().unwrap();
    assert_eq!(damaged(&project, &[]).0, 0);
    let checkpoints = walkdir::WalkDir::new(project.path("artifacts/work"))
        .into_iter()
        .map(Result::unwrap);
    let newest = checkpoints
        .map(walkdir::DirEntry::into_path)
        .find(|path| path.ends_with(format!("checkpoint-{kept:09}.safetensors")))
        .unwrap();
    damage(&newest, &project.path("pipeline.ron"), "flipped");
    let (code, paths, steps) = damaged(&project, &[]);
    assert_eq!(
        (code, paths.len(), &steps[..]),
        (1, 1, &["train/resnet8/seed0".to_owned()][..]),
        "{paths:?}"
    );
    assert_eq!(damaged(&project, &[]).0, 0);
    assert!(iteration() < Some(kept));
    assert_eq!(project.fig6(&target).code, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_damage_and_no_crash() {
    let project = finished();
    let file = behind(&project, "train/plain8/seed1/weights.safetensors");
    let path = project.path("artifacts").join(&file);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    let mut command = project.command();
    command.args(["fsck", "--json"]);
    if rustix::process::geteuid().is_root() {
        // Nothing is hidden from root: another user looks.
        const NOBODY: u32 = 65534;
        for entry in walkdir::WalkDir::new(project.path("")) {
            let _ = chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY));
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let Ok(output) = command.output() else {
        println!("skipped: nobody cannot run fig6 here");
        return;
    };
    let answer = answer(output);
    assert_eq!(answer.code, 1, "{}", answer.err);
    let record: Value = serde_json::from_str(&answer.out).unwrap();
    let findings = record["findings"].as_array().unwrap().iter();
    let mut damage = findings.filter(|finding| finding["path"] == *file);
    let finding = damage.next().unwrap();
    assert!(
        finding["what"].as_str().unwrap().contains("cannot be read"),
        "{finding}"
    );
    assert_eq!(finding["mended"], "set_aside");
    assert_eq!(project.reproduce(&[]).ran, ["train/plain8/seed1"]);
}
