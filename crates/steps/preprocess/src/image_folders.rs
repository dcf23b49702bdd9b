//! A data set of image folders: `train/<class>/`, `test/<class>/` and, if it is there, one for
//! validation.
//!
//! Unaware of CIFAR's own files, of image formats, and of where the files come from.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use rayon::prelude::*;

use crate::archive::{Content, Contents};
use crate::data::{Data, Validation, shortened};
use crate::decode;
use crate::roles::{Role, Split, role, split_of_folder};
use cifar::{CLASSES, Images};

/// Image files to decode at a time: enough for every core, and what they become is soon copied.
const BATCH: usize = 1024;

/// The files of one split.
#[derive(Default)]
struct Files<'a> {
    /// As the split's folder is called.
    name: &'a str,
    /// Each with its class.
    files: Vec<(&'a str, &'a Content)>,
}

/// The images of the folders of splits in `root`, in the order of their paths. Without training images,
/// test images are enough if `test_alone`.
///
/// # Errors
/// If a folder is there under two names, is empty, or lacks a class that another one has; if there are
/// not ten classes; if a file is there twice or is no image of CIFAR's size, with its path.
pub fn read(contents: &Contents, root: &str, test_alone: bool) -> Result<Data> {
    let mut parts = <[Files; 3]>::default();
    for file in &contents.files {
        match role(&file.path) {
            Role::Image { split, class } if split.root == root => {
                let part = &mut parts[split.part as usize];
                if part.files.is_empty() {
                    part.name = split.name;
                }
                // Such as `val` beside `valid`.
                ensure!(
                    part.name == split.name,
                    "holds both {}/ and {}/: expected one of them",
                    part.name,
                    split.name
                );
                part.files.push((class, file));
            }
            Role::Stray(split) if split.root == root => bail!(stray(&file.path, split)),
            _ => {}
        }
    }
    refuse_empty_folders(contents, root, &parts)?;
    // In the order of `Subset`.
    let [train, test, validation] = parts;
    ensure!(
        !train.files.is_empty() || test_alone,
        "holds no training images: expected train/<class>/ with PNG or JPEG files"
    );
    ensure!(
        !test.files.is_empty(),
        "holds no test images: expected test/<class>/ with PNG or JPEG files"
    );
    // Only the test images need to be there if they are enough, and nobody needs the last ones.
    let parts = [&train, &test, &validation].map(|part| (part.name, part.classes()));
    let parts = parts.iter().filter(|(_, classes)| !classes.is_empty());
    for (name, classes) in parts.clone() {
        for (other, others) in parts.clone() {
            if let Some(missing) = others.difference(classes).next() {
                bail!(
                    "{name}/{missing} is missing: expected the same classes in {other} and {name}"
                );
            }
        }
    }
    let (name, classes) = parts.clone().next().expect("there are test images");
    let classes: Vec<&str> = classes.iter().copied().collect();
    ensure!(
        classes.len() == CLASSES,
        "{name} holds {} class folders ({}): expected {CLASSES}",
        classes.len(),
        shortened(&classes)
    );
    let validation = match validation.files.is_empty() {
        true => None,
        false => Some(Validation {
            folder: validation.name.to_owned(),
            images: validation.images(&classes)?,
        }),
    };
    Ok(Data {
        validation,
        train: train.images(&classes)?,
        test: test.images(&classes)?,
        classes: classes.into_iter().map(str::to_owned).collect(),
    })
}

impl<'a> Files<'a> {
    fn classes(&self) -> BTreeSet<&'a str> {
        self.files.iter().map(|(class, _)| *class).collect()
    }

    /// Decodes the images, by path, on all cores; a class's label is its place in `classes`. The first
    /// bad file is the one that is reported, whichever thread finds its own first.
    fn images(mut self, classes: &[&str]) -> Result<Images> {
        self.files.sort_by_key(|(_, file)| &file.path);
        for pair in self.files.windows(2) {
            let path = &pair[0].1.path;
            ensure!(
                *path != pair[1].1.path,
                "{path} is there twice: expected each file once"
            );
        }
        let mut images = Images::default();
        for files in self.files.chunks(BATCH) {
            let decoded: Vec<Result<Vec<u8>>> = files
                .par_iter()
                .map(|(_, file)| decode::image(&file.bytes).with_context(|| file.path.clone()))
                .collect();
            for ((class, _), pixels) in files.iter().zip(decoded) {
                let label = classes.iter().position(|name| name == class);
                let label = label.expect("all splits have the same ten classes");
                images.push(label as u8, &pixels?)?;
            }
        }
        Ok(images)
    }
}

/// Refuses folders of the data set without an image: whatever they are for, it is not used.
fn refuse_empty_folders(contents: &Contents, root: &str, parts: &[Files]) -> Result<()> {
    let files = parts.iter().flat_map(|part| &part.files);
    let images: BTreeSet<&str> = files.map(|(_, file)| file.path.as_str()).collect();
    for path in &contents.folders {
        let is_ours = split_of_folder(path).is_some_and(|split| split.root == root);
        let start = format!("{path}/");
        let next = images.range(start.as_str()..).next();
        ensure!(
            !is_ours || next.is_some_and(|image| image.starts_with(&start)),
            "{path}/ holds no images: put PNG or JPEG files of the class there, or remove the folder"
        );
    }
    Ok(())
}

/// What is wrong with an image in the folder of a split.
pub fn stray(path: &str, split: Split) -> String {
    let name = split.name;
    format!(
        "{path} lies in no class folder: expected {name}/<class>/<image>, so move it there or away"
    )
}
