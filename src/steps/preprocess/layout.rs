//! Recognises how an archive holds its images, by its members' paths, and reads them in an order
//! that depends on those paths alone.
//!
//! Unaware of compression, of limits and of how the images are used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use rayon::prelude::*;

use crate::cifar::{CLASS_NAMES, CLASSES, IMAGE, Images};
use crate::steps::preprocess::archive::{self, Limits};
use crate::steps::preprocess::decode;

/// Image files to decode at a time, by number and by bytes: enough for every core, little memory.
const BATCH: usize = 2048;
const BATCH_BYTES: usize = 64 << 20;

/// All images of an archive.
#[derive(Debug)]
pub struct Data {
    /// In the archive's order: see [`super::Split`].
    pub train: Images,
    pub test: Images,
    /// The ten classes in the order of their labels.
    pub classes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Test,
}

/// What a member is for.
#[derive(Debug, PartialEq, Eq)]
enum Role<'a> {
    /// `data_batch_<number>.bin`, in this folder.
    Training { folder: &'a str, number: u64 },
    /// `test_batch.bin`, in this folder.
    Test { folder: &'a str },
    /// `batches.meta.txt`: the classes' names.
    Names,
    /// `<root>/train/<class>/<file>` or `<root>/test/<class>/<file>`.
    Image {
        root: &'a str,
        part: Part,
        class: &'a str,
    },
    /// A file where only class folders should be.
    Stray,
    /// Read-me files and the like.
    Other,
}

/// Reads an archive in CIFAR's binary layout or one of image folders; `progress` is told bytes of
/// the archive read and bytes in all.
///
/// # Errors
/// Those of [`archive::members`]; if neither layout or both are found; if a file is not as its
/// layout wants it, with its path; if a class or all images of a split are missing.
pub fn read(path: &Path, limits: Limits, progress: &mut dyn FnMut(u64, u64)) -> Result<Data> {
    let mut collection = Collection::default();
    // `keep` and `visit` both see the members, one after the other.
    archive::members(
        path,
        limits,
        &|path| role(path) != Role::Other,
        &mut |path, content| collection.add(path, content),
        progress,
    )?;
    collection.finish()
}

fn role(path: &str) -> Role<'_> {
    // Hidden files are what desktop systems leave behind.
    if path.split('/').any(|part| part.starts_with('.')) {
        return Role::Other;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let number = name
        .strip_prefix("data_batch_")
        .and_then(|rest| rest.strip_suffix(".bin"))
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(Ok(number)) = number.map(str::parse) {
        return Role::Training { folder, number };
    }
    if name == "test_batch.bin" {
        return Role::Test { folder };
    }
    if name == "batches.meta.txt" {
        return Role::Names;
    }
    let part = |name| match name {
        "train" => Some(Part::Train),
        "test" => Some(Part::Test),
        _ => None,
    };
    let (above, class) = folder.rsplit_once('/').unwrap_or(("", folder));
    let (root, split) = above.rsplit_once('/').unwrap_or(("", above));
    if let Some(part) = part(split) {
        return Role::Image { root, part, class };
    }
    let extension = Path::new(name).extension().and_then(|text| text.to_str());
    let image = extension.is_some_and(|text| {
        ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| text.eq_ignore_ascii_case(known))
    });
    if image && folder.split('/').any(|name| part(name).is_some()) {
        return Role::Stray;
    }
    Role::Other
}

/// What was found so far.
#[derive(Default)]
struct Collection {
    /// The folder that all data lie in, and a member that lies there.
    root: Option<(String, String)>,
    training: BTreeMap<u64, (String, Vec<u8>)>,
    test: Option<(String, Vec<u8>)>,
    names: Option<(String, Vec<u8>)>,
    pending: Vec<(String, Part, Vec<u8>)>,
    pending_bytes: usize,
    train_images: Folder,
    test_images: Folder,
}

/// The decoded images of one split of image folders.
#[derive(Default)]
struct Folder {
    paths: Vec<String>,
    /// [`IMAGE`] bytes for each path.
    pixels: Vec<u8>,
}

impl Collection {
    fn add(&mut self, path: String, content: Vec<u8>) -> Result<()> {
        match role(&path) {
            Role::Training { folder, number } => {
                self.same_root(folder, &path)?;
                if let Some((other, _)) = self.training.get(&number) {
                    bail!("{path} has the same number as {other}: expected each file once");
                }
                self.training.insert(number, (path, content));
            }
            Role::Test { folder } => {
                self.same_root(folder, &path)?;
                ensure!(
                    self.test.is_none(),
                    "{path} is there twice: expected each file once"
                );
                self.test = Some((path, content));
            }
            Role::Names => self.names = Some((path, content)),
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

    /// Refuses two data sets in one archive.
    fn same_root(&mut self, root: &str, path: &str) -> Result<()> {
        match &self.root {
            Some((known, first)) => ensure!(
                known == root,
                "{path} lies in another folder than {first}: expected one data set"
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

    fn finish(mut self) -> Result<Data> {
        self.decode()?;
        let records = !self.training.is_empty() || self.test.is_some();
        let folders = !self.train_images.paths.is_empty() || !self.test_images.paths.is_empty();
        match (records, folders) {
            (true, false) => self.binary(),
            (false, true) => self.folders(),
            (true, true) => bail!(
                "holds both CIFAR's binary files and image folders: expected one of the two layouts"
            ),
            (false, false) => bail!(
                "holds no images in a known layout: expected data_batch_<number>.bin and test_batch.bin (CIFAR-10's \"binary version\"), or train/<class>/ and test/<class>/ with PNG or JPEG files"
            ),
        }
    }

    fn binary(self) -> Result<Data> {
        let mut train = Images::default();
        let mut test = Images::default();
        for (path, content) in self.training.into_values() {
            train.push_records(&content).with_context(|| path)?;
        }
        if let Some((path, content)) = self.test {
            test.push_records(&content).with_context(|| path)?;
        }
        ensure!(
            !train.is_empty(),
            "holds no training images: expected data_batch_<number>.bin with at least one record"
        );
        ensure!(
            !test.is_empty(),
            "holds no test images: expected test_batch.bin with at least one record"
        );
        let classes = match self.names {
            Some((path, content)) => class_names(&content).with_context(|| path)?,
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
            !train.is_empty(),
            "holds no training images: expected train/<class>/ with PNG or JPEG files"
        );
        ensure!(
            !test.is_empty(),
            "holds no test images: expected test/<class>/ with PNG or JPEG files"
        );
        for (name, classes, others) in [("train", &train, &test), ("test", &test, &train)] {
            if let Some(missing) = others.difference(classes).next() {
                bail!("{name}/{missing} is missing: expected the same classes in train and test");
            }
        }
        let classes: Vec<String> = train.into_iter().map(str::to_owned).collect();
        ensure!(
            classes.len() == CLASSES,
            "train holds {} class folders ({}): expected {CLASSES}",
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

/// Ten names, one a line.
fn class_names(content: &[u8]) -> Result<Vec<String>> {
    let text = std::str::from_utf8(content).context("is no UTF-8 text")?;
    let names: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    ensure!(
        names.len() == CLASSES && names.iter().collect::<BTreeSet<_>>().len() == CLASSES,
        "names {} classes ({}): expected {CLASSES} different ones, one a line",
        names.len(),
        shortened(&names)
    );
    Ok(names)
}

/// The first names of a list, for a message.
fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(12).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > 12 {
        text.push_str(", …");
    }
    text
}
