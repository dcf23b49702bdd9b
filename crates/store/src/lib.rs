//! The artifacts: content-addressed objects, one manifest per key, and what is under way.
//!
//! ```text
//! artifacts/
//!   objects/ab/cdef…       contents by digest, read-only
//!   manifests/<key>.json   one finished step each
//!   listings/<digest>      what the digests of code and crates in manifests stand for
//!   logs/<key>.log         what the step printed, read-only
//!   work/<key>/            a step under way: its task, log, progress, outputs so far, checkpoints
//!   by-step/<step>/…       links to the newest outputs, manifest and log of each step, for people
//!   set-aside/             contents and manifests that were found damaged
//!   runs/…                 which results each run uses, or used
//!   lock                   keeps a collection of garbage and those who use results apart
//!   index                  what was read of all these, and how the files looked then
//! ```
//!
//! [`Store::lookup`] only reads. To add a result one holds a [`Claim`], of which there is at most
//! one per key over all processes. Unaware of the graph and of what steps do.

mod claim;
mod disk;
mod fsck;
mod gc;
mod history;
mod index;
pub mod key;
mod lock;
mod look;
mod manifest;
mod running;
mod runs;
mod table;
mod tree;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

pub use claim::{Claim, Claimed, wait, work_in};
pub use disk::{displayed, sweep, write_by, write_whole};
pub use fsck::{Checkup, Finding, Harm, Mended};
pub use gc::{Artifact, Fate, Interrupted, Limits, Needs, Survey, Why};
pub use history::Earlier;
pub use lock::Lock;
pub use look::{Unreadable, is_folder, is_there};
pub use manifest::{Entry, Manifest, Output, RunRecord};
pub use running::{Running, TrainingProgress};
pub use runs::Run;

use crate::key::{Digest, Listing};
use history::Results;
use index::{Index, Stat};
use look::{Look, is_damage, look_at, look_outside};

/// The link in a step's folder that leads to the manifest of the result shown there.
const SHOWN: &str = "manifest.json";

/// A folder of artifacts.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    index: Index,
    results: OnceLock<Results>,
    /// Held while they are read.
    reading: Mutex<()>,
    holding: lock::Holding,
    own_run: runs::OwnRun,
    paranoid: bool,
}

/// What is known under a key.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A finished step of which every output is there and intact.
    Found(Arc<Entry>),
    /// Nothing.
    Absent,
    /// A result that cannot be used, and why (`weights.safetensors is missing`).
    Damaged(String),
}

impl Store {
    /// The store in this folder, which need not exist yet. Nothing is read or written.
    ///
    /// A `paranoid` store reads every content again instead of trusting sizes and time stamps.
    pub fn at(root: &Path, paranoid: bool) -> Store {
        Store {
            index: Index::at(root.join("index")),
            // As it was given: a shorter path is looked up faster.
            root: root.to_owned(),
            results: OnceLock::new(),
            reading: Mutex::default(),
            holding: lock::Holding::default(),
            own_run: runs::OwnRun::default(),
            paranoid,
        }
    }

    /// Whether contents are read again instead of trusting sizes and time stamps.
    pub fn is_paranoid(&self) -> bool {
        self.paranoid
    }

