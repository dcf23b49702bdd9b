//! The right to compute one key: a lock that the kernel releases when its holder dies, the folder
//! to work in, and the only way to commit a result.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

use super::index::Stat;
use super::look::{self, Place};
use super::manifest::{Entry, Manifest, Output};
use super::running::{Announcement, TrainingProgress};
use super::{Lookup, Store, disk};
use crate::key::{Digest, Listing};

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
    key: Digest,
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

    /// Prepares the work of the step of this name: an empty output folder and a fresh log.
    ///
    /// # Errors
    /// If folder or log cannot be written.
    pub fn begin(&self, claim: &Claim, step: &str) -> Result<()> {
        self.clear_for_folder(&claim.scratch())?;
        disk::create_folder(&claim.scratch())?;
        // Whatever an earlier run has left but what it can go on from.
        let entries = fs::read_dir(&claim.folder);
        let cannot = || format!("cannot read {}", claim.folder.display());
        for entry in entries.with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path != claim.scratch() {
                disk::remove_folder(&path)?;
            }
        }
        disk::create_folder(&claim.output())?;
        let log = claim.log();
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        self.show_log(step, &format!("work/{}/log", claim.key))
            .map(drop)
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
                self.copy_aside(&object)?;
            }
            self.clear_for_folder(&object.with_file_name(""))?;
            disk::publish(&claim.output().join(name), &object)?;
            let stat = Stat::of(&fs::metadata(&object)?);
            self.index.note_new_object(output.digest, stat);
        }
        let log = self.log_path(&claim.key);
        self.clear_for_file(&log)?;
        disk::publish(&claim.log(), &log)?;
        let path = self.manifest_path(&claim.key);
        if !matches!(self.read_manifest(&claim.key)?, None | Some(Ok(_))) {
            self.set_aside(&path)?;
        }
        manifest.write(&claim.folder.join("manifest.partial"), &path)?;
        let entry = Arc::new(Entry::from(manifest));
        let stat = Stat::of(&fs::metadata(&path)?);
        self.index.note_new_result(stat, entry.clone());
        self.discard(claim)?;
        Ok(entry)
    }

    /// Keeps a listing that the basis of results refers to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_listing(&self, text: &str) -> Result<()> {
        let digest = Listing::digest(text);
        if self.listing(&digest)?.is_some() {
            return Ok(());
        }
        let path = self.listing_path(&digest);
        if path.symlink_metadata().is_ok() {
            self.set_aside(&path)?;
        }
        disk::write_whole(&path, text.as_bytes())
    }

    /// Drops what a step under way has written.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, claim: &Claim) -> Result<()> {
        // Some file systems (NFS) keep the folder of a file that is open.
        claim.announcement().take();
        // Without its log a folder is known to be of no more use; see `tidy`.
        if claim.log().exists() {
            disk::remove_file(&claim.log())?;
        }
        disk::remove_folder(&claim.folder)
    }

    /// Keeps outputs that are not to be added where a person can look at them; says where.
    ///
    /// # Errors
    /// If they cannot be moved.
    pub fn keep_aside(&self, claim: &Claim) -> Result<PathBuf> {
        self.set_aside(&claim.output())
    }

    /// Removes what processes have left that were killed amid a write, or between adding a result and
    /// tidying up after it: folders of keys that nobody works on and that have their result, and locks.
    /// What an interrupted step can go on from stays, also one that was to run again; and so does the log
    /// of a failed one without a result.
    pub fn tidy(&self) {
        disk::sweep(&self.root);
        disk::sweep(&self.root.join("listings"));
        let entries = fs::read_dir(self.root.join("work"));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let key = name.to_str().and_then(|name| {
                let key = name.strip_suffix(".lock").unwrap_or(name);
                key.parse::<Digest>().ok()
            });
            let Some(key) = key else { continue };
            // Claimed only if there is something to do: another run might take it for work.
            let folder = self.work_path(&key);
            let finished = || matches!(self.lookup(&key), Ok(Lookup::Found(_)));
            // Whatever fails here is tried again by the next run.
            if (!folder.exists() || finished())
                && let Ok(Claimed::Ours(claim)) = self.claim(&key)
                && finished()
                && !(claim.log().exists() && is_filled(&claim.scratch()))
            {
                let _ = self.discard(&claim);
            }
        }
    }

    /// As [`Store::set_aside`], for what is about to be replaced: a file keeps its name until then, for
    /// another process may have put a whole one there meanwhile.
    fn copy_aside(&self, path: &Path) -> Result<()> {
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
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let flat = relative.to_string_lossy().replace('/', "-");
        let kept = folder.join(flat);
        // A rename replaces a file that was set aside before, but neither a folder nor by a folder.
        if kept.symlink_metadata().is_ok() {
            disk::remove_folder(&kept)?;
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
        while let Place::Other(other) = look::place(&self.root, path)? {
            self.set_aside(&other)?;
        }
        Ok(())
    }
}

impl Claim {
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

    fn announcement(&self) -> MutexGuard<'_, Option<Announcement>> {
        // Nothing depends on it.
        self.announcement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the step writes its outputs.
    pub fn output(&self) -> PathBuf {
        self.folder.join("out")
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
    // Not created: its holder removes it.
    let waited = match File::options().write(true).open(lock_path) {
        Ok(file) => file.lock(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    waited.with_context(|| format!("cannot wait for {}", lock_path.display()))
}

/// Whether there is anything in a folder.
fn is_filled(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
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
