//! The step that turns an archive into what training and evaluation read: records in one fixed
//! order, the split into training and held-out images, and the channels' moments.
//!
//! Unaware of where the archive came from, and of networks and augmentation.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::layout::{Data, Validation};
use cifar::Images;
use random::Draw;
use records::Dataset;
use step::{Context, Progress, grouped};

pub mod archive;
mod batches;
mod data;
pub mod decode;
mod folder;
mod image_folders;
pub mod layout;
mod pickle;
mod python;
mod roles;
pub mod statistics;

/// The files that this step writes: three files of records ([`cifar`]), [`Split`],
/// [`records::Statistics`], ten names, and [`Dataset`].
pub const OUTPUTS: &[&str] = &[
    "train.bin",
    "validation.bin",
    "test.bin",
    "split.json",
    "statistics.json",
    "classes.json",
    "dataset.json",
];

/// How the training images are split, where the archive does not say so itself: a folder `val/` beside
/// `train/` and `test/` is the validation set, whatever is asked for here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Training images to hold out; 0 for none.
    pub validation: u32,
    /// Decides which ones.
    pub split_seed: u64,
}

/// `split.json`: which of the archive's training images are in which file, ascending. They are
/// counted from 0 in the archive's order: the records of its training files one after the other,
/// or the image files of `train/` sorted by path and after them those of `val/`, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
}

impl Split {
    /// As the archive has it, which ignores the parameters, or drawn.
    ///
    /// # Errors
    /// As [`Split::draw`].
    pub fn of(data: &Data, params: &Params) -> Result<Split> {
        match &data.validation {
            Some(given) => Ok(Split::given(data.train.len(), given.images.len())),
            None => Split::draw(data.train.len(), params),
        }
    }

    /// As the archive has it: training images, and after them those for validation.
    fn given(train: usize, validation: usize) -> Split {
        Split {
            train: (0..train).collect(),
            validation: (train..train + validation).collect(),
        }
    }

    /// The images to train on and those for validation.
    pub fn apply(&self, train: Images, given: Option<Validation>) -> (Images, Images) {
        match given {
            Some(given) => (train, given.images),
            None => (train.select(&self.train), train.select(&self.validation)),
        }
    }

    /// Holds out `validation` of `images` images, drawn without replacement.
    ///
    /// # Errors
    /// If no image would be left to train on.
    pub fn draw(images: usize, params: &Params) -> Result<Split> {
        let validation = params.validation as usize;
        ensure!(
            validation < images,
            "cannot hold out {} of {} training images: at least one must be left to train on",
            grouped(params.validation.into()),
            grouped(images as u64),
        );
        let mut draw = Draw::keyed(params.split_seed, "fig6 split", 0);
        // Fisher and Yates's shuffle, as far as it is needed.
        let mut order: Vec<usize> = (0..images).collect();
        for place in 0..validation {
            let step = draw.below((images - place) as u64);
            order.swap(place, place + step as usize);
        }
        let mut train = order.split_off(validation);
        train.sort_unstable();
        order.sort_unstable();
        Ok(Split {
            train,
            validation: order,
        })
    }
}

/// Writes all of [`OUTPUTS`] from the input `archive`; returns the counts in a sentence.
///
/// # Errors
/// If the archive is damaged, unsafe, too large when unpacked, or in none of the known layouts,
/// with the member that is to blame; if more images are to be held out than there are; if a file
/// cannot be read or written.
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
    let path = context.input("archive")?.to_owned();
    let progress = &mut *context.progress;
    let data = layout::read(
        &path,
        archive::ArchiveLimits::default(),
        &mut |done, total| {
            progress(Progress::Items {
                what: "MB of the archive".to_owned(),
                done: done / 1_000_000,
                total: total / 1_000_000,
            });
        },
    )
    .with_context(|| format!("cannot use the archive {}", path.display()))?;
    let archive_sha256 = File::open(&path)
        .and_then(sha256::of_reader)
        .with_context(|| format!("cannot read {}", path.display()))?;

    if let Some(given) = &data.validation {
        progress(Progress::Note(remark(given, params)));
    }
    let split = Split::of(&data, params)?;
    let folder = data.validation.as_ref().map(|given| given.folder.clone());
    let statistics = statistics::of(&data.train)?;
    let (train, validation) = split.apply(data.train, data.validation);
    let dataset = Dataset {
        archive_sha256,
        train: train.len() as u64,
        validation: validation.len() as u64,
        test: data.test.len() as u64,
    };
    context.write_json("statistics.json", &statistics)?;
    context.write("train.bin", train.to_records())?;
    context.write("validation.bin", validation.to_records())?;
    context.write("test.bin", data.test.to_records())?;
    // One line: indented, it would be one line per image.
    let indices = serde_json::to_string(&split).context("the split has no JSON form")?;
    context.write("split.json", indices + "\n")?;
    context.write_json("classes.json", &data.classes)?;
    context.write_json("dataset.json", &dataset)?;

    let all = grouped(dataset.train + dataset.validation);
    let [train, validation, test] = [dataset.train, dataset.validation, dataset.test].map(grouped);
    Ok(match (folder, dataset.validation) {
        (Some(folder), _) => format!(
            "{train} training, {validation} validation (of {folder}/) and {test} test images"
        ),
        (None, 0) => format!("{train} training and {test} test images"),
        (None, _) => format!("{all} training ({validation} held out) and {test} test images"),
    })
}

/// That the images for validation are given, and that the parameters therefore do not apply.
fn remark(given: &Validation, params: &Params) -> String {
    let remark = given.remark();
    match params.validation as usize {
        asked if asked == given.images.len() => remark,
        asked => format!(
            "{remark} (`validation: {}` would draw as many from the training images, and does not apply)",
            grouped(asked as u64)
        ),
    }
}

#[cfg(test)]
mod folder_tests;
#[cfg(test)]
mod python_tests;
#[cfg(test)]
mod tests;
