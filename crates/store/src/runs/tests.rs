use std::fs;

use super::super::Lock;
use super::*;

fn store(folder: &Path) -> Store {
    Store::at(&folder.join("artifacts"), false)
}

fn key(number: u8) -> Digest {
    Digest::of(&[number])
}

fn only(store: &Store) -> Run {
    let mut runs = store.runs().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

#[test]
fn the_list_of_a_run_is_live_while_it_lasts_and_its_record_afterwards() {
    let folder = testing::folder();
    let first = store(folder.path());
    first.begin_run("tiny", [key(1)]).unwrap();
    first.rely_on(&[key(2), key(1)]).unwrap();
    let run = only(&store(folder.path()));
    assert!(
        run.live && run.outcome.is_none() && run.damage.is_none(),
        "{run:?}"
    );
    assert_eq!(run.keys, HashSet::from([key(1), key(2)]));
    assert_eq!(run.profile, "tiny");
    first.end_run("done").unwrap();
    let run = only(&first);
    assert!(!run.live && run.damage.is_none(), "{run:?}");
    assert_eq!(run.outcome.as_deref(), Some("done"));
    assert_eq!(run.keys.len(), 2);
}

#[test]
fn the_list_of_a_killed_run_counts_with_its_last_line_torn_off() {
    let folder = testing::folder();
    let first = store(folder.path());
    first.begin_run("tiny", [key(1)]).unwrap();
    first.rely_on(&[key(2)]).unwrap();
    drop(first);
    let store = store(folder.path());
    let path = only(&store).path;
    let whole = fs::read(&path).unwrap();
    let lines: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
    for length in lines[1] + 1..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let run = only(&store);
        assert!(!run.live && run.damage.is_none(), "{length} bytes: {run:?}");
        let all = length == whole.len();
        assert_eq!(run.keys.len(), if all { 2 } else { 1 }, "{length} bytes");
    }
}

#[test]
fn a_finished_list_with_any_byte_altered_or_cut_off_is_known_as_damaged() {
    let folder = testing::folder();
    let store = store(folder.path());
    store.begin_run("tiny", [key(1)]).unwrap();
    store.rely_on(&[key(2)]).unwrap();
    store.end_run("done").unwrap();
    let path = only(&store).path;
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        for bytes in [&altered[..], &whole[..at]] {
            fs::write(&path, bytes).unwrap();
            assert!(only(&store).damage.is_some(), "byte {at}");
        }
    }
}

#[test]
fn what_is_shared_keeps_out_who_wants_the_store_alone() {
    let folder = testing::folder();
    let (one, two) = (store(folder.path()), store(folder.path()));
    one.prepare().unwrap();
    let shared = [
        one.share().unwrap(),
        one.share().unwrap(),
        two.share().unwrap(),
    ];
    assert!(shared.iter().all(Lock::is_held));
    let [first, second, third] = shared;
    drop((first, third));
    std::thread::scope(|scope| {
        let (waits, waiting) = std::sync::mpsc::channel();
        let alone = scope.spawn(move || {
            let _alone = two.exclude(&mut || waits.send(()).unwrap()).unwrap();
            // What a store does for itself meanwhile asks nobody.
            assert!(two.share().unwrap().is_held());
        });
        waiting.recv().unwrap();
        assert!(!alone.is_finished());
        drop(second);
    });
}

#[test]
fn a_store_that_is_not_there_is_shared_without_a_lock_and_not_made() {
    let folder = testing::folder();
    let store = store(folder.path());
    let lock = store.share().unwrap();
    assert!(!lock.is_held());
    assert!(!folder.path().join("artifacts").exists());
    // Once there is one, it is locked although the first lock is still there.
    store.prepare().unwrap();
    assert!(store.share().unwrap().is_held());
}

#[test]
fn the_list_of_a_run_under_way_that_is_damaged_or_removed_is_written_anew() {
    let folder = testing::folder();
    let store = store(folder.path());
    let keys = [0, 1, 2].map(key);
    store.begin_run("tiny", [keys[0]]).unwrap();
    let [run] = &store.runs().unwrap()[..] else {
        panic!("one run");
    };
    let path = run.path.clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(store.runs().unwrap()[0].damage.is_some());
    // As long as it cannot be told what the run uses, nothing is removed.
    let needs = crate::Needs::default();
    let limits = crate::GcLimits {
        runs: 0,
        max_bytes: None,
        interrupted: false,
        set_aside: false,
        snapshots: false,
    };
    let error = store.survey(&needs, &limits).unwrap_err().to_string();
    assert!(error.contains("nothing is removed"), "{error}");

    store.rely_on(&[keys[1]]).unwrap();
    let whole = &store.runs().unwrap()[0];
    assert_eq!((whole.live, &whole.damage), (true, &None));
    assert_eq!(whole.keys, keys[..2].iter().copied().collect());
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    store.rely_on(&[keys[2]]).unwrap();
    let whole = &store.runs().unwrap()[0];
    assert_eq!((whole.live, &whole.damage), (true, &None));
    assert_eq!(whole.keys, keys.iter().copied().collect());
    store.end_run("done").unwrap();
}
