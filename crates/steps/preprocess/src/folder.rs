//! Lists the files of a folder and reads them as [`archive`] does an archive's members.
//! A folder is its user's own: links are followed, wherever they lead, unless in a circle; what
//! systems leave behind is passed over.
//!
//! Unaware of what files mean.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use walkdir::WalkDir;

use crate::archive::{self, ArchiveLimits, Content, Contents};
use crate::roles::is_rubbish;

/// How often progress goes out, in bytes.
const REPORT_EVERY: u64 = 4 << 20;

/// What lies in a folder.
#[derive(Default)]
pub struct Listing {
    /// The files that are wanted, however deep, in an order that depends on paths alone, each with its
    /// size in bytes.
    pub files: Vec<(Found, u64)>,
    /// Other files, and folders, directly in it.
    beside: Vec<Found>,
    /// All folders, however deep, in the same order.
    pub folders: Vec<String>,
}

/// One file.
pub struct Found {
    /// Relative to the folder, with `/` on every system.
    pub path: String,
    /// Where to open it.
    pub place: PathBuf,
}

impl Listing {
    /// What lies directly in the folder and is not wanted.
    pub fn names(&self) -> Vec<String> {
        let folders = self.folders.iter().filter(|path| !path.contains('/'));
        let folders = folders.map(|name| format!("{name}/"));
        let files = self.beside.iter().map(|file| file.path.clone());
        folders.chain(files).collect()
    }
}

/// Lists the files below `root` that `keep` chooses by their path, and what lies directly in it.
///
/// # Errors
/// If a folder or a file cannot be looked at, a link leads nowhere or in a circle, or a limit is
/// passed; if a file that is wanted is no plain file or has a name that is not UTF-8.
pub fn list(root: &Path, limits: ArchiveLimits, keep: &dyn Fn(&str) -> bool) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut number = 0;
    let mut total = 0;
    let walk = WalkDir::new(root)
        .min_depth(1)
        .follow_links(true)
        .sort_by_file_name();
    for entry in walk
        .into_iter()
        .filter_entry(|entry| !is_passed_over(entry.path()))
    {
        let entry = match entry {
            // Unlike an entry, an error comes here without being filtered.
            Err(error) if error.depth() > 0 && error.path().is_some_and(is_passed_over) => continue,
            entry => entry.map_err(|error| explain(error, root))?,
        };
        number += 1;
        ensure!(
            number <= limits.members,
            "holds more than {} files and folders: expected one data set, so name its own folder",
            limits.members
        );
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let path = slashed(relative);
        let kind = entry.file_type();
        if kind.is_dir() {
            listing.folders.push(path);
            continue;
        }
        if !keep(&path) {
            if entry.depth() == 1 && kind.is_file() {
                let place = entry.into_path();
                listing.beside.push(Found { path, place });
            }
            continue;
        }
        ensure!(
            relative.to_str().is_some(),
            "{path} has a name that is not UTF-8: rename it"
        );
        ensure!(
            !path.contains(char::is_control),
            "{path:?} has a name with control characters: rename it"
        );
        ensure!(
            kind.is_file(),
            "{path} is a device or the like: expected a file"
        );
        let metadata = entry.metadata().map_err(|error| explain(error, root))?;
        let size = metadata.len();
        ensure!(
            size <= limits.member,
            "{path} has {size} bytes: expected at most {} for one file",
            limits.member
        );
        total += size;
        ensure!(
            total <= limits.total,
            "holds more than {} bytes of images, {path} and further: expected a data set of less",
            limits.total
        );
        let place = entry.into_path();
        listing.files.push((Found { path, place }, size));
    }
    Ok(listing)
}

/// Reads the files that are wanted. `progress` is told bytes read and bytes in all.
///
/// # Errors
/// If a file cannot be read or is no longer as it was listed.
pub fn read(listing: &Listing, progress: &mut dyn FnMut(u64, u64)) -> Result<Contents> {
    let total = listing.files.iter().map(|(_, size)| size).sum();
    let mut done = 0;
    let mut reported = 0;
    let mut files = Vec::with_capacity(listing.files.len());
    for (Found { path, place }, size) in &listing.files {
        let bytes = content(place, *size).with_context(|| format!("cannot read {path}"))?;
        ensure!(
            bytes.len() as u64 == *size,
            "{path} had {size} bytes and has changed since: wait until the folder is complete"
        );
        let path = path.clone();
        files.push(Content { path, bytes });
        done += size;
        if done - reported >= REPORT_EVERY {
            progress(done, total);
            reported = done;
        }
    }
    progress(total, total);
    let folders = listing.folders.clone();
    Ok(Contents { files, folders })
}

/// A file's content, at most one byte more than was listed.
fn content(place: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    File::open(place)?.take(size + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The archives directly in the folder, among the files that are not wanted: by their names, or,
/// without any extension, by their first bytes.
///
/// # Errors
/// If a file without extension cannot be read.
pub fn archives(listing: &Listing) -> Result<Vec<&Found>> {
    let mut found = Vec::new();
    for file in &listing.beside {
        let name = file.path.to_lowercase();
        let is_archive = match name.contains('.') {
            true => [".tar.gz", ".tgz", ".tar"]
                .iter()
                .any(|end| name.ends_with(end)),
            false => archive::is_one(&file.place)
                .with_context(|| format!("cannot read {}", file.path))?,
        };
        if is_archive {
            found.push(file);
        }
    }
    Ok(found)
}

fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    is_rubbish(&name.to_string_lossy())
}

/// A path with `/` between its parts on every system.
fn slashed(path: &Path) -> String {
    let parts = path.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// Why an entry of the folder cannot be looked at.
fn explain(error: walkdir::Error, root: &Path) -> Error {
    let path = error.path().unwrap_or(root);
    let path = match slashed(path.strip_prefix(root).unwrap_or(path)) {
        path if path.is_empty() => "it".to_owned(),
        path => path,
    };
    match error.into_io_error() {
        None => anyhow!("{path} is a link to a folder that it lies in: remove the link"),
        Some(error) if error.kind() == ErrorKind::NotFound => anyhow!(
            "{path} is gone, or a link that leads nowhere: restore what it leads to or remove it"
        ),
        Some(error) => Error::new(error).context(format!("cannot read {path}")),
    }
}
