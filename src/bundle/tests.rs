use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use flate2::GzBuilder;
use flate2::read::GzDecoder;
use tar::{EntryType, Header};

use super::contents::header;
use super::*;
use crate::report::made_up_tests::{Project, TINY, edit};
use store::key::{Digest, Listing};
use store::{CarriedOver, Claimed, Output, Store};

/// Unpacks without being stopped.
fn unpack(bundle: &Path, into: &Path) -> Result<Contents> {
    super::unpack(bundle, into, &AtomicBool::new(false))
}

/// Packs without being stopped and without snapshots, into a new file.
fn pack(report: &Path, store: &Store, output: &Path) -> Result<Summary> {
    packed(report, store, false, output)
}

fn packed(report: &Path, store: &Store, snapshots: bool, output: &Path) -> Result<Summary> {
    let file = fs::File::create(output)?;
    let packed = super::pack(report, store, snapshots, &file, &AtomicBool::new(false));
    packed.inspect_err(|_| fs::remove_file(output).unwrap())
}

fn bundled() -> (Project, PathBuf) {
    let project = Project::new(TINY, 1);
    project.publish();
    let path = project.path("tiny.tar.gz");
    pack(&project.report(), &project.store, &path).unwrap();
    (project, path)
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let entries = entries.filter(|entry| entry.file_type().is_file());
    let named = entries.map(|entry| {
        let path = entry.path().strip_prefix(folder).unwrap();
        (
            path.to_str().unwrap().to_owned(),
            fs::read(entry.path()).unwrap(),
        )
    });
    named.collect()
}

/// What is said of these bytes as a bundle; none if they are unpacked. Nothing may be left of them
/// otherwise.
fn refusal(project: &Project, bytes: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir_in(project.folder.path()).unwrap();
    let bundle = folder.path().join("bundle.tar.gz");
    fs::write(&bundle, bytes).unwrap();
    let error = unpack(&bundle, &folder.path().join("into/there")).err()?;
    let left = files(folder.path());
    assert_eq!(left.len(), 1, "{:?}", left.keys());
    let said = format!("{error:#}");
    assert!(said.contains("is no whole bundle of fig6: "), "{said}");
    assert!(!said.contains('\n') && said.len() < 400, "{said}");
    Some(said)
}

/// The archive inside.
fn inflated(path: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut decoder = GzDecoder::new(fs::File::open(path).unwrap());
    decoder.read_to_end(&mut archive).unwrap();
    archive
}

/// As fig6 compresses it.
fn deflated(archive: &[u8]) -> Vec<u8> {
    let gzip = GzBuilder::new().operating_system(255);
    let mut gzip = gzip.write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(archive).unwrap();
    gzip.finish().unwrap()
}

/// Headers and contents, as they follow each other.
type Entries = Vec<(Header, Vec<u8>)>;

