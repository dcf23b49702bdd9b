//! Gathers the files of a data set in any of the layouts, in whatever order they come, and makes
//! images of them in an order that depends on their paths alone.
//!
//! Unaware of where the files come from and of how the images are used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use rayon::prelude::*;

use crate::cifar::{CLASS_NAMES, CLASSES, IMAGE, Images};
use crate::steps::preprocess::batch::Batch;
use crate::steps::preprocess::decode;
use crate::steps::preprocess::roles::{EXPECTED, Part, Role, role};

/// Image files to decode at a time, by number and by bytes: enough for every core, little memory.
const BATCH: usize = 2048;
const BATCH_BYTES: usize = 64 << 20;

/// All images of an archive or a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Data {
    /// In the archive's order: see [`super::Split`].
    pub train: Images,
    pub test: Images,
    /// The ten classes in the order of their labels.
    pub classes: Vec<String>,
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
    train_images: Folder,
    test_images: Folder,
    /// Whether test images are enough.
    test_alone: bool,
}

/// The decoded images of one split of image folders.
#[derive(Default)]
struct Folder {
    paths: Vec<String>,
    /// [`IMAGE`] bytes for each path.
    pixels: Vec<u8>,
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
            Role::Image { root, part, .. } => {
                self.same_root(root, &path)?;
                self.pending_bytes += content.len();
                self.pending.push((path, part, content));
                if self.pending.len() >= BATCH || self.pending_bytes >= BATCH_BYTES {
                    self.decode()?;
                }
            }
            Role::Stray => bail!(
                "{path} lies in no class folder: expected train/<class>/<image> or test/<class>/<image>"
            ),
            Role::Other => {}
        }
        Ok(())
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
            let folder = match part {
                Part::Train => &mut self.train_images,
                Part::Test => &mut self.test_images,
            };
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
            classes,
        })
    }

    fn folders(self) -> Result<Data> {
        let train = self.train_images.classes();
        let test = self.test_images.classes();
        ensure!(
            !train.is_empty() || self.test_alone,
            "holds no training images: expected train/<class>/ with PNG or JPEG files"
        );
        ensure!(
            !test.is_empty(),
            "holds no test images: expected test/<class>/ with PNG or JPEG files"
        );
        // Where test images are all there are, there is nothing to compare.
        let (name, train) = match train.is_empty() {
            true => ("test", test.clone()),
            false => ("train", train),
        };
        for (name, classes, others) in [("train", &train, &test), ("test", &test, &train)] {
            if let Some(missing) = others.difference(classes).next() {
                bail!("{name}/{missing} is missing: expected the same classes in train and test");
            }
        }
        let classes: Vec<String> = train.into_iter().map(str::to_owned).collect();
        ensure!(
            classes.len() == CLASSES,
            "{name} holds {} class folders ({}): expected {CLASSES}",
            classes.len(),
            shortened(&classes)
        );
        Ok(Data {
            train: self.train_images.images(&classes)?,
            test: self.test_images.images(&classes)?,
            classes,
        })
    }
}

impl Folder {
    fn classes(&self) -> BTreeSet<&str> {
        self.paths.iter().map(|path| class(path)).collect()
    }

    /// The images sorted by path; a class's label is its place in `classes`.
    fn images(&self, classes: &[String]) -> Result<Images> {
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by(|&a, &b| self.paths[a].cmp(&self.paths[b]));
        for pair in order.windows(2) {
            let path = &self.paths[pair[0]];
            ensure!(
                path != &self.paths[pair[1]],
                "{path} is there twice: expected each file once"
            );
        }
        let mut images = Images::default();
        for index in order {
            let path = &self.paths[index];
            let label = classes
                .iter()
                .position(|name| name == class(path))
                .and_then(|label| u8::try_from(label).ok())
                .with_context(|| format!("{path} is of no known class"))?;
            images.push(label, &self.pixels[index * IMAGE..][..IMAGE])?;
        }
        Ok(images)
    }
}

/// The class of an image file: the folder that it lies in.
fn class(path: &str) -> &str {
    match role(path) {
        Role::Image { class, .. } => class,
        _ => "",
    }
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
