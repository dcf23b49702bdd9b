use std::fs;
use std::path::{Path, PathBuf};

use testing::amount;

use super::*;
use crate::Lookup;
use crate::tests::{claim, commit, commit_with_evidence, found, inputs, store};

fn check(folder: &Path, mend: bool) -> Checkup {
    let left = |scratch: &Path| match fs::read(scratch.join("checkpoint")) {
        Ok(bytes) if bytes != b"good" => vec![(scratch.join("checkpoint"), "is bad".to_owned())],
        _ => Vec::new(),
    };
    Store::at(folder, true)
        .fsck(mend, &left, &|_, _| {})
        .unwrap()
}

fn damaged(checkup: &Checkup) -> Vec<PathBuf> {
    checkup
        .damage()
        .map(|finding| finding.path.clone())
        .collect()
}

/// A store with something of every kind.
fn filled(folder: &Path) -> Store {
    let store = store(folder);
    store.begin_run("tiny", []).unwrap();
    commit(&store, 0, "curve");
    commit(&store, 1, "another curve");
    store.keep_listing("fn a\t1\n").unwrap();
    let left = claim(&store, &inputs(2).key());
    fs::write(left.scratch().join("checkpoint"), "good").unwrap();
    store.end_run("done").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.save_index().unwrap();
    store
}

/// Every plain file of the store that has a content to be wrong.
fn files(folder: &Path) -> Vec<PathBuf> {
    let files = crate::tree::files_below(folder).unwrap().into_iter();
    let plain = files.filter(|found| found.metadata.is_file());
    let relative = plain.map(|found| found.path.strip_prefix(folder).unwrap().to_owned());
    relative.collect()
}

#[test]
fn a_store_in_order_has_nothing_that_is_damaged() {
    let folder = testing::folder();
    filled(folder.path());
    let checkup = check(folder.path(), true);
    assert!(checkup.findings.is_empty(), "{:?}", checkup.findings);
    let counts = (checkup.manifests, checkup.objects, checkup.listings);
    assert_eq!(counts, (2, 2, 1));
    assert_eq!((checkup.runs, checkup.views, checkup.left), (1, 1, 1));
    assert_eq!(checkup.bytes, 18);
}

#[test]
fn every_file_damaged_in_any_way_is_named_and_set_aside_and_then_nothing_is_wrong() {
    let folder = testing::folder();
    filled(folder.path());
    // Nothing but their kind can be wrong with these.
    let only_kind = |file: &Path| {
        let under_way = file.ends_with("task.json") || file.ends_with("log");
        file.starts_with("logs") || file == Path::new("lock") || under_way
    };
    let mut tried = 0;
    for file in files(folder.path()) {
        let ways = [
            "flipped", "deleted", "folder", "cut", "half", "emptied", "link",
        ];
        for &way in &ways[..amount(3, 7, 7)] {
            let folder = testing::folder();
            filled(folder.path());
            // Names of runs differ from one to the next.
            let file = match file.starts_with("runs") {
                true => Path::new("runs").join(
                    fs::read_dir(folder.path().join("runs"))
                        .unwrap()
                        .next()
                        .unwrap()
                        .unwrap()
                        .file_name(),
                ),
                false => file.clone(),
            };
            let path = folder.path().join(&file);
            let bytes = fs::read(&path).unwrap();
            let write = |bytes: &[u8]| {
                fs::remove_file(&path).unwrap();
                fs::write(&path, bytes).unwrap();
            };
            let mut flipped = bytes.clone();
            match way {
                "cut" => write(&bytes[..bytes.len().saturating_sub(1)]),
                "half" => write(&bytes[..bytes.len() / 2]),
                "emptied" => write(b""),
                "flipped" => {
                    let middle = bytes.len() / 2;
                    if let Some(byte) = flipped.get_mut(middle) {
                        *byte ^= 4;
                    }
                    write(&flipped);
                }
                "deleted" => fs::remove_file(&path).unwrap(),
                "folder" => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }
                _ => {
                    fs::remove_file(&path).unwrap();
                    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
                }
            }
            let said = check(folder.path(), true);
            let kind = matches!(way, "folder" | "link");
            let expected = match way {
                // The result that lacks it is named; of caches, listings, lists and what is left nobody knows.
                "deleted" => {
                    file.starts_with("objects") || file.starts_with("manifests") && shows(&file)
                }
                _ if only_kind(&file) => kind && !file.starts_with("work"),
                // The end of the last line.
                _ if file.starts_with("work") && way == "folder" => false,
                _ if way == "cut" && file.starts_with("manifests") => false,
                _ => true,
            };
            assert_eq!(
                !damaged(&said).is_empty(),
                expected,
                "{way} {}: {said:?}",
                file.display()
            );
            if expected && way != "deleted" && file != Path::new("lock") {
                assert!(
                    damaged(&said).contains(&file),
                    "{way} {}: {said:?}",
                    file.display()
                );
                let kept = said.damage().find(|finding| finding.path == file).unwrap();
                assert!(
                    matches!(kept.mended, Mended::SetAside | Mended::Removed),
                    "{kept:?}"
                );
            }
            let again = check(folder.path(), true);
            assert!(
                damaged(&again).is_empty(),
                "{way} {}: {again:?}",
                file.display()
            );
            tried += usize::from(expected);
        }
    }
    assert!(tried > amount(20, 40, 40), "{tried}");
}

/// Whether this is the manifest that the step's folder shows.
fn shows(manifest: &Path) -> bool {
    manifest.ends_with(format!("{}.json", inputs(1).key()))
}

