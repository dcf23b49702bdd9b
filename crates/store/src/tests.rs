use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::key::{Basis, Digest, KeyInputs, Listing, SCHEMA};
use crate::stat::Stat;

pub(super) fn inputs(seed: u32) -> KeyInputs {
    KeyInputs {
        basis: Arc::new(Basis {
            schema: SCHEMA,
            kind: "train".into(),
            code: BTreeMap::new(),
            crates: BTreeMap::new(),
            numeric: None,
        }),
        parameters: format!("{{\"seed\":{seed}}}").into(),
        inputs: BTreeMap::new(),
    }
}

fn run_record() -> RunRecord {
    RunRecord {
        started: "2026-01-01T00:00:00Z".into(),
        seconds: 1.5,
        work_seconds: 1.0,
        amount: 1.0,
        threads: 1,
        because: vec!["no result yet".into()],
        host: "here".into(),
        cpu: "some".into(),
        fig6: "0.1.0".into(),
        log: None,
    }
}

pub(super) fn claim(store: &Store, key: &Digest) -> Claim {
    match store.claim(key).unwrap() {
        Claimed::Ours(claim) => {
            store.begin(&claim, "train/a/seed0").unwrap();
            claim
        }
        Claimed::Busy(path) => panic!("{} is locked", path.display()),
    }
}

/// Commits a result with one output and returns its key.
pub(super) fn commit(store: &Store, seed: u32, content: &str) -> Digest {
    commit_with_evidence(store, seed, content, &[])
}

/// Commits a result with one output and these files as evidence, and returns its key.
pub(super) fn commit_with_evidence(
    store: &Store,
    seed: u32,
    content: &str,
    evidence: &[(&str, &str)],
) -> Digest {
    let key_inputs = inputs(seed);
    let key = key_inputs.key();
    let claim = claim(store, &key);
    fs::write(claim.output().join("metrics.jsonl"), content).unwrap();
    for (name, content) in evidence {
        fs::write(claim.evidence().join(name), content).unwrap();
    }
    let manifest = Manifest {
        step: "train/a/seed0".into(),
        key,
        key_inputs,
        outputs: claim.collect(&["metrics.jsonl"]).unwrap(),
        evidence: claim.collect_evidence().unwrap(),
        summary: "done".into(),
        run: RunRecord {
            log: Some(claim.collect_log().unwrap()),
            ..run_record()
        },
        carried_over: None,
    };
    let entry = store.commit(&claim, &manifest).unwrap();
    store.show("train/a/seed0", &entry).unwrap();
    key
}

pub(super) fn store(folder: &Path) -> Store {
    let store = Store::at(folder, false);
    store.prepare().unwrap();
    store
}

pub(super) fn found(store: &Store, key: &Digest) -> Arc<Entry> {
    match store.lookup(key).unwrap() {
        Lookup::Found(entry) => entry,
        other => panic!("{other:?}"),
    }
}

pub(super) fn damage(store: &Store, key: &Digest) -> String {
    match store.lookup(key).unwrap() {
        Lookup::Damaged(what) => what,
        other => panic!("{other:?}"),
    }
}

