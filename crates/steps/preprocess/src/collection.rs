//! Gathers the files of a data set in any of the layouts, in whatever order they come, and makes
//! images of them in an order that depends on their paths alone.
//!
//! Unaware of where the files come from and of how the images are used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use rayon::prelude::*;

use crate::batch::Batch;
use crate::decode;
use crate::roles::{
    ClassFolder, EXPECTED, Part, Role, SplitFolder, class_folder, role, split_folder,
};
use crate::split_images::SplitImages;
use cifar::{CLASS_NAMES, CLASSES, Images};
use step::grouped;

/// Image files to decode at a time, by number and by bytes: enough for every core, little memory.
const BATCH: usize = 2048;
const BATCH_BYTES: usize = 64 << 20;

/// All images of an archive or a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Data {
    /// In the archive's order: see [`super::Split`].
    pub train: Images,
    pub test: Images,
    /// Of a folder that says itself which images are for validation.
    pub validation: Option<Validation>,
    /// The ten classes in the order of their labels.
    pub classes: Vec<String>,
}

/// The images of a folder beside those of training and test.
#[derive(Debug, PartialEq, Eq)]
pub struct Validation {
    /// As it is called: `val`, `valid` …
    pub folder: String,
    pub images: Images,
}

impl Validation {
    /// What is to be known of it, as a sentence without a full stop.
    pub fn remark(&self) -> String {
        format!(
            "the {} images of {}/ are the validation set, so no training images are held out",
            grouped(self.images.len() as u64),
            self.folder
        )
    }
}

/// What was found so far.
#[derive(Default)]
pub struct Collection {
    /// The folder that all data lie in, and a member that lies there.
    root: Option<(String, String)>,
    training: BTreeMap<u64, Batch>,
    test: Option<Batch>,
    names: Vec<Batch>,
    pending: Vec<(String, Part, Vec<u8>)>,
    pending_bytes: usize,
    train_images: SplitImages,
    validation_images: SplitImages,
    test_images: SplitImages,
    /// Files for validation, not decoded: only at the end is it known whether they are beside the
    /// other images.
    set_aside: Vec<(String, Vec<u8>)>,
    /// Folders of splits and of classes, whatever they hold.
    folders: BTreeSet<String>,
    /// Whether test images are enough.
    test_alone: bool,
}

impl Collection {
    /// One that is complete without training images.
    pub fn of_test() -> Collection {
        Collection {
            test_alone: true,
            ..Collection::default()
        }
    }

    /// Takes in a file, or passes over one that is of no use.
    ///
    /// # Errors
    /// If it is there already, is misplaced, or belongs to another data set than those before;
    /// some time later, if it is an image that cannot be read.
    pub fn add(&mut self, path: String, content: Vec<u8>) -> Result<()> {
        match role(&path) {
            Role::Training {
                folder,
                number,
                version,
            } => {
                self.same_root(folder, &path)?;
                if let Some(Batch { path: other, .. }) = self.training.get(&number) {
                    bail!("{path} has the same number as {other}: expected each file once");
                }
                let batch = Batch::new(path, version, content)?;
                self.training.insert(number, batch);
            }
            Role::Test { folder, version } => {
                self.same_root(folder, &path)?;
                if let Some(Batch { path: other, .. }) = &self.test {
                    bail!("{path} is there twice, first as {other}: expected each file once");
                }
                self.test = Some(Batch::new(path, version, content)?);
            }
            Role::Names { version, .. } => self.names.push(Batch::new(path, version, content)?),
            Role::Image(ClassFolder { split, .. }) | Role::Stray(split)
                if split.part == Part::Validation =>
            {
                self.set_aside.push((path, content));
            }
            Role::Image(ClassFolder { split, .. }) => {
                self.same_root(split.root, &path)?;
                self.same_name(split)?;
                let part = split.part;
                self.pending_bytes += content.len();
                self.pending.push((path, part, content));
                if self.pending.len() >= BATCH || self.pending_bytes >= BATCH_BYTES {
                    self.decode()?;
                }
            }
            Role::Stray(split) => bail!("{}", stray(&path, split)),
            Role::Other => {}
        }
        Ok(())
    }

