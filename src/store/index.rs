//! Remembers what was read and how the files looked then, so that a later look costs one `stat` a
//! file instead of reading it again.
//!
//! A cache only, in one file: it can be deleted at any time, a torn one is not used at all, and an
//! entry counts only while its file looks exactly as it did. So it is as right on another machine,
//! or after a copy that gave every file a new time stamp, where it merely says nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::disk;
use super::manifest::Entry;
use super::table::Table;
use crate::key::Digest;

/// What the file begins with, before the digest of all that follows.
const MAGIC: &[u8] = b"fig6 index 2\n";

/// A file that changed less than this before the index was saved may change again without looking
/// different, because time stamps have a grain; it is not remembered.
const GRAIN: Duration = Duration::from_millis(50);

/// How a file looked: size, inode, and seconds and nanoseconds of its last change of content and of
/// status, the second of which no program can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat([i64; 6]);

impl Stat {
    /// Bytes of the form in the file.
    const WIDTH: usize = 48;

    pub fn of(metadata: &Metadata) -> Stat {
        Stat([
            metadata.len().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ])
    }

    /// Whether the file had been left alone for a while at this time since the epoch.
    fn settled(&self, now: Duration) -> bool {
        let now = now.saturating_sub(GRAIN);
        let now = (now.as_secs().cast_signed(), i64::from(now.subsec_nanos()));
        let Stat([.., modified, modified_nanos, changed, changed_nanos]) = *self;
        (modified, modified_nanos).max((changed, changed_nanos)) < now
    }

    fn write(&self, row: &mut Vec<u8>) {
        row.extend(self.0.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Whether a row begins with this.
    fn begins(&self, row: &[u8]) -> bool {
        let mut words = row.chunks_exact(8);
        self.0
            .iter()
            .all(|number| words.next() == Some(&number.to_le_bytes()))
    }
}

/// The cache, read on first use.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    saved: OnceLock<Saved>,
    learnt: RwLock<Learnt>,
}

/// What the file says.
#[derive(Debug, Default)]
struct Saved {
    bytes: Vec<u8>,
    tables: Option<Tables>,
}

#[derive(Debug)]
struct Tables {
    /// By key: the manifest's looks, and where among the entries its entry begins and how long it is.
    results: Table,
    /// By digest: the looks of an object that was found intact.
    objects: Table,
    /// By the name's digest: the key that a step's folder of links shows.
    views: Table,
    /// By the path's digest: the looks of a file outside the store, and the digest of its content.
    files: Table,
    /// Where in the file the entries begin.
    entries: usize,
}

/// What was learnt since the file was read; it takes precedence.
#[derive(Debug, Default)]
struct Learnt {
    results: HashMap<Digest, (Stat, Arc<Entry>)>,
    /// `None` for one that was found damaged.
    objects: HashMap<Digest, Option<Stat>>,
    views: HashMap<Digest, Digest>,
    files: HashMap<Digest, (Stat, Digest)>,
    /// Whether the folders of links that the file speaks of are not those that are there.
    other_views: bool,
    /// Inode of the folder of folders of links.
    views_folder: u64,
    changed: bool,
}

impl Index {
    /// An index that is kept in the file at `path`.
    pub fn at(path: PathBuf) -> Index {
        Index {
            path,
            saved: OnceLock::new(),
            learnt: RwLock::default(),
        }
    }

    /// The result with this key, if its manifest was read when it looked like this.
    pub fn result(&self, key: &Digest, manifest: Stat) -> Option<Arc<Entry>> {
        if let Some((stat, entry)) = self.learnt().results.get(key) {
            return (*stat == manifest).then(|| entry.clone());
        }
        let row = self.saved().get(|tables| &tables.results, key)?;
        manifest.begins(row).then(|| self.saved().entry(row))?
    }

    /// The result with this key as it was last read, whatever its manifest looks like now.
    pub fn remembered(&self, key: &Digest) -> Option<Arc<Entry>> {
        if let Some((_, entry)) = self.learnt().results.get(key) {
            return Some(entry.clone());
        }
        let row = self.saved().get(|tables| &tables.results, key)?;
        self.saved().entry(row)
    }

