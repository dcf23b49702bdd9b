//! The few ways in which the store changes the disk. A file appears under its final name whole
//! and durable, or not at all.
//!
//! Unaware of what the files mean.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use serde::Serializer;

/// Reads a file, but nothing that only has its name: a pipe would be waited for, and a device might never
/// end.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    expect_file(path)?;
    fs::read(path)
}

/// Makes sure that what lies there, through links, is a file.
pub fn expect_file(path: &Path) -> io::Result<()> {
    match fs::metadata(path)? {
        found if found.is_file() => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
    }
}

/// A path in JSON that is for programs to show and not to open: what is not UTF-8 in it is replaced.
///
/// # Errors
/// If the serializer fails.
pub fn displayed<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Creates a folder and its parents.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))
}

/// As [`create_folder`], so that the folders survive a power loss.
pub fn create_durable_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        create_durable_folder(above)?;
    }
    create_folder(path)?;
    sync_folder(above).with_context(|| format!("cannot create the folder {}", path.display()))
}

/// Writes a file: under another name beside it, flushed to the disk, then renamed over it.
///
/// The other name (`.<name>.partial`) is locked as long as it is written to: a second process waits, and
/// what a killed one has left is overwritten, or removed by [`sweep`].
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    create_folder(parent(path))?;
    write_locked(path, content, true).with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write_whole`], for a file that may be lost but is never seen half-written: not flushed to the
/// disk.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    write_locked(path, content, false).with_context(|| format!("cannot write {}", path.display()))
}

fn write_locked(path: &Path, content: &[u8], durably: bool) -> io::Result<()> {
    let partial = partial_name(path)?;
    let Some(file) = locked(&partial, wait_for)? else {
        return Err(io::ErrorKind::WouldBlock.into());
    };
    file.set_len(0)?;
    finish(file, &partial, path, content, durably)
}

/// Where [`write_whole`] writes first.
fn partial_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    Ok(path.with_file_name(partial))
}

/// Removes from a folder what processes have left that were killed amid [`write_whole`]. What cannot be
/// removed does no harm.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_partial(&entry.file_name())
            && let Ok(Some(_lock)) = locked(&entry.path(), File::try_lock)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether [`write_whole`] gives such a name to a file that it writes.
pub fn is_partial(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".partial")
}

/// As [`write_whole`], with a given name for the file that is written first. Only one process at a time
/// may write under that name.
pub fn write_by(partial: &Path, path: &Path, content: &[u8]) -> Result<()> {
    let write = || finish(File::create(partial)?, partial, path, content, true);
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Fills an empty file and gives it its final name; where that fails, nothing of it stays.
fn finish(
    mut file: File,
    partial: &Path,
    path: &Path,
    content: &[u8],
    durably: bool,
) -> io::Result<()> {
    let mut write = || -> io::Result<()> {
        file.write_all(content)?;
        if durably {
            file.sync_all()?;
        }
        fs::rename(partial, path)
    };
    let written = write();
    if written.is_err() {
        // The first error tells what is wrong.
        let _ = fs::remove_file(partial);
    }
    written?;
    match durably {
        true => sync_folder(parent(path)),
        false => Ok(()),
    }
}

/// Opens and locks the file at `path`, creating it if need be; `None` where another process holds it and
/// `lock` does not wait.
pub fn locked(
    path: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> io::Result<Option<File>> {
    loop {
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(without_locks(error)),
        }
        let ours = file.metadata()?.ino();
        // The previous holder may have removed or renamed the file between our opening and locking it.
        if fs::symlink_metadata(path).is_ok_and(|current| current.ino() == ours) {
            return Ok(Some(file));
        }
    }
}

/// Locks a file, however long that takes.
pub fn wait_for(file: &File) -> Result<(), TryLockError> {
    file.lock().map_err(TryLockError::Error)
}

/// What a lock's error means, where it means that there are none.
pub fn without_locks(error: io::Error) -> io::Error {
    let none = matches!(error.kind(), io::ErrorKind::Unsupported)
        || [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP]
            .map(|errno| Some(errno.raw_os_error()))
            .contains(&error.raw_os_error());
    match none {
        true => io::Error::new(
            error.kind(),
            format!(
                "the file system has no locks ({error}); fig6 needs one that has, a local one for example: \
                 choose another folder"
            ),
        ),
        false => error,
    }
}

/// Moves a finished file under its final, read-only name, durably.
pub fn publish(from: &Path, to: &Path) -> Result<()> {
    let folder = parent(to);
    create_durable_folder(folder)?;
    let publish = || -> io::Result<()> {
        let file = File::open(from)?;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions)?;
        file.sync_all()?;
        fs::rename(from, to)?;
        sync_folder(folder)
    };
    publish().with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

/// Removes a file, a link, or a folder with all that is in it; it need not exist.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes `link` a symbolic link to the relative path `target`; what lies there, if anything, is a link.
///
/// Returns whether anything had to change.
pub fn link(target: &Path, link: &Path) -> Result<bool> {
    let right = || fs::read_link(link).is_ok_and(|found| found == target);
    if right() {
        return Ok(false);
    }
    create_folder(parent(link))?;
    // Others may be making the same link, so its place may be taken again once it is free.
    for _ in 0..100 {
        match std::os::unix::fs::symlink(target, link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if right() {
                    break;
                }
                if let Err(error) = fs::remove_file(link)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    return Err(error).with_context(|| format!("cannot remove {}", link.display()));
                }
            }
            made => {
                made.with_context(|| format!("cannot link {}", link.display()))?;
                break;
            }
        }
    }
    Ok(true)
}

/// Flushes a folder's entries, so that a rename in it survives a power loss.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
