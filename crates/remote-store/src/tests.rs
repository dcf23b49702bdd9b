use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use store::key::{Basis, Digest, KeyInputs, Listing, SCHEMA};
use store::{Claimed, Lookup, Manifest, RunRecord, Store};

use crate::failure::explained;
use crate::folder::Folder;
use crate::marker::Marker;
use crate::place::{Listed, Place, Sink};
use crate::{
    Address, Collection, Failure, Fetched, PushOptions, Pushed, Remote, Trouble, Wanted, each,
};

const OUTPUT: &[&str] = &["metrics.jsonl"];
const LISTING: &str = "fn a\t1\n";

fn inputs(seed: usize) -> KeyInputs {
    KeyInputs {
        basis: Arc::new(Basis {
            schema: SCHEMA,
            kind: "train".into(),
            code: BTreeMap::from([("nn".to_owned(), Listing::digest(LISTING))]),
            crates: BTreeMap::new(),
            numeric: None,
        }),
        parameters: format!("{{\"seed\":{seed}}}").into(),
        inputs: BTreeMap::new(),
    }
}

fn store(folder: &Path) -> Store {
    let store = Store::at(folder, false);
    store.prepare().unwrap();
    store.keep_listing(LISTING).unwrap();
    store
}

/// Commits a result with one output, a log and a snapshot.
fn commit(store: &Store, seed: usize, content: &str) -> Digest {
    let key_inputs = inputs(seed);
    let key = key_inputs.key();
    let Claimed::Ours(claim) = store.claim(&key).unwrap() else {
        panic!("somebody else has it");
    };
    store.begin(&claim, "train/a/seed0").unwrap();
    fs::write(claim.output().join(OUTPUT[0]), content).unwrap();
    fs::write(claim.evidence().join("10"), format!("{content} at 10")).unwrap();
    fs::write(claim.log(), "printed").unwrap();
    let manifest = Manifest {
        step: "train/a/seed0".into(),
        key,
        key_inputs,
        outputs: claim.collect(OUTPUT).unwrap(),
        evidence: claim.collect_evidence().unwrap(),
        summary: "done".into(),
        run: RunRecord {
            log: Some(claim.collect_log().unwrap()),
            ..RunRecord::default()
        },
        carried_over: None,
    };
    store.commit(&claim, &manifest).unwrap();
    key
}

fn wanted(key: Digest) -> Wanted<'static> {
    Wanted {
        key,
        outputs: OUTPUT,
        snapshots: false,
    }
}

fn is_found(store: &Store, key: &Digest) -> bool {
    matches!(store.lookup(key).unwrap(), Lookup::Found(_))
}

fn address(folder: &Path) -> Address {
    Address::parse(folder.to_str().unwrap()).unwrap()
}

fn remote(folder: &Path) -> Remote {
    Remote::open(&address(folder), &Arc::default()).unwrap()
}

/// A remote in a folder whose answers go through `answer`.
fn through(
    folder: &Path,
    answer: impl Fn(&str, Vec<u8>) -> Result<Vec<u8>, Failure> + Send + Sync + 'static,
) -> Remote {
    let stop = Arc::default();
    let place = Through {
        folder: Folder::at(folder, &stop),
        answer: Box::new(answer),
    };
    Remote::at(&address(folder), Box::new(place), &stop).unwrap()
}

type Answer = Box<dyn Fn(&str, Vec<u8>) -> Result<Vec<u8>, Failure> + Send + Sync>;

struct Through {
    folder: Folder,
    answer: Answer,
}

impl Place for Through {
    fn read(&self, path: &str, most: u64, sink: Sink) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        self.folder.read(path, most, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        sink(&(self.answer)(path, bytes)?).unwrap();
        Ok(())
    }

    fn size(&self, path: &str) -> Result<Option<u64>, Failure> {
        self.folder.size(path)
    }

