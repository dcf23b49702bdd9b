//! A store elsewhere: results by key, in the layout of a folder of artifacts.
//!
//! ```text
//! manifests/<key>.json   one finished step each
//! objects/ab/cdef…       contents by digest
//! listings/<digest>      what the digests of code and crates in manifests stand for
//! logs/<key>.log         what the step printed
//! remote.json            which collection of garbage was the last one
//! ```
//!
//! So a copy of a folder of artifacts behind any web server is a remote that can be read. A result is asked
//! for by its key and needs no list. Whoever writes puts a manifest after all that it names, and whoever
//! reads believes nothing that does not fit its digest. What a digest cannot say is whether a result is
//! true: whoever can write to a remote can put a false one there.
//!
//! Blocks; several threads at once may use a [`Remote`]. Unaware of graphs, of what steps do, and of the
//! terminal.

mod address;
mod aws_files;
mod collect;
mod each;
mod failure;
mod fetch;
mod folder;
mod marker;
#[cfg(feature = "net")]
mod net;
mod place;
mod push;
mod seen;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::key::Digest;

pub use address::Address;
pub use collect::{Collected, Collection, RemoteResult};
pub use each::each;
pub use failure::{Failure, Trouble};
pub use fetch::{Fetched, Wanted};
pub use push::{PushOptions, Pushed};

use address::Kind;
use marker::Marker;
use place::Place;

/// How many files are on their way at once.
pub const AT_ONCE: usize = 16;

/// A store elsewhere that answers.
pub struct Remote {
    address: Address,
    place: Box<dyn Place>,
    /// What stood there when it was opened.
    marker: Option<Marker>,
    /// Keys that were asked for before.
    asked: Mutex<HashSet<Digest>>,
    /// Files of listings here that were looked for before: most results have the same.
    listings: Mutex<HashSet<PathBuf>>,
    stop: Arc<AtomicBool>,
}

impl Remote {
    /// Opens a remote: one small file is read, or found missing, so that a wrong address, missing rights or
    /// expired credentials are said before anything else is done. Once `stop` is set, everything ends soon
    /// with [`Trouble::Stopped`].
    ///
    /// # Errors
    /// If it cannot be read, or this program was built without what it takes.
    pub fn open(address: &Address, stop: &Arc<AtomicBool>) -> Result<Remote, Failure> {
        let place = place::open(address, stop)?;
        Remote::at(address, place, stop)
    }

    /// As [`Remote::open`], for who wants to write: a folder is created if need be.
    ///
    /// # Errors
    /// As of [`Remote::open`]; if the folder cannot be created.
    pub fn open_to_write(address: &Address, stop: &Arc<AtomicBool>) -> Result<Remote, Failure> {
        if let Kind::Folder(path) = &address.kind {
            let created = std::fs::create_dir_all(path);
            created.map_err(|error| place::here(path, &error).of(address))?;
        }
        Remote::open(address, stop)
    }

    fn at(
        address: &Address,
        place: Box<dyn Place>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Remote, Failure> {
        let marker = Marker::read(&*place).map_err(|failure| failure.of(address))?;
        Ok(Remote {
            address: address.clone(),
            place,
            marker,
            asked: Mutex::default(),
            listings: Mutex::default(),
            stop: stop.clone(),
        })
    }

    /// Its address, without what is secret in it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether nobody has asked for a key yet; from now on somebody has.
    pub fn is_news(&self, key: &Digest) -> bool {
        self.asked().insert(*key)
    }

    /// Ends what is under way.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether everything that is asked of it ends at once.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn asked(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "Remote({})", self.address)
    }
}

/// Where a content lies below a remote's root.
fn object(digest: &Digest) -> String {
    let hex = digest.to_string();
    format!("objects/{}/{}", &hex[..2], &hex[2..])
}

fn manifest(key: &Digest) -> String {
    format!("manifests/{key}.json")
}

fn listing(digest: &Digest) -> String {
    format!("listings/{digest}")
}

fn log(key: &Digest) -> String {
    format!("logs/{key}.log")
}

#[cfg(test)]
mod tests;
