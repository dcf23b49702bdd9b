//! Remembers what was read and how the files looked then, so that a later look costs one `stat` a
//! file instead of reading it again.
//!
//! A cache only, in one file: it can be deleted at any time, a torn one is not used at all, and an
//! entry counts only while its file looks exactly as it did. So it is as right on another machine,
//! or after a copy that gave every file a new time stamp, where it merely says nothing.
//!
//! All of it is read on first use, as maps; only the entries of results stay encoded until one is asked
//! for. Per result there are about five facts. On one 2-core machine, in milliseconds:
//!
//! | results | bytes | read, ask for 55 results | read, ask for all | save |
//! |---|---|---|---|---|
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::disk;
use super::manifest::Entry;
use super::stat::Stat;
use crate::key::Digest;

/// What the file begins with, before the digest of all that follows.
const MAGIC: &[u8] = b"fig6 index 6\n";

/// The cache, read on first use.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    saved: OnceLock<Facts>,
    /// What was learnt since the file was read; it takes precedence.
    learnt: RwLock<Facts>,
    /// Whether the file says something else than what was learnt.
    changed: AtomicBool,
}

/// What files were found to be when they looked like this; `None` for what counts for nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Facts {
    /// What the manifest of a key says: an [`Entry`], decoded when it is asked for.
    results: Table<ByteBuf>,
    /// Objects that were found intact.
    objects: Table<()>,
    /// By the digest of a path outside the store: the digest of its content. By that of a step's name:
    /// the key that its folder of links shows.
    others: Table<Digest>,
}

type Table<V> = HashMap<Digest, Option<(Stat, V)>>;

impl Index {
    /// An index that is kept in the file at `path`.
    pub fn at(path: PathBuf) -> Index {
        Index {
            path,
            saved: OnceLock::new(),
            learnt: RwLock::default(),
            changed: AtomicBool::new(false),
        }
    }

    /// The result with this key, if its manifest was read when it looked like this.
    pub fn result(&self, key: &Digest, manifest: Stat) -> Option<Arc<Entry>> {
        self.get(|facts| &facts.results, key, Some(manifest), decoded)?
    }

    /// The result with this key as it was last read, whatever its manifest looks like now.
    pub fn remembered(&self, key: &Digest) -> Option<Arc<Entry>> {
        self.get(|facts| &facts.results, key, None, decoded)?
    }

    /// Notes a result whose manifest looks like this.
    pub fn note_result(&self, manifest: Stat, entry: &Entry) {
        let bytes = postcard::to_stdvec(entry).expect("plain data has a binary form");
        let fact = (manifest, ByteBuf::from(bytes));
        self.learn(|facts| facts.results.insert(entry.key, Some(fact)));
    }

    /// Forgets a result.
    pub fn forget_result(&self, key: &Digest) {
        self.learn(|facts| facts.results.insert(*key, None));
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn is_intact(&self, digest: &Digest, stat: Stat) -> bool {
        let known = self.get(|facts| &facts.objects, digest, Some(stat), |()| ());
        known.is_some()
    }

    /// Notes that the object is intact and looks like this.
    pub fn note_object(&self, digest: Digest, stat: Stat) {
        self.learn(|facts| facts.objects.insert(digest, Some((stat, ()))));
    }

    /// Forgets an object.
    pub fn forget_object(&self, digest: &Digest) {
        self.learn(|facts| facts.objects.insert(*digest, None));
    }

    /// What was noted of a file or folder by this name, if it looked like this then.
    pub fn noted(&self, name: impl AsRef<OsStr>, stat: Stat) -> Option<Digest> {
        self.get(
            |facts| &facts.others,
            &digest_of(name),
            Some(stat),
            Digest::clone,
        )
    }

    /// Notes something of a file or folder that looks like this.
    pub fn note(&self, name: impl AsRef<OsStr>, stat: Stat, digest: Digest) {
        self.learn(|facts| facts.others.insert(digest_of(name), Some((stat, digest))));
    }

    /// Forgets what was noted by this name.
    pub fn forget(&self, name: impl AsRef<OsStr>) {
        self.learn(|facts| facts.others.insert(digest_of(name), None));
    }

    /// Writes the index if it changed; it may be lost, so it is not flushed to the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self) -> Result<()> {
        if !self.has_changed() {
            return Ok(());
        }
        let learnt = self.learnt();
        // As the file is now: what another process has taken out of it stays out.
        let mut facts = Facts::at(&self.path);
        update(&mut facts.results, &learnt.results);
        update(&mut facts.objects, &learnt.objects);
        update(&mut facts.others, &learnt.others);
        let payload = postcard::to_stdvec(&facts)?;
        let digest = Digest::of(&payload);
        disk::replace(&self.path, &[MAGIC, digest.as_bytes(), &payload].concat())?;
        self.changed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there is something to save.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Whether the file can be used, if it is there.
    pub fn is_whole(&self) -> bool {
        match disk::read(&self.path) {
            Ok(bytes) => Facts::parse(&bytes).is_some(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// What is known under a name, if its file looked like this then.
    fn get<V, T>(
        &self,
        table: impl Fn(&Facts) -> &Table<V>,
        name: &Digest,
        stat: Option<Stat>,
        read: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        let learnt = self.learnt();
        let known = table(&learnt).get(name);
        let known = known.or_else(|| {
            let saved = self.saved.get_or_init(|| Facts::at(&self.path));
            table(saved).get(name)
        });
        let (looked, value) = known?.as_ref()?;
        let holds = stat.is_none_or(|stat| stat == *looked);
        holds.then(|| read(value))
    }

    fn learnt(&self) -> RwLockReadGuard<'_, Facts> {
        // Every change is one insertion: what a panic leaves behind is whole.
        self.learnt.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn<T>(&self, insert: impl FnOnce(&mut Facts) -> T) {
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        insert(&mut learnt);
        self.changed.store(true, Ordering::Relaxed);
    }
}

impl Facts {
    /// What the file says; nothing where it cannot be used.
    fn at(path: &Path) -> Facts {
        let bytes = disk::read(path).unwrap_or_default();
        Facts::parse(&bytes).unwrap_or_default()
    }

    /// `None` if the bytes are torn, of another version, or no index.
    fn parse(bytes: &[u8]) -> Option<Facts> {
        let (digest, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let whole = Digest::of(payload).as_bytes() == digest;
        whole.then(|| postcard::from_bytes(payload).ok())?
    }
}

/// Puts what was learnt over what was known, as far as others may rely on it.
fn update<V: Clone>(known: &mut Table<V>, learnt: &Table<V>) {
    known.extend(learnt.iter().map(|(name, fact)| (*name, fact.clone())));
    known.retain(|_, fact| fact.as_ref().is_some_and(|(stat, _)| stat.lasts()));
}

fn decoded(entry: &ByteBuf) -> Option<Arc<Entry>> {
    postcard::from_bytes(entry).ok().map(Arc::new)
}

fn digest_of(name: impl AsRef<OsStr>) -> Digest {
    Digest::of(name.as_ref().as_encoded_bytes())
}
