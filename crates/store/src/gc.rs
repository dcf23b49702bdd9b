//! Which results nobody needs any more, and what else can go: [`Store::survey`] says so, and
//! `Survey::remove` removes it.
//!
//! | kept | why |
//! |---|---|
//! | results on the list of a run under way | it uses them |
//! | results that today's pipeline can use | nothing has to be computed for them |
//! | results whose outputs lie in a report, and all that led to them | a report can be explained |
//! | results on the lists of the last runs | an edit can be undone |
//! | work under way | its lock is held |
//! | checkpoints of interrupted runs | hours of work; they go only if that is asked for |
//! | manifests that are damaged, and all contents that they mention | for `fsck` to look at |
//!
//! Unaware of pipelines and reports: it is told which keys and contents they need.

mod choice;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::tree::{Found, files_below};
use super::{Manifest, Run, Store, disk, lock, manifest};
use crate::key::Digest;

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

/// A result.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    pub key: Digest,
    /// The step's name; empty if its manifest cannot be read.
    pub step: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// What it cost to compute.
    pub seconds: f64,
    /// Size of its outputs, some of which other results may share.
    pub bytes: u64,
    pub fate: Fate,
    #[serde(skip)]
    contents: BTreeSet<Digest>,
    #[serde(skip)]
    inputs: BTreeSet<Digest>,
    #[serde(skip)]
    listings: BTreeSet<Digest>,
    #[serde(skip)]
    damaged: bool,
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
        let goes = |artifact: &&Artifact| !matches!(artifact.fate, Fate::Kept(_));
        self.artifacts.iter().filter(goes)
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

impl Store {
    /// Decides what becomes of everything in the store. To be called under its lock: the lock that is
    /// shared if nothing is to be removed afterwards.
    ///
    /// # Errors
    /// If a folder cannot be read, or the list of a run under way is damaged.
    pub fn survey(&self, needs: &Needs, limits: &GcLimits) -> Result<Survey> {
        let mut sizes: BTreeMap<Digest, u64> = BTreeMap::new();
        let mut rubbish = Vec::new();
        for object in self.list_objects()? {
            match self.object_at(&object.path) {
                Some(digest) => drop(sizes.insert(digest, object.metadata.len())),
                None if object.is_temporary() => rubbish.push(object.path),
                None => {}
            }
        }
        let runs = self.runs()?;
        let (live, ended): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.live);
        if let Some((run, damage)) = live
            .iter()
            .find_map(|run| Some((run, run.damage.as_ref()?)))
        {
            bail!(
                "what a run under way uses cannot be told, so nothing is removed: {} {damage}; \
                 try again when it is over, or after `fig6 fsck` if it is",
                run.path.display()
            );
        }
        let (last, gone) = ended.split_at(limits.runs.min(ended.len()));
        rubbish.extend(gone.iter().map(|run| run.path.clone()));
        let keys = |runs: &[Run]| -> HashSet<Digest> {
            runs.iter()
                .flat_map(|run| run.keys.iter().copied())
                .collect()
        };

        let mut artifacts = self.artifacts(&sizes)?;
        let mut in_use = keys(&live);
        in_use.extend(live.iter().flat_map(|run| &run.perhaps));
        choice::keep(&mut artifacts, needs, &in_use, &keys(last));
        if let Some(most) = limits.max_bytes {
            choice::evict(&mut artifacts, &sizes, most);
        }
        artifacts.sort_by(|a, b| {
            let by_fate = a.fate.cmp(&b.fate);
            let by_cost = a.seconds.total_cmp(&b.seconds);
            by_fate.then(by_cost).then(a.key.cmp(&b.key))
        });

        let stays = |artifact: &&Artifact| matches!(artifact.fate, Fate::Kept(_));
        let mut needed: HashSet<Digest> = HashSet::new();
        let mut listings = needs.listings.clone();
        let mut logs = in_use;
        logs.extend(keys(last));
        for artifact in artifacts.iter().filter(stays) {
            needed.extend(&artifact.contents);
            listings.extend(&artifact.listings);
            logs.insert(artifact.key);
        }

