//! Reads everything in the store and holds it against what it should be: contents and listings against
//! their digests, manifests against their checksums, lists of runs line by line, links against the
//! results that they show. What is damaged is set aside, so that it is made again.
//!
//! All is read, never mapped into memory: of a disk that fails one wants to hear an error, not to be
//! killed by it. Unaware of what contents mean; what interrupted steps have left is checked by whoever
//! knows it.

mod check;
mod contents;
mod mend;
mod views;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::look::is_folder;
use super::stat::Stat;
use super::tree::Found;
use super::{Entry, Store};
use crate::key::Digest;
use check::Check;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It is not what it was.
    Damage,
    /// It does no harm.
    Note,
}

/// What was done about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mended {
    /// Nothing had to be done, or nothing was to be done.
    Nothing,
    /// The file lies in `set-aside/`.
    SetAside,
    Removed,
    /// Links lead where they should.
    Linked,
    /// Somebody else was faster.
    Changed,
    /// Why it could not be done.
    Failed(String),
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Where, from the folder of artifacts.
    #[serde(serialize_with = "super::disk::displayed")]
    pub path: PathBuf,
    /// What is wrong (`was altered`).
    pub what: String,
    /// Steps whose results it belongs to.
    pub steps: Vec<String>,
    pub harm: Harm,
    /// What the user can do.
    pub advice: &'static str,
    pub mended: Mended,
    #[serde(skip)]
    cure: Cure,
    /// How the file looked before it was read.
    #[serde(skip)]
    looks: Option<Stat>,
}

/// What helps.
#[derive(Clone, Debug)]
enum Cure {
    Nothing,
    SetAside,
    Remove,
    /// Show this result once more.
    Show(String, Arc<Entry>),
    /// The step's folder shows nothing that there is.
    Hide,
}

/// What was checked and found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checkup {
    pub manifests: usize,
    pub objects: usize,
    /// Bytes of all contents that were read.
    pub bytes: u64,
    pub listings: usize,
    pub logs: usize,
    /// Lists of runs.
    pub runs: usize,
    /// Folders of links.
    pub views: usize,
    /// Files that interrupted steps have left.
    pub left: usize,
    /// Number and bytes of files that were set aside before.
    pub set_aside: (usize, u64),
    /// What it took to read the contents.
    pub seconds: f64,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    altered: Vec<Digest>,
}

impl Checkup {
    /// What is damaged.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        let damage = |finding: &&Finding| finding.harm == Harm::Damage;
        self.findings.iter().filter(damage)
    }
}

/// What is wrong with the files that an interrupted step has left: each file, and why it is of no use.
pub type CheckLeft<'a> = &'a (dyn Fn(&Path) -> Vec<(PathBuf, String)> + Sync);

impl Store {
    /// Checks everything; with `mend`, sets aside what is damaged. `watch` is told how many bytes of how
    /// many have been read, from any thread.
    ///
    /// # Errors
    /// If there is no store, a folder of it is there and cannot be used, it cannot be locked, or this process
    /// uses it itself. Whatever else is wrong inside is a finding.
    pub fn fsck(
        &self,
        mend: bool,
        check_left: CheckLeft,
        watch: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Checkup> {
        let lock = self.clear_the_lock()?;
        let started = Instant::now();
        let mut check = {
            // Nothing is removed meanwhile.
            let _lock = self.share()?;
            self.check_contents(watch)?
        };
        check.checkup.seconds = started.elapsed().as_secs_f64();
        // The rest takes no time, and nobody may change it meanwhile.
        let alone = match self.exclude(&mut || {}) {
            Ok(alone) => alone,
            // One can look at a store to which one may not write.
            Err(_) if !mend => self.share()?,
            Err(error) => return Err(error),
        };
        check.runs()?;
        check.work(check_left)?;
        check.views(&self.root.join("by-step"), "")?;
        let set_aside = self.list("set-aside").unwrap_or_default();
        let bytes = set_aside.iter().map(Found::bytes).sum();
        check.checkup.set_aside = (set_aside.len(), bytes);
        let mut checkup = check.checkup;
        checkup.findings.extend(lock);
        // Also where nothing is to be mended: size and time stamps must not vouch for it any more.
        for digest in &checkup.altered {
            self.index.forget(digest);
        }
        if mend {
            self.mend(&mut checkup.findings, &alone);
        }
        if mend || !checkup.altered.is_empty() {
            // A cache only.
            let _ = self.save_index();
        }
        checkup
            .findings
            .sort_by(|a, b| (a.harm, &a.path).cmp(&(b.harm, &b.path)));
        Ok(checkup)
    }

    /// Reads all contents. Whoever holds the store's lock shared may go on adding to it meanwhile.
    ///
    /// # Errors
    /// If there is no store, or one of its folders is there and cannot be used: what lies in it would be
    /// taken for missing.
    fn check_contents(&self, watch: &(dyn Fn(u64, u64) + Sync)) -> Result<Check<'_>> {
        ensure!(
            is_folder(&self.root, "--artifacts")?,
            "there is no folder of artifacts {}; name it with --artifacts",
            self.root.display()
        );
        let mut check = Check::of(self);
        check.top()?;
        check.manifests()?;
        check.objects(watch)?;
        check.outputs();
        check.listings()?;
        check.logs()?;
        Ok(check)
    }
}

#[cfg(test)]
mod tests;