#[test]
fn two_contents_that_were_swapped_are_both_damaged_and_their_steps_are_named() {
    let folder = testing::folder();
    let first = store(folder.path());
    let keys = [commit(&first, 0, "one"), commit(&first, 1, "two")];
    let [one, two] =
        keys.map(|key| first.object_path(&found(&first, &key).outputs["metrics.jsonl"].digest));
    let other = folder.path().join("other");
    fs::rename(&one, &other).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&other, &two).unwrap();
    let said = check(folder.path(), true);
    let objects: Vec<&Finding> = said
        .damage()
        .filter(|finding| finding.path.starts_with("objects"))
        .collect();
    assert_eq!(objects.len(), 2);
    assert!(
        objects
            .iter()
            .all(|finding| finding.steps == ["train/a/seed0"]),
        "{objects:?}"
    );
    for key in keys {
        assert!(matches!(
            Store::at(folder.path(), false).lookup(&key),
            Ok(Lookup::Absent)
        ));
    }
}

#[test]
fn a_content_that_looks_as_ever_is_not_trusted_after_a_dry_run_either() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    let digest = found(&first, &key).outputs["metrics.jsonl"].digest;
    let object = first.object_path(&digest);
    fs::remove_file(&object).unwrap();
    fs::write(&object, "curvy").unwrap();
    // As if the file looked just as it did when it was right: a disk that lost a bit.
    let looks = Stat::of_new(&fs::metadata(&object).unwrap());
    first.index.note_object(digest, looks);
    std::thread::sleep(std::time::Duration::from_millis(60));
    first.save_index().unwrap();
    found(&Store::at(folder.path(), false), &key);
    let said = check(folder.path(), false);
    assert!(
        said.damage()
            .all(|finding| finding.mended == Mended::Nothing)
    );
    assert!(object.exists());
    let lookup = Store::at(folder.path(), false).lookup(&key).unwrap();
    assert!(matches!(lookup, Lookup::Damaged(_)), "{lookup:?}");
}

#[test]
fn links_that_lead_elsewhere_are_put_right() {
    let folder = testing::folder();
    let first = store(folder.path());
    let keys = [commit(&first, 0, "one"), commit(&first, 1, "two")];
    let view = folder.path().join("by-step/train/a/seed0/metrics.jsonl");
    let wrong = first.object_path(&found(&first, &keys[0]).outputs["metrics.jsonl"].digest);
    for target in [Some(&wrong), None] {
        fs::remove_file(&view).unwrap();
        if let Some(target) = target {
            std::os::unix::fs::symlink(target, &view).unwrap();
        }
        let said = check(folder.path(), true);
        assert_eq!(damaged(&said), [PathBuf::from("by-step/train/a/seed0")]);
        assert_eq!(said.findings[0].mended, Mended::Linked);
        assert_eq!(fs::read_to_string(&view).unwrap(), "two");
        assert!(check(folder.path(), true).findings.is_empty());
    }
}

#[test]
fn no_store_is_an_error_that_says_what_to_do() {
    let folder = testing::folder();
    let store = Store::at(&folder.path().join("none"), true);
    let error = store.fsck(true, &|_| Vec::new(), &|_, _| {}).unwrap_err();
    assert!(
        error.to_string().contains("name it with --artifacts"),
        "{error}"
    );
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_content_that_is_put_right_while_the_rest_is_read_stays() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit(&first, 0, "curve");
    let object = first.object_path(&found(&first, &key).outputs["metrics.jsonl"].digest);
    let write = |content: &str| {
        fs::remove_file(&object).unwrap();
        fs::write(&object, content).unwrap();
    };
    write("curvy");
    let store = Store::at(folder.path(), true);
    // Its only content has been read when this is called.
    let watch = |done: u64, _| {
        if done > 0 {
            write("curve");
        }
    };
    let checkup = store.fsck(true, &|_| Vec::new(), &watch).unwrap();
    assert!(checkup.damage().count() > 0, "{checkup:?}");
    let changed = |finding: &Finding| finding.mended == Mended::Changed;
    assert!(checkup.damage().all(changed), "{checkup:?}");
    assert!(!folder.path().join("set-aside").exists());
    found(&Store::at(folder.path(), false), &key);
}

#[test]
fn evidence_that_is_damaged_is_set_aside_and_its_result_stays() {
    let folder = testing::folder();
    let first = store(folder.path());
    let key = commit_with_evidence(&first, 0, "curve", &[("10", "state"), ("20", "later")]);
    assert!(check(folder.path(), true).findings.is_empty());
    let evidence = first.expect_manifest(&key).unwrap().evidence;
    let damaged = first.object_path(&evidence["10"].digest);
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, "stale").unwrap();
    let said = check(folder.path(), true);
    let [finding] = &said.findings[..] else {
        panic!("{said:?}");
    };
    assert_eq!(folder.path().join(&finding.path), damaged);
    assert_eq!(finding.steps, ["train/a/seed0"]);
    assert_eq!(finding.mended, Mended::SetAside);
    assert!(finding.advice.contains("no result depends on it"));
    // It is gone now, as others may be, and that is no damage.
    fs::remove_file(first.object_path(&evidence["20"].digest)).unwrap();
    let store = Store::at(folder.path(), false);
    for it in evidence.values() {
        assert_eq!(store.evidence_file(it).unwrap(), None);
    }
    assert!(check(folder.path(), true).findings.is_empty());
    found(&store, &key);
}