    /// Takes note of a folder, which may be empty.
    pub fn add_folder(&mut self, path: &str) {
        if split_folder(path).is_some() || class_folder(path).is_some() {
            self.folders.insert(path.to_owned());
        }
    }

    fn folder(&mut self, part: Part) -> &mut SplitImages {
        match part {
            Part::Train => &mut self.train_images,
            Part::Validation => &mut self.validation_images,
            Part::Test => &mut self.test_images,
        }
    }

    /// Refuses two folders for the same part, such as `val` and `valid`.
    fn same_name(&mut self, split: SplitFolder) -> Result<()> {
        let known = &mut self.folder(split.part).name;
        if known.is_empty() {
            split.name.clone_into(known);
        }
        ensure!(
            known == split.name,
            "holds both {known}/ and {}/: expected one of them",
            split.name
        );
        Ok(())
    }

    /// Takes in what was set aside and lies beside the other images.
    fn take_validation(&mut self) -> Result<()> {
        let root = self.root.as_ref().map(|(root, _)| root.clone());
        for (path, content) in std::mem::take(&mut self.set_aside) {
            match role(&path) {
                Role::Image(ClassFolder { split, .. }) if Some(split.root) == root.as_deref() => {
                    self.same_name(split)?;
                    self.pending.push((path, Part::Validation, content));
                }
                Role::Stray(split) if Some(split.root) == root.as_deref() => {
                    bail!("{}", stray(&path, split))
                }
                _ => {}
            }
        }
        self.decode()
    }

    /// Refuses two data sets at once.
    fn same_root(&mut self, root: &str, path: &str) -> Result<()> {
        match &self.root {
            Some((known, first)) => ensure!(
                known == root,
                "{path} lies in another folder than {first}: expected one data set, so name its own folder or archive"
            ),
            None => self.root = Some((root.to_owned(), path.to_owned())),
        }
        Ok(())
    }

    /// Decodes what is pending, on all cores. The first bad file in the archive's order is the
    /// one that is reported, whichever thread finds its own first.
    fn decode(&mut self) -> Result<()> {
        self.pending_bytes = 0;
        let pending = std::mem::take(&mut self.pending);
        let decoded: Vec<Result<Vec<u8>>> = pending
            .par_iter()
            .map(|(path, _, content)| decode::image(content).with_context(|| path.clone()))
            .collect();
        for ((path, part, _), pixels) in pending.into_iter().zip(decoded) {
            let folder = self.folder(part);
            folder.pixels.extend_from_slice(&pixels?);
            folder.paths.push(path);
        }
        Ok(())
    }

    /// All images.
    ///
    /// # Errors
    /// If files are in no layout or in two, cannot be read, or leave out a part of the data set.
    pub fn finish(mut self) -> Result<Data> {
        self.decode()?;
        let records = !self.training.is_empty() || self.test.is_some();
        let folders = !self.train_images.paths.is_empty() || !self.test_images.paths.is_empty();
        match (records, folders) {
            (true, false) => self.binary(),
            (false, true) => self.folders(),
            (true, true) => bail!(
                "holds both CIFAR's binary files and image folders: expected one of the two layouts"
            ),
            (false, false) => bail!("holds no images in a known layout: expected {EXPECTED}"),
        }
    }

