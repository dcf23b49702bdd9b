//! Tells what is not there from what cannot be read.
//!
//! | a folder of the store | counts as |
//! |---|---|
//! | does not exist | absent: there is no result yet |
//! | is something else, a file for example | damage: it is set aside and what it held is made again |
//! | may not be read or searched, is a link to nothing or in a circle, is on a disk that fails | [`Unreadable`]: an error; the results may well be there |
//!
//! The folder of artifacts itself is never set aside, so everything but absence is an error there. The
//! cause is looked for only after a look has failed: a look that succeeds costs one system call. Unaware
//! of what the files mean.

use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::io::Errno;

use super::disk;

/// What a look at a file, or into it, shows.
#[derive(Debug)]
pub(super) enum Look<T = Metadata> {
    Seen(T),
    Absent,
    /// It is there and cannot be used: why.
    Damaged(String),
}

/// What a look at a folder shows.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Folder,
    Absent,
    /// Something else lies in its place, or in that of a folder above it.
    Other(PathBuf),
}

/// The option that names the folder of artifacts.
const STORE: &str = "--artifacts";

/// A folder that is there and cannot be used.
#[derive(Debug)]
pub struct Unreadable {
    path: PathBuf,
    cause: String,
    advice: &'static str,
    /// What names another folder.
    option: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let path = self.path.display();
        let (cause, advice, option) = (&self.cause, self.advice, self.option);
        write!(
            formatter,
            "cannot use the folder {path}: {cause}; {advice}, or name another one with {option}",
        )
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    /// The same, of a folder that this option names.
    #[must_use]
    pub fn named_by(self, option: &'static str) -> Unreadable {
        Unreadable { option, ..self }
    }

    fn new(path: &Path, cause: String, advice: &'static str) -> Unreadable {
        Unreadable {
            path: path.to_owned(),
            cause,
            advice,
            option: STORE,
        }
    }

    /// A folder that the system does not let us look into.
    pub fn refused(path: &Path, error: &io::Error) -> Unreadable {
        let advice = match error.kind() {
            ErrorKind::PermissionDenied => "get the permission to read and search it",
            _ => "see what is wrong with its disk",
        };
        Unreadable::new(path, error.to_string(), advice)
    }

    /// A link that leads to no folder.
    fn link(path: &Path, error: &io::Error) -> Unreadable {
        let target = fs::read_link(path).unwrap_or_default();
        let target = target.display();
        let (cause, advice) = match error.kind() {
            ErrorKind::NotFound => (
                format!("it is a link to {target}, which does not exist"),
                "make or mount what it leads to, or remove the link",
            ),
            ErrorKind::PermissionDenied => (
                format!("it is a link to {target}: {error}"),
                "get the permission to read and search that",
            ),
            _ if is(error, Errno::LOOP) => (
                format!("it is a link to {target}, which leads in a circle"),
                "remove the link",
            ),
            _ => (
                format!("it is a link to {target}: {error}"),
                "mend or remove the link",
            ),
        };
        Unreadable::new(path, cause, advice)
    }

    /// Something that is no folder.
    fn other(path: &Path) -> Unreadable {
        let cause = match path.metadata() {
            Ok(found) if found.is_file() => "it is a file",
            _ => "it is a device, a pipe or a socket",
        };
        Unreadable::new(path, cause.to_owned(), "move it away")
    }
}

/// Whether there is a folder here, which this option names.
///
/// # Errors
/// If something else is, or it cannot be told.
pub fn is_folder(path: &Path, option: &'static str) -> Result<bool, Unreadable> {
    let found = place(path, path).map_err(|error| error.named_by(option))?;
    Ok(found == Place::Folder)
}

/// Whether there is anything at this path, in or below a folder that this option names.
///
/// # Errors
/// If the folder that it lies in cannot be used.
pub fn is_there(path: &Path, option: &'static str) -> Result<bool> {
    match look_outside(path) {
        Ok(found) => Ok(!matches!(found, Look::Absent)),
        Err(error) => Err(match error.downcast::<Unreadable>() {
            Ok(unreadable) => unreadable.named_by(option).into(),
            Err(error) => error,
        }),
    }
}

/// The folder that something lies in.
fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Looks at a folder of the store at `root`, and at those above it.
///
/// # Errors
/// If one of them cannot be used, though it is there.
pub(super) fn place(root: &Path, folder: &Path) -> Result<Place, Unreadable> {
    let mut path = root.to_owned();
    let mut below = folder.strip_prefix(root).into_iter().flatten();
    loop {
        match one(root, &path)? {
            Place::Folder => {}
            other => return Ok(other),
        }
        match below.next() {
            Some(name) => path.push(name),
            None => return Ok(Place::Folder),
        }
    }
}

