//! Takes what is damaged out of the way.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Cure, Finding, Harm, Mended};
use crate::index::name_of;
use crate::objects::holds;
use crate::stat::Stat;
use crate::tree::digest_in;
use crate::{Lock, Lookup, Store, disk};

impl Store {
    /// Applies the cures, as far as the files still look as they did when they were found damaged.
    pub(super) fn mend(&self, findings: &mut [Finding], _alone: &Lock) {
        let curable = |finding: &&mut Finding| !matches!(finding.cure, Cure::Nothing);
        for finding in findings.iter_mut().filter(curable) {
            let path = self.root.join(&finding.path);
            finding.mended = match self.cure(&path, finding) {
                Ok(mended) => mended,
                Err(error) => Mended::Failed(format!("{error:#}")),
            };
        }
    }

    fn cure(&self, path: &Path, finding: &Finding) -> Result<Mended> {
        if matches!(finding.cure, Cure::SetAside | Cure::Remove) && !self.is_still_so(path, finding)
        {
            return Ok(Mended::Changed);
        }
        Ok(match &finding.cure {
            Cure::Nothing => Mended::Nothing,
            Cure::SetAside => {
                if let Some(digest) = self.object_at(path) {
                    self.index.forget(&digest);
                }
                if let Some(key) = digest_in(path, ".json") {
                    self.index.forget(&key);
                }
                self.set_aside(path)?;
                Mended::SetAside
            }
            Cure::Remove => {
                disk::remove(path)?;
                Mended::Removed
            }
            Cure::Show(step, entry) => {
                self.index.forget(&name_of(step));
                self.show(step, entry)?;
                Mended::Linked
            }
            Cure::Hide => {
                hide(path)?;
                Mended::Removed
            }
        })
    }

    /// Whether what was found wrong is wrong now: others may have put it right while the rest was read.
    fn is_still_so(&self, path: &Path, finding: &Finding) -> bool {
        let found = path.symlink_metadata();
        if let Some(digest) = self.object_at(path) {
            let is_file = found.is_ok_and(|found| found.is_file());
            return !is_file || !holds(path, &digest);
        }
        if let Some(key) = digest_in(path, ".json") {
            return !matches!(self.lookup(&key), Ok(Lookup::Found(_)));
        }
        found.ok().map(|found| Stat::of(&found)) == finding.looks
    }

    /// A lock that cannot be locked is set aside before anything else is done.
    pub(super) fn clear_the_lock(&self) -> Result<Option<Finding>> {
        let path = self.path(&["lock"]);
        let is_file = path.symlink_metadata().map(|found| found.is_file());
        if is_file.unwrap_or(true) {
            return Ok(None);
        }
        self.set_aside(&path)?;
        Ok(Some(Finding {
            path: "lock".into(),
            what: "is no file".to_owned(),
            steps: Vec::new(),
            harm: Harm::Damage,
            advice: "nothing has to be done",
            mended: Mended::SetAside,
            cure: Cure::Nothing,
            looks: None,
        }))
    }
}

/// Removes the links of a step's folder, and the folder if nothing else is in it.
fn hide(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot clear {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.is_symlink() && (!path.ends_with("log") || !path.exists()) {
            disk::remove(&path)?;
        }
    }
    // Only if it is empty.
    let _ = fs::remove_dir(folder);
    Ok(())
}
