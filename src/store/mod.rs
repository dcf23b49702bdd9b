//! The artifacts: content-addressed objects, one manifest per key, and what is under way.
//!
//! ```text
//! artifacts/
//!   objects/ab/cdef…       contents by digest, read-only
//!   manifests/<key>.json   one finished step each
//!   logs/<key>.log         what the step printed
//!   work/<key>/            a step under way: its task, outputs so far, checkpoints
//!   by-step/<step>/…       links to the newest outputs, manifest and log of each step, for people
//!   set-aside/             contents and manifests that were found damaged
//!   stats.json             which objects were found intact, and how their files looked then
//! ```
//!
//! [`Store::lookup`] only reads. To add a result one holds a [`Claim`], of which there is at most
//! one per key over all processes. Unaware of the graph and of what steps do.

mod claim;
mod disk;
mod manifest;
mod stats;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

pub use claim::{Claim, Claimed, wait};
pub use disk::write_whole;
pub use manifest::{Manifest, Output, RunRecord};

use crate::key::Digest;
use stats::{Stat, Stats};

/// A folder of artifacts.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    stats: RefCell<Stats>,
    paranoid: bool,
}

/// What is known under a key.
#[derive(Debug)]
pub enum Lookup {
    /// A finished step of which every output is there and intact.
    Found(Box<Manifest>),
    /// Nothing.
    Absent,
    /// A result that cannot be used, and why (`weights.safetensors is missing`).
    Damaged(String),
}

impl Store {
    /// The store in this folder, which need not exist yet. Nothing is written.
    ///
    /// A `paranoid` store reads every content again instead of trusting sizes and time stamps.
    ///
    /// # Errors
    /// If the folder's absolute path cannot be found out.
    pub fn at(root: &Path, paranoid: bool) -> Result<Store> {
        // Steps run in processes of their own and are given absolute paths.
        let root = std::path::absolute(root)
            .with_context(|| format!("cannot use {} as the folder of artifacts", root.display()))?;
        let stats = RefCell::new(Stats::at(root.join("stats.json")));
        Ok(Store {
            root,
            stats,
            paranoid,
        })
    }

    /// Makes sure that results can be written.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub fn prepare(&self) -> Result<()> {
        let advice = "choose a folder that you can write to with --artifacts";
        for folder in ["objects", "manifests", "logs", "work", "by-step"] {
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
        let path = self.manifest_path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lookup::Absent),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let manifest = match Manifest::parse(&bytes, key) {
            Ok(manifest) => manifest,
            Err(error) => {
                return Ok(Lookup::Damaged(format!(
                    "manifest {} is not used: {error:#}",
                    key.short()
                )));
            }
        };
        for (name, output) in &manifest.outputs {
            if let Some(problem) = self.check(output)? {
                return Ok(Lookup::Damaged(format!("{name} {problem}")));
            }
        }
        Ok(Lookup::Found(Box::new(manifest)))
    }

    /// What is wrong with an output's content, if anything.
    fn check(&self, output: &Output) -> Result<Option<String>> {
        let path = self.object_path(&output.digest);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some("is missing".to_owned()));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot look at {}", path.display()));
            }
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
        if !self.paranoid && self.stats.borrow_mut().holds(&output.digest, stat) {
            return Ok(None);
        }
        let found =
            Digest::of_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if found != output.digest {
            self.stats.borrow_mut().forget(&output.digest);
            return Ok(Some("was altered".to_owned()));
        }
        self.stats.borrow_mut().note(output.digest, stat);
        Ok(None)
    }

    /// The manifest that a step's newest result has, whatever its key, if it can be read.
    pub fn newest(&self, step: &str) -> Option<Manifest> {
        let target = fs::read_link(self.step_folder(step).join("manifest.json")).ok()?;
        let key: Digest = target.file_stem()?.to_str()?.parse().ok()?;
        Manifest::parse(&fs::read(self.manifest_path(&key)).ok()?, &key).ok()
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
    pub fn show(&self, step: &str, manifest: &Manifest) -> Result<()> {
        let folder = self.step_folder(step);
        let up = "../".repeat(step.split('/').count() + 1);
        for (name, output) in &manifest.outputs {
            let object = self.object_path(&output.digest);
            let object = object
                .strip_prefix(&self.root)
                .expect("objects lie below the root");
            disk::link(&Path::new(&up).join(object), &folder.join(name))?;
        }
        let key = manifest.key;
        disk::link(
            &PathBuf::from(format!("{up}manifests/{key}.json")),
            &folder.join("manifest.json"),
        )?;
        self.show_log(step, &key)
    }

    /// Makes `by-step/<step>/log` lead to the log of this key.
    fn show_log(&self, step: &str, key: &Digest) -> Result<()> {
        let up = "../".repeat(step.split('/').count() + 1);
        let log = PathBuf::from(format!("{up}logs/{key}.log"));
        disk::link(&log, &self.step_folder(step).join("log")).map(drop)
    }

    /// The log of a step's newest run, finished or not.
    pub fn newest_log(&self, step: &str) -> PathBuf {
        self.step_folder(step).join("log")
    }

    /// Keeps for the next time what was learnt about the objects' files.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_stats(&self) -> Result<()> {
        self.stats.borrow_mut().save()
    }

    /// Where a content lies or would lie.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.root.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    fn manifest_path(&self, key: &Digest) -> PathBuf {
        self.root.join("manifests").join(format!("{key}.json"))
    }

    /// Where the log of a key's computation lies.
    pub fn log_path(&self, key: &Digest) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    fn work_path(&self, key: &Digest) -> PathBuf {
        self.root.join("work").join(key.to_string())
    }

    fn step_folder(&self, step: &str) -> PathBuf {
        self.root.join("by-step").join(step)
    }
}

#[cfg(test)]
mod tests;
