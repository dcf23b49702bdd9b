//! Remembers what was read and how the files looked then, so that a later look costs one `stat` a
//! file instead of reading it again.
//!
//! A cache only, in one file: it can be deleted at any time, a torn one is not used at all, and an
//! entry counts only while its file looks exactly as it did. So it is as right on another machine,
//! or after a copy that gave every file a new time stamp, where it merely says nothing.
//!
//! ```text
//! fig6 index 7↵      magic
//! digest             of all that follows, 32 bytes
//! number of slots    8 bytes, little-endian
//! slots              a name and where its fact begins, 32 + 8 bytes; every third is empty
//! facts              how the file looked, 48 bytes, and a value in postcard
//! ```
//!
//! The file is searched as it lies in memory, and only what is asked for is decoded. An ordinary map in
//! postcard, with entries decoded when they are asked for, was 50 lines shorter and slower. Milliseconds in
//! a new process that reads the index and looks up every fact of so many results, on a machine with 2
//! cores (lowest tenth of some dozen processes), when a run of 1,005 steps with nothing to do takes 20:
//!
//! | results in the index | looked up | in place | map |
//! |---|---|---|---|
//! | 55 | 55 | 0.17 | 0.20 |
//! | 1,000 | 55 | 1.1 | 2.3 |
//! | 1,000 | 1,000 | 3.0 | 3.9 |
//! | 10,000 | 55 | 11 | 32 |
//! | 10,000 | 10,000 | 40 | 54 |
//! | 100,000 | 55 | 108 | 274 |

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::disk;
use super::manifest::Entry;
use super::stat::Stat;
use crate::key::Digest;

/// What the file begins with.
const MAGIC: &[u8] = b"fig6 index 7\n";

/// A name, and where its fact begins.
type Slot = [u8; SLOT];
const SLOT: usize = 40;
/// No fact begins where this says.
const EMPTY: Slot = [0xff; SLOT];

/// The cache, read on first use.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    saved: OnceLock<Saved>,
    learnt: RwLock<Learnt>,
    /// Whether the file says something else than what was learnt.
    changed: AtomicBool,
}

/// What was learnt since the file was read; it takes precedence. `None` for what counts for nothing.
type Learnt = HashMap<Digest, Option<Fact>>;

/// How a file looked, and what was found out about it after that.
type Fact = (Stat, Value);