/// Makes a read-only object writable and replaces its content.
fn overwrite(path: &Path, content: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_committed_result_is_found_by_its_key_and_seen_by_its_name() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let entry = found(&store, &key);
    assert_eq!(
        store.read(&entry.outputs["metrics.jsonl"]).unwrap(),
        b"curve"
    );
    let newest = store.newest("train/a/seed0").unwrap().unwrap();
    assert_eq!(Entry::from(&newest), *entry);
    let view = folder.path().join("by-step/train/a/seed0/metrics.jsonl");
    assert_eq!(fs::read_to_string(view).unwrap(), "curve");
    assert!(matches!(
        store.lookup(&inputs(1).key()).unwrap(),
        Lookup::Absent
    ));
    let left: Vec<_> = fs::read_dir(folder.path().join("work")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_object_that_is_missing_cut_altered_or_a_folder_is_never_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let object = store.object_path(&found(&store, &key).outputs["metrics.jsonl"].digest);
    for (content, said) in [
        ("cur", "has 3 bytes instead of 5"),
        ("curvy", "was altered"),
    ] {
        overwrite(&object, content);
        assert!(damage(&store, &key).contains(said), "{content}");
    }
    fs::remove_file(&object).unwrap();
    assert!(damage(&store, &key).contains("is missing"));
    fs::create_dir(&object).unwrap();
    assert!(damage(&store, &key).contains("is no file"));
    // The same result again puts it right and keeps what lay there.
    commit(&store, 0, "curve");
    found(&store, &key);
    assert_eq!(
        fs::read_dir(folder.path().join("set-aside"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_manifest_with_any_byte_missing_or_altered_is_never_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let path = store.manifest_path(&key);
    let whole = fs::read(&path).unwrap();
    for end in 0..whole.len() - 1 {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(
            damage(&store, &key).contains("is not used"),
            "cut to {end} bytes"
        );
    }
    let mut used = 0;
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        match store.lookup(&key).unwrap() {
            Lookup::Damaged(_) => {}
            // White space between the values may change: they are the same values.
            Lookup::Found(manifest) => {
                used += 1;
                assert_eq!(
                    manifest.outputs["metrics.jsonl"].digest,
                    Digest::of(b"curve"),
                    "byte {at}"
                );
                assert!(whole[at].is_ascii_whitespace(), "byte {at} is not covered");
            }
            Lookup::Absent => panic!("the manifest is there"),
        }
    }
    assert!(used < whole.len() / 2, "the alterations were not seen");
    fs::write(&path, &whole).unwrap();
    found(&store, &key);
}

#[test]
fn a_manifest_under_another_key_is_not_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let other = inputs(1).key();
    fs::copy(store.manifest_path(&key), store.manifest_path(&other)).unwrap();
    assert!(damage(&store, &other).contains("belongs to another key"));
}

#[test]
fn an_intact_object_with_new_time_stamps_is_still_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    store.save_index().unwrap();
    let object = store.object_path(&found(&store, &key).outputs["metrics.jsonl"].digest);
    overwrite(&object, "curve");
    found(&Store::at(folder.path(), false), &key);
}

#[test]
fn a_paranoid_store_sees_what_sizes_and_time_stamps_do_not_tell() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let digest = found(&store, &key).outputs["metrics.jsonl"].digest;
    let object = store.object_path(&digest);
    overwrite(&object, "curvy");
    // As if the file looked just as it did when it was right: a disk that lost a bit.
    let looks = Stat::of_new(&fs::metadata(&object).unwrap());
    store.index.note_object(digest, looks);
    settle();
    store.save_index().unwrap();
    found(&Store::at(folder.path(), false), &key);
    let paranoid = Store::at(folder.path(), true);
    assert!(damage(&paranoid, &key).contains("was altered"));
}

#[test]
fn a_key_is_claimed_once_at_a_time_and_freed_with_its_holder() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = inputs(0).key();
    let first = claim(&store, &key);
    fs::write(first.output().join("half"), "written").unwrap();
    fs::write(first.scratch().join("checkpoint"), "kept").unwrap();
    assert!(matches!(store.claim(&key).unwrap(), Claimed::Busy(_)));
    drop(first);
    let second = claim(&store, &key);
    assert!(!second.output().join("half").exists());
    assert!(second.scratch().join("checkpoint").exists());
}

#[test]
fn an_output_that_is_missing_or_was_not_declared_is_refused() {
    let folder = testing::folder();
    let store = store(folder.path());
    let claim = claim(&store, &inputs(0).key());
    let error = claim.collect(&["metrics.jsonl"]).unwrap_err().to_string();
    assert!(
        error.contains("did not write its output metrics.jsonl"),
        "{error}"
    );
    fs::write(claim.output().join("metrics.jsonl"), "curve").unwrap();
    fs::write(claim.output().join("more"), "than declared").unwrap();
    let error = claim.collect(&["metrics.jsonl"]).unwrap_err().to_string();
    assert!(
        error.contains("wrote more, which it does not declare"),
        "{error}"
    );
}

