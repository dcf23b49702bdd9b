//! The artifacts: content-addressed objects, one manifest per key, and what is under way.
//!
//! ```text
//! artifacts/
//!   objects/ab/cdef…       contents by digest, read-only
//!   manifests/<key>.json   one finished step each
//!   listings/<digest>      what the digests of code and crates in manifests stand for
//!   logs/<key>.log         what the step printed
//!   work/<key>/            a step under way: its task, outputs so far, checkpoints
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
mod lock;
mod manifest;
mod runs;
mod table;
mod tree;

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, ensure};

pub use claim::{Claim, Claimed, wait};
pub use disk::{write_by, write_whole};
pub use fsck::{Checkup, Finding, Harm, Mended};
pub use gc::{Artifact, Fate, Interrupted, Limits, Needs, Survey, Why};
pub use history::Earlier;
pub use lock::Lock;
pub use manifest::{Entry, Manifest, Output, RunRecord};
pub use runs::Run;

use crate::key::{Digest, Listing};
use history::Results;
use index::{Index, Stat};

/// The link in a step's folder that leads to the manifest of the result shown there.
const SHOWN: &str = "manifest.json";

/// A folder of artifacts.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    index: Index,
    results: OnceLock<Results>,
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
            holding: lock::Holding::default(),
            own_run: runs::OwnRun::default(),
            paranoid,
        }
    }

    /// Makes sure that results can be written.
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
        ] {
            disk::create_folder(&self.root.join(folder)).context(advice)?;
        }
        tempfile::tempfile_in(self.root.join("work"))
            .map(drop)
            .with_context(|| format!("cannot write in {}; {advice}", self.root.display()))
    }

    /// What is known under a key; every output of a found result was checked.
    ///
    /// # Errors
    /// If a file that is there cannot be read.
    pub fn lookup(&self, key: &Digest) -> Result<Lookup> {
        let Some(metadata) = look_at(&self.manifest_path(key))? else {
            return Ok(Lookup::Absent);
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
        for (name, output) in &entry.outputs {
            if let Some(problem) = self.check(output)? {
                return Ok(Lookup::Damaged(format!("{name} {problem}")));
            }
        }
        Ok(Lookup::Found(entry))
    }

    /// The whole manifest of a result, if it can be had; its outputs are not looked at.
    pub fn manifest(&self, key: &Digest) -> Option<Manifest> {
        self.read_manifest(key).ok()??.ok()
    }

    /// The whole manifest of a result if it is there, or why it cannot be used.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    fn read_manifest(&self, key: &Digest) -> Result<Option<Result<Manifest>>> {
        let path = self.manifest_path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let manifest = Manifest::parse(&bytes, key);
        let manifest = manifest.with_context(|| format!("manifest {} is not used", key.short()));
        Ok(Some(manifest))
    }

    /// What is wrong with an output's content, if anything.
    fn check(&self, output: &Output) -> Result<Option<String>> {
        let path = self.object_path(&output.digest);
        let Some(metadata) = look_at(&path)? else {
            return Ok(Some("is missing".to_owned()));
        };
        if !metadata.is_file() {
            return Ok(Some("is no file".to_owned()));
        }
        if metadata.len() != output.bytes {
            let found = metadata.len();
            return Ok(Some(format!(
                "has {found} bytes instead of {}",
                output.bytes
            )));
        }
        let stat = Stat::of(&metadata);
        if !self.paranoid && self.index.is_intact(&output.digest, stat) {
            return Ok(None);
        }
        let found =
            Digest::of_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if found != output.digest {
            self.index.forget_object(&output.digest);
            return Ok(Some("was altered".to_owned()));
        }
        self.index.note_object(output.digest, stat);
        Ok(None)
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
        let before = look_at(&folder)?.map(|found| Stat::of(&found));
        let shown = before.is_some_and(|looks| self.index.is_shown(&entry.key, step, looks));
        if shown && !self.paranoid {
            return Ok(());
        }
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
            changed |= disk::link(&Path::new(&up).join(object), &folder.join(name))?;
        }
        changed |= self.show_log(step, &key)?;
        changed |= disk::link(&manifest, &folder.join(SHOWN))?;
        match before.filter(|_| !changed) {
            Some(looks) => self.index.note_shown(key, step, looks),
            None => {
                let looks = Stat::of(&fs::metadata(&folder)?);
                self.index.note_newly_shown(key, step, looks);
            }
        }
        Ok(())
    }

    /// Makes `by-step/<step>/log` lead to the log of this key.
    fn show_log(&self, step: &str, key: &Digest) -> Result<bool> {
        let up = "../".repeat(step.split('/').count() + 1);
        let log = PathBuf::from(format!("{up}logs/{key}.log"));
        disk::link(&log, &self.step_folder(step).join("log"))
    }

    /// The log of a step's newest run, finished or not.
    pub fn newest_log(&self, step: &str) -> PathBuf {
        self.step_folder(step).join("log")
    }

    /// The digest of a file outside the store, read only if it looks other than when it was read
    /// last; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn content(&self, path: &Path) -> Result<Option<Digest>> {
        let path = &std::path::absolute(path)?;
        let Some(metadata) = look_at(path)? else {
            return Ok(None);
        };
        let stat = Stat::of(&metadata);
        if !self.paranoid
            && let Some(digest) = self.index.content(path, stat)
        {
            return Ok(Some(digest));
        }
        // Not mapped into memory, for others may write to it.
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = Digest::of(&bytes);
        self.index.note_content(path, stat, digest);
        Ok(Some(digest))
    }

    /// Keeps a listing that the basis of results refers to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_listing(&self, text: &str) -> Result<()> {
        let digest = Listing::digest(text);
        match self.listing(&digest) {
            Some(_) => Ok(()),
            None => write_whole(&self.listing_path(&digest), text.as_bytes()),
        }
    }

    /// A listing that was kept, if it is there and intact.
    pub fn listing(&self, digest: &Digest) -> Option<Listing> {
        let text = fs::read_to_string(self.listing_path(digest)).ok()?;
        (Listing::digest(&text) == *digest).then(|| Listing::parse(&text))?
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
        self.index.save()
    }

    /// Where a content lies or would lie.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.path(&["objects/", &hex[..2], "/", &hex[2..]])
    }

    fn manifest_path(&self, key: &Digest) -> PathBuf {
        self.path(&["manifests/", &key.to_hex(), ".json"])
    }

    fn listing_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("listings").join(digest.to_string())
    }

    /// Where the log of a key's computation lies.
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

/// How a file looks; `None` if it is not there.
fn look_at(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) => match error.kind() {
            // Where a folder should be lies something else; `prepare` says so before it is needed.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error).with_context(|| format!("cannot look at {}", path.display())),
        },
    }
}

#[cfg(test)]
mod tests;