    fn write(&self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        (self.answer)(path, content.clone())?;
        self.folder.write(path, content)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, Failure> {
        self.folder.list(folder)
    }

    fn remove(&self, path: &str) -> Result<(), Failure> {
        self.folder.remove(path)
    }
}

fn push(remote: &Remote, store: &Store, keys: &[Digest]) -> Pushed {
    remote
        .push(store, keys, PushOptions::default(), &|_| {})
        .unwrap()
}

#[test]
fn what_is_pushed_comes_back_whole_with_its_log_and_listings_and_snapshots_only_if_asked_for() {
    let (here, there, other) = (testing::folder(), testing::folder(), testing::folder());
    let mine = store(here.path());
    let key = commit(&mine, 0, "curve");
    let remote = remote(there.path());
    let options = PushOptions {
        snapshots: true,
        ..PushOptions::default()
    };
    let pushed = remote.push(&mine, &[key], options, &|_| {}).unwrap();
    assert_eq!((pushed.results, pushed.files), (1, 4));
    let theirs = Store::at(other.path(), false);
    theirs.prepare().unwrap();
    assert_eq!(
        remote.fetch(&theirs, &wanted(key)).unwrap(),
        Fetched::Brought(5)
    );
    assert!(is_found(&theirs, &key));
    assert_eq!(
        fs::read_to_string(theirs.log_path(&key)).unwrap(),
        "printed"
    );
    assert!(theirs.listing(&Listing::digest(LISTING)).unwrap().is_some());
    let manifest = theirs.expect_manifest(&key).unwrap();
    assert_eq!(manifest, mine.expect_manifest(&key).unwrap());
    assert!(
        theirs
            .evidence_file(&manifest.evidence["10"])
            .unwrap()
            .is_none()
    );
    let with_snapshots = Wanted {
        snapshots: true,
        ..wanted(key)
    };
    assert_eq!(
        remote.fetch(&theirs, &with_snapshots).unwrap(),
        Fetched::Brought(11)
    );
    assert!(
        theirs
            .evidence_file(&manifest.evidence["10"])
            .unwrap()
            .is_some()
    );
    assert_eq!(
        remote.fetch(&theirs, &with_snapshots).unwrap(),
        Fetched::Brought(0)
    );
    assert!(
        fs::read_dir(other.path().join("work"))
            .unwrap()
            .next()
            .is_none()
    );
    let strange = inputs(7).key();
    assert_eq!(
        remote.fetch(&theirs, &wanted(strange)).unwrap(),
        Fetched::Absent
    );
}

#[test]
fn a_copy_of_a_folder_of_artifacts_is_a_remote() {
    let (here, other) = (testing::folder(), testing::folder());
    let key = commit(&store(here.path()), 0, "curve");
    let theirs = store(other.path());
    assert_eq!(
        remote(here.path()).fetch(&theirs, &wanted(key)).unwrap(),
        Fetched::Brought(5)
    );
    assert!(is_found(&theirs, &key));
}

#[test]
fn whatever_byte_is_wrong_or_missing_there_nothing_of_the_result_counts() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let key = commit(&mine, 0, "curve");
    push(&remote(there.path()), &mine, &[key]);
    let manifest = there.path().join(crate::manifest(&key));
    let digest = mine.expect_manifest(&key).unwrap().outputs[OUTPUT[0]].digest;
    let object = there.path().join(crate::object(&digest));
    let mut refused = 0;
    for file in [&manifest, &object] {
        let whole = fs::read(file).unwrap();
        let step = if file == &manifest {
            testing::amount(97, 11, 1)
        } else {
            1
        };
        for place in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            for wrong in [
                flipped,
                whole[..place].to_vec(),
                [&whole[..], b" x"].concat(),
            ] {
                fs::remove_file(file).unwrap();
                fs::write(file, &wrong).unwrap();
                let other = testing::folder();
                let theirs = store(other.path());
                let fetched = remote(there.path()).fetch(&theirs, &wanted(key)).unwrap();
                // A space elsewhere than in the checked text changes nothing.
                if file == &manifest && fetched == Fetched::Brought(5) {
                    assert_eq!(theirs.manifest(&key).unwrap(), mine.manifest(&key).unwrap());
                    continue;
                }
                assert!(matches!(fetched, Fetched::Refused(_)), "{fetched:?}");
                assert!(matches!(theirs.lookup(&key).unwrap(), Lookup::Absent));
                let objects = fs::read_dir(other.path().join("objects")).unwrap();
                assert_eq!(objects.count(), 0);
                assert!(
                    fs::read_dir(other.path().join("work"))
                        .unwrap()
                        .next()
                        .is_none()
                );
                refused += 1;
            }
        }
        fs::remove_file(file).unwrap();
        let other = testing::folder();
        let fetched = remote(there.path())
            .fetch(&store(other.path()), &wanted(key))
            .unwrap();
        assert!(!matches!(fetched, Fetched::Brought(_)), "{fetched:?}");
        fs::write(file, &whole).unwrap();
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn a_manifest_of_another_key_or_with_other_outputs_is_refused() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let (one, two) = (commit(&mine, 0, "curve"), commit(&mine, 1, "other"));
    let remote = remote(there.path());
    push(&remote, &mine, &[one, two]);
    let path = |key| there.path().join(crate::manifest(key));
    fs::remove_file(path(&one)).unwrap();
    fs::copy(path(&two), path(&one)).unwrap();
    let theirs = testing::folder();
    let theirs = store(theirs.path());
    let Fetched::Refused(what) = remote.fetch(&theirs, &wanted(one)).unwrap() else {
        panic!("it was used");
    };
    assert!(what.contains("another key"), "{what}");
    let more = Wanted {
        outputs: &["metrics.jsonl", "weights"],
        ..wanted(two)
    };
    let Fetched::Refused(what) = remote.fetch(&theirs, &more).unwrap() else {
        panic!("it was used");
    };
    assert!(what.contains("other outputs"), "{what}");
}

