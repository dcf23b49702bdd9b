//! What a remote can do, whatever it is: files by their paths. Unaware of what the files mean.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use store::key::Digest;

use crate::address::Kind;
use crate::folder::Folder;
use crate::{Address, Failure, Trouble};

/// A file in a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub path: String,
    pub bytes: u64,
    /// Seconds since 1970, by the remote's clock.
    pub written: i64,
}

/// Takes a piece of a file.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

pub(crate) trait Place: Send + Sync {
    /// Reads a file, piece by piece, as far as this many bytes.
    fn read(&self, path: &str, most: u64, sink: Sink) -> Result<(), Failure>;

    /// The size of a file; none if there is no such file.
    fn size(&self, path: &str) -> Result<Option<u64>, Failure>;

    /// Writes a file: whole or not at all.
    fn write(&self, path: &str, content: Vec<u8>) -> Result<(), Failure>;

    /// As [`Place::write`] of a file here, unless it has another digest.
    fn write_file(&self, path: &str, file: &Path, digest: &Digest) -> Result<(), Failure> {
        self.write(path, read_whole(file, digest)?)
    }

    /// All files below a folder.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, Failure>;

    /// Removes a file, which need not be there.
    fn remove(&self, path: &str) -> Result<(), Failure>;
}

/// The place at this address.
pub(crate) fn open(address: &Address, stop: &Arc<AtomicBool>) -> Result<Box<dyn Place>, Failure> {
    let opened: Result<Box<dyn Place>, Failure> = match &address.kind {
        Kind::Folder(path) if !path.is_dir() => {
            Err(Failure::new(Trouble::Failed, "there is no such folder"))
        }
        Kind::Folder(path) => Ok(Box::new(Folder::at(path, stop))),
        #[cfg(feature = "net")]
        Kind::Url(scheme, url) => {
            crate::net::Net::open(*scheme, url, stop).map(|it| Box::new(it) as _)
        }
        #[cfg(not(feature = "net"))]
        Kind::Url(..) => {
            let what =
                "this fig6 was built without the feature `remote`; only a folder can be used";
            Err(Failure::new(Trouble::Unsupported, what))
        }
    };
    opened.map_err(|failure| failure.of(address))
}

/// How often something is tried that breaks off.
pub(crate) const TRIES: usize = 3;

/// Tries again what breaks off, beside what the place itself tries.
pub(crate) fn tried<T>(mut work: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..TRIES {
        match work() {
            Err(failure) if failure.trouble == Trouble::Failed => {}
            done => return done,
        }
    }
    work()
}

/// Reads a small file; none if there is no such file.
pub(crate) fn read_small(
    place: &dyn Place,
    path: &str,
    most: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    let read = tried(|| {
        bytes.clear();
        place.read(path, most, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
    });
    match read {
        Ok(()) => Ok(Some(bytes)),
        Err(failure) if failure.trouble == Trouble::Absent => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Reads a whole file here.
pub(crate) fn read_whole(file: &Path, digest: &Digest) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = File::open(file).and_then(|mut file| file.read_to_end(&mut content));
    read.map_err(|error| here(file, &error))?;
    match Digest::of(&content) == *digest {
        true => Ok(content),
        false => Err(altered(file)),
    }
}

pub(crate) fn here(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Trouble::Failed, format!("{}: {error}", file.display()))
}

pub(crate) fn altered(file: &Path) -> Failure {
    let what = format!("{} was altered; run `fig6 fsck`", file.display());
    Failure::new(Trouble::Failed, what)
}