    /// Notes a result whose manifest looks like this.
    pub fn note_result(&self, manifest: Stat, entry: Arc<Entry>) {
        let mut learnt = self.learn();
        learnt.results.insert(entry.key, (manifest, entry));
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn is_intact(&self, digest: &Digest, stat: Stat) -> bool {
        if let Some(known) = self.learnt().objects.get(digest) {
            return *known == Some(stat);
        }
        let row = self.saved().get(|tables| &tables.objects, digest);
        row.is_some_and(|row| stat.begins(row))
    }

    /// Notes that the object is intact while its file looks like this.
    pub fn note_object(&self, digest: Digest, stat: Stat) {
        self.learn().objects.insert(digest, Some(stat));
    }

    /// Forgets an object.
    pub fn forget_object(&self, digest: &Digest) {
        self.learn().objects.insert(*digest, None);
    }

    /// Forgets what folders of links show unless they lie in the folder with this inode.
    pub fn views_lie_in(&self, folder: Option<u64>) {
        let folder = folder.unwrap_or(0);
        let same = self.saved().views_folder() == Some(folder);
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        learnt.views_folder = folder;
        learnt.other_views = !same;
        learnt.changed |= !same;
    }

    /// The key that the folder of links of a step shows.
    pub fn shown(&self, step: &str) -> Option<Digest> {
        let name = Digest::of(step.as_bytes());
        let learnt = self.learnt();
        if let Some(key) = learnt.views.get(&name) {
            return Some(*key);
        }
        let row = self.saved().get(|tables| &tables.views, &name);
        digest(row.filter(|_| !learnt.other_views)?)
    }

    /// Notes which key the folder of links of a step shows.
    pub fn note_shown(&self, step: &str, key: Digest) {
        self.learn().views.insert(Digest::of(step.as_bytes()), key);
    }

    /// The content of a file outside the store, if it was read when the file looked like this.
    pub fn content(&self, path: &Path, stat: Stat) -> Option<Digest> {
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        if let Some((known, digest)) = self.learnt().files.get(&name) {
            return (*known == stat).then_some(*digest);
        }
        let row = self.saved().get(|tables| &tables.files, &name)?;
        stat.begins(row).then(|| digest(&row[Stat::WIDTH..]))?
    }

    /// Notes the content of a file outside the store while it looks like this.
    pub fn note_content(&self, path: &Path, stat: Stat, digest: Digest) {
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        self.learn().files.insert(name, (stat, digest));
    }

    /// Writes the index if it changed; it may be lost, so it is not flushed to the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self) -> Result<()> {
        let learnt = self.learnt();
        if !learnt.changed {
            return Ok(());
        }
        let payload = self.saved().with(&learnt)?;
        let digest = Digest::of(&payload);
        disk::replace(&self.path, &[MAGIC, digest.as_bytes(), &payload].concat())?;
        drop(learnt);
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        learnt.changed = false;
        Ok(())
    }

    fn saved(&self) -> &Saved {
        self.saved.get_or_init(|| {
            let bytes = std::fs::read(&self.path).unwrap_or_default();
            Saved::parse(bytes).unwrap_or_default()
        })
    }

    fn learnt(&self) -> RwLockReadGuard<'_, Learnt> {
        // Every change is one insertion: what a panic leaves behind is whole.
        self.learnt.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self) -> RwLockWriteGuard<'_, Learnt> {
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        learnt.changed = true;
        learnt
    }
}

impl Saved {
    /// Bytes before the tables: magic, digest, the inode of the folder of folders of links.
    const HEAD: usize = MAGIC.len() + 32 + 8;

