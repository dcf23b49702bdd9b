//! A data set of CIFAR's own files, in their binary or their Python version: numbered batches to train
//! on, one to test with, and the classes' names.
//!
//! Unaware of image folders, and of where the files come from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use crate::archive::Content;
use crate::data::{Data, shortened};
use crate::python;
use crate::roles::{Role, role};
use cifar::{CLASS_NAMES, CLASSES, Images};

/// The images of the batches among `files`, in the order of their numbers; the names are those of a file
/// in the folder `root`, where the batches lie. Without training images, test images are enough if
/// `test_alone`.
///
/// # Errors
/// If a batch is missing or there twice; if a file is not as its version wants it or was cut short, with
/// its path.
pub fn read(files: &[Content], root: &str, test_alone: bool) -> Result<Data> {
    let mut batches = BTreeMap::new();
    let mut test = None;
    let mut names = Vec::new();
    for file in files {
        let path = &file.path;
        match role(path) {
            Role::Training { number, .. } => {
                if let Some(Content { path: other, .. }) = batches.insert(number, file) {
                    bail!("{path} has the same number as {other}: expected each file once");
                }
            }
            Role::Test { .. } => {
                if let Some(Content { path: other, .. }) = test.replace(file) {
                    bail!("{path} is there twice, first as {other}: expected each file once");
                }
            }
            Role::Names { folder } if folder == root => names.push(file),
            _ => {}
        }
    }
    for ((last, before), (number, after)) in batches.iter().zip(batches.iter().skip(1)) {
        ensure!(
            last + 1 == *number,
            "data_batch_{} is missing between {} and {}: expected numbers without a gap, so unpack or download it again",
            last + 1,
            before.path,
            after.path
        );
    }
    let train = images(batches.into_values())?;
    let test = images(test)?;
    ensure!(
        !train.is_empty() || test_alone,
        "holds no training images: expected data_batch_<number>.bin beside test_batch.bin (in the Python version without .bin)"
    );
    ensure!(
        !test.is_empty(),
        "holds no test images: expected test_batch.bin beside data_batch_<number>.bin (in the Python version without .bin)"
    );
    // Where both versions' names lie there, those of the Python version.
    let classes = match names.into_iter().min_by_key(|file| &file.path) {
        Some(file) => class_names(file).with_context(|| file.path.clone())?,
        None => CLASS_NAMES.map(str::to_owned).to_vec(),
    };
    Ok(Data {
        train,
        test,
        validation: None,
        classes,
    })
}

/// The images of batches, one after the other.
fn images<'a>(batches: impl IntoIterator<Item = &'a Content>) -> Result<Images> {
    let mut images = Images::default();
    for Content { path, bytes } in batches {
        match path.ends_with(".bin") {
            true => images.push_records(bytes),
            false => python::records(bytes).and_then(|records| images.push_records(&records)),
        }
        .with_context(|| path.clone())?;
    }
    Ok(images)
}

/// The ten names in a file: one a line, or pickled.
fn class_names(file: &Content) -> Result<Vec<String>> {
    let names = match file.path.ends_with(".txt") {
        true => {
            let text = str::from_utf8(&file.bytes).context("is no UTF-8 text")?;
            // What editors on Windows put in front.
            let lines = text.trim_start_matches('\u{feff}').lines();
            lines.map(str::to_owned).collect()
        }
        false => python::class_names(&file.bytes)?,
    };
    let names = names.iter().map(|name| name.trim());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    ensure!(
        names.len() == CLASSES && names.iter().collect::<BTreeSet<_>>().len() == CLASSES,
        "names {} classes ({}): expected {CLASSES} different ones",
        names.len(),
        shortened(&names)
    );
    Ok(names.into_iter().map(str::to_owned).collect())
}
