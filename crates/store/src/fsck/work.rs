//! Looks at the lists of runs and at what is under way. To be called while nobody else uses the store.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;

use super::CheckLeft;
use super::Cure;
use super::check::{Check, LIST, RESUME, RUN, step_in, wrong_kind};
use crate::lock;
use crate::tree::files_below;

impl Check<'_> {
    pub(super) fn runs(&mut self) -> Result<()> {
        let known: HashMap<PathBuf, (bool, Option<String>)> = match self.store.runs() {
            Ok(runs) => runs
                .into_iter()
                .map(|run| (run.path, (run.live, run.damage)))
                .collect(),
            // Said of the folder already.
            Err(_) => HashMap::new(),
        };
        for file in self.list(&self.store.root.join("runs"))? {
            match known.get(&file.path) {
                None => self.stray(&file.path),
                Some((live, damage)) => {
                    self.checkup.runs += 1;
                    let what = wrong_kind(&file);
                    // A run that is under way writes its list anew.
                    let cure = match what.is_none() && *live {
                        true => Cure::Nothing,
                        false => Cure::SetAside,
                    };
                    if let Some(what) = what.or_else(|| damage.clone()) {
                        self.find(&file.path, what, LIST, cure);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn work(&mut self, check_left: CheckLeft) -> Result<()> {
        for found in self.list(&self.store.root.join("work"))? {
            if let Some(key) = found.digest(".lock") {
                if !found.metadata.is_file() {
                    self.damaged(&found.path, "is no file", RUN);
                } else if !lock::is_locked(&found.path).unwrap_or(false)
                    && !self.store.work_path(&key).is_dir()
                {
                    self.left_by_killed(&found.path);
                }
                continue;
            }
            let Some(key) = found.digest("") else {
                self.stray(&found.path);
                continue;
            };
            if !found.metadata.is_dir() {
                self.damaged(&found.path, "is no folder", RUN);
                continue;
            }
            // What is written right now is not to be judged.
            if lock::is_locked(&found.path.with_extension("lock")).unwrap_or(false) {
                continue;
            }
            let scratch = self.store.scratch_path(&key);
            self.checkup.left += files_below(&scratch)?.len();
            let steps = Vec::from_iter(step_in(&found.path.join("task.json")));
            for (path, what) in check_left(&scratch) {
                self.damaged(&path, what, RESUME).steps = steps.clone();
            }
        }
        Ok(())
    }
}
