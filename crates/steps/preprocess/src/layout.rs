//! Reads all images that a path holds, whether they lie in an archive, in a folder, or in an
//! archive in a folder, and in whichever of the layouts.
//!
//! Unaware of compression, of the layouts' details and of how the images are used.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};

use crate::archive::{self, ArchiveLimits, Content, Contents};
use crate::data::shortened;
use crate::roles::{EXPECTED, Role, Subset, is_data, role};
use crate::{batches, folder, image_folders};

pub use crate::data::{Data, Validation};

/// Reads an archive or a folder. Either holds its images in CIFAR's binary or Python version or in
/// image folders; a folder without any of these may hold one archive, directly. `progress` is told
/// bytes read and bytes in all. The caller names `path` in the error.
///
/// # Errors
/// Those of [`archive::read`] and [`folder::list`]; if it is a pipe or a device; if no layout or several are found; if a
/// file is not as its layout wants it, with its path; if a batch, a class or all images of a split
/// are missing.
pub fn read(
    path: &Path,
    limits: ArchiveLimits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Data> {
    read_any(path, false, limits, progress)
}

/// As [`read`], of data that may be test images alone: there are none to train on then.
///
/// # Errors
/// As [`read`].
pub fn read_test(
    path: &Path,
    limits: ArchiveLimits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Data> {
    read_any(path, true, limits, progress)
}

fn read_any(
    path: &Path,
    test_alone: bool,
    limits: ArchiveLimits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Data> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow!("it does not exist: expected an archive or a folder with the images")
        }
        _ => Error::new(error).context("cannot open it"),
    })?;
    // Before it is opened, which would wait for someone to write into a pipe.
    ensure!(
        metadata.is_dir() || metadata.is_file(),
        "it is a pipe or a device: expected an archive or a folder with the images"
    );
    let is_wanted = |path: &str| role(path) != Role::Other;
    let mut unpack = |path: &Path| {
        images(
            archive::read(path, limits, &is_wanted, progress)?,
            test_alone,
        )
    };
    if !metadata.is_dir() {
        return unpack(path);
    }
    let listing = folder::list(path, limits, &is_wanted)?;
    let is_data_set = listing.files.iter().any(|(file, _)| is_data(&file.path));
    if is_data_set {
        let read = folder::read(&listing, progress);
        let read = read.and_then(|contents| images(contents, test_alone));
        return read.map_err(|error| match folder::archives(&listing).as_deref() {
            Ok([archive, ..]) => error.context(format!(
                "in its unpacked files (without them, {} would be read)",
                archive.path
            )),
            _ => error,
        });
    }
    match &folder::archives(&listing)?[..] {
        // What is wanted though it is no data is misplaced, which is the better message.
        [] if listing.files.is_empty() => bail!(
            "holds {}: expected an archive (*.tar.gz, *.tgz, *.tar), or, here or in a folder below, {EXPECTED}",
            match &listing.names()[..] {
                [] => "nothing".to_owned(),
                names => format!("no images in a known layout but {}", shortened(names)),
            },
        ),
        [] => images(folder::read(&listing, progress)?, test_alone),
        [archive] => {
            unpack(&archive.place).with_context(|| format!("in its archive {}", archive.path))
        }
        archives => {
            let names: Vec<&String> = archives.iter().map(|file| &file.path).collect();
            bail!(
                "holds {} archives ({}): expected one, so name the one to use by its own path",
                names.len(),
                shortened(&names)
            )
        }
    }
}

/// The images of one data set in whichever layout.
fn images(contents: Contents, test_alone: bool) -> Result<Data> {
    // The folder that all data lie in, and a file that lies there.
    let mut root: Option<(&str, &str)> = None;
    let [mut batches, mut folders] = [false; 2];
    for Content { path, bytes } in &contents.files {
        let role = role(path);
        if let Role::Training { .. } | Role::Test { .. } | Role::Names { .. } = role {
            // As it is after a full disk.
            ensure!(
                !bytes.is_empty(),
                "{path} is empty: unpack or download it again"
            );
        }
        let folder = match role {
            Role::Training { folder, .. } | Role::Test { folder } => {
                batches = true;
                folder
            }
            // Those for validation count only where they lie beside others.
            Role::Image { split, .. } if split.part != Subset::Validation => {
                folders = true;
                split.root
            }
            Role::Stray(split) if split.part != Subset::Validation => {
                bail!(image_folders::stray(path, split))
            }
            _ => continue,
        };
        let (known, first) = *root.get_or_insert((folder, path));
        ensure!(
            known == folder,
            "{path} lies in another folder than {first}: expected one data set, so name its own folder or archive"
        );
    }
    match root {
        Some(_) if batches && folders => bail!(
            "holds both CIFAR's binary files and image folders: expected one of the two layouts"
        ),
        Some((root, _)) if batches => batches::read(&contents.files, root, test_alone),
        Some((root, _)) => image_folders::read(&contents, root, test_alone),
        None => bail!("holds no images in a known layout: expected {EXPECTED}"),
    }
}
