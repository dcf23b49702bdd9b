//! Which results nobody needs any more, and what else can go: [`Store::survey`](crate::Store::survey) says so, and
//! `Survey::remove` removes it.
//!
//! | kept | why |
//! |---|---|
//! | results on the list of a run under way | it uses them |
//! | results that today's pipeline can use | nothing has to be computed for them |
//! | results whose outputs lie in a report, and all that led to them | a report can be explained |
//! | results on the lists of the last runs | an edit can be undone |
//! | work under way | its lock is held, or a job of a cluster has it |
//! | checkpoints of interrupted runs | hours of work; they go only if that is asked for |
//! | evidence of results that stay | they can be replayed; it goes by itself only if that is asked for |
//! | manifests that are damaged, and all contents that they mention | for `fsck` to look at |
//!
//! Unaware of pipelines and reports: it is told which keys and contents they need.

mod artifact;
mod choice;
mod survey;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::key::Digest;
pub use artifact::Artifact;

/// What others need of the store.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Results that the pipeline can use.
    pub keys: HashSet<Digest>,
    /// Contents of files in reports.
    pub contents: BTreeSet<Digest>,
    /// Listings that results to come will refer to.
    pub listings: HashSet<Digest>,
}

/// How much is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct GcLimits {
    /// How many of the last runs.
    pub runs: usize,
    /// Bytes of contents at most, as far as runs under way allow.
    pub max_bytes: Option<u64>,
    /// Whether what interrupted runs have left goes as well.
    pub interrupted: bool,
    /// Whether what was set aside goes as well.
    pub set_aside: bool,
    /// Whether evidence goes as well.
    pub snapshots: bool,
}

/// WhyKept a result is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyKept {
    /// A run under way uses it.
    Live,
    Pipeline,
    Report,
    /// One of the last runs used it.
    Run,
    /// Its manifest is damaged: `fsck` has to look at it first.
    Damaged,
}

/// What becomes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nobody needs it.
    Unneeded,
    /// It is needed, but there is no room for it.
    Evicted,
    Kept(WhyKept),
}

/// What an interrupted run has left for the next one.
#[derive(Clone, Debug, Serialize)]
pub struct InterruptedWork {
    pub key: Digest,
    /// The step's name, as far as it can be made out.
    pub step: String,
    pub bytes: u64,
    /// Seconds since it was written to.
    pub age: f64,
    /// Where it lies.
    #[serde(skip)]
    pub scratch: PathBuf,
    /// Whether it is to be removed.
    pub goes: bool,
}

/// What there is and what becomes of it.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// All results: those that go before those that stay, the cheapest to compute again first.
    pub artifacts: Vec<Artifact>,
    /// Bytes of all contents that there are, each counted once.
    pub bytes: u64,
    /// Bytes of those that stay.
    pub bytes_kept: u64,
    pub interrupted: Vec<InterruptedWork>,
    /// Number of steps that are computed right now.
    pub under_way: usize,
    /// Number and bytes of damaged files that were set aside.
    pub set_aside: (usize, u64),
    /// Number of results that stay and have evidence, and bytes of contents that are nothing else to any
    /// result that stays.
    pub snapshots: (usize, u64),
    /// Number of runs whose lists are kept.
    pub runs_kept: usize,
    /// Other files that nobody needs.
    #[serde(skip)]
    rubbish: Vec<PathBuf>,
    /// Contents that go, with their sizes.
    #[serde(skip)]
    contents: BTreeMap<Digest, u64>,
    /// Working folders that go.
    #[serde(skip)]
    work: Vec<Digest>,
    /// Logs that stay.
    #[serde(skip)]
    logs: HashSet<Digest>,
}

impl Survey {
    /// The results that go.
    pub fn removed(&self) -> impl Iterator<Item = &Artifact> {
        self.artifacts.iter().filter(|artifact| !artifact.stays())
    }

    /// How many results stay, by the reason.
    pub fn kept(&self) -> BTreeMap<WhyKept, usize> {
        let mut kept = BTreeMap::new();
        for artifact in &self.artifacts {
            if let Fate::Kept(why) = artifact.fate {
                *kept.entry(why).or_default() += 1;
            }
        }
        kept
    }

    /// How many other files go.
    pub fn others(&self) -> usize {
        self.rubbish.len() + self.work.len()
    }
}

#[cfg(test)]
mod tests;
