use std::fs;

use super::*;
use crate::stat::Stat;
use crate::tests::{claim, commit, damage, found, inputs, settle, store};

fn is_busy(store: &Store, key: &Digest) -> bool {
    matches!(store.claim(key).unwrap(), Claimed::Busy(_))
}

#[test]
fn a_key_is_busy_as_long_as_a_dead_runs_step_works_in_its_folder() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = inputs(0).key();
    let first = claim(&store, &key);
    let mark = work_in(first.folder()).unwrap();
    drop(first);
    let Claimed::Busy(path) = store.claim(&key).unwrap() else {
        panic!("the step's process is still there");
    };
    // Whoever waits for it goes on as soon as it ends.
    let waiting = std::thread::spawn(move || wait(&path));
    drop(mark);
    waiting.join().unwrap().unwrap();
    assert!(!is_busy(&store, &key));
}

#[test]
fn waiting_for_what_is_over_leaves_no_lock() {
    let folder = testing::folder();
    let store = store(folder.path());
    let held = claim(&store, &inputs(0).key());
    let Claimed::Busy(path) = store.claim(&inputs(0).key()).unwrap() else {
        panic!("it is claimed");
    };
    drop(held);
    wait(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_an_interrupted_repetition_can_go_on_from_is_no_leftover_and_what_a_commit_left_is() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let again = claim(&store, &key);
    let scratch = again.scratch();
    fs::write(scratch.join("checkpoint"), "hours of work").unwrap();
    drop(again);
    store.tidy();
    assert!(scratch.join("checkpoint").exists());
    // As a process leaves it that is killed once it has added its result.
    let work = scratch.parent().unwrap().to_owned();
    fs::remove_file(work.join("log")).unwrap();
    fs::write(work.with_extension("lock"), "").unwrap();
    fs::write(folder.path().join(".index.partial"), "half").unwrap();
    store.tidy();
    assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 0);
    assert!(!folder.path().join(".index.partial").exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_for_damaged_files_is_moved_away() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let object = store.object_path(&found(&store, &key).outputs["metrics.jsonl"].digest);
    fs::remove_file(&object).unwrap();
    fs::write(&object, "else").unwrap();
    fs::write(folder.path().join("set-aside"), "a file").unwrap();
    assert!(damage(&store, &key).contains("has 4 bytes"));
    commit(&store, 0, "curve");
    found(&store, &key);
    assert!(folder.path().join("set-aside").is_dir());
}

#[test]
fn contents_that_rot_under_the_same_looks_are_not_trusted_once_that_was_seen() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    let digest = found(&first, &key).outputs["metrics.jsonl"].digest;
    let object = first.object_path(&digest);
    let watched = first.watch(&BTreeMap::from([("curve".to_owned(), digest)]));
    let watched = watched.unwrap();
    first.expect_intact(&watched).unwrap();
    fs::remove_file(&object).unwrap();
    fs::write(&object, "curvy").unwrap();
    // As if the disk had lost a bit.
    let looks = Stat::of_new(&fs::metadata(&object).unwrap());
    first.index.note_object(digest, looks);
    settle();
    first.save_index().unwrap();
    let [second, third] = [(); 2].map(|()| Store::at(folder.path(), false));
    found(&second, &key);
    found(&third, &key);
    let error = second.expect_intact(&watched).unwrap_err().to_string();
    assert!(
        error.contains("was altered; run the command again"),
        "{error}"
    );
    assert!(damage(&second, &key).contains("was altered"));
    second.save_index().unwrap();
    // Another process that has read the index before does not bring it back.
    third.index.note(folder.path(), looks, digest);
    third.save_index().unwrap();
    assert!(damage(&Store::at(folder.path(), false), &key).contains("was altered"));
}

#[test]
fn a_content_that_was_written_to_during_a_step_is_told_from_one_that_got_a_second_name() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let digest = found(&store, &key).outputs["metrics.jsonl"].digest;
    let object = store.object_path(&digest);
    let inputs = BTreeMap::from([("curve".to_owned(), digest)]);
    let watched = store.watch(&inputs).unwrap();
    fs::hard_link(&object, folder.path().join("backup")).unwrap();
    store.expect_unchanged(&watched).unwrap();
    fs::remove_file(&object).unwrap();
    fs::write(&object, "curve").unwrap();
    let error = store.expect_unchanged(&watched).unwrap_err().to_string();
    assert!(error.contains("input curve ("), "{error}");
    assert!(error.contains("changed while the step ran"), "{error}");
    fs::write(&object, "other").unwrap();
    let error = store.watch(&inputs).unwrap_err().to_string();
    assert!(error.contains("input curve was altered"), "{error}");
}

#[test]
fn asking_who_computes_a_key_takes_it_from_nobody() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = inputs(0).key();
    let first = claim(&store, &key);
    store.begin(&first, "train/a/seed0").unwrap();
    first.announce("here");
    let path = first.folder().join("progress.json");
    assert!(store.running(&key).unwrap().is_some());
    drop(first);
    // Somebody asks, and takes a long time over it.
    let asking = File::open(&path).unwrap();
    asking.lock_shared().unwrap();
    let second = claim(&store, &key);
    store.begin(&second, "train/a/seed0").unwrap();
    second.announce("there");
    assert_eq!(store.running(&key).unwrap().unwrap().host, "there");
    assert!(is_busy(&store, &key));
    // What is done is over, whoever still holds the file.
    store.discard(&second).unwrap();
    assert!(store.running(&key).unwrap().is_none());
    assert!(!path.exists());
}
