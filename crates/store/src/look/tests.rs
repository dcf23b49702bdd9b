use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::key::Digest;
use crate::{Lookup, Store};

fn said<T: fmt::Debug>(result: Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

/// Everything that reads results, by what it says.
fn answers(store: &Store) -> Vec<String> {
    let key = Digest::of(b"key");
    let mut answers = vec![said(store.lookup(&key)), said(store.manifest(&key))];
    answers.push(said(store.earlier("train/a/seed0", &|_| Ok(true))));
    answers.push(said(store.all_results().map(<[_]>::len)));
    answers.push(said(store.expect_manifest(&key)));
    answers
}

#[test]
fn a_store_that_does_not_exist_yet_is_empty() {
    let folder = testing::folder();
    let store = Store::at(&folder.path().join("not/yet"), false);
    let key = Digest::of(b"key");
    assert!(matches!(store.lookup(&key).unwrap(), Lookup::Absent));
    assert!(
        store
            .earlier("train/a/seed0", &|_| Ok(true))
            .unwrap()
            .manifests
            .is_empty()
    );
    assert!(store.all_results().unwrap().is_empty());
    assert!(store.runs().unwrap().is_empty());
    assert!(store.read_newest_log("download").unwrap().is_none());
    assert!(!store.share().unwrap().is_held());
}

#[test]
fn a_store_that_is_something_else_is_no_empty_one() {
    let folder = testing::folder();
    let root = folder.path().join("artifacts");
    type Make = fn(&Path);
    let cases: [(Make, &str); 4] = [
        (|root| fs::write(root, "").unwrap(), "it is a file"),
        (
            |root| symlink("/nowhere/at all", root).unwrap(),
            "it is a link to /nowhere/at all, which does not exist",
        ),
        (
            |root| symlink("artifacts", root).unwrap(),
            "it is a link to artifacts, which leads in a circle",
        ),
        (
            |root| symlink("/dev/null", root).unwrap(),
            "it is a device, a pipe or a socket",
        ),
    ];
    for (make, cause) in cases {
        make(&root);
        let store = Store::at(&root, false);
        let mut answers = answers(&store);
        answers.extend([said(store.share()), said(store.exclude(&mut || {}))]);
        answers.extend([said(store.runs()), said(store.read_newest_log("download"))]);
        for answer in answers {
            let expected = format!("cannot use the folder {}: {cause}; ", root.display());
            assert!(answer.contains(&expected), "{answer}");
        }
        fs::remove_file(&root).unwrap();
    }
}

#[test]
fn a_folder_inside_that_leads_nowhere_is_named_and_left_where_it_is() {
    let folder = testing::folder();
    let store = Store::at(folder.path(), false);
    store.prepare().unwrap();
    for name in ["manifests", "objects", "work", "runs", "by-step"] {
        let path = folder.path().join(name);
        fs::remove_dir(&path).unwrap();
        symlink("/mnt/not mounted", &path).unwrap();
        let expected = format!("cannot use the folder {}: it is a link", path.display());
        if name == "manifests" {
            for answer in answers(&store) {
                assert!(answer.contains(&expected), "{answer}");
            }
        }
        let answer = said(store.prepare());
        assert!(answer.contains(&expected), "{answer}");
        assert!(path.is_symlink());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    assert!(!folder.path().join("set-aside").exists());
}

#[test]
fn a_file_in_the_place_of_a_folder_inside_is_damage_and_gives_way() {
    let folder = testing::folder();
    let store = Store::at(folder.path(), false);
    fs::write(folder.path().join("manifests"), "").unwrap();
    let Lookup::Damaged(what) = store.lookup(&Digest::of(b"key")).unwrap() else {
        panic!("it is taken for absent");
    };
    assert!(what.ends_with("manifests is no folder"), "{what}");
    store.prepare().unwrap();
    assert!(folder.path().join("set-aside/manifests").is_file());
    let found = store.lookup(&Digest::of(b"key")).unwrap();
    assert!(matches!(found, Lookup::Absent));
}

#[test]
fn what_may_not_be_searched_or_read_is_no_absence() {
    if rustix::process::geteuid().is_root() {
        // Nothing is hidden from the superuser; tests/housekeeping has it for another user.
        return;
    }
    let folder = testing::folder();
    for (name, mode) in [("", 0), ("", 0o444), ("manifests", 0), ("manifests", 0o444)] {
        let store = Store::at(&folder.path().join("artifacts"), false);
        store.prepare().unwrap();
        let path = folder.path().join("artifacts").join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let answers = answers(&store);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        for answer in answers {
            assert!(
                answer.contains("Permission denied"),
                "{name} {mode:o}: {answer}"
            );
        }
    }
}
