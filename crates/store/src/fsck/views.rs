//! Holds the links that show results to people against the results.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::check::{Check, LINK};
use super::{Cure, Harm};
use crate::Entry;
use crate::views::{SHOWN, key_behind, step_below};

impl Check<'_> {
    /// Whether the links in a folder, which is that of this step, and below it show what they should.
    ///
    /// # Errors
    /// If one of the folders is there and cannot be used.
    pub(super) fn views(&mut self, folder: &Path, step: &str) -> Result<()> {
        let found = self.list(folder)?;
        let (folders, files): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.metadata.is_dir());
        for below in folders {
            let step = step_below(step, below.name());
            self.views(&below.path, &step)?;
        }
        if files.is_empty() {
            return Ok(());
        }
        self.checkup.views += 1;
        let steps = vec![step.to_owned()];
        let key = key_behind(&folder.join(SHOWN));
        // Results may have been added since the others were read.
        let manifest = key.and_then(|key| match self.manifests.get(&key) {
            Some(manifest) => Some(manifest.clone()),
            None if self.broken.contains(&key) => None,
            None => self.store.manifest(&key).ok().flatten(),
        });
        let Some(manifest) = manifest else {
            let outputs = files
                .iter()
                .filter(|file| file.name() != "log" || !file.path.exists());
            let known = key.is_some_and(|key| self.broken.contains(&key));
            if outputs.count() > 0 {
                let cure = Cure::Hide;
                let what = match key {
                    Some(key) => format!("shows the result {}, which is not there", key.short()),
                    None => "does not say which result it shows".to_owned(),
                };
                let finding = self.find(folder, what, LINK, cure);
                finding.steps = steps;
                if known {
                    // Follows from what was said of the manifest.
                    finding.what = "shows a result that is damaged".to_owned();
                    finding.harm = Harm::Note;
                }
            }
            return Ok(());
        };
        let mut wrong = Vec::new();
        for (name, output) in &manifest.outputs {
            let right = (self.store).link_to(step, &self.store.object_path(&output.digest));
            if !fs::read_link(folder.join(name)).is_ok_and(|found| found == right) {
                wrong.push(name.as_str());
            }
        }
        if key_behind(&folder.join("log")).is_none() {
            wrong.push("log");
        }
        if !wrong.is_empty() {
            let what = format!("{} does not lead where it should", wrong.join(", "));
            let entry = Arc::new(Entry::from(&manifest));
            let cure = Cure::Show(step.to_owned(), entry);
            self.find(folder, what, LINK, cure).steps = steps;
        }
        for file in files {
            let name = file.name();
            if name != "log" && name != SHOWN && !manifest.outputs.contains_key(name) {
                self.stray(&file.path);
            }
        }
        Ok(())
    }
}