    /// Makes sure that results can be written, and tidies up after processes that were killed.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub fn prepare(&self) -> Result<()> {
        let advice = "choose a folder that you can write to with --artifacts";
        for folder in [
            "objects",
            "manifests",
            "listings",
            "logs",
            "work",
            "by-step",
            "runs",
        ] {
            let folder = self.root.join(folder);
            self.clear_for_folder(&folder).context(advice)?;
            disk::create_durable_folder(&folder).context(advice)?;
        }
        tempfile::tempfile_in(self.root.join("work"))
            .map(drop)
            .with_context(|| format!("cannot write in {}; {advice}", self.root.display()))?;
        self.tidy();
        Ok(())
    }

    /// What is known under a key; every output of a found result was checked.
    ///
    /// # Errors
    /// If a folder of the store is [`Unreadable`], or a file that is there cannot be read.
    pub fn lookup(&self, key: &Digest) -> Result<Lookup> {
        let metadata = match look_at(&self.root, &self.manifest_path(key))? {
            Look::Seen(metadata) => metadata,
            Look::Absent => return Ok(Lookup::Absent),
            Look::Damaged(what) => {
                let short = key.short();
                return Ok(Lookup::Damaged(format!("manifest {short}: {what}")));
            }
        };
        let stat = Stat::of(&metadata);
        let remembered = self.index.result(key, stat).filter(|_| !self.paranoid);
        if let Some(entry) = remembered {
            return self.checked(entry);
        }
        match self.read_manifest(key)? {
            None => Ok(Lookup::Absent),
            Some(Err(error)) => Ok(Lookup::Damaged(format!("{error:#}"))),
            Some(Ok(manifest)) => {
                let entry = Arc::new(Entry::from(&manifest));
                self.index.note_result(stat, entry.clone());
                self.checked(entry)
            }
        }
    }

    /// A result, if all its outputs are there and intact.
    fn checked(&self, entry: Arc<Entry>) -> Result<Lookup> {
        if let Some(name) = entry.strange_name() {
            return Ok(Lookup::Damaged(format!("{name:?} is no output's name")));
        }
        for (name, output) in &entry.outputs {
            if let Some(problem) = self.check(output)? {
                return Ok(Lookup::Damaged(format!("{name} {problem}")));
            }
        }
        Ok(Lookup::Found(entry))
    }

    /// The whole manifest of a result; none if there is none or it is damaged. Its outputs are not looked
    /// at.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn manifest(&self, key: &Digest) -> Result<Option<Manifest>> {
        Ok(self.read_manifest(key)?.and_then(Result::ok))
    }

    /// The whole manifest of a result that should be there.
    ///
    /// # Errors
    /// If it is not, is damaged, or cannot be read.
    pub fn expect_manifest(&self, key: &Digest) -> Result<Manifest> {
        let none = || anyhow!("there is no manifest {}", key.short());
        self.read_manifest(key)?.ok_or_else(none)?
    }

    /// The whole manifest of a result if it is there, or why it cannot be used.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    fn read_manifest(&self, key: &Digest) -> Result<Option<Result<Manifest>>> {
        let path = self.manifest_path(key);
        let short = key.short();
        match look_at(&self.root, &path)? {
            Look::Seen(_) => {}
            Look::Absent => return Ok(None),
            Look::Damaged(what) => return Ok(Some(Err(anyhow!("manifest {short}: {what}")))),
        }
        let bytes = match disk::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_damage(&error) => {
                let what = format!("manifest {short} cannot be read");
                return Ok(Some(Err(error).context(what)));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let manifest = Manifest::parse(&bytes, key);
        let manifest = manifest.with_context(|| format!("manifest {short} is not used"));
        Ok(Some(manifest))
    }

    /// What is wrong with an output's content, if anything.
    fn check(&self, output: &Output) -> Result<Option<String>> {
        let (digest, bytes) = (&output.digest, Some(output.bytes));
        Ok(match self.seen(digest, bytes)? {
            Ok(_) => None,
            Err(problem) => {
                self.index.forget_object(digest);
                Some(problem)
            }
        })
    }

    /// How an object looks that is intact, or what is wrong with it.
    fn seen(&self, digest: &Digest, bytes: Option<u64>) -> Result<Result<Stat, String>> {
        let path = self.object_path(digest);
        let metadata = match look_at(&self.root, &path)? {
            Look::Seen(metadata) => metadata,
            Look::Absent => return Ok(Err("is missing".to_owned())),
            Look::Damaged(what) => return Ok(Err(format!("cannot be read: {what}"))),
        };
        if !metadata.is_file() {
            return Ok(Err("is no file".to_owned()));
        }
        let found = metadata.len();
        if let Some(bytes) = bytes.filter(|&bytes| bytes != found) {
            return Ok(Err(format!("has {found} bytes instead of {bytes}")));
        }
        let stat = Stat::of(&metadata);
        if !self.paranoid && self.index.is_intact(digest, stat) {
            return Ok(Ok(stat));
        }
        let found = match Digest::of_file(&path) {
            Ok(found) => found,
            Err(error) if is_damage(&error) => return Ok(Err(format!("cannot be read: {error}"))),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        if found != *digest {
            return Ok(Err("was altered".to_owned()));
        }
        self.index.note_object(*digest, stat);
        Ok(Ok(stat))
    }

    /// Notes how these contents look, by name, before somebody reads them.
    ///
    /// # Errors
    /// If one of them is not intact.
    pub fn watch(&self, contents: &BTreeMap<String, Digest>) -> Result<Watched> {
        let mut watched = Vec::new();
        for (name, digest) in contents {
            match self.seen(digest, None)? {
                Ok(stat) => watched.push((name.clone(), *digest, stat)),
                Err(problem) => {
                    self.index.forget_object(digest);
                    bail!("input {name} {problem}; run the command again to rebuild it");
                }
            }
        }
        Ok(Watched(watched))
    }

    /// Reads contents again, whatever their sizes and time stamps say.
    ///
    /// # Errors
    /// If one of them is not intact; it is not trusted any more.
    pub fn expect_intact(&self, watched: &Watched) -> Result<()> {
        for (name, digest, _) in &watched.0 {
            let path = self.object_path(digest);
            if Digest::of_file(&path).is_ok_and(|found| found == *digest) {
                continue;
            }
            self.index.forget_object(digest);
            bail!(
                "input {name} ({}) was altered; run the command again to rebuild it",
                path.display()
            );
        }
        Ok(())
    }

    /// Makes sure that nobody wrote to the contents since they were noted.
    ///
    /// # Errors
    /// If somebody did; what was made of them is then not what its key says.
    pub fn expect_unchanged(&self, watched: &Watched) -> Result<()> {
        for (name, digest, before) in &watched.0 {
            let path = self.object_path(digest);
            let now = fs::metadata(&path).map(|metadata| Stat::of(&metadata));
            let unchanged = match &now {
                Ok(now) if now == before => true,
                // A new link to it, or other permissions: it is the content that counts.
                Ok(now) if now.same_writes(before) => {
                    Digest::of_file(&path).is_ok_and(|found| found == *digest)
                }
                _ => false,
            };
            ensure!(
                unchanged,
                "input {name} ({}) changed while the step ran, so that its result is not used; \
                 run the command again",
                path.display()
            );
        }
        Ok(())
    }

    /// Reads an output's content.
    ///
    /// # Errors
    /// If it cannot be read or is not what the digest says.
    pub fn read(&self, output: &Output) -> Result<Vec<u8>> {
        let path = self.object_path(&output.digest);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let intact = Digest::of(&bytes) == output.digest;
        ensure!(
            intact,
            "{} was altered; run the command again to rebuild it",
            path.display()
        );
        Ok(bytes)
    }

    /// Makes the readable view `by-step/<step>/` show this result.
    ///
    /// # Errors
    /// If a link cannot be written.
    pub fn show(&self, step: &str, entry: &Entry) -> Result<()> {
        let folder = self.step_folder(step);
        let before = match look_at(&self.root, &folder)? {
            Look::Seen(found) if found.is_dir() => Some(Stat::of(&found)),
            _ => None,
        };
        let shown = before.is_some_and(|looks| self.index.is_shown(&entry.key, step, looks));
        if shown && !self.paranoid {
            return Ok(());
        }
        self.clear_for_folder(&folder)?;
        disk::create_folder(&folder)?;
        // Two runs may show different results of the step; where folders have no locks, the next run puts
        // right what they mixed up.
        let guard = fs::File::open(&folder);
        let _guard = guard.and_then(|folder| folder.lock().map(|()| folder));
        let up = "../".repeat(step.split('/').count() + 1);
        let key = entry.key;
        let manifest = PathBuf::from(format!("{up}manifests/{key}.json"));
        // The link that tells which result is shown goes first and comes last.
        let mut changed = fs::read_link(folder.join(SHOWN)).is_ok_and(|found| found != manifest);
        if changed {
            disk::remove_file(&folder.join(SHOWN))?;
        }
        for (name, output) in &entry.outputs {
            let object = self.object_path(&output.digest);
            let object = object
                .strip_prefix(&self.root)
                .expect("objects lie below the root");
            changed |= self.link(&Path::new(&up).join(object), &folder.join(name))?;
        }
        changed |= self.show_log(step, &format!("logs/{key}.log"))?;
        changed |= self.link(&manifest, &folder.join(SHOWN))?;
        match before.filter(|_| !changed) {
            Some(looks) => self.index.note_shown(key, step, looks),
            None => {
                let looks = Stat::of(&fs::metadata(&folder)?);
                self.index.note_newly_shown(key, step, looks);
            }
        }
        Ok(())
    }

    /// Makes `by-step/<step>/log` lead to a log.
    fn show_log(&self, step: &str, log: &str) -> Result<bool> {
        let up = "../".repeat(step.split('/').count() + 1);
        let log = PathBuf::from(format!("{up}{log}"));
        let folder = self.step_folder(step);
        self.clear_for_folder(&folder)?;
        self.link(&log, &folder.join("log"))
    }

    /// As [`disk::link`], whatever lies there.
    fn link(&self, target: &Path, link: &Path) -> Result<bool> {
        let found = fs::symlink_metadata(link);
        if found.is_ok_and(|found| !found.is_symlink()) {
            self.set_aside(link)?;
        }
        disk::link(target, link)
    }

    /// The log of a step's newest run, finished or not.
    pub fn newest_log(&self, step: &str) -> PathBuf {
        self.step_folder(step).join("log")
    }

    /// What the log of a step's newest run says, finished or not; `None` if it never ran.
    ///
    /// # Errors
    /// If it cannot be read, or is gone.
    pub fn read_newest_log(&self, step: &str) -> Result<Option<Vec<u8>>> {
        let path = self.newest_log(step);
        let cannot = || format!("cannot read {}", path.display());
        match look_at(&self.root, &path)? {
            Look::Seen(found) => {
                // Before it is opened, which would wait for someone to write into a pipe.
                ensure!(found.is_file(), "{} is no regular file", path.display());
                fs::read(&path).map(Some).with_context(cannot)
            }
            Look::Absent => Ok(None),
            Look::Damaged(what) => Err(anyhow!(what)).with_context(cannot),
        }
    }

    /// Where a content lies, if anything does there.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn object(&self, digest: &Digest) -> Result<Option<PathBuf>> {
        let path = self.object_path(digest);
        Ok(match look_at(&self.root, &path)? {
            Look::Seen(_) | Look::Damaged(_) => Some(path),
            Look::Absent => None,
        })
    }

    /// The folder that an interrupted computation of a key has left for the next one, if it has.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn left_by(&self, key: &Digest) -> Result<Option<PathBuf>> {
        let scratch = self.scratch_path(key);
        Ok(look::entries_if_folder(&self.root, &scratch)?.map(|_| scratch))
    }

    /// The digest of a file outside the store, read only if it looks other than when it was read
    /// last; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn content(&self, path: &Path) -> Result<Option<Digest>> {
        let path = &std::path::absolute(path)?;
        let metadata = match look_outside(path)? {
            Look::Seen(metadata) => metadata,
            Look::Absent => return Ok(None),
            Look::Damaged(what) => bail!("cannot read {}: {what}", path.display()),
        };
        let stat = Stat::of(&metadata);
        if !self.paranoid
            && let Some(digest) = self.index.content(path, stat)
        {
            return Ok(Some(digest));
        }
        // Not mapped into memory, for others may write to it.
        let bytes = disk::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = Digest::of(&bytes);
        self.index.note_content(path, stat, digest);
        Ok(Some(digest))
    }

    /// Whether a file outside the store was noted to be made of this, and looks as it did then.
    ///
    /// # Errors
    /// If the path cannot be looked at.
    pub fn is_made_of(&self, path: &Path, source: &Digest) -> Result<bool> {
        let path = &std::path::absolute(path)?;
        Ok(match look_outside(path)? {
            Look::Seen(metadata) if !self.paranoid => {
                let noted = self.index.content(&made_of(path), Stat::of(&metadata));
                noted == Some(*source)
            }
            _ => false,
        })
    }

    /// Notes what a file outside the store was made of, for one that takes long to make again.
    ///
    /// # Errors
    /// If the path cannot be looked at.
    pub fn note_made_of(&self, path: &Path, source: Digest) -> Result<()> {
        let path = &std::path::absolute(path)?;
        if let Look::Seen(metadata) = look_outside(path)? {
            let stat = Stat::of(&metadata);
            self.index.note_content(&made_of(path), stat, source);
        }
        Ok(())
    }

    /// A listing that was kept, if it is there and intact.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn listing(&self, digest: &Digest) -> Result<Option<Listing>> {
        let path = self.listing_path(digest);
        let Look::Seen(_) = look_at(&self.root, &path)? else {
            return Ok(None);
        };
        // One that cannot be read is as good as damaged: the next run writes it anew.
        let text = disk::read(&path).ok();
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let text = text.filter(|text| Listing::digest(text) == *digest);
        Ok(text.and_then(|text| Listing::parse(&text)))
    }

    /// Keeps for the next time what was learnt about the files.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_index(&self) -> Result<()> {
        if !self.index.has_changed() {
            return Ok(());
        }
        let _lock = self.share()?;
        self.clear_for_file(&self.root.join("index"))?;
        self.index.save()
    }

    /// Where a content lies or would lie.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.path(&["objects/", &hex[..2], "/", &hex[2..]])
    }

    /// Where the manifest of a key's result lies or would lie.
    pub fn manifest_path(&self, key: &Digest) -> PathBuf {
        self.path(&["manifests/", &key.to_hex(), ".json"])
    }

    /// Where the text behind a digest of code or crates lies or would lie.
    pub fn listing_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("listings").join(digest.to_string())
    }

    /// Where the log of a key's result lies.
    pub fn log_path(&self, key: &Digest) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    /// Where an interrupted computation of a key has left what the next one can use.
    pub fn scratch_path(&self, key: &Digest) -> PathBuf {
        self.work_path(key).join("scratch")
    }

    fn work_path(&self, key: &Digest) -> PathBuf {
        self.root.join("work").join(key.to_string())
    }

    fn step_folder(&self, step: &str) -> PathBuf {
        self.path(&["by-step/", step])
    }

    /// A path below the root, in one piece: there are several to a step.
    fn path(&self, parts: &[&str]) -> PathBuf {
        let root = self.root.as_os_str();
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut path = OsString::with_capacity(root.len() + 1 + length);
        path.push(root);
        path.push("/");
        parts.iter().for_each(|part| path.push(part));
        path.into()
    }
}

/// Contents that a step reads, and how they looked before it did.
#[derive(Clone, Debug)]
pub struct Watched(Vec<(String, Digest, Stat)>);

/// The name under which the index keeps what a file was made of; no file has it.
fn made_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("\0made of");
    name.into()
}

#[cfg(test)]
mod tests;