/// Lets the files lie for a while: no program can set back when a file's status changed.
pub(super) fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(60));
}

#[test]
fn what_the_index_knows_is_not_read_again() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    settle();
    first.save_index().unwrap();
    let second = Store::at(folder.path(), false);
    let entry = found(&second, &key);
    let paths = [
        second.manifest_path(&key),
        second.object_path(&entry.outputs["metrics.jsonl"].digest),
    ];
    let looks = |path: &PathBuf| Stat::of(&fs::metadata(path).unwrap());
    assert_eq!(
        second.index.result(&key, looks(&paths[0])),
        Some(entry.clone())
    );
    assert!(
        second
            .index
            .is_intact(&entry.outputs["metrics.jsonl"].digest, looks(&paths[1]))
    );
}

#[test]
fn of_steps_that_share_a_result_each_is_known_to_show_it() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    first.show("train/b/seed0", &found(&first, &key)).unwrap();
    settle();
    first.save_index().unwrap();
    let second = Store::at(folder.path(), false);
    for step in ["train/a/seed0", "train/b/seed0"] {
        let looks = Stat::of(&fs::metadata(folder.path().join("by-step").join(step)).unwrap());
        assert_eq!(second.index.noted(step, looks), Some(key), "{step}");
    }
}

#[test]
fn files_that_changed_just_before_they_were_read_or_the_index_was_saved_are_not_remembered() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    let path = first.manifest_path(&key);
    let looks = || Stat::of_new(&fs::metadata(&path).unwrap());
    let remembered = || {
        let store = Store::at(folder.path(), false);
        store.index.result(&key, looks()).is_some()
    };
    let touch = |time: SystemTime| {
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
    };

    // One of our own making, young for an hour.
    touch(SystemTime::now() + Duration::from_secs(3600));
    let store = Store::at(folder.path(), false);
    let entry = found(&store, &key);
    store.index.note_result(looks(), entry);
    store.save_index().unwrap();
    assert!(!remembered());

    // One that is read while it is young, and saved later; on a busy machine not at the first try.
    let store = (0..1000).find_map(|_| {
        let store = Store::at(folder.path(), false);
        touch(SystemTime::UNIX_EPOCH);
        let touched = Instant::now();
        found(&store, &key);
        (touched.elapsed() < Duration::from_millis(40)).then_some(store)
    });
    settle();
    store.unwrap().save_index().unwrap();
    assert!(!remembered(), "it may have changed after it was read");

    let store = Store::at(folder.path(), false);
    found(&store, &key);
    store.save_index().unwrap();
    assert!(remembered());
}

#[test]
fn a_manifest_that_is_written_to_in_place_is_read_again() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    settle();
    first.save_index().unwrap();
    let path = first.manifest_path(&key);
    let whole = fs::read_to_string(&path).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, whole.replace("\"bytes\": 5", "\"bytes\": 6")).unwrap();
    // Even with its old time stamp set again.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let second = Store::at(folder.path(), false);
    assert!(damage(&second, &key).contains("its checksum does not match"));
}

