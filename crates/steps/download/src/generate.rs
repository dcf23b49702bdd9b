//! A made-up data set as an archive in CIFAR's own layout, so that everything after the download
//! runs without a network, and runs the same code as on the real one.
//!
//! Unaware of what the images show (see [`scenes`]) and of who reads them.

use std::io::Write;

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use crate::scenes::{self, Split};
use cifar::{CLASSES, RECORD};

/// Training files, as in the official archive.
const TRAINING_FILES: u32 = 5;
/// Most images of a split: twice the real data's.
const MOST: u32 = 100_000;

/// A made-up data set in CIFAR's layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// Training images.
    pub train: u32,
    /// Test images.
    pub test: u32,
    /// Decides every pixel.
    pub seed: u64,
}

/// Writes the archive. Its bytes depend on nothing but `generated`; image `i` of a split has
/// label `i % 10`, so every run of ten holds each class once. `progress` is told images done and
/// images in all.
///
/// # Errors
/// If a split is empty or has more than 100,000 images, or writing fails.
pub fn write(
    generated: &Generated,
    output: impl Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    for (split, count) in [("training", generated.train), ("test", generated.test)] {
        ensure!(
            (1..=MOST).contains(&count),
            "{count} generated {split} images: expected 1 to {MOST}"
        );
    }
    // Stored, not compressed: noise hardly shrinks, and what a compressor makes of it may change
    // with its version and the processor. `mtime(0)` leaves the time out of the header.
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(output, Compression::none());
    let mut archive = tar::Builder::new(gzip);
    let total = u64::from(generated.train) + u64::from(generated.test);
    let mut done = 0;

    append(
        &mut archive,
        "batches.meta.txt",
        (scenes::NAMES.join("\n") + "\n").as_bytes(),
    )?;
    let per_file = generated.train.div_ceil(TRAINING_FILES);
    for file in 0..TRAINING_FILES {
        let first = (file * per_file).min(generated.train);
        let end = (first + per_file).min(generated.train);
        if first == end {
            break;
        }
        let records = records(generated.seed, Split::Train, first..end);
        append(
            &mut archive,
            &format!("data_batch_{}.bin", file + 1),
            &records,
        )?;
        done += u64::from(end - first);
        progress(done, total);
    }
    let records = records(generated.seed, Split::Test, 0..generated.test);
    append(&mut archive, "test_batch.bin", &records)?;
    progress(total, total);

    archive
        .into_inner()
        .and_then(|gzip| gzip.finish())
        .and_then(|mut output| output.flush())
        .context("cannot write the archive")
}

fn records(seed: u64, split: Split, range: std::ops::Range<u32>) -> Vec<u8> {
    let mut records = Vec::with_capacity(range.len() * RECORD);
    for index in range {
        let label = index as usize % CLASSES;
        // CLASSES is 10, so the label fits.
        records.push(label as u8);
        records.extend_from_slice(&scenes::draw(seed, split, index, label));
    }
    records
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive
        .append_data(&mut header, format!("cifar-10-batches-bin/{name}"), content)
        .with_context(|| format!("cannot write {name} into the archive"))
}
