//! Remembers which objects were found intact and how their files looked then, so that a later
//! look costs one `stat` instead of reading the content again.
//!
//! A cache only: an entry that does not match the file, a torn file or none at all means that the
//! content is read again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::disk;
use crate::key::Digest;

/// How an object's file looked when its content was last read and found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat(u64, i64, i64, u64);

impl Stat {
    pub fn of(metadata: &Metadata) -> Stat {
        Stat(
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ino(),
        )
    }
}

/// The cache, read on first use.
#[derive(Debug)]
pub struct Stats {
    path: PathBuf,
    seen: Option<BTreeMap<Digest, Stat>>,
    changed: bool,
}

impl Stats {
    /// A cache that is kept in the file at `path`.
    pub fn at(path: PathBuf) -> Stats {
        Stats {
            path,
            seen: None,
            changed: false,
        }
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn holds(&mut self, digest: &Digest, stat: Stat) -> bool {
        self.seen().get(digest) == Some(&stat)
    }

    /// Notes that the object is intact while its file looks like this.
    pub fn note(&mut self, digest: Digest, stat: Stat) {
        if self.seen().insert(digest, stat) != Some(stat) {
            self.changed = true;
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, digest: &Digest) {
        if self.seen().remove(digest).is_some() {
            self.changed = true;
        }
    }

    /// Writes the cache if it changed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if let Some(seen) = &self.seen
            && self.changed
        {
            disk::write_whole(&self.path, &serde_json::to_vec(seen)?)?;
            self.changed = false;
        }
        Ok(())
    }

    fn seen(&mut self) -> &mut BTreeMap<Digest, Stat> {
        let path: &Path = &self.path;
        self.seen.get_or_insert_with(|| {
            let bytes = std::fs::read(path).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        })
    }
}
