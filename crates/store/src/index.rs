//! Remembers what was read and how the files looked then, so that a later look costs one `stat` a
//! file instead of reading it again.
//!
//! A cache only, in one file: it can be deleted at any time, a torn one is not used at all, and an
//! entry counts only while its file looks exactly as it did. So it is as right on another machine,
//! or after a copy that gave every file a new time stamp, where it merely says nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
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
const MAGIC: &[u8] = b"fig6 index 5\n";

/// A file that changed less than this before it was read may have changed again since without looking
/// different, because time stamps have a grain; it is not remembered. Nor is one of our own making
/// that is younger when the index is saved.
const GRAIN: Duration = Duration::from_millis(50);

/// How a file looked: size, inode, and seconds and nanoseconds of its last change of content and of
/// status, the second of which no program can set back.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    numbers: [i64; 6],
    /// Whether it had been left alone for a while when it was looked at.
    quiet: bool,
}

impl PartialEq for Stat {
    fn eq(&self, other: &Stat) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Stat {}

impl Stat {
    /// Bytes of the form in the file.
    const WIDTH: usize = 48;

    pub fn of(metadata: &Metadata) -> Stat {
        let numbers = [
            metadata.len().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        let quiet = settled(&numbers);
        Stat { numbers, quiet }
    }

    /// Whether nobody wrote to the file between two looks at it; its links and permissions may differ.
    pub fn same_writes(&self, other: &Stat) -> bool {
        self.numbers[..4] == other.numbers[..4]
    }

    fn write(&self, row: &mut Vec<u8>) {
        row.extend(self.numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Whether a row begins with this.
    fn begins(&self, row: &[u8]) -> bool {
        let mut words = row.chunks_exact(8);
        self.numbers
            .iter()
            .all(|number| words.next() == Some(&number.to_le_bytes()))
    }
}

/// Whether a file that looks like this has been left alone for a while.
fn settled(numbers: &[i64; 6]) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().saturating_sub(GRAIN);
    let now = (now.as_secs().cast_signed(), i64::from(now.subsec_nanos()));
    let [.., modified, modified_nanos, changed, changed_nanos] = *numbers;
    (modified, modified_nanos).max((changed, changed_nanos)) < now
}

/// How a file looked when what is noted of it was found out.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stat: Stat,
    /// Whether nobody can have changed it since without its looking different.
    certain: bool,
}

impl Seen {
    /// A file that was read after it looked like this.
    fn read(stat: Stat) -> Seen {
        let certain = stat.quiet;
        Seen { stat, certain }
    }

    /// A file of our own making.
    fn made(stat: Stat) -> Seen {
        let certain = true;
        Seen { stat, certain }
    }

    /// Whether to remember it.
    fn lasts(&self) -> bool {
        self.certain && settled(&self.stat.numbers)
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
    /// By key: the looks of the folder of links that shows it, and which step's folder that is.
    views: Table,
    /// By the path's digest: the looks of a file outside the store, and the digest of its content.
    files: Table,
    /// Where in the file the entries begin.
    entries: usize,
}

/// What was learnt since the file was read; it takes precedence.
#[derive(Debug, Default)]
struct Learnt {
    results: HashMap<Digest, (Seen, Arc<Entry>)>,
    /// `None` for one that was found damaged.
    objects: HashMap<Digest, Option<Seen>>,
    views: HashMap<Digest, (Seen, u64)>,
    files: HashMap<Digest, (Seen, Digest)>,
    /// Results of which what the file says counts for nothing.
    forgotten: HashSet<Digest>,
    /// Whether the file says something else.
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
        if let Some((seen, entry)) = self.learnt().results.get(key) {
            return (seen.stat == manifest).then(|| entry.clone());
        }
        let row = self.saved_result(key)?;
        manifest.begins(row).then(|| self.saved().entry(row))?
    }

    /// The result with this key as it was last read, whatever its manifest looks like now.
    pub fn remembered(&self, key: &Digest) -> Option<Arc<Entry>> {
        if let Some((_, entry)) = self.learnt().results.get(key) {
            return Some(entry.clone());
        }
        let row = self.saved_result(key)?;
        self.saved().entry(row)
    }

    /// Notes a result whose manifest was read after it looked like this.
    pub fn note_result(&self, manifest: Stat, entry: Arc<Entry>) {
        let seen = Seen::read(manifest);
        self.learn().results.insert(entry.key, (seen, entry));
    }

    /// Notes a result whose manifest was just written and looks like this.
    pub fn note_new_result(&self, manifest: Stat, entry: Arc<Entry>) {
        let seen = Seen::made(manifest);
        self.learn().results.insert(entry.key, (seen, entry));
    }

    /// Whether the object was found intact when its file looked like this.
    pub fn is_intact(&self, digest: &Digest, stat: Stat) -> bool {
        if let Some(known) = self.learnt().objects.get(digest) {
            return known.is_some_and(|seen| seen.stat == stat);
        }
        let row = self.saved().get(|tables| &tables.objects, digest);
        row.is_some_and(|row| stat.begins(row))
    }

    /// Notes that the object was found intact after its file looked like this.
    pub fn note_object(&self, digest: Digest, stat: Stat) {
        self.learn().objects.insert(digest, Some(Seen::read(stat)));
    }

    /// Notes an object that was just added and looks like this.
    pub fn note_new_object(&self, digest: Digest, stat: Stat) {
        self.learn().objects.insert(digest, Some(Seen::made(stat)));
    }

    /// Forgets an object.
    pub fn forget_object(&self, digest: &Digest) {
        self.learn().objects.insert(*digest, None);
    }

    /// Forgets a result, and which folder of links shows it.
    pub fn forget_result(&self, key: &Digest) {
        let mut learnt = self.learn();
        learnt.results.remove(key);
        learnt.views.remove(key);
        learnt.forgotten.insert(*key);
    }

