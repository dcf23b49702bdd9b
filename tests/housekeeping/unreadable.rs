//! Artifacts and reports that are there and cannot be used are not taken for missing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::TINY;
use super::common::{Project, run_as_nobody};

const STATUS: &[&str] = &["status"];
const PLAN: &[&str] = &["reproduce", "--dry-run"];
const REPRODUCE: &[&str] = &["reproduce"];
const EXPLAIN: &[&str] = &["explain", "train/plain8/seed0"];
const BUNDLE: &[&str] = &["bundle"];
const COLLECT: &[&str] = &["gc"];
const SURVEY: &[&str] = &["gc", "--dry-run"];
const CHECK: &[&str] = &["fsck"];
const LOOK: &[&str] = &["fsck", "--dry-run"];
const LOG: &[&str] = &["log", "train/plain8/seed0"];
const VERIFY: &[&str] = &["verify"];

const ALL: [&[&str]; 11] = [
    STATUS, PLAN, REPRODUCE, EXPLAIN, BUNDLE, COLLECT, SURVEY, CHECK, LOOK, LOG, VERIFY,
];

/// Checks that each command says what is wrong with a folder, and fails.
fn all_say(project: &Project, commands: &[&[&str]], path: &str, cause: &str) {
    for command in commands {
        let answer = project.fig6(command);
        let said = answer.out + &answer.err;
        let expected = format!("cannot use the folder {path}: {cause}");
        assert!(said.contains(&expected), "{path}, {command:?}: {said}");
        assert_eq!(answer.code, 1, "{path}, {command:?}: {said}");
        for wrong in ["no result yet", "never ran", "there is none", "panicked"] {
            assert!(!said.contains(wrong), "{path}, {command:?}: {said}");
        }
    }
}

/// Does something with the permissions of a folder taken away.
fn without_permission(path: &Path, mode: u32, run: impl FnOnce()) {
    let before = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    run();
    fs::set_permissions(path, before).unwrap();
}

#[test]
fn folders_without_permission_are_named_by_each_command_that_reads_them() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let project = nobody.project(TINY);
    assert_eq!(project.reproduce(&[]).code, 0);
    // Unreadable, and readable but not searchable.
    for mode in [0o000, 0o444] {
        let check = |path: &str, commands: &[&[&str]]| {
            without_permission(&project.path(path), mode, || {
                all_say(&project, commands, path, "Permission denied");
            });
        };
        check("artifacts", &ALL);
        let results = [STATUS, PLAN, REPRODUCE, EXPLAIN, BUNDLE];
        let all_there_is = [COLLECT, SURVEY, CHECK, LOOK];
        let beside: Vec<&[&str]> = [&results[..], &all_there_is, &[VERIFY]].concat();
        check("artifacts/manifests", &beside);
        check(
            "artifacts/objects",
            &[
                &[STATUS, PLAN, REPRODUCE, EXPLAIN, VERIFY],
                &all_there_is[..],
            ]
            .concat(),
        );
        check("artifacts/runs", &all_there_is);
        check("artifacts/by-step", &[LOG, CHECK, LOOK, REPRODUCE, COLLECT]);
        check("artifacts/logs", &[BUNDLE, CHECK, LOOK, COLLECT, SURVEY]);
        check(
            "artifacts/listings",
            &[BUNDLE, CHECK, LOOK, COLLECT, SURVEY],
        );
        if mode == 0 {
            // That nothing is in it can be read in the other mode.
            check("artifacts/work", &all_there_is);
        }
        check("reports", &[VERIFY, BUNDLE, COLLECT, SURVEY]);
        check("reports/tiny", &[VERIFY, BUNDLE]);
    }
    // Of a step that is to run, by-step and work say what there was.
    project.edit("rate: 0.1", "rate: 0.2");
    for path in ["artifacts/by-step", "artifacts/work"] {
        without_permission(&project.path(path), 0, || {
            all_say(
                &project,
                &[STATUS, PLAN, EXPLAIN],
                path,
                "Permission denied",
            );
        });
    }
    project.edit("rate: 0.2", "rate: 0.1");
    // Nothing was lost, moved or made again.
    assert!(!project.path("artifacts/set-aside").exists());
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
    assert_eq!(project.fig6(CHECK).code, 0);
}

#[test]
fn something_else_in_the_place_of_a_folder_is_named() {
    let project = Project::new(TINY);
    assert_eq!(project.reproduce(&[]).code, 0);
    let check = |path: &str, commands: &[&[&str]]| {
        let away = project.path("away");
        let path_there = project.path(path);
        fs::rename(&path_there, &away).unwrap();
        fs::write(&path_there, "").unwrap();
        all_say(&project, commands, path, "it is a file");
        fs::remove_file(&path_there).unwrap();
        for (target, cause) in [
            ("/nowhere", "it is a link to /nowhere, which does not exist"),
            ("/dev/null", "it is a device"),
        ] {
            symlink(target, &path_there).unwrap();
            all_say(&project, commands, path, cause);
            fs::remove_file(&path_there).unwrap();
        }
        symlink(path_there.file_name().unwrap(), &path_there).unwrap();
        all_say(&project, commands, path, "it is a link to");
        fs::remove_file(&path_there).unwrap();
        fs::rename(&away, &path_there).unwrap();
    };
    check("artifacts", &ALL);
    check("reports", &[VERIFY, BUNDLE, COLLECT, SURVEY]);
    check("reports/tiny", &[VERIFY, BUNDLE]);
    assert!(!project.path("artifacts/set-aside").exists());
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
}

#[test]
fn folders_on_a_disk_that_is_not_mounted_are_not_made_anew() {
    let project = Project::new(TINY);
    assert_eq!(project.reproduce(&[]).code, 0);
    for path in ["artifacts/manifests", "artifacts/objects"] {
        fs::rename(project.path(path), project.path("away")).unwrap();
        symlink("/nowhere", project.path(path)).unwrap();
        let cause = "it is a link to /nowhere, which does not exist";
        let commands = [
            STATUS, PLAN, REPRODUCE, EXPLAIN, COLLECT, SURVEY, CHECK, LOOK,
        ];
        all_say(&project, &commands, path, cause);
        fs::remove_file(project.path(path)).unwrap();
        fs::rename(project.path("away"), project.path(path)).unwrap();
    }
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
}

#[test]
fn nothing_is_collected_while_a_manifest_cannot_be_read() {
    let Some(nobody) = run_as_nobody() else {
        return;
    };
    let project = nobody.project(TINY);
    assert_eq!(project.reproduce(&[]).code, 0);
    let results = project.results();
    // Nothing but the manifest says that the old results are of use to anybody.
    let manifests = fs::read_dir(project.path("artifacts/manifests")).unwrap();
    let first = manifests.map(|file| file.unwrap().path()).min().unwrap();
    without_permission(&first, 0, || {
        let answer = project.fig6(COLLECT);
        assert_eq!(answer.code, 1, "{}", answer.out);
        let name = first.file_name().unwrap().to_str().unwrap();
        assert!(answer.err.contains(name), "{}", answer.err);
        assert!(answer.err.contains("Permission denied"), "{}", answer.err);
    });
    assert!(project.results() == results);
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
}