fn entries(archive: &[u8]) -> Entries {
    let mut entries = Vec::new();
    let mut at = 0;
    while archive[at] != 0 {
        let header = Header::from_byte_slice(&archive[at..at + 512]).clone();
        let size = header.size().unwrap() as usize;
        entries.push((header, archive[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.next_multiple_of(512);
    }
    entries
}

fn archive_of(entries: &[(Header, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (header, content) in entries {
        archive.extend(header.as_bytes());
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[test]
fn what_is_unpacked_is_what_was_packed_and_a_store_and_report_of_its_own() {
    let (project, path) = bundled();
    let into = project.path("elsewhere");
    let contents = unpack(&path, &into).unwrap();
    assert_eq!(contents.profile, "tiny");
    let (packed, original) = (files(&into), files(project.folder.path()));
    for (name, content) in packed.iter().filter(|(name, _)| *name != FILE) {
        assert_eq!(original.get(name), Some(content), "{name}");
    }
    assert_eq!(packed.len(), contents.files.len() + 1);
    assert!(packed.contains_key("reports/tiny/report.html"));
    let manifests = |files: &BTreeMap<String, Vec<u8>>| {
        let names = files.keys();
        names
            .filter(|name| name.starts_with("artifacts/manifests/"))
            .count()
    };
    assert_eq!(manifests(&packed), project.graph.steps().len());
    assert!(
        packed
            .keys()
            .any(|name| name.starts_with("artifacts/listings/"))
    );

    let store = store::Store::at(&into.join("artifacts"), false);
    let mut left_out = Vec::new();
    for step in project.graph.steps() {
        let statement = crate::report::provenance::Statement::read(&into.join("reports/tiny"));
        let statement = statement.unwrap();
        let record = statement.internal().step(&step.name).unwrap();
        let manifest = store.expect_manifest(&record.key).unwrap();
        for (name, output) in &manifest.outputs {
            match contents.left_out(&output.digest) {
                Some(it) => {
                    assert_eq!(
                        (&it.step, &it.output, it.bytes),
                        (&step.name, name, output.bytes)
                    );
                    assert!(store.read(output).is_err());
                    left_out.push(name.clone());
                }
                None => assert!(store.read(output).is_ok(), "{name} of {}", step.name),
            }
        }
    }
    assert_eq!(
        left_out,
        ["archive", "test.bin", "train.bin", "validation.bin"]
    );
    assert_eq!(Contents::read(&into).unwrap(), Some(contents));
    assert_eq!(Contents::read(project.folder.path()).unwrap(), None);
}

#[test]
fn two_bundles_of_the_same_results_are_the_same_bytes() {
    let (project, path) = bundled();
    let again = project.path("again.tar.gz");
    let summary = pack(&project.report(), &project.store, &again).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes == fs::read(&again).unwrap());
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert!(bytes.starts_with(&super::contents::GZIP));
    // Unpacked and packed again it is still the same.
    let into = project.path("elsewhere");
    unpack(&path, &into).unwrap();
    let store = store::Store::at(&into.join("artifacts"), false);
    pack(&into.join("reports/tiny"), &store, &again).unwrap();
    assert!(bytes == fs::read(&again).unwrap());
    // The helpers of the other tests change nothing by themselves.
    let archive = inflated(&path);
    assert!(archive_of(&entries(&archive)) == archive);
    assert_eq!(refusal(&project, &deflated(&archive)), None);
}

/// What the trainings of a project left as evidence.
fn evidence(project: &Project, store: &Store) -> Vec<Output> {
    let results = project.results.iter().flatten();
    let manifests = results.map(|entry| store.expect_manifest(&entry.key).unwrap());
    let evidence = manifests.flat_map(|manifest| manifest.evidence.into_values());
    evidence.collect()
}

#[test]
fn snapshots_are_packed_when_that_is_asked_for_and_are_there_once_unpacked() {
    let (project, path) = bundled();
    let made = evidence(&project, &project.store);
    assert_eq!(made.len(), 4);
    let with = project.path("with.tar.gz");
    let summary = packed(&project.report(), &project.store, true, &with).unwrap();
    let bytes = made.iter().map(|output| output.bytes).sum();
    assert_eq!(summary.snapshots, (4, bytes));
    for (bundle, there) in [(&with, 4), (&path, 0)] {
        let folder = tempfile::tempdir_in(project.folder.path()).unwrap();
        unpack(bundle, &folder.path().join("into")).unwrap();
        let store = Store::at(&folder.path().join("into/artifacts"), true);
        let found = evidence(&project, &store);
        let found = found.iter().map(|it| store.evidence_file(it).unwrap());
        assert_eq!(found.filter(Option::is_some).count(), there);
    }
    // One that is gone is left out, and one that is damaged is named.
    let object = project.store.object_path(&made[0].digest);
    fs::remove_file(&object).unwrap();
    let summary = packed(&project.report(), &project.store, true, &with).unwrap();
    assert_eq!(summary.snapshots.0, 3);
    fs::write(&object, "other").unwrap();
    let error = packed(&project.report(), &project.store, true, &with).unwrap_err();
    assert!(format!("{error:#}").contains("10 of train/"), "{error:#}");
}

#[test]
fn a_bundle_without_snapshots_is_the_same_whether_the_store_has_them_or_not() {
    let (project, path) = bundled();
    for output in evidence(&project, &project.store) {
        fs::remove_file(project.store.object_path(&output.digest)).unwrap();
    }
    let again = project.path("again.tar.gz");
    pack(&project.report(), &project.store, &again).unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&again).unwrap());
    let summary = packed(&project.report(), &project.store, true, &again).unwrap();
    assert_eq!(summary.snapshots, (0, 0));
}

#[test]
fn what_code_a_result_was_carried_over_from_is_packed() {
    let (project, path) = bundled();
    let mut results = project.results.iter().flatten();
    let training = results.find(|entry| entry.kind == "train").unwrap();
    let mut manifest = project.store.expect_manifest(&training.key).unwrap();
    let text = "fn earlier\t1\n";
    project.store.keep_listing(text).unwrap();
    let mut original_inputs = manifest.key_inputs.clone();
    let code = &mut Arc::make_mut(&mut original_inputs.basis).code;
    code.insert("earlier".to_owned(), Listing::digest(text));
    manifest.carried_over = Some(CarriedOver {
        original: original_inputs.key(),
        original_inputs,
        shown: "2026-01-02T00:00:00Z".to_owned(),
        seconds: 1.0,
        host: "here".to_owned(),
        cpu: "any".to_owned(),
        stretches: Vec::new(),
    });
    let Ok(Claimed::Ours(claim)) = project.store.claim(&training.key) else {
        panic!("nobody has claimed it");
    };
    project.store.begin(&claim, &training.step).unwrap();
    project.store.commit(&claim, &manifest).unwrap();
    let contents = pack(&project.report(), &project.store, &path).unwrap();
    let listing = format!("artifacts/listings/{}", Listing::digest(text));
    let mut files = contents.contents.files.iter();
    assert!(files.any(|file| file.path == listing));
}

#[test]
fn a_bundle_cut_at_any_length_is_refused() {
    let (project, path) = bundled();
    let bytes = fs::read(path).unwrap();
    assert_eq!(refusal(&project, &bytes), None);
    let lengths = (0..bytes.len()).step_by(bytes.len() / 60);
    for length in lengths.chain(bytes.len() - 20..bytes.len()) {
        assert!(refusal(&project, &bytes[..length]).is_some(), "{length}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    let said = refusal(&project, &longer).unwrap();
    assert!(said.contains("goes on after its end"), "{said}");
    let twice = [&bytes[..], &bytes[..]].concat();
    assert!(refusal(&project, &twice).is_some());
}

#[test]
fn a_flipped_byte_anywhere_is_refused() {
    let (project, path) = bundled();
    let archive = inflated(&path);
    let bytes = fs::read(path).unwrap();
    let places = (0..bytes.len()).step_by(bytes.len() / 80);
    for place in (0..20).chain(places).chain(bytes.len() - 12..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0xff;
        // A run of one byte can be copied from several places to the same effect.
        let mut same = Vec::new();
        let same = GzDecoder::new(&flipped[..]).read_to_end(&mut same).is_ok() && same == archive;
        assert!(same || refusal(&project, &flipped).is_some(), "{place}");
    }
}

#[test]
fn a_byte_flipped_before_it_was_compressed_is_refused() {
    let (project, path) = bundled();
    let archive = inflated(&path);
    let places = (0..archive.len()).step_by(archive.len() / 80);
    for place in (0..512)
        .step_by(19)
        .chain(places)
        .chain([archive.len() - 1])
    {
        let mut flipped = archive.clone();
        flipped[place] ^= 0x20;
        let refused = refusal(&project, &deflated(&flipped));
        assert!(refused.is_some(), "{place} of {}", archive.len());
    }
}

#[test]
fn a_file_added_removed_renamed_or_exchanged_is_refused() {
    let (project, path) = bundled();
    let all = entries(&inflated(&path));
    let said = |change: &dyn Fn(&mut Entries)| {
        let mut entries = all.clone();
        change(&mut entries);
        refusal(&project, &deflated(&archive_of(&entries))).expect("it is refused")
    };
    let strange = |kind: EntryType, path: &[u8]| {
        let mut header = header("x", 0, false).unwrap();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_entry_type(kind);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        (header, Vec::new())
    };
    for place in [0, 1, 5, all.len()] {
        for (kind, path, words) in [
            (EntryType::Regular, "artifacts/more", "a file named"),
            (
                EntryType::Regular,
                "../../escaped",
                "a file named \"../../escaped\"",
            ),
            (EntryType::Regular, "/tmp/escaped", "a file named"),
            (EntryType::Symlink, "artifacts/link", "a link named"),
            (EntryType::Link, "artifacts/link", "a link named"),
            (EntryType::Char, "artifacts/device", "a device named"),
            (EntryType::Fifo, "artifacts/pipe", "a device named"),
            (EntryType::Directory, "artifacts/folder", "a folder named"),
            (EntryType::XHeader, "artifacts/pax", "something else named"),
        ] {
            let said = said(&|entries| entries.insert(place, strange(kind, path.as_bytes())));
            assert!(said.contains(words), "{path}: {said}");
        }
    }
    for place in [0, 1, 5, all.len() - 1] {
        said(&|entries| drop(entries.remove(place)));
        said(&|entries| {
            let (header, content) = &mut entries[place];
            *header =
                super::contents::header("artifacts/other", content.len() as u64, false).unwrap();
        });
        said(&|entries| {
            let (_, content) = &mut entries[place];
            content[0] ^= 1;
        });
        said(&|entries| {
            let (header, content) = &mut entries[place];
            content.extend(vec![b'x'; 1 << 12]);
            header.set_size(content.len() as u64);
            header.set_cksum();
        });
    }
    said(&|entries| entries.swap(3, 4));
    said(&|entries| entries.clear());
}

/// Contents that were made to deceive, with the files that they name.
fn forged(project: &Project, path: &Path, change: impl Fn(&mut Contents)) -> Option<String> {
    let mut entries = entries(&inflated(path));
    let folder = testing::folder();
    let mut contents = unpack(path, &folder.path().join("into")).unwrap();
    change(&mut contents);
    let text = contents.text().unwrap().into_bytes();
    entries[0] = (header(FILE, text.len() as u64, false).unwrap(), text);
    for ((found, _), file) in entries[1..].iter_mut().zip(&contents.files) {
        let name = file.path.as_bytes();
        if name.len() < 100 {
            found.as_old_mut().name = [0; 100];
            found.as_old_mut().name[..name.len()].copy_from_slice(name);
            found.set_cksum();
        }
    }
    refusal(project, &deflated(&archive_of(&entries)))
}

#[test]
fn contents_made_to_deceive_are_refused() {
    let (project, path) = bundled();
    let last = |contents: &Contents| contents.files.len() - 1;
    assert_eq!(forged(&project, &path, |_| {}), None);
    for name in [
        "../escaped",
        "/tmp/escaped",
        "artifacts/../../escaped",
        "artifacts//x",
        "reports",
        "pipeline.ron/x",
        "elsewhere",
        "artifacts/.hidden",
        "artifacts/a\0b",
        "artifacts\\x",
        "",
    ] {
        for place in [0, 1] {
            let said = forged(&project, &path, |contents| {
                let place = place * last(contents);
                contents.files[place].path = name.to_owned();
            });
            let said = said.unwrap();
            assert!(
                said.contains("no place in a bundle") || said.contains("not in order"),
                "{said}"
            );
        }
    }
    let twice = forged(&project, &path, |contents| {
        let first = contents.files[0].clone();
        contents.files.insert(0, first);
    });
    assert!(twice.unwrap().contains("twice"));
    let huge = forged(&project, &path, |contents| {
        contents.files[0].bytes = 1 << 60
    });
    assert!(huge.unwrap().contains("more than fit"));
    let other = forged(&project, &path, |contents| {
        contents.files[0].blake3 = Digest::of(b"other")
    });
    assert!(other.unwrap().contains("was altered"));
    let none = forged(&project, &path, |contents| contents.files.clear());
    assert!(none.unwrap().contains("empty"));
    let profile = forged(&project, &path, |contents| {
        contents.profile = "../x".to_owned()
    });
    assert!(profile.unwrap().contains("profile"));
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let (project, _) = bundled();
    for bytes in [&b""[..], b"no bundle", &[0x1f, 0x8b], &[0; 100]] {
        assert!(refusal(&project, bytes).is_some());
    }
    let into = project.path("into");
    let error = unpack(&project.path("nowhere"), &into).unwrap_err();
    assert!(format!("{error:#}").contains("No such file"), "{error:#}");
    assert!(unpack(project.folder.path(), &into).is_err() && !into.exists());
}

#[test]
fn a_folder_with_something_in_it_is_not_unpacked_into() {
    let (project, path) = bundled();
    let into = project.path("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), "x").unwrap();
    assert!(unpack(&path, &into).is_err());
    assert_eq!(files(&into).len(), 1);
    fs::remove_file(into.join("mine")).unwrap();
    unpack(&path, &into).unwrap();
}

#[test]
fn what_does_not_hold_is_not_packed() {
    let said = |project: &Project| {
        let output = project.path("new.tar.gz");
        let error = pack(&project.report(), &project.store, &output).unwrap_err();
        format!("{error:#}")
    };
    let (project, _) = bundled();
    edit(&project.report().join("results.md"), "12.34", "12.33");
    assert!(said(&project).contains("results.md is not what its provenance says"));

    let (project, _) = bundled();
    fs::remove_file(project.report().join("provenance.json")).unwrap();
    assert!(said(&project).contains("fig6 reproduce"));

    let (project, _) = bundled();
    let statement = crate::report::provenance::Statement::read(&project.report()).unwrap();
    let step = statement.internal().step("train/plain8/seed1").unwrap();
    let object = project
        .store
        .object_path(&step.outputs["weights.safetensors"].blake3);
    let mut bytes = fs::read(&object).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(&object).unwrap();
    fs::write(&object, &bytes).unwrap();
    assert!(said(&project).contains("was altered"));
    fs::write(&object, &bytes[1..]).unwrap();
    assert!(said(&project).contains("less than"));
    fs::write(&object, [&bytes[..], b"x"].concat()).unwrap();
    assert!(said(&project).contains("more than"));
    fs::remove_file(&object).unwrap();
    assert!(said(&project).contains("cannot read"));
    fs::remove_file(project.store.manifest_path(&step.key)).unwrap();
    assert!(said(&project).contains("no result of train/plain8/seed1"));
}

#[test]
fn whoever_is_to_stop_unpacks_nothing_and_leaves_nothing() {
    let (project, path) = bundled();
    let folder = tempfile::tempdir_in(project.folder.path()).unwrap();
    let into = folder.path().join("into");
    let error = super::unpack(&path, &into, &AtomicBool::new(true)).unwrap_err();
    assert!(format!("{error:#}").contains("stopped"), "{error:#}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn whoever_is_to_stop_packs_nothing() {
    let (project, _) = bundled();
    let file = tempfile::tempfile().unwrap();
    let stop = AtomicBool::new(true);
    let error = super::pack(&project.report(), &project.store, false, &file, &stop).unwrap_err();
    assert!(format!("{error:#}").contains("stopped"), "{error:#}");
}

#[test]
fn a_bundle_is_known_by_its_beginning_and_no_other_archive_is() {
    let (_project, path) = bundled();
    let bundle = fs::read(&path).unwrap();
    assert!(begins_as_bundle(&bundle));
    assert!(begins_as_bundle(&bundle[..bundle.len() / 2]));
    assert!(!begins_as_bundle(&bundle[..100]));
    let archive = inflated(&path);
    assert!(!begins_as_bundle(&archive));
    // The same first file without what it says, and what it says in another file.
    assert!(!begins_as_bundle(&deflated(&archive[..512])));
    assert!(!begins_as_bundle(&deflated(&archive[512..])));
    assert!(!begins_as_bundle(b""));
}