    /// Whether the folder of links of this step showed this key when it looked like this.
    pub fn is_shown(&self, key: &Digest, step: &str, folder: Stat) -> bool {
        let step = short_name(step);
        if let Some((seen, name)) = self.learnt().views.get(key) {
            return (seen.stat, *name) == (folder, step);
        }
        let forgotten = self.learnt().forgotten.contains(key);
        let row = self.saved().get(|tables| &tables.views, key);
        row.filter(|_| !forgotten)
            .is_some_and(|row| folder.begins(row) && row[Stat::WIDTH..] == step.to_le_bytes())
    }

    /// Notes that the folder of links of this step was found to show this key after it looked like
    /// this.
    pub fn note_shown(&self, key: Digest, step: &str, folder: Stat) {
        let view = (Seen::read(folder), short_name(step));
        self.learn().views.insert(key, view);
    }

    /// Notes that the folder of links of this step was just made to show this key and looks like
    /// this.
    pub fn note_newly_shown(&self, key: Digest, step: &str, folder: Stat) {
        let view = (Seen::made(folder), short_name(step));
        self.learn().views.insert(key, view);
    }

    /// The content of a file outside the store, if it was read when the file looked like this.
    pub fn content(&self, path: &Path, stat: Stat) -> Option<Digest> {
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        if let Some((seen, digest)) = self.learnt().files.get(&name) {
            return (seen.stat == stat).then_some(*digest);
        }
        let row = self.saved().get(|tables| &tables.files, &name)?;
        let digest = stat.begins(row).then(|| row[Stat::WIDTH..].try_into());
        digest?.map(Digest::from_bytes).ok()
    }

    /// Notes the content of a file outside the store that was read after it looked like this.
    pub fn note_content(&self, path: &Path, stat: Stat, digest: Digest) {
        let name = Digest::of(path.as_os_str().as_encoded_bytes());
        self.learn().files.insert(name, (Seen::read(stat), digest));
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
        // As the file is now: what another process has taken out of it stays out.
        let payload = Saved::at(&self.path).with(&learnt)?;
        let digest = Digest::of(&payload);
        disk::replace(&self.path, &[MAGIC, digest.as_bytes(), &payload].concat())?;
        drop(learnt);
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        learnt.changed = false;
        Ok(())
    }

    /// Whether there is something to save.
    pub fn has_changed(&self) -> bool {
        self.learnt().changed
    }

    /// Whether the file can be used, if it is there.
    pub fn is_whole(&self) -> bool {
        match disk::read(&self.path) {
            Ok(bytes) => Saved::parse(bytes).is_some(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// What the file says of a result.
    fn saved_result(&self, key: &Digest) -> Option<&[u8]> {
        let forgotten = self.learnt().forgotten.contains(key);
        let row = self.saved().get(|tables| &tables.results, key);
        row.filter(|_| !forgotten)
    }

    fn saved(&self) -> &Saved {
        self.saved.get_or_init(|| Saved::at(&self.path))
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
    /// Bytes before the tables: magic and digest.
    const HEAD: usize = MAGIC.len() + 32;

    /// Bytes of a row of results: looks, begin and length of the entry.
    const RESULT: usize = Stat::WIDTH + 16;

    /// Bytes of a row of views: looks and the step's short name.
    const VIEW: usize = Stat::WIDTH + 8;

    /// Bytes of a row of files: looks and digest.
    const FILE: usize = Stat::WIDTH + 32;

    /// The file's content, empty where it cannot be used.
    fn at(path: &Path) -> Saved {
        let bytes = disk::read(path).unwrap_or_default();
        Saved::parse(bytes).unwrap_or_default()
    }

    /// Finds its way in the file's bytes; `None` if it is torn, of another version, or no index.
    fn parse(bytes: Vec<u8>) -> Option<Saved> {
        let (digest, payload) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        if Digest::of(payload).as_bytes() != digest {
            return None;
        }
        let mut start = Saved::HEAD;
        let mut table = |width| Table::find(&bytes, &mut start, width);
        let tables = Tables {
            results: table(Saved::RESULT)?,
            objects: table(Stat::WIDTH)?,
            views: table(Saved::VIEW)?,
            files: table(Saved::FILE)?,
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
        let settled = |seen: &Seen, rest: &[u8]| seen.lasts().then(|| row(&seen.stat, rest));

        let lasts = |(key, _): &(Digest, &[u8])| !learnt.forgotten.contains(key);
        let old = self.rows(|tables| &tables.results).filter(lasts);
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

        let old = self.rows(|tables| &tables.views).filter(lasts);
        let new = learnt.views.iter();
        let new = new.map(|(key, (seen, step))| (*key, settled(seen, &step.to_le_bytes())));
        let views = merged(old.map(owned), new);

        let old = self.rows(|tables| &tables.files);
        let new = learnt.files.iter();
        let new = new.map(|(name, (seen, digest))| (*name, settled(seen, digest.as_bytes())));
        let files = merged(old.map(owned), new);

        let mut payload = Vec::new();
        Table::write(&results, Saved::RESULT, &mut payload);
        Table::write(&objects, Stat::WIDTH, &mut payload);
        Table::write(&views, Saved::VIEW, &mut payload);
        Table::write(&files, Saved::FILE, &mut payload);
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

/// Tells steps apart well enough where the key agrees; need not stay the same from one compiler to the
/// next.
fn short_name(step: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    step.hash(&mut hasher);
    hasher.finish()
}

/// A row that begins with a file's looks.
fn row(stat: &Stat, rest: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(Stat::WIDTH + rest.len());
    stat.write(&mut row);
    row.extend(rest);
    row
}