/// What is known of a file. Where two files had the same name in the index, one of them would be read
/// again each time.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Value {
    /// Of a manifest, by its key: what it says.
    Entry(Arc<Entry>),
    /// Of an object, by its digest: it is intact.
    Intact,
    /// Of something else, by the digest of what it is called.
    Digest(Digest),
}

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
        self.entry(key, Some(manifest))
    }

    /// The result with this key as it was last read, whatever its manifest looks like now.
    pub fn remembered(&self, key: &Digest) -> Option<Arc<Entry>> {
        self.entry(key, None)
    }

    fn entry(&self, key: &Digest, manifest: Option<Stat>) -> Option<Arc<Entry>> {
        match self.value(key, manifest)? {
            Value::Entry(entry) => Some(entry),
            _ => None,
        }
    }

    /// Notes a result whose manifest looks like this.
    pub fn note_result(&self, manifest: Stat, entry: Arc<Entry>) {
        self.learn(entry.key, Some((manifest, Value::Entry(entry))));
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn is_intact(&self, digest: &Digest, stat: Stat) -> bool {
        matches!(self.value(digest, Some(stat)), Some(Value::Intact))
    }

    /// Notes that the object is intact and looks like this.
    pub fn note_object(&self, digest: Digest, stat: Stat) {
        self.learn(digest, Some((stat, Value::Intact)));
    }

    /// What was noted of the file or folder that is called this, if it looked like this then.
    pub fn noted(&self, name: impl AsRef<OsStr>, stat: Stat) -> Option<Digest> {
        match self.value(&name_of(name), Some(stat))? {
            Value::Digest(digest) => Some(digest),
            _ => None,
        }
    }

    /// Notes something of the file or folder that is called this and looks like this.
    pub fn note(&self, name: impl AsRef<OsStr>, stat: Stat, digest: Digest) {
        self.learn(name_of(name), Some((stat, Value::Digest(digest))));
    }

    /// Forgets the result with this key, the object with this digest, or what was noted by this name.
    pub fn forget(&self, name: &Digest) {
        self.learn(*name, None);
    }

    /// Whether there is something to save.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
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
        let saved = Saved::at(&self.path);
        let mut facts = saved.facts();
        for (name, fact) in &*learnt {
            match fact {
                Some((stat, value)) if stat.lasts() => {
                    let value = postcard::to_stdvec(value)?;
                    facts.insert(*name, [&stat.to_bytes(), &*value].concat().into())
                }
                _ => facts.remove(name),
            };
        }
        disk::replace(&self.path, &Saved::written(&facts))?;
        self.changed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the file can be used, if it is there.
    pub fn is_whole(&self) -> bool {
        match disk::read(&self.path) {
            Ok(bytes) => Saved::parse(bytes).is_some(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// What is known of a file, if it looked like this then.
    fn value(&self, name: &Digest, stat: Option<Stat>) -> Option<Value> {
        if let Some(fact) = self.learnt().get(name) {
            let (looked, value) = fact.as_ref()?;
            let holds = stat.is_none_or(|stat| stat == *looked);
            return holds.then(|| value.clone());
        }
        let saved = self.saved.get_or_init(|| Saved::at(&self.path));
        let (looked, value) = saved.fact(name)?.split_first_chunk()?;
        let holds = stat.is_none_or(|stat| stat.to_bytes() == *looked);
        holds.then(|| postcard::from_bytes(value).ok())?
    }

    fn learn(&self, name: Digest, fact: Option<Fact>) {
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        learnt.insert(name, fact);
        self.changed.store(true, Ordering::Relaxed);
    }

    fn learnt(&self) -> RwLockReadGuard<'_, Learnt> {
        // Every change is one insertion: what a panic leaves behind is whole.
        self.learnt.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file's bytes, if they are whole; none where it cannot be used.
#[derive(Debug, Default)]
struct Saved(Vec<u8>);

impl Saved {
    fn at(path: &Path) -> Saved {
        let bytes = disk::read(path).unwrap_or_default();
        Saved::parse(bytes).unwrap_or_default()
    }

    /// `None` if the file is torn, of another version, or no index.
    fn parse(bytes: Vec<u8>) -> Option<Saved> {
        let (digest, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let whole = Digest::of(payload).as_bytes() == digest;
        whole.then_some(Saved(bytes))
    }

    /// Slots, and the facts.
    fn parts(&self) -> Option<(&[Slot], &[u8])> {
        let (count, rest) = self.0.get(MAGIC.len() + 32..)?.split_first_chunk()?;
        let slots = SLOT.checked_mul(u64::from_le_bytes(*count) as usize)?;
        let (slots, facts) = rest.split_at_checked(slots)?;
        Some((slots.as_chunks().0, facts))
    }

    /// A fact, and what follows it.
    fn fact(&self, name: &Digest) -> Option<&[u8]> {
        let (slots, facts) = self.parts()?;
        let mut slots = places(name, slots.len()).map(|place| &slots[place]);
        let slot = slots.find(|slot| slot.starts_with(name.as_bytes()) || **slot == EMPTY);
        facts.get(begin(slot?)..)
    }

    /// All facts as they are written.
    fn facts(&self) -> BTreeMap<Digest, Cow<'_, [u8]>> {
        let (slots, facts) = self.parts().unwrap_or_default();
        let filled = || slots.iter().filter(|slot| **slot != EMPTY);
        let ends = filled().skip(1).map(begin).chain([facts.len()]);
        let fact = |(slot, end): (&Slot, usize)| {
            let (name, _) = slot.split_first_chunk()?;
            let fact = facts.get(begin(slot)..end)?;
            Some((Digest::from_bytes(*name), fact.into()))
        };
        filled().zip(ends).filter_map(fact).collect()
    }

    /// The bytes of a file with these facts.
    fn written(facts: &BTreeMap<Digest, Cow<[u8]>>) -> Vec<u8> {
        let mut filled = vec![None; facts.len() + facts.len().div_ceil(2)];
        for fact in facts {
            let mut places = places(fact.0, filled.len());
            let free = places.find(|&place| filled[place].is_none());
            filled[free.expect("there are more slots than facts")] = Some(fact);
        }
        let (mut slots, mut bytes) = (Vec::new(), Vec::new());
        for fact in &filled {
            let mut slot = EMPTY;
            if let Some((name, fact)) = fact {
                slot[..32].copy_from_slice(name.as_bytes());
                slot[32..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                bytes.extend_from_slice(fact);
            }
            slots.extend_from_slice(&slot);
        }
        let count = filled.len() as u64;
        let payload = [&count.to_le_bytes(), &*slots, &*bytes].concat();
        let digest = Digest::of(&payload);
        [MAGIC, digest.as_bytes(), &payload].concat()
    }
}

/// Where a name may lie among so many slots: at its own place, or in the next that was free.
fn places(name: &Digest, slots: usize) -> impl Iterator<Item = usize> + use<> {
    let [a, b, c, d, ..] = *name.as_bytes();
    let spread = u64::from(u32::from_be_bytes([a, b, c, d]));
    let first = ((spread * slots as u64) >> 32) as usize;
    (first..slots).chain(0..first)
}

/// Where the fact of a slot begins.
fn begin(slot: &Slot) -> usize {
    let begin = slot.last_chunk().map(|begin| u64::from_le_bytes(*begin));
    begin.unwrap_or_default() as usize
}

/// The name in the index of what is called this: a step, for its folder of links, or a path outside the
/// store.
pub fn name_of(name: impl AsRef<OsStr>) -> Digest {
    Digest::of(name.as_ref().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_found_in_indexes_of_any_size_and_nothing_else() {
        for size in [0_u32, 1, 2, 3, 100, 1000, 30_000] {
            let facts: BTreeMap<Digest, Cow<[u8]>> = (0..size)
                .map(|number| {
                    let fact = number.to_le_bytes().to_vec();
                    (Digest::of(&fact), fact.into())
                })
                .collect();
            let saved = Saved::parse(Saved::written(&facts)).unwrap();
            for (name, fact) in &facts {
                assert_eq!(saved.fact(name).unwrap()[..4], **fact);
            }
            assert_eq!(saved.fact(&Digest::of(b"other")), None);
            assert_eq!(saved.facts(), facts);
        }
    }

    #[test]
    fn bytes_that_are_no_index_are_refused_or_hold_nothing() {
        let facts = BTreeMap::from([(Digest::of(b"name"), b"fact"[..].into())]);
        let whole = Saved::written(&facts);
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 0xff;
            assert!(Saved::parse(altered.clone()).is_none(), "byte {at}");
            assert!(Saved::parse(whole[..at].to_vec()).is_none(), "{at} bytes");
            // Even with a digest that fits.
            for bytes in [altered, whole[..at].to_vec()] {
                let _ = Saved(bytes.clone()).fact(&Digest::of(b"name"));
                let _ = Saved(bytes).facts();
            }
        }
    }
}
