//! Reads all images that a path holds, whether they lie in an archive, in a folder, or in an
//! archive in a folder, and in whichever of the layouts.
//!
//! Unaware of compression, of the layouts' details and of how the images are used.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};

use crate::archive::{self, Limits, Member};
use crate::collection::{Collection, shortened};
use crate::folder::{self, Listing};
use crate::roles::{EXPECTED, Role, is_data, role};

pub use crate::collection::{Data, Validation};

/// Reads an archive or a folder. Either holds its images in CIFAR's binary or Python version or in
/// image folders; a folder without any of these may hold one archive, directly. `progress` is told
/// bytes read and bytes in all. The caller names `path` in the error.
///
/// # Errors
/// Those of [`archive::members`] and [`folder::list`]; if it is a pipe or a device; if no layout or several are found; if a
/// file is not as its layout wants it, with its path; if a batch, a class or all images of a split
/// are missing.
pub fn read(path: &Path, limits: Limits, progress: &mut dyn FnMut(u64, u64)) -> Result<Data> {
    read_into(Collection::default, path, limits, progress)
}

/// As [`read`], of data that may be test images alone: there are none to train on then.
///
/// # Errors
/// As [`read`].
pub fn read_test(path: &Path, limits: Limits, progress: &mut dyn FnMut(u64, u64)) -> Result<Data> {
    read_into(Collection::of_test, path, limits, progress)
}

fn read_into(
    empty: fn() -> Collection,
    path: &Path,
    limits: Limits,
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
    if !metadata.is_dir() {
        return unpack(empty(), path, limits, progress);
    }
    let listing = folder::list(path, limits, &|path| role(path) != Role::Other)?;
    if listing.files.iter().any(|file| is_data(&file.path)) {
        return gather(empty(), &listing, progress).map_err(|error| {
            match folder::archives(&listing) {
                Ok(archives) if !archives.is_empty() => error.context(format!(
                    "in its unpacked files (without them, {} would be read)",
                    archives[0].path
                )),
                _ => error,
            }
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
        [] => gather(empty(), &listing, progress),
        [archive] => unpack(empty(), &archive.place, limits, progress)
            .with_context(|| format!("in its archive {}", archive.path)),
        archives => {
            let names: Vec<String> = archives.iter().map(|file| file.path.clone()).collect();
            bail!(
                "holds {} archives ({}): expected one, so name the one to use by its own path",
                names.len(),
                shortened(&names)
            )
        }
    }
}

fn unpack(
    mut collection: Collection,
    path: &Path,
    limits: Limits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Data> {
    // `keep` and `visit` both see the members, one after the other.
    archive::members(
        path,
        limits,
        &|path| role(path) != Role::Other,
        &mut |member| match member {
            Member::File(path, content) => collection.add(path, content),
            Member::Folder(path) => {
                collection.add_folder(&path);
                Ok(())
            }
        },
        progress,
    )?;
    collection.finish()
}

/// Reads a folder's own files.
fn gather(
    mut collection: Collection,
    listing: &Listing,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Data> {
    for path in &listing.folders {
        collection.add_folder(path);
    }
    folder::read(
        listing,
        &mut |path, content| collection.add(path, content),
        progress,
    )?;
    collection.finish()
}
