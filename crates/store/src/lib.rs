//! The artifacts: content-addressed objects, one manifest per key, and what is under way.
//!
//! ```text
//! artifacts/
//!   objects/ab/cdef…       contents by digest, read-only
//!   manifests/<key>.json   one finished step each
//!   listings/<digest>      what the digests of code and crates in manifests stand for
//!   logs/<key>.log         what the step printed, read-only
//!   work/<key>/            a step under way: its task, log, progress, outputs and evidence so far, checkpoints
//!   by-step/<step>/…       links to the newest outputs, manifest and log of each step, for people
//!   set-aside/             contents and manifests that were found damaged
//!   runs/…                 which results each run uses, or used
//!   remotes/…              which results were seen in stores elsewhere
//!   lock                   keeps a collection of garbage and those who use results apart
//!   index                  what was read of all these, and how the files looked then
//! ```
//!
//! [`Store::lookup`] only reads. To add a result one holds a [`Claim`], of which there is at most
//! one per key over all processes. Unaware of the graph and of what steps do.

mod aside;
mod carried_over;
mod claim;
mod commit;
mod disk;
mod fetched;
mod fsck;
mod gc;
mod history;
mod index;
pub mod key;
mod listings;
mod lock;
mod look;
mod lookup;
mod manifest;
mod objects;
mod outside;
mod paths;
mod running;
mod runs;
mod stat;
mod traces;
mod tree;
mod views;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result};

pub use carried_over::{CarriedOver, ShownStretch};
pub use claim::{Claim, Claimed, wait, work_in};
pub use disk::{displayed, sweep, write_by, write_whole};
pub use fsck::{Checkup, Finding, Harm, Mended};
pub use gc::{Artifact, Fate, GcLimits, InterruptedWork, Needs, Survey, WhyKept};
pub use history::Earlier;
pub use lock::Lock;
pub use look::{Unreadable, is_folder, is_there};
pub use lookup::Lookup;
pub use manifest::{Entry, Manifest, Output, RunRecord};
pub use objects::Watched;
pub use running::{Running, TrainingProgress};
pub use runs::Run;
pub use traces::Traces;

use history::Results;
use index::Index;

/// The file in a working folder that says that a job of a cluster works there, although nobody may hold
/// the claim.
pub const JOB: &str = "job.json";

/// The folders that every store has.
const FOLDERS: [&str; 7] = [
    "objects",
    "manifests",
    "listings",
    "logs",
    "work",
    "by-step",
    "runs",
];

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
    lists: OnceLock<Vec<Run>>,
    paranoid: bool,
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
            lists: OnceLock::new(),
            paranoid,
        }
    }

    /// Whether contents are read again instead of trusting sizes and time stamps.
    pub fn is_paranoid(&self) -> bool {
        self.paranoid
    }

    /// Forgets which results and runs there were, so that those who ask are told of what came since. What
    /// was learnt about files stays.
    pub fn look_again(&mut self) {
        self.results = OnceLock::new();
        self.lists = OnceLock::new();
    }

    /// Makes sure that results can be written, and tidies up after processes that were killed.
    ///
    /// # Errors
    /// If the folder cannot be created or written to.
    pub fn prepare(&self) -> Result<()> {
        let advice = "choose a folder that you can write to with --artifacts";
        for folder in FOLDERS {
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
}

#[cfg(test)]
mod tests;
