//! The right to compute one key: a lock that the kernel releases when its holder dies, the folder
//! to work in, and the only way to commit a result.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use super::index::Stat;
use super::manifest::{Entry, Manifest, Output};
use super::{Store, disk};
use crate::key::Digest;

/// The answer to the wish to compute a key.
#[derive(Debug)]
pub enum Claimed {
    /// The key is ours to compute.
    Ours(Claim),
    /// Another process computes it; the path is its lock's.
    Busy(PathBuf),
}

/// The exclusive right to compute a key. Dropping it gives the right back.
#[derive(Debug)]
pub struct Claim {
    key: Digest,
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while still locked, and `open_lock` looks at the path again once it has the
        // lock: nobody can hold a lock on a file that no longer has its name.
        let _ = fs::remove_file(&self.lock_path);
    }
}

impl Store {
    /// Claims a key.
    ///
    /// # Errors
    /// If the lock cannot be written.
    pub fn claim(&self, key: &Digest) -> Result<Claimed> {
        let folder = self.work_path(key);
        let lock_path = folder.with_extension("lock");
        let Some(lock) = open_lock(&lock_path, File::try_lock)? else {
            return Ok(Claimed::Busy(lock_path));
        };
        let claim = Claim {
            key: *key,
            folder,
            lock_path,
            _lock: lock,
        };
        Ok(Claimed::Ours(claim))
    }

    /// Prepares the work of the step of this name: an empty output folder and a fresh log.
    ///
    /// # Errors
    /// If folder or log cannot be written.
    pub fn begin(&self, claim: &Claim, step: &str) -> Result<()> {
        disk::fresh_folder(&claim.output())?;
        disk::create_folder(&claim.scratch())?;
        let log = self.log_path(&claim.key);
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        self.show_log(step, &claim.key).map(drop)
    }

    /// Adds a finished result: outputs first, the manifest last.
    ///
    /// # Errors
    /// If anything cannot be written; the store is then as before.
    pub fn commit(&self, claim: &Claim, manifest: &Manifest) -> Result<Arc<Entry>> {
        ensure!(
            manifest.key == claim.key,
            "a claim is good for its own key only"
        );
        for (name, output) in &manifest.outputs {
            let object = self.object_path(&output.digest);
            if object.symlink_metadata().is_ok() {
                if self.check(output)?.is_none() {
                    continue;
                }
                self.set_aside(&object)?;
            }
            disk::publish(&claim.output().join(name), &object)?;
            let stat = Stat::of(&fs::metadata(&object)?);
            self.index.note_new_object(output.digest, stat);
        }
        let path = self.manifest_path(&claim.key);
        manifest.write(&path)?;
        let entry = Arc::new(Entry::from(manifest));
        let stat = Stat::of(&fs::metadata(&path)?);
        self.index.note_new_result(stat, entry.clone());
        self.discard(claim)?;
        Ok(entry)
    }

    /// Drops what a step under way has written.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, claim: &Claim) -> Result<()> {
        disk::remove_folder(&claim.folder)
    }

    /// Moves a damaged file out of the way, where a person can look at it.
    pub(super) fn set_aside(&self, path: &Path) -> Result<()> {
        let folder = self.root.join("set-aside");
        disk::create_folder(&folder)?;
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let flat = relative.to_string_lossy().replace('/', "-");
        let kept = folder.join(flat);
        // A rename replaces a file that was set aside before by a file, but not a folder.
        if kept.is_dir() {
            disk::remove_folder(&kept)?;
        } else if path.is_dir() && kept.exists() {
            disk::remove_file(&kept)?;
        }
        fs::rename(path, &kept).with_context(|| format!("cannot set {} aside", path.display()))
    }
}

impl Claim {
    /// Where the step writes its outputs.
    pub fn output(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// What survives an interruption of the step.
    pub fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// The folder around all that belongs to the step under way.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Digests and sizes of what the step has written.
    ///
    /// # Errors
    /// If an output is missing, is no plain file, or a file lies there that was not declared.
    pub fn collect(&self, declared: &[&str]) -> Result<BTreeMap<String, Output>> {
        let mut outputs = BTreeMap::new();
        for &name in declared {
            let path = self.output().join(name);
            let metadata = fs::symlink_metadata(&path)
                .with_context(|| format!("the step did not write its output {name}"))?;
            ensure!(metadata.is_file(), "output {name} is no plain file");
            let digest = Digest::of_file(&path)
                .with_context(|| format!("cannot read output {}", path.display()))?;
            outputs.insert(
                name.to_owned(),
                Output {
                    digest,
                    bytes: metadata.len(),
                },
            );
        }
        for entry in fs::read_dir(self.output())? {
            let name = entry?.file_name();
            if !declared.iter().any(|&declared| name == *declared) {
                bail!(
                    "the step wrote {}, which it does not declare",
                    name.display()
                );
            }
        }
        Ok(outputs)
    }
}

/// Waits until whoever computes a key is done or dead.
///
/// # Errors
/// If the lock cannot be opened or waited for.
pub fn wait(lock_path: &Path) -> Result<()> {
    open_lock(lock_path, |file| file.lock().map_err(TryLockError::Error)).map(drop)
}

/// Opens and locks the file at `path`, or says that another holds it.
fn open_lock(
    path: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>> {
    let attempt = || -> io::Result<Option<File>> {
        loop {
            let file = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(path)?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let ours = file.metadata()?.ino();
            // The previous holder may have removed the file between our opening and locking it.
            if fs::metadata(path).is_ok_and(|current| current.ino() == ours) {
                return Ok(Some(file));
            }
        }
    };
    attempt().with_context(|| {
        format!(
            "cannot lock {} (a file system without locks cannot hold artifacts)",
            path.display()
        )
    })
}
