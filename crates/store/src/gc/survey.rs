//! Looks at everything in the store and decides what becomes of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::Value;

use super::{GcLimits, InterruptedWork, Needs, Survey, choice};
use crate::key::Digest;
use crate::tree::{Found, files_below};
use crate::{JOB, Run, Store, disk, lock};

impl Store {
    /// Decides what becomes of everything in the store. To be called under its lock: the lock that is
    /// shared if nothing is to be removed afterwards.
    ///
    /// # Errors
    /// If a folder cannot be read, or the list of a run under way is damaged.
    pub fn survey(&self, needs: &Needs, limits: &GcLimits) -> Result<Survey> {
        let objects = self.list_objects()?;
        let size = |object: &Found| Some((self.object_at(&object.path)?, object.metadata.len()));
        let sizes: BTreeMap<Digest, u64> = objects.iter().filter_map(size).collect();
        let runs = self.runs()?;
        let (live, ended): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.live);
        for run in &live {
            if let Some(damage) = &run.damage {
                bail!(
                    "what a run under way uses cannot be told, so nothing is removed: {} {damage}; \
                     try again when it is over, or after `fig6 fsck` if it is",
                    run.path.display()
                );
            }
        }
        let (last, gone) = ended.split_at(limits.runs.min(ended.len()));
        let in_use = live
            .iter()
            .flat_map(|run| run.keys.iter().chain(&run.perhaps));
        let in_use: HashSet<Digest> = in_use.copied().collect();
        let used_last = last.iter().flat_map(|run| run.keys.iter().copied());
        let used_last: HashSet<Digest> = used_last.collect();

        let mut artifacts = self.artifacts(&sizes)?;
        choice::keep(&mut artifacts, needs, &in_use, &used_last);
        if limits.snapshots {
            for artifact in &mut artifacts {
                artifact.contents = &artifact.contents - &artifact.evidence;
            }
        }
        if let Some(most) = limits.max_bytes {
            choice::evict(&mut artifacts, &sizes, most);
        }
        artifacts.sort_by(|a, b| {
            let by_fate = a.fate.cmp(&b.fate);
            let by_cost = a.seconds.total_cmp(&b.seconds);
            by_fate.then(by_cost).then(a.key.cmp(&b.key))
        });

        let mut needed: HashSet<Digest> = HashSet::new();
        let mut listings = needs.listings.clone();
        let mut logs = &in_use | &used_last;
        for artifact in artifacts.iter().filter(|artifact| artifact.stays()) {
            needed.extend(&artifact.contents);
            listings.extend(&artifact.listings);
            logs.insert(artifact.key);
        }

        let (interrupted, work, under_way) = self.survey_work(limits.interrupted)?;
        logs.extend(&under_way);
        let stays = interrupted.iter().filter(|left| !left.goes);
        logs.extend(stays.map(|left| left.key));
        let mut rubbish = self.rubbish(objects, &listings, &logs)?;
        rubbish.extend(gone.iter().map(|run| run.path.clone()));
        let set_aside = self.list("set-aside")?;
        let set_aside_bytes = set_aside.iter().map(Found::bytes).sum();
        if limits.set_aside {
            rubbish.extend(set_aside.iter().map(|found| found.path.clone()));
        }
        let bytes: u64 = sizes.values().sum();
        let mut contents = sizes.clone();
        contents.retain(|digest, _| !needed.contains(digest));
        Ok(Survey {
            bytes,
            bytes_kept: bytes - contents.values().sum::<u64>(),
            interrupted,
            under_way: under_way.len(),
            set_aside: (set_aside.len(), set_aside_bytes),
            snapshots: choice::snapshots(&artifacts, &sizes),
            runs_kept: live.len() + last.len(),
            artifacts,
            rubbish,
            contents,
            work,
            logs,
        })
    }

    /// What interrupted runs have left for the next one; working folders that go; and keys that are
    /// computed now.
    fn survey_work(&self, goes: bool) -> Result<(Vec<InterruptedWork>, Vec<Digest>, Vec<Digest>)> {
        let (mut interrupted, mut work, mut under_way) = (Vec::new(), Vec::new(), Vec::new());
        let found = self.list("work")?;
        let key = |found: &Found| found.digest("").or_else(|| found.digest(".lock"));
        for key in BTreeSet::from_iter(found.iter().filter_map(key)) {
            let folder = self.work_path(&key);
            // What cannot be told is left alone.
            let is_claimed = lock::is_locked(&folder.with_extension("lock")).unwrap_or(true);
            if is_claimed || folder.join(JOB).exists() {
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
    fn rubbish(
        &self,
        objects: Vec<Found>,
        listings: &HashSet<Digest>,
        logs: &HashSet<Digest>,
    ) -> Result<Vec<PathBuf>> {
        let mut rubbish = objects;
        for folder in ["", "manifests", "listings", "logs", "runs", "work"] {
            rubbish.extend(self.list(folder)?);
        }
        rubbish.retain(Found::is_temporary);
        for (folder, ending, needed) in [("listings", "", listings), ("logs", ".log", logs)] {
            let goes = |digest| !needed.contains(&digest);
            let found = self.list(folder)?.into_iter();
            rubbish.extend(found.filter(|found| found.digest(ending).is_some_and(goes)));
        }
        Ok(rubbish.into_iter().map(|found| found.path).collect())
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
    let ages = files.iter().filter_map(|file| {
        let written = file.metadata.modified().ok()?;
        Some(written.elapsed().unwrap_or_default())
    });
    ages.min().unwrap_or_default().as_secs_f64()
}