#[test]
fn earlier_results_come_newest_first_and_what_cannot_be_read_is_said() {
    let folder = testing::folder();
    let store = store(folder.path());
    let keys = [
        commit(&store, 0, "a"),
        commit(&store, 1, "b"),
        commit(&store, 2, "c"),
    ];
    let fresh = Store::at(folder.path(), false);
    let found: Vec<Digest> = fresh
        .earlier("train/a/seed0", &|_| Ok(true))
        .unwrap()
        .manifests
        .iter()
        .map(|m| m.key)
        .collect();
    assert_eq!(found[0], keys[2], "the one that is shown comes first");
    assert_eq!(found.len(), 3);
    assert!(
        fresh
            .earlier("train/b/seed0", &|_| Ok(true))
            .unwrap()
            .manifests
            .is_empty()
    );

    let path = fresh.manifest_path(&keys[2]);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"schema\": 3", "\"schema\": 1")).unwrap();
    let fresh = Store::at(folder.path(), false);
    let earlier = fresh.earlier("train/a/seed0", &|_| Ok(true)).unwrap();
    assert!(
        earlier
            .unusable
            .unwrap()
            .contains("it has schema version 1")
    );
    assert_eq!(earlier.manifests.len(), 2);
}

#[test]
fn a_listing_is_found_by_its_digest_while_it_is_whole() {
    let folder = testing::folder();
    let store = store(folder.path());
    let text = "fn a\t1\nfn b\t2\n";
    store.keep_listing(text).unwrap();
    let digest = Listing::digest(text);
    assert_eq!(store.listing(&digest).unwrap(), Listing::parse(text));
    fs::write(store.listing_path(&digest), "fn a\t1\nfn b\t3\n").unwrap();
    assert_eq!(store.listing(&digest).unwrap(), None);
    assert_eq!(store.listing(&Digest::of(b"other")).unwrap(), None);
}

#[test]
fn an_index_with_any_byte_altered_or_cut_off_says_nothing_wrong() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    settle();
    first.save_index().unwrap();
    let right = found(&first, &key);
    let index = folder.path().join("index");
    let whole = fs::read(&index).unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        for bytes in [&altered[..], &whole[..at]] {
            fs::write(&index, bytes).unwrap();
            let store = Store::at(folder.path(), false);
            assert!(store.index.remembered(&key).is_none(), "byte {at}");
            assert_eq!(found(&store, &key), right, "byte {at}");
        }
    }
    fs::write(&index, whole).unwrap();
    assert_eq!(
        Store::at(folder.path(), false).index.remembered(&key),
        Some(right)
    );
}

#[test]
fn a_manifest_whose_output_would_lie_outside_is_not_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit(&store, 0, "curve");
    let manifest = store.expect_manifest(&key).unwrap();
    for name in ["../evil", "..", ".", "a/b", "/evil", "", "a/", "./a", "a\0"] {
        let mut forged = manifest.clone();
        let output = forged.outputs.remove("metrics.jsonl").unwrap();
        forged.outputs.insert(name.to_owned(), output);
        let path = store.manifest_path(&key);
        forged.write(&folder.path().join("partial"), &path).unwrap();
        let said = damage(&Store::at(folder.path(), false), &key);
        assert!(said.contains("is no output's name"), "{name:?}: {said}");
    }
}

#[test]
fn pipes_and_devices_in_the_place_of_files_are_not_waited_for() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    let listing = "fn a\t1\n";
    first.keep_listing(listing).unwrap();
    let manifest = first.manifest_path(&key);
    let object = first.object_path(&found(&first, &key).outputs["metrics.jsonl"].digest);
    let places = [
        folder.path().join("index"),
        first.listing_path(&Listing::digest(listing)),
        object,
        manifest,
    ];
    for (number, place) in places.iter().enumerate() {
        let _ = fs::remove_file(place);
        match number % 2 {
            0 => std::os::unix::fs::symlink("/dev/zero", place).unwrap(),
            _ => assert!(
                std::process::Command::new("mkfifo")
                    .arg(place)
                    .status()
                    .unwrap()
                    .success()
            ),
        }
        let store = Store::at(folder.path(), false);
        assert_eq!(
            store.listing(&Listing::digest(listing)).unwrap(),
            None.or(Listing::parse(listing)).filter(|_| number == 0)
        );
        match number {
            0 | 1 => drop(found(&store, &key)),
            _ => assert!(damage(&store, &key).contains("no file")),
        }
    }
}