        let (interrupted, work, under_way) = self.survey_work(limits.interrupted)?;
        logs.extend(
            under_way.iter().chain(
                interrupted
                    .iter()
                    .filter(|left| !left.goes)
                    .map(|left| &left.key),
            ),
        );
        rubbish.extend(self.rubbish(&listings, &logs)?);
        let set_aside = self.list("set-aside")?;
        let set_aside_bytes = set_aside.iter().map(Found::bytes).sum();
        if limits.set_aside {
            rubbish.extend(set_aside.iter().map(|found| found.path.clone()));
        }
        let bytes: u64 = sizes.values().sum();
        let mut contents = sizes;
        contents.retain(|digest, _| !needed.contains(digest));
        Ok(Survey {
            bytes,
            bytes_kept: bytes - contents.values().sum::<u64>(),
            interrupted,
            under_way: under_way.len(),
            set_aside: (set_aside.len(), set_aside_bytes),
            runs_kept: live.len() + last.len(),
            artifacts,
            rubbish,
            contents,
            work,
            logs,
        })
    }

    /// All results that there are, as if nobody needed them.
    fn artifacts(&self, sizes: &BTreeMap<Digest, u64>) -> Result<Vec<Artifact>> {
        let files = self.list("manifests")?;
        let artifacts = files.par_iter().filter_map(|file| {
            let key = file.digest(".json")?;
            let mut artifact = match disk::read(&file.path) {
                Ok(bytes) => match Manifest::parse(&bytes, &key) {
                    Ok(manifest) => Artifact::of(manifest),
                    Err(_) => Artifact::illegible(key, &bytes),
                },
                // Nothing that could mention a content.
                Err(_) if !file.metadata.is_file() => Artifact::illegible(key, &[]),
                Err(error) => {
                    let error = Err(error).with_context(|| {
                        format!(
                            "which contents {} mentions cannot be told, so nothing is removed; get the \
                             permission to read it, or set it aside with `fig6 fsck`",
                            file.path.display()
                        )
                    });
                    return Some(error);
                }
            };
            let sizes = artifact
                .contents
                .iter()
                .filter_map(|digest| sizes.get(digest));
            artifact.bytes = sizes.sum();
            Some(Ok(artifact))
        });
        artifacts.collect()
    }

    /// What interrupted runs have left for the next one; working folders that go; and keys that are
    /// computed now.
    fn survey_work(&self, goes: bool) -> Result<(Vec<InterruptedWork>, Vec<Digest>, Vec<Digest>)> {
        let (mut interrupted, mut work, mut under_way) = (Vec::new(), Vec::new(), Vec::new());
        let found = self.list("work")?;
        let keys: BTreeSet<Digest> = found
            .iter()
            .filter_map(|found| found.digest("").or_else(|| found.digest(".lock")))
            .collect();
        for key in keys {
            let folder = self.work_path(&key);
            // What cannot be told is left alone.
            if lock::is_locked(&folder.with_extension("lock")).unwrap_or(true) {
                under_way.push(key);
                continue;
            }
            let scratch = self.scratch_path(&key);
            let left = files_below(&scratch)?;
            if !left.is_empty() {
                interrupted.push(InterruptedWork {
                    key,
                    step: step_of_task(&folder),
                    bytes: left.iter().map(Found::bytes).sum(),
                    age: youngest(&left),
                    scratch,
                    goes,
                });
                if !goes {
                    continue;
                }
            }
            work.push(key);
        }
        Ok((interrupted, work, under_way))
    }

    /// Files that nobody needs, beside results, contents and what belongs to runs.
    fn rubbish(&self, listings: &HashSet<Digest>, logs: &HashSet<Digest>) -> Result<Vec<PathBuf>> {
        let mut rubbish = Vec::new();
        for folder in ["", "manifests", "listings", "logs", "runs", "work"] {
            let found = self.list(folder)?.into_iter();
            rubbish.extend(found.filter(Found::is_temporary).map(|found| found.path));
        }
        for (folder, ending, needed) in [("listings", "", listings), ("logs", ".log", logs)] {
            for found in self.list(folder)? {
                if found
                    .digest(ending)
                    .is_some_and(|digest| !needed.contains(&digest))
                {
                    rubbish.push(found.path);
                }
            }
        }
        Ok(rubbish)
    }
}

impl Artifact {
    fn of(manifest: Manifest) -> Artifact {
        let Manifest {
            step,
            key,
            key_inputs,
            outputs,
            run,
            ..
        } = manifest;
        let basis = &key_inputs.basis;
        Artifact {
            key,
            step,
            started: run.started,
            seconds: run.seconds,
            bytes: 0,
            fate: Fate::Unneeded,
            contents: outputs.values().map(|output| output.digest).collect(),
            inputs: key_inputs.inputs.values().copied().collect(),
            listings: basis
                .code
                .values()
                .chain(basis.crates.values())
                .copied()
                .collect(),
            damaged: false,
        }
    }

    /// One of another version, or a damaged one: every digest in it counts as mentioned.
    fn illegible(key: Digest, bytes: &[u8]) -> Artifact {
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        let mentioned: BTreeSet<Digest> = words.filter_map(|word| word.parse().ok()).collect();
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let manifest = &value["manifest"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Artifact {
            key,
            step: text(&manifest["step"]),
            started: text(&manifest["run"]["started"]),
            seconds: manifest["run"]["seconds"].as_f64().unwrap_or_default(),
            bytes: 0,
            fate: Fate::Unneeded,
            contents: mentioned.clone(),
            inputs: BTreeSet::new(),
            listings: mentioned,
            damaged: !manifest::is_of_another_version(bytes),
        }
    }
}

/// The name of the step that was to be computed in this folder.
fn step_of_task(folder: &Path) -> String {
    let task = disk::read(&folder.join("task.json")).unwrap_or_default();
    let task: Value = serde_json::from_slice(&task).unwrap_or_default();
    task["step"].as_str().unwrap_or("unknown step").to_owned()
}

/// Seconds since any of these files was written to.
fn youngest(files: &[Found]) -> f64 {
    let times = files
        .iter()
        .filter_map(|file| file.metadata.modified().ok());
    let age = times
        .max()
        .map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
    age.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests;
