//! CIFAR's own files: records of the binary version, pickles of the Python version.

use std::fs;
use std::path::Path;

use anyhow::Result;
use cifar::Images;
use preprocess::archive::ArchiveLimits;
use preprocess::layout::{self, Data};

use super::seeds::{meta, python2, python3, records};
use super::target::{Bound, KB, Target, alone};
use testing::folder;

/// Reads a folder or an archive.
pub fn read(path: &Path) -> Result<Data> {
    layout::read(path, ArchiveLimits::default(), &mut |_, _| {})
}

/// A data set has images with labels, in both parts, and ten classes.
pub fn check(data: &Data) {
    for images in [&data.train, &data.test] {
        assert!(!images.is_empty());
        assert!(images.labels().iter().all(|&label| label < 10));
        assert_eq!(images.to_records().len(), 3073 * images.len());
    }
    assert_eq!(data.classes.len(), 10);
}

#[test]
fn records_whatever_they_hold_are_images_or_refused() {
    let _alone = alone();
    let folder = folder();
    fs::write(folder.path().join("test_batch.bin"), records(&[1])).unwrap();
    let batch = folder.path().join("data_batch_1.bin");
    Target {
        name: "records",
        bound: Bound {
            fixed: 64 * KB,
            per_byte: 8,
        },
        seeds: vec![records(&[3]), records(&[0, 9, 5])],
        damage: &|dice, bytes, other| {
            // Most damage is to pixels, which may be anything: some of it to labels and lengths.
            let before = bytes.len();
            dice.damage(bytes, other);
            if dice.one_in(2) {
                bytes.resize(before, 200);
            }
            let record = 3073 * dice.below(3);
            if let Some(label) = bytes.get_mut(record)
                && dice.one_in(2)
            {
                *label = dice.below(13) as u8;
            }
        },
        parse: &|path, bytes| {
            fs::write(&batch, bytes)?;
            let read = read(folder.path());
            let images = Images::read(path);
            // An empty batch is refused; an empty file of our own is no image at all.
            assert_eq!(read.is_ok(), images.is_ok_and(|images| !images.is_empty()));
            read.map(|data| check(&data))
        },
    }
    .run();
}

#[test]
fn pickled_batches_whatever_they_hold_are_images_or_refused() {
    let _alone = alone();
    let folder = folder();
    fs::write(folder.path().join("test_batch"), python2()).unwrap();
    Target {
        name: "pickle",
        // A byte is an operation at best, and that a value, a place on the stack and in the memo.
        bound: Bound {
            fixed: 64 * KB,
            per_byte: 300,
        },
        seeds: vec![python2(), python3(), meta()],
        damage: &|dice, bytes, other| {
            dice.damage_pickle(bytes, other);
        },
        parse: &|_, bytes| {
            // Every input is tried as a batch and as the classes' names.
            let (batch, names) = (
                folder.path().join("data_batch_1"),
                folder.path().join("batches.meta"),
            );
            fs::write(&batch, python2())?;
            fs::write(&names, bytes)?;
            let as_names = read(folder.path());
            fs::remove_file(names)?;
            fs::write(&batch, bytes)?;
            let as_batch = read(folder.path());
            as_names.or(as_batch).map(|data| check(&data))
        },
    }
    .run();
}
