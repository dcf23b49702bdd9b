//! Holds the links that show results to people against the results.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::check::{Check, LINK, LOOK};
use super::{Cure, Harm};
use crate::key::Digest;
use crate::tree::{key_in, list};
use crate::{Entry, SHOWN};

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
        let shown = fs::read_link(folder.join(SHOWN)).ok();
        let key = shown.as_deref().and_then(key_in);
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
        let up = "../".repeat(step.split('/').count() + 1);
        let mut wrong = Vec::new();
        for (name, output) in &manifest.outputs {
            let object = self.store.object_path(&output.digest);
            let object = object
                .strip_prefix(&self.store.root)
                .unwrap_or(&object)
                .to_owned();
            let found = fs::read_link(folder.join(name)).ok();
            if found != Some(Path::new(&up).join(object)) {
                wrong.push(name.clone());
            }
        }
        let log = fs::read_link(folder.join("log")).ok();
        if log.as_deref().and_then(key_in).is_none() {
            wrong.push("log".to_owned());
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
                self.note(&file.path, "does not belong here", LOOK);
            }
        }
        Ok(())
    }
}

/// Adds the steps whose folders lie in this one, which is that of `step`, by the keys that they show.
pub(super) fn steps_by_key(folder: &Path, step: &str, steps: &mut HashMap<Digest, String>) {
    let shown = fs::read_link(folder.join(SHOWN)).ok();
    if let Some(key) = shown.as_deref().and_then(key_in) {
        steps.insert(key, step.to_owned());
    }
    for below in list(folder).unwrap_or_default() {
        if below.metadata.is_dir() {
            steps_by_key(&below.path, &step_below(step, below.name()), steps);
        }
    }
}

/// The step or group of steps whose folder has this name in that of another.
fn step_below(step: &str, name: &str) -> String {
    match step {
        "" => name.to_owned(),
        step => format!("{step}/{name}"),
    }
}
