//! `set-aside/`: where damaged files go, so that they are in nobody's way and a person can look at them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::look::{Place, place};
use super::{Store, disk};

impl Store {
    /// As [`Store::set_aside`], for what is about to be replaced: a file keeps its name until then, for
    /// another process may have put a whole one there meanwhile.
    pub(super) fn copy_aside(&self, path: &Path) -> Result<()> {
        let metadata = path.symlink_metadata();
        if metadata.is_ok_and(|metadata| metadata.is_file()) {
            let kept = self.place_aside(path)?;
            // Some file systems have no second names; then nobody can look at it.
            let _ = fs::hard_link(path, kept);
            return Ok(());
        }
        self.set_aside(path).map(drop)
    }

    /// Moves a damaged file out of the way, where a person can look at it; says where.
    pub(super) fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let kept = self.place_aside(path)?;
        match fs::rename(path, &kept) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => {
                moved.with_context(|| format!("cannot set {} aside", path.display()))?;
            }
        }
        Ok(kept)
    }

    /// A free name for what is set aside.
    fn place_aside(&self, path: &Path) -> Result<PathBuf> {
        let folder = self.root.join("set-aside");
        let is_there = folder.symlink_metadata().is_ok();
        if is_there && !folder.is_dir() {
            let away = self.root.join("set-aside.file");
            fs::rename(&folder, &away)
                .with_context(|| format!("cannot move {} away", folder.display()))?;
        }
        disk::create_folder(&folder)?;
        let flat = self.relative(path).to_string_lossy().replace('/', "-");
        let kept = folder.join(flat);
        // A rename replaces a file that was set aside before, but neither a folder nor by a folder.
        if kept.symlink_metadata().is_ok() {
            disk::remove(&kept)?;
        }
        Ok(kept)
    }

    /// Sets aside what lies in the place of a file and is none.
    pub(super) fn clear_for_file(&self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_file() => self.set_aside(path).map(drop),
            _ => Ok(()),
        }
    }

    /// Sets aside what lies in the place of a folder of the store, or of one above it, and is none. A folder
    /// that merely cannot be used is left where it is, for it may hold results.
    pub(super) fn clear_for_folder(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        while let Place::Other(other) = place(&self.root, path)? {
            self.set_aside(&other)?;
        }
        Ok(())
    }
}