#[test]
fn a_transfer_that_breaks_off_is_tried_again_and_one_that_always_does_is_an_error() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let key = commit(&mine, 0, "curve");
    push(&remote(there.path()), &mine, &[key]);
    for (breaks, works) in [(2, true), (usize::MAX, false)] {
        let count = AtomicUsize::new(0);
        let remote = through(there.path(), move |path, bytes| {
            let breaks =
                path.starts_with("objects") && count.fetch_add(1, Ordering::SeqCst) < breaks;
            match breaks {
                true => Err(Failure::new(Trouble::Failed, "broken")),
                false => Ok(bytes),
            }
        });
        let other = testing::folder();
        let theirs = store(other.path());
        let fetched = remote.fetch(&theirs, &wanted(key));
        assert_eq!(fetched.is_ok(), works, "{fetched:?}");
        assert_eq!(is_found(&theirs, &key), works);
        assert!(
            fs::read_dir(other.path().join("work"))
                .unwrap()
                .next()
                .is_none()
        );
    }
}

#[test]
fn a_stopped_fetch_leaves_what_an_interrupted_training_had_left() {
    let (here, there, other) = (testing::folder(), testing::folder(), testing::folder());
    let mine = store(here.path());
    let key = commit(&mine, 0, "curve");
    push(&remote(there.path()), &mine, &[key]);
    let theirs = store(other.path());
    fs::create_dir_all(theirs.scratch_path(&key)).unwrap();
    fs::write(theirs.scratch_path(&key).join("checkpoint"), "hours").unwrap();
    let remote = through(there.path(), |path, bytes| {
        match path.starts_with("objects") {
            true => Err(Failure::stopped()),
            false => Ok(bytes),
        }
    });
    let failure = remote.fetch(&theirs, &wanted(key)).unwrap_err();
    assert_eq!(failure.trouble, Trouble::Stopped);
    assert!(theirs.scratch_path(&key).join("checkpoint").exists());
    let entries = fs::read_dir(other.path().join("work").join(key.to_string())).unwrap();
    assert_eq!(entries.count(), 1);
}

