//! The right to compute one key: a lock that the kernel releases when its holder dies, and the folder
//! to work in. Only who has it can commit a result.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

use super::manifest::Output;
use super::running::{Announcement, TrainingProgress};
use super::{Store, disk};
use crate::key::Digest;

/// The file whose lock says that a process works in a folder.
const MARK: &str = "running";

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
    pub(super) key: Digest,
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    /// What others are told meanwhile.
    announcement: Mutex<Option<Announcement>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while still locked, and `disk::locked` looks at the path again once it has the
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
        self.clear_for_file(&lock_path)?;
        let Some(lock) = open_lock(&lock_path, File::try_lock)? else {
            return Ok(Claimed::Busy(lock_path));
        };
        let claim = Claim {
            key: *key,
            folder,
            lock_path,
            _lock: lock,
            announcement: Mutex::default(),
        };
        // Whoever held the claim may be dead, and its step's process not quite.
        let mark = claim.folder.join(MARK);
        if mark.is_file() && open_lock(&mark, File::try_lock)?.is_none() {
            return Ok(Claimed::Busy(mark));
        }
        Ok(Claimed::Ours(claim))
    }
}

impl Claim {
    /// The key.
    pub fn key(&self) -> Digest {
        self.key
    }

    /// Tells those who ask for the status that this process, on this host, computes the key; to be called
    /// after [`Store::begin`].
    pub fn announce(&self, host: &str) {
        *self.announcement() = Announcement::begin(&self.folder, host);
    }

    /// Tells them how far it is.
    pub fn announce_progress(&self, progress: TrainingProgress) {
        if let Some(announcement) = &mut *self.announcement() {
            announcement.update(progress);
        }
    }

    pub(super) fn announcement(&self) -> MutexGuard<'_, Option<Announcement>> {
        // Nothing depends on it.
        self.announcement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the step writes its outputs.
    pub fn output(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Where the step writes what shows how its result came about.
    pub fn evidence(&self) -> PathBuf {
        self.folder.join("evidence")
    }

    /// What survives an interruption of the step.
    pub fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// Where the step's log lies as long as it is under way.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The folder around all that belongs to the step under way.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Digest and size of the step's log.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn collect_log(&self) -> Result<Output> {
        let path = self.log();
        let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Output {
            digest: Digest::of(&log),
            bytes: log.len() as u64,
        })
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
            let bytes = metadata.len();
            outputs.insert(name.to_owned(), digested(&path, bytes)?);
        }
        for entry in fs::read_dir(self.output())? {
            let name = entry?.file_name();
            ensure!(
                declared.iter().any(|&declared| name == *declared),
                "the step wrote {}, which it does not declare",
                name.display()
            );
        }
        Ok(outputs)
    }

    /// Digests and sizes of all that the step has left as evidence.
    ///
    /// # Errors
    /// If something there is no plain file, or has a name that is no text.
    pub fn collect_evidence(&self) -> Result<BTreeMap<String, Output>> {
        let folder = self.evidence();
        let cannot = || format!("cannot read {}", folder.display());
        let mut evidence = BTreeMap::new();
        for entry in fs::read_dir(&folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let (path, metadata) = (entry.path(), entry.metadata().with_context(cannot)?);
            ensure!(
                metadata.is_file(),
                "evidence {} is no plain file",
                path.display()
            );
            let Ok(name) = entry.file_name().into_string() else {
                bail!("the name of evidence {} is no text", path.display());
            };
            evidence.insert(name, digested(&path, metadata.len())?);
        }
        Ok(evidence)
    }
}

/// Digest and size of a file that the step has written.
fn digested(path: &Path, bytes: u64) -> Result<Output> {
    let digest =
        Digest::of_file(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Output { digest, bytes })
}

/// Waits until whoever computes a key is done or dead.
///
/// # Errors
/// If the lock cannot be opened or waited for.
pub fn wait(lock_path: &Path) -> Result<()> {
    // Not created: its holder removes it.
    let waited = match File::options().write(true).open(lock_path) {
        Ok(file) => file.lock(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    waited.with_context(|| format!("cannot wait for {}", lock_path.display()))
}

/// Marks a working folder as one in which a process works, until the mark is dropped or the process
/// dies; waits for the end of another one that does. A step's process has one of its own, for it may
/// outlive, by a moment, the one that holds the claim.
///
/// # Errors
/// If the mark cannot be written.
pub fn work_in(folder: &Path) -> Result<File> {
    let path = folder.join(MARK);
    let mark = open_lock(&path, disk::wait_for)?;
    mark.with_context(|| format!("cannot lock {}", path.display()))
}

/// Opens and locks the file at `path`, or says that another holds it.
fn open_lock(
    path: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>> {
    disk::locked(path, lock).with_context(|| format!("cannot lock {}", path.display()))
}

#[cfg(test)]
mod tests;