    /// Finds its way in the file's bytes; `None` if it is torn, of another version, or no index.
    fn parse(bytes: Vec<u8>) -> Option<Saved> {
        let (digest, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        if Digest::of(payload).as_bytes() != digest {
            return None;
        }
        let mut start = Saved::HEAD;
        let mut table = || Table::find(&bytes, &mut start);
        let tables = Tables {
            results: table()?,
            objects: table()?,
            views: table()?,
            files: table()?,
            entries: start,
        };
        let tables = Some(tables);
        Some(Saved { bytes, tables })
    }

    fn get(&self, table: impl Fn(&Tables) -> &Table, key: &Digest) -> Option<&[u8]> {
        table(self.tables.as_ref()?).get(&self.bytes, key)
    }

    fn rows(&self, table: impl Fn(&Tables) -> &Table) -> impl Iterator<Item = (Digest, &[u8])> {
        let tables = self.tables.iter();
        tables.flat_map(move |tables| table(tables).iter(&self.bytes))
    }

    fn views_folder(&self) -> Option<u64> {
        self.tables.as_ref()?;
        let inode = self.bytes.get(MAGIC.len() + 32..Saved::HEAD)?;
        Some(u64::from_le_bytes(inode.try_into().ok()?))
    }

    /// The entry that a row of results leads to.
    fn entry(&self, row: &[u8]) -> Option<Arc<Entry>> {
        postcard::from_bytes(self.entry_bytes(row)?).ok()
    }

    fn entry_bytes(&self, row: &[u8]) -> Option<&[u8]> {
        let mut numbers = row.get(Stat::WIDTH..)?.chunks_exact(8);
        let mut number = || Some(u64::from_le_bytes(numbers.next()?.try_into().ok()?) as usize);
        let begin = self.tables.as_ref()?.entries.checked_add(number()?)?;
        self.bytes.get(begin..begin.checked_add(number()?)?)
    }

    /// What is to be saved after all this was learnt, without magic and digest.
    fn with(&self, learnt: &Learnt) -> Result<Vec<u8>> {
        let now = SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = |stat: &Stat, rest: &[u8]| stat.settled(now).then(|| row(stat, rest));

        let old = self.rows(|tables| &tables.results);
        let old = old.filter_map(|(key, row)| {
            let (looks, entry) = (&row[..Stat::WIDTH], self.entry_bytes(row)?);
            Some((key, [looks, entry].concat()))
        });
        let mut new = Vec::new();
        for (key, (stat, entry)) in &learnt.results {
            new.push((*key, settled(stat, &postcard::to_stdvec(entry)?)));
        }
        let mut entries = Vec::new();
        let mut results = merged(old, new);
        for row in results.values_mut() {
            let entry = row.split_off(Stat::WIDTH);
            row.extend((entries.len() as u64).to_le_bytes());
            row.extend((entry.len() as u64).to_le_bytes());
            entries.extend(entry);
        }

        let old = self.rows(|tables| &tables.objects);
        let new = learnt.objects.iter();
        let new = new.map(|(digest, stat)| (*digest, stat.and_then(|stat| settled(&stat, &[]))));
        let objects = merged(old.map(owned), new);

        let old = self.rows(|tables| &tables.views);
        let old = old.filter(|_| !learnt.other_views);
        let new = learnt.views.iter();
        let new = new.map(|(name, key)| (*name, Some(key.as_bytes().to_vec())));
        let views = merged(old.map(owned), new);

        let old = self.rows(|tables| &tables.files);
        let new = learnt.files.iter();
        let new = new.map(|(name, (stat, digest))| (*name, settled(stat, digest.as_bytes())));
        let files = merged(old.map(owned), new);

        let folder = match self.views_folder() {
            Some(folder) if !learnt.other_views => folder,
            _ => learnt.views_folder,
        };
        let mut payload = folder.to_le_bytes().to_vec();
        Table::write(&results, Stat::WIDTH + 16, &mut payload);
        Table::write(&objects, Stat::WIDTH, &mut payload);
        Table::write(&views, 32, &mut payload);
        Table::write(&files, Stat::WIDTH + 32, &mut payload);
        payload.extend(entries);
        Ok(payload)
    }
}

/// Old rows with the new ones put over them; one that is new and `None` is taken out.
fn merged(
    old: impl IntoIterator<Item = (Digest, Vec<u8>)>,
    new: impl IntoIterator<Item = (Digest, Option<Vec<u8>>)>,
) -> BTreeMap<Digest, Vec<u8>> {
    let mut rows: BTreeMap<Digest, Vec<u8>> = old.into_iter().collect();
    for (key, row) in new {
        match row {
            Some(row) => drop(rows.insert(key, row)),
            None => drop(rows.remove(&key)),
        }
    }
    rows
}

fn owned((key, row): (Digest, &[u8])) -> (Digest, Vec<u8>) {
    (key, row.to_vec())
}

/// A row that begins with a file's looks.
fn row(stat: &Stat, rest: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(Stat::WIDTH + rest.len());
    stat.write(&mut row);
    row.extend(rest);
    row
}

fn digest(row: &[u8]) -> Option<Digest> {
    row.try_into().map(Digest::from_bytes).ok()
}
