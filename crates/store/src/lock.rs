//! The lock of a whole store, which keeps a collection of garbage and those who use results apart.
//!
//! | | holds the lock |
//! |---|---|
//! | who adds to the store or relies on what is in it | shared, for as long as it takes to find a result and to put its key on the list of the run (see `runs`), or to add one, setting aside what it takes the place of |
//! | who removes what nobody needs, or what was found damaged by reading everything | alone |
//!
//! Never over a whole run, which may take weeks: results that it uses later are protected by its list.
//! The kernel gives the lock back when its holder dies. The file is never removed.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyhow::{Context as _, Result, ensure};

use super::look::look_at;
use super::{Store, disk};

/// The lock, held until the last of its clones is gone.
#[derive(Clone, Debug)]
#[must_use = "the lock is given back at once if nothing keeps it"]
pub struct Lock(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// `None` where there is nothing to lock: no store yet, or one that cannot be written to.
    file: Option<File>,
}

/// The lock as far as this process holds it: asked for again, it is shared without asking the kernel.
#[derive(Debug, Default)]
pub(super) struct Holding(Mutex<Weak<Held>>);

impl Lock {
    /// Whether somebody else can be kept out: not in a store that is not there or is read-only.
    pub fn is_held(&self) -> bool {
        self.0.file.is_some()
    }
}

impl Store {
    /// Keeps a collection of garbage out as long as the lock lives. Where there is no store, or none
    /// that can be written to, there is nothing to lock.
    ///
    /// # Errors
    /// If the store is there and cannot be used, or the file system has no locks.
    pub fn share(&self) -> Result<Lock> {
        let held = self.holding().upgrade();
        // Where there was nothing to lock there may be something by now.
        if let Some(held) = held.filter(|held| held.file.is_some()) {
            return Ok(Lock(held));
        }
        self.hold(open_shared, File::lock_shared)
    }

    /// Keeps everybody else out as long as the lock lives; what this store itself does meanwhile is done
    /// under it. `waiting` is called if others hold it now.
    ///
    /// # Errors
    /// If this store is in use by this process itself, the lock's file cannot be written, or the file
    /// system has no locks.
    pub fn exclude(&self, waiting: &mut dyn FnMut()) -> Result<Lock> {
        let own = self.holding().upgrade();
        ensure!(own.is_none(), "this process uses the store itself");
        let waiting = Mutex::new(waiting);
        self.hold(open_alone, |file| match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                (waiting.lock().unwrap_or_else(PoisonError::into_inner))();
                file.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    fn hold(
        &self,
        open: impl Fn(&Path) -> io::Result<Option<File>>,
        lock: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Lock> {
        let path = self.path(&["lock"]);
        // Nobody can hold a lock on what is no file.
        self.clear_for_file(&path)?;
        let file = match open(&path) {
            Ok(Some(file)) => Some(file),
            none => {
                // A folder that is there and cannot be used is another thing than no folder.
                look_at(&self.root, &path)?;
                none.with_context(|| format!("cannot open {}", path.display()))?
            }
        };
        if let Some(file) = &file {
            while let Err(error) = lock(file) {
                if error.kind() != ErrorKind::Interrupted {
                    return Err(disk::without_locks(error))
                        .with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
        let lock = Lock(Arc::new(Held { file }));
        *self.holding() = Arc::downgrade(&lock.0);
        Ok(lock)
    }

    fn holding(&self) -> MutexGuard<'_, Weak<Held>> {
        // One assignment is all that ever happens to it.
        self.holding
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the lock's file for those who share it, read-only where it is there.
fn open_shared(path: &Path) -> io::Result<Option<File>> {
    if let Ok(file) = File::open(path) {
        return Ok(Some(file));
    }
    match File::options().create(true).append(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem => Ok(None),
            _ => Err(error),
        },
    }
}

/// Opens the lock's file for somebody who wants it alone, which some file systems grant only to those
/// who may write.
fn open_alone(path: &Path) -> io::Result<Option<File>> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map(Some)
}

/// Whether another process holds a lock on this file; nobody does if it is not there.
///
/// # Errors
/// If it cannot be opened, or the file system has no locks.
pub(super) fn is_locked(path: &Path) -> Result<bool> {
    let look = || -> io::Result<bool> {
        let file = match disk::expect_file(path).and_then(|()| File::open(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    };
    look().with_context(|| format!("cannot find out who holds {}", path.display()))
}