/// As [`place`], once those above are known to be folders.
fn one(root: &Path, path: &Path) -> Result<Place, Unreadable> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound => Ok(Place::Absent),
                // Said of the folder that cannot be searched.
                ErrorKind::PermissionDenied => Err(Unreadable::refused(above(path), &error)),
                _ => Err(Unreadable::refused(path, &error)),
            };
        }
    };
    let is_folder = match found.is_symlink() {
        false => found.is_dir(),
        true => match path.metadata() {
            Ok(target) => target.is_dir(),
            Err(error) => return Err(Unreadable::link(path, &error)),
        },
    };
    match is_folder {
        true => Ok(Place::Folder),
        false if path == root => Err(Unreadable::other(path)),
        false => Ok(Place::Other(path.to_owned())),
    }
}

/// Looks at a file of the store at `root`, through links.
///
/// # Errors
/// If a folder that it would lie in cannot be used, or the error says nothing about the file.
pub(super) fn look_at(root: &Path, path: &Path) -> Result<Look> {
    match fs::metadata(path) {
        Ok(found) => Ok(Look::Seen(found)),
        Err(error) => explained(root, path, error),
    }
}

/// Reads a file of the store at `root`, but nothing that only has its name.
///
/// # Errors
/// As of [`look_at`].
pub(super) fn read_at(root: &Path, path: &Path) -> Result<Look<Vec<u8>>> {
    match disk::read(path) {
        Ok(bytes) => Ok(Look::Seen(bytes)),
        Err(error) => explained(root, path, error),
    }
}

/// Looks at a file outside the store, through links.
///
/// # Errors
/// As of [`look_at`].
pub(super) fn look_outside(path: &Path) -> Result<Look> {
    look_at(above(path), path)
}

/// What it means that a file could not be looked at or read.
fn explained<T>(root: &Path, path: &Path, error: io::Error) -> Result<Look<T>> {
    let folder = above(path);
    match place(root, folder)? {
        Place::Folder => {}
        Place::Absent => return Ok(Look::Absent),
        Place::Other(other) => {
            return Ok(Look::Damaged(format!("{} is no folder", other.display())));
        }
    }
    let is_link = match path.symlink_metadata() {
        Ok(found) => found.is_symlink(),
        Err(now) if now.kind() == ErrorKind::PermissionDenied => {
            return Err(Unreadable::refused(folder, &now).into());
        }
        Err(_) => false,
    };
    match error.kind() {
        ErrorKind::NotFound if is_link => Ok(Look::Damaged("is a link to nothing".to_owned())),
        ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(Look::Absent),
        _ if is_damage(&error) => Ok(Look::Damaged(error.to_string())),
        _ => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The entries of a folder of the store at `root`; none if it is not there.
///
/// # Errors
/// If something else is, or it cannot be read.
pub(super) fn entries(root: &Path, folder: &Path) -> Result<Option<fs::ReadDir>> {
    match opened(root, folder)? {
        Ok(entries) => Ok(Some(entries)),
        Err(Place::Other(other)) => Err(Unreadable::other(&other).into()),
        Err(_) => Ok(None),
    }
}

/// As [`entries`]; none also if something else lies in its place, which is set aside one day.
pub(super) fn entries_if_folder(root: &Path, folder: &Path) -> Result<Option<fs::ReadDir>> {
    Ok(opened(root, folder)?.ok())
}

/// The entries of a folder, or what lies in its place.
fn opened(root: &Path, folder: &Path) -> Result<Result<fs::ReadDir, Place>> {
    let error = match fs::read_dir(folder) {
        Ok(entries) => return Ok(Ok(entries)),
        Err(error) => error,
    };
    match (place(root, folder)?, error.kind()) {
        (Place::Folder, ErrorKind::PermissionDenied) => {
            Err(Unreadable::refused(folder, &error).into())
        }
        (Place::Folder, _) => {
            Err(error).with_context(|| format!("cannot read the folder {}", folder.display()))
        }
        (other, _) => Ok(Err(other)),
    }
}

/// Whether an error is about this very file, and will be the same next time: it is then treated as one
/// that is damaged. Any other (no more file descriptors, no memory) says nothing about the file.
pub(super) fn is_damage(error: &io::Error) -> bool {
    let on_disk = [
        Errno::IO,
        Errno::LOOP,
        Errno::ISDIR,
        Errno::NXIO,
        Errno::UCLEAN,
    ];
    let of_file = [ErrorKind::PermissionDenied, ErrorKind::InvalidInput];
    of_file.contains(&error.kind()) || on_disk.into_iter().any(|errno| is(error, errno))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests;