#[test]
fn a_push_that_breaks_off_leaves_no_manifest_without_its_contents_and_goes_on_where_it_ended() {
    let here = testing::folder();
    let mine = store(here.path());
    let keys: Vec<Digest> = (0..20)
        .map(|seed| commit(&mine, seed, &format!("curve {seed}")))
        .collect();
    let whole = testing::folder();
    push(&remote(whole.path()), &mine, &keys);
    let files = Folder::at(whole.path(), &Arc::default())
        .list("")
        .unwrap()
        .len();
    for last in 0..files {
        let there = testing::folder();
        let count = AtomicUsize::new(0);
        let broken = through(there.path(), move |path, bytes| {
            let is_write = path != "remote.json" || !bytes.is_empty();
            match is_write && count.fetch_add(1, Ordering::SeqCst) >= last {
                true => Err(Failure::new(Trouble::Failed, "broken")),
                false => Ok(bytes),
            }
        });
        let sent = broken.push(&mine, &keys, PushOptions::default(), &|_| {});
        assert!(sent.is_err(), "{sent:?}");
        let place = Folder::at(there.path(), &Arc::default());
        let left: HashSet<String> = place
            .list("")
            .unwrap()
            .into_iter()
            .map(|it| it.path)
            .collect();
        for (seed, key) in keys.iter().enumerate() {
            if left.contains(&crate::manifest(key)) {
                let content = Digest::of(format!("curve {seed}").as_bytes());
                assert!(left.contains(&crate::object(&content)), "{last}");
            }
        }
        let sent = push(&remote(there.path()), &mine, &keys);
        assert_eq!(place.list("").unwrap().len(), files, "{last}: {sent:?}");
        let contents = left
            .iter()
            .filter(|path| !path.starts_with("manifests") && *path != "remote.json");
        let contents_of_all = files - keys.len() - 1;
        assert_eq!(sent.files as usize, contents_of_all - contents.count());
    }
}

#[test]
fn a_second_push_asks_for_nothing_but_the_marker_until_something_was_removed_there() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let keys = [commit(&mine, 0, "curve"), commit(&mine, 1, "other")];
    assert_eq!(push(&remote(there.path()), &mine, &keys).results, 2);
    let deaf = through(there.path(), |path, bytes| match path {
        "remote.json" => Ok(bytes),
        other => panic!("asked for {other}"),
    });
    let pushed = push(&deaf, &mine, &keys);
    assert_eq!((pushed.results, pushed.already, pushed.files), (0, 2, 0));
    let everything = Collection {
        days: 0.0,
        dry_run: false,
    };
    let collected = remote(there.path())
        .collect(everything, &mut |_| Ok(HashSet::new()))
        .unwrap();
    assert_eq!(collected.removed.len(), 2);
    assert_eq!(push(&remote(there.path()), &mine, &keys).results, 2);
    let object = there.path().join(crate::object(&Digest::of(b"curve")));
    fs::remove_file(&object).unwrap();
    // Somebody else has removed it, and nobody could notice.
    assert_eq!(push(&remote(there.path()), &mine, &keys).files, 0);
    let paranoid = PushOptions {
        paranoid: true,
        ..PushOptions::default()
    };
    assert_eq!(
        remote(there.path())
            .push(&mine, &keys, paranoid, &|_| {})
            .unwrap()
            .files,
        1
    );
    fs::remove_file(&object).unwrap();
    fs::write(&object, "curvE").unwrap();
    let again = PushOptions {
        again: true,
        ..PushOptions::default()
    };
    remote(there.path())
        .push(&mine, &keys, again, &|_| {})
        .unwrap();
    assert_eq!(fs::read(&object).unwrap(), b"curve");
}

