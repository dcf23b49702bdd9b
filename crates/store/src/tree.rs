//! What lies in the store's folders, by name: for those who look at everything.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Store, Unreadable, disk, look};
use crate::key::Digest;

/// A file, folder or link; what a link leads to is not looked at.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub metadata: Metadata,
}

impl Found {
    /// Its name, as far as it is text.
    pub fn name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Whether it is what a process that was killed has left while it wrote something else.
    pub fn is_temporary(&self) -> bool {
        self.path.file_name().is_some_and(disk::is_partial)
    }

    /// The digest that its name is, before this ending.
    pub fn digest(&self, ending: &str) -> Option<Digest> {
        digest_in(&self.path, ending)
    }

    /// Bytes of a file, or of all files in a folder.
    pub fn bytes(&self) -> u64 {
        match self.metadata.is_dir() {
            false => self.metadata.len(),
            // Of what cannot be read nobody knows how large it is.
            true => files_below(&self.path).map_or(0, |files| files.iter().map(Found::bytes).sum()),
        }
    }
}

impl Store {
    /// What lies in a folder of the store, by name; nothing if it is not there.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Found>> {
        list(&self.root, &self.root.join(folder))
    }

    /// Folders of objects, and what lies in them.
    pub(super) fn list_objects(&self) -> Result<Vec<Found>> {
        let mut objects = Vec::new();
        for folder in self.list("objects")? {
            if folder.metadata.is_dir() {
                objects.extend(list(&self.root, &folder.path)?);
            }
        }
        Ok(objects)
    }

    /// The digest of the content that should lie under this path.
    pub(super) fn object_at(&self, path: &Path) -> Option<Digest> {
        let mut parts = path.strip_prefix(self.root.join("objects")).ok()?.iter();
        let (two, rest) = (parts.next()?.to_str()?, parts.next()?.to_str()?);
        let digest: Digest = format!("{two}{rest}").parse().ok()?;
        (self.object_path(&digest) == path).then_some(digest)
    }
}

/// The digest that a file's name is, before this ending.
pub(super) fn digest_in(path: &Path, ending: &str) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(ending)?.parse().ok()
}

/// What lies in a folder of the store at `root`, by name; nothing if it is not there.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn list(root: &Path, folder: &Path) -> Result<Vec<Found>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut found = Vec::new();
    for entry in look::entries(root, folder)?.into_iter().flatten() {
        let path = entry.with_context(cannot)?.path();
        match path.symlink_metadata() {
            Ok(metadata) => found.push(Found { path, metadata }),
            // Others may be at work.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(Unreadable::refused(folder, &error).into());
            }
            Err(error) => return Err(error).with_context(cannot),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// All files below a folder.
///
/// # Errors
/// If it or one in it cannot be read.
pub(super) fn files_below(folder: &Path) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for found in list(folder, folder)? {
        match found.metadata.is_dir() {
            true => files.extend(files_below(&found.path)?),
            false => files.push(found),
        }
    }
    Ok(files)
}