    /// CIFAR's own files, binary or Python's.
    fn binary(self) -> Result<Data> {
        let mut train = Images::default();
        let mut test = Images::default();
        let mut before: Option<(u64, &str)> = None;
        for (&number, batch) in &self.training {
            if let Some((last, path)) = before.filter(|(last, _)| last + 1 < number) {
                bail!(
                    "data_batch_{} is missing between {path} and {}: expected numbers without a gap, so unpack or download it again",
                    last + 1,
                    batch.path
                );
            }
            batch.push_to(&mut train)?;
            before = Some((number, &batch.path));
        }
        if let Some(batch) = &self.test {
            batch.push_to(&mut test)?;
        }
        ensure!(
            !train.is_empty() || self.test_alone,
            "holds no training images: expected data_batch_<number>.bin beside test_batch.bin (in the Python version without .bin)"
        );
        ensure!(
            !test.is_empty(),
            "holds no test images: expected test_batch.bin beside data_batch_<number>.bin (in the Python version without .bin)"
        );
        let root = self.root.as_ref().map(|(root, _)| root.as_str());
        let beside = |batch: &&Batch| matches!(role(&batch.path), Role::Names { folder, .. } if Some(folder) == root);
        // By path: where both versions' names lie there, those of the Python version.
        let named = self.names.iter().filter(beside);
        let classes = match named.min_by_key(|batch| &batch.path) {
            Some(batch) => batch
                .names()
                .and_then(ten)
                .with_context(|| batch.path.clone())?,
            None => CLASS_NAMES.map(str::to_owned).to_vec(),
        };
        Ok(Data {
            train,
            test,
            validation: None,
            classes,
        })
    }

    fn folders(mut self) -> Result<Data> {
        self.take_validation()?;
        self.none_is_empty()?;
        let train = self.train_images.classes();
        let validation = self.validation_images.classes();
        let test = self.test_images.classes();
        ensure!(
            !train.is_empty() || self.test_alone,
            "holds no training images: expected train/<class>/ with PNG or JPEG files"
        );
        ensure!(
            !test.is_empty(),
            "holds no test images: expected test/<class>/ with PNG or JPEG files"
        );
        let parts = [
            (&self.train_images.name, &train),
            (&self.test_images.name, &test),
            (&self.validation_images.name, &validation),
        ];
        // Only the test images need to be there if they are enough, and nobody needs the last ones.
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
        let (name, classes) = match train.is_empty() {
            true => (&self.test_images.name, test),
            false => (&self.train_images.name, train),
        };
        let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
        ensure!(
            classes.len() == CLASSES,
            "{name} holds {} class folders ({}): expected {CLASSES}",
            classes.len(),
            shortened(&classes)
        );
        let validation = match validation.is_empty() {
            true => None,
            false => Some(Validation {
                images: self.validation_images.images(&classes)?,
                folder: self.validation_images.name,
            }),
        };
        Ok(Data {
            validation,
            train: self.train_images.images(&classes)?,
            test: self.test_images.images(&classes)?,
            classes,
        })
    }

    /// Refuses folders of the data set without an image: whatever they are for, it is not used.
    fn none_is_empty(&self) -> Result<()> {
        let root = self.root.as_ref().map(|(root, _)| root.as_str());
        let images = [
            &self.train_images,
            &self.validation_images,
            &self.test_images,
        ];
        let all = images.into_iter().flat_map(|folder| &folder.paths);
        let used: BTreeSet<&str> = all
            .filter_map(|path| path.rsplit_once('/'))
            .flat_map(|(class, _)| [Some(class), class.rsplit_once('/').map(|(split, _)| split)])
            .flatten()
            .collect();
        for path in &self.folders {
            let split = split_folder(path);
            let split = split.or_else(|| class_folder(path).map(|folder| folder.split));
            ensure!(
                split.map(|split| split.root) != root || used.contains(path.as_str()),
                "{path}/ holds no images: put PNG or JPEG files of the class there, or remove the folder"
            );
        }
        Ok(())
    }
}

/// What is wrong with an image in the folder of a split.
fn stray(path: &str, split: SplitFolder) -> String {
    let name = split.name;
    format!(
        "{path} lies in no class folder: expected {name}/<class>/<image>, so move it there or away"
    )
}

/// The names, if there are as many as there are classes.
fn ten(names: Vec<String>) -> Result<Vec<String>> {
    ensure!(
        names.len() == CLASSES && names.iter().collect::<BTreeSet<_>>().len() == CLASSES,
        "names {} classes ({}): expected {CLASSES} different ones",
        names.len(),
        shortened(&names)
    );
    Ok(names)
}

/// The first names of a list, for a message.
pub fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(12).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > 12 {
        text.push_str(", …");
    }
    text
}