#[test]
fn a_result_that_is_damaged_here_is_not_pushed_and_the_others_are() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let keys = [commit(&mine, 0, "curve"), commit(&mine, 1, "other")];
    let object = mine.object_path(&Digest::of(b"curve"));
    fs::remove_file(&object).unwrap();
    fs::write(&object, "curvE").unwrap();
    let pushed = push(&remote(there.path()), &mine, &keys);
    assert_eq!((pushed.results, pushed.skipped.len()), (1, 1));
    assert!(pushed.skipped[0].1.contains("metrics.jsonl"), "{pushed:?}");
    assert!(!there.path().join(crate::manifest(&keys[0])).exists());
}

#[test]
fn a_collection_keeps_what_is_needed_young_or_illegible_and_a_dry_run_removes_nothing() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let keys: Vec<Digest> = (0..3)
        .map(|seed| commit(&mine, seed, &format!("curve {seed}")))
        .collect();
    let remote = remote(there.path());
    push(&remote, &mine, &keys);
    let damaged = there.path().join(crate::manifest(&keys[2]));
    let text = fs::read_to_string(&damaged).unwrap();
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, &text[..text.len() / 2]).unwrap();
    fs::write(there.path().join("notes.txt"), "mine").unwrap();
    let count = || {
        Folder::at(there.path(), &Arc::default())
            .list("")
            .unwrap()
            .len()
    };
    let all = count();
    let collect = |days, dry_run| {
        let collection = Collection { days, dry_run };
        remote.collect(collection, &mut |found| {
            assert_eq!(found.len(), 3);
            Ok(HashSet::from([keys[0]]))
        })
    };
    for (days, dry_run, goes) in [(0.0, true, 1), (1.0, false, 0), (0.0, false, 1)] {
        let collected = collect(days, dry_run).unwrap();
        assert_eq!((collected.removed.len(), collected.kept), (goes, 3 - goes));
        if dry_run || goes == 0 {
            assert_eq!(count(), all);
        }
    }
    let other = testing::folder();
    let theirs = store(other.path());
    assert_eq!(
        remote.fetch(&theirs, &wanted(keys[0])).unwrap(),
        Fetched::Brought(7)
    );
    assert_eq!(
        remote.fetch(&theirs, &wanted(keys[1])).unwrap(),
        Fetched::Absent
    );
    let third = there.path().join(crate::object(&Digest::of(b"curve 2")));
    // What a damaged manifest mentions in what is left of it stays.
    assert_eq!(
        third.exists(),
        text[..text.len() / 2].contains(&Digest::of(b"curve 2").to_string())
    );
    assert!(there.path().join("notes.txt").exists());
}

#[test]
fn a_result_that_is_pushed_while_somebody_collects_is_whole_afterwards() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let (one, two) = (commit(&mine, 0, "shared"), commit(&mine, 1, "shared"));
    push(&remote(there.path()), &mine, &[one]);
    let collected = AtomicBool::new(false);
    let root = there.path().to_owned();
    // The content is seen to be there, then it is removed, then the manifest is written.
    let slow = through(there.path(), move |path, bytes| {
        if path.starts_with("manifests") && !collected.swap(true, Ordering::SeqCst) {
            let everything = Collection {
                days: 0.0,
                dry_run: false,
            };
            remote(&root)
                .collect(everything, &mut |_| Ok(HashSet::new()))
                .unwrap();
        }
        Ok(bytes)
    });
    push(&slow, &mine, &[two]);
    let other = testing::folder();
    let theirs = store(other.path());
    let fetched = remote(there.path()).fetch(&theirs, &wanted(two)).unwrap();
    assert_eq!(fetched, Fetched::Brought(6));
}

#[test]
fn who_pushes_waits_for_who_collects_and_two_do_not_collect_at_once() {
    let (here, there) = (testing::folder(), testing::folder());
    let mine = store(here.path());
    let key = commit(&mine, 0, "curve");
    let place = Folder::at(there.path(), &Arc::default());
    Marker::new(true).write(&place).unwrap();
    let everything = Collection {
        days: 0.0,
        dry_run: false,
    };
    let second = remote(there.path()).collect(everything, &mut |_| Ok(HashSet::new()));
    assert!(
        second
            .unwrap_err()
            .to_string()
            .contains("somebody else collects")
    );
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push(&remote(there.path()), &mine, &[key]));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!there.path().join("manifests").exists());
        Marker::new(false).write(&place).unwrap();
        assert_eq!(pushing.join().unwrap().results, 1);
    });
}

