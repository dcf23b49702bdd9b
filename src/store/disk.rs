//! The few ways in which the store changes the disk. A file appears under its final name whole
//! and durable, or not at all.
//!
//! Unaware of what the files mean.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

/// Creates a folder and its parents.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))
}

/// Writes a file: a temporary one beside it, flushed to the disk, then renamed over it.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let folder = parent(path);
    create_folder(folder)?;
    let write = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        make_readable(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(folder)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write_whole`], with a name for the temporary file: what a killed process has left of it is
/// overwritten by the next one. Only one process at a time may write under that name.
pub fn write_by(partial: &Path, path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(partial, path)?;
        sync_folder(parent(path))
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file that may be lost but is never seen half-written: not flushed to the disk.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(parent(path))?;
        file.write_all(content)?;
        make_readable(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Moves a finished file under its final, read-only name, durably.
pub fn publish(from: &Path, to: &Path) -> Result<()> {
    let folder = parent(to);
    create_folder(folder)?;
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

/// Empties a folder, creating it where it does not exist.
pub fn fresh_folder(path: &Path) -> Result<()> {
    remove_folder(path)?;
    create_folder(path)
}

/// Removes a folder with all that is in it; it need not exist.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove the folder {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes a file or link.
pub fn remove_file(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}

/// Makes `link` a symbolic link to the relative path `target`, whatever it was before.
///
/// Returns whether anything had to change.
pub fn link(target: &Path, link: &Path) -> Result<bool> {
    if fs::read_link(link).is_ok_and(|found| found == target) {
        return Ok(false);
    }
    let folder = parent(link);
    create_folder(folder)?;
    let make = || -> io::Result<()> {
        // A link cannot replace another one; a renamed link can.
        let staging = tempfile::Builder::new()
            .prefix(".link")
            .tempdir_in(folder)?;
        let staged = staging.path().join("link");
        std::os::unix::fs::symlink(target, &staged)?;
        fs::rename(&staged, link)
    };
    make().with_context(|| format!("cannot link {}", link.display()))?;
    Ok(true)
}

/// Temporary files are private to their owner; what the store keeps is for everyone to read.
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
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
