//! Remembers what was read and how the files looked then, so that a later look costs one `stat` a
//! file instead of reading it again.
//!
//! A cache only, in one file: it can be deleted at any time, a torn one is not used at all, and an
//! entry counts only while its file looks exactly as it did. So it is as right on another machine,
//! or after a copy that gave every file a new time stamp, where it merely says nothing.

use std::collections::HashMap;
use std::fs::Metadata;
use std::hash::Hash;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::disk;
use super::manifest::Entry;
use crate::key::Digest;

/// What the file begins with, before the digest of all that follows.
const MAGIC: &[u8] = b"fig6 index 1\n";

/// A file that changed less than this before the index was saved may change again without looking
/// different, because time stamps have a grain; it is not remembered.
const GRAIN: Duration = Duration::from_millis(50);

/// How a file looked: size, inode, and the times of its last change of content and of status, the
/// second of which no program can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    bytes: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stat {
    pub fn of(metadata: &Metadata) -> Stat {
        Stat {
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the file had been left alone for a while at this time since the epoch.
    fn settled(&self, now: Duration) -> bool {
        let settled = now.saturating_sub(GRAIN);
        let settled = (settled.as_secs() as i64, i64::from(settled.subsec_nanos()));
        self.changed < settled && self.modified < settled
    }
}

/// The cache, read on first use.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    known: OnceLock<RwLock<Known>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// Results by key, while their manifest looks like this.
    results: HashMap<Digest, (Stat, Arc<Entry>)>,
    /// Objects that were found intact.
    objects: HashMap<Digest, Stat>,
    /// The key that a step's folder of links shows, and the inode of the folder of all of them.
    views: HashMap<String, Digest>,
    views_folder: Option<u64>,
    /// Contents of files outside the store.
    files: HashMap<PathBuf, (Stat, Digest)>,
    /// Whether the file on disk says something else.
    #[serde(skip)]
    changed: bool,
}

impl Index {
    /// An index that is kept in the file at `path`.
    pub fn at(path: PathBuf) -> Index {
        Index {
            path,
            known: OnceLock::new(),
        }
    }

    /// The result with this key, if its manifest was read when it looked like this.
    pub fn result(&self, key: &Digest, manifest: Stat) -> Option<Arc<Entry>> {
        let known = self.read();
        let (stat, entry) = known.results.get(key)?;
        (*stat == manifest).then(|| entry.clone())
    }

    /// The result with this key as it was last read, whatever its manifest looks like now.
    pub fn remembered(&self, key: &Digest) -> Option<Arc<Entry>> {
        self.read().results.get(key).map(|(_, entry)| entry.clone())
    }

    /// Notes a result whose manifest looks like this.
    pub fn note_result(&self, manifest: Stat, entry: Arc<Entry>) {
        let mut known = self.write();
        known.results.insert(entry.key, (manifest, entry));
        known.changed = true;
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn is_intact(&self, digest: &Digest, stat: Stat) -> bool {
        self.read().objects.get(digest) == Some(&stat)
    }

    /// Notes that the object is intact while its file looks like this.
    pub fn note_object(&self, digest: Digest, stat: Stat) {
        note(&mut self.write(), |known| &mut known.objects, digest, stat);
    }

    /// Forgets an object.
    pub fn forget_object(&self, digest: &Digest) {
        let mut known = self.write();
        known.changed |= known.objects.remove(digest).is_some();
    }

    /// Forgets what folders of links show unless they lie in the folder with this inode.
    pub fn views_lie_in(&self, folder: Option<u64>) {
        if self.read().views_folder != folder {
            let mut known = self.write();
            known.views.clear();
            known.views_folder = folder;
            known.changed = true;
        }
    }

    /// The key that the folder of links of a step shows.
    pub fn shown(&self, step: &str) -> Option<Digest> {
        self.read().views.get(step).copied()
    }

    /// Notes which key the folder of links of a step shows.
    pub fn note_shown(&self, step: &str, key: Digest) {
        note(
            &mut self.write(),
            |known| &mut known.views,
            step.to_owned(),
            key,
        );
    }

    /// The content of a file outside the store, if it was read when the file looked like this.
    pub fn content(&self, path: &Path, stat: Stat) -> Option<Digest> {
        let known = self.read();
        let &(noted, digest) = known.files.get(path)?;
        (noted == stat).then_some(digest)
    }

    /// Notes the content of a file outside the store while it looks like this.
    pub fn note_content(&self, path: &Path, stat: Stat, digest: Digest) {
        let content = (stat, digest);
        note(
            &mut self.write(),
            |known| &mut known.files,
            path.to_owned(),
            content,
        );
    }

    /// Writes the index if it changed; it may be lost, so it is not flushed to the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self) -> Result<()> {
        let Some(known) = self.known.get() else {
            return Ok(());
        };
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.changed {
            return Ok(());
        }
        let now = SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        known.results.retain(|_, (stat, _)| stat.settled(now));
        known.objects.retain(|_, stat| stat.settled(now));
        known.files.retain(|_, (stat, _)| stat.settled(now));
        let payload = postcard::to_stdvec(&*known)?;
        let digest = Digest::of(&payload);
        disk::replace(&self.path, &[MAGIC, digest.as_bytes(), &payload].concat())?;
        known.changed = false;
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known().read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        // Every change is one insertion or removal: what a panic leaves behind is whole.
        self.known().write().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> &RwLock<Known> {
        self.known.get_or_init(|| {
            let bytes = std::fs::read(&self.path).unwrap_or_default();
            RwLock::new(parse(&bytes).unwrap_or_default())
        })
    }
}

fn note<K: Eq + Hash, V: PartialEq>(
    known: &mut Known,
    map: impl Fn(&mut Known) -> &mut HashMap<K, V>,
    key: K,
    value: V,
) {
    if map(known).get(&key) != Some(&value) {
        map(known).insert(key, value);
        known.changed = true;
    }
}

/// What the file says; `None` if it is torn, of another version, or no index.
fn parse(bytes: &[u8]) -> Option<Known> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (digest, payload) = rest.split_first_chunk()?;
    if Digest::of(payload).as_bytes() != digest {
        return None;
    }
    postcard::from_bytes(payload).ok()
}