#[test]
fn clients_that_push_and_fetch_at_once_end_with_whole_results() {
    let there = testing::folder();
    let folders: Vec<_> = (0..8).map(|_| testing::folder()).collect();
    let stores: Vec<Store> = folders.iter().map(|folder| store(folder.path())).collect();
    let keys: Vec<Digest> = (0..12).map(|seed| inputs(seed).key()).collect();
    std::thread::scope(|scope| {
        for (client, mine) in stores.iter().enumerate() {
            let (keys, there) = (&keys, there.path());
            scope.spawn(move || {
                let remote = remote(there);
                for (seed, key) in keys.iter().enumerate() {
                    if remote.fetch(mine, &wanted(*key)).unwrap() == Fetched::Absent {
                        commit(mine, seed, &format!("curve {seed}"));
                    }
                    if (seed + client) % 3 == 0 {
                        push(&remote, mine, &keys[..=seed]);
                    }
                }
                push(&remote, mine, keys);
            });
        }
    });
    for mine in &stores {
        assert!(keys.iter().all(|key| is_found(mine, key)));
    }
    let other = testing::folder();
    let theirs = store(other.path());
    for key in &keys {
        assert!(matches!(
            remote(there.path()).fetch(&theirs, &wanted(*key)).unwrap(),
            Fetched::Brought(_)
        ));
    }
}

#[test]
fn a_servers_answer_becomes_one_sentence_without_its_text() {
    for (text, trouble, said) in [
        (
            "status code: 404 Not Found: <Code>NoSuchBucket</Code> geheim",
            Trouble::Failed,
            "no such bucket (404, NoSuchBucket)",
        ),
        (
            "status code: 403 Forbidden: <Code>RequestTimeTooSkewed</Code>",
            Trouble::Failed,
            "set its clock right",
        ),
        (
            "status code: 403 Forbidden: <Code>ExpiredToken</Code> geheim",
            Trouble::Failed,
            "have expired",
        ),
        (
            "status code: 403 Forbidden: <Code>AccessDenied</Code>",
            Trouble::Denied,
            "access is denied",
        ),
        (
            "status code: 403 Forbidden: \u{1b}[2J geheim",
            Trouble::Denied,
            "access is denied",
        ),
        ("status code: 404 Not Found: ", Trouble::Absent, "not there"),
        (
            "status code: 501 Not Implemented",
            Trouble::Unsupported,
            "no such request",
        ),
        (
            "status code: 500 <Code>\u{1b}geheim</Code>",
            Trouble::Failed,
            "the server failed",
        ),
        (
            "error sending request for https://host/?sig=geheim: Connection refused",
            Trouble::Failed,
            "refuses connections",
        ),
        ("whatever geheim", Trouble::Failed, "the connection broke"),
    ] {
        let failure = explained(text);
        let message = failure.to_string();
        assert_eq!(failure.trouble, trouble, "{text}");
        assert!(message.contains(said), "{message}");
        assert!(
            !message.contains("geheim") && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}

#[test]
fn the_first_failure_of_many_is_told_and_the_rest_is_left() {
    let items: Vec<usize> = (0..1000).collect();
    let done = AtomicUsize::new(0);
    let failed = each(&items, 4, |&item| {
        done.fetch_add(1, Ordering::SeqCst);
        if item == 3 { Err("three") } else { Ok(()) }
    });
    assert_eq!(failed, Err("three"));
    let all = AtomicUsize::new(0);
    let none: Result<(), &str> = each(&items, 4, |_| {
        all.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!((none, all.into_inner()), (Ok(()), 1000));
}
