//! Earlier results, whatever their keys: what a rerun is explained against, whether one would do
//! again, and how long it took.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use anyhow::{Context as _, Result};

use super::look::{self, Look, look_at};
use super::stat::Stat;
use super::tree::digest_in;
use super::{Entry, Manifest, Store};
use crate::key::Digest;

/// How many earlier results a rerun is compared with.
const RECENT: usize = 8;

/// All results that there are, newest first.
#[derive(Debug)]
pub(super) struct Results {
    all: Vec<Arc<Entry>>,
    /// Places in `all` by the step's name.
    by_step: HashMap<String, Vec<usize>>,
    /// Places in `all` by the settings' digest.
    by_settings: HashMap<Digest, Vec<usize>>,
}

/// What is left of a step's earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The result that the step's folder shows, then others, newest first; a few at most.
    pub manifests: Vec<Manifest>,
    /// Why the result that the step's folder shows cannot be used, if it cannot.
    pub unusable: Option<String>,
}

impl Store {
    /// Some earlier results of the step with this name, of those that count.
    ///
    /// # Errors
    /// If a folder of the store cannot be read; those of `counts`.
    pub fn earlier(
        &self,
        step: &str,
        counts: &dyn Fn(&Manifest) -> Result<bool>,
    ) -> Result<Earlier> {
        let mut earlier = Earlier::default();
        let shown = self.shown_by(step)?;
        match shown.map(|key| self.read_manifest(&key)).transpose()? {
            Some(Some(Ok(manifest))) if counts(&manifest)? => earlier.manifests.push(manifest),
            Some(Some(Ok(_))) => {}
            Some(Some(Err(error))) => earlier.unusable = Some(format!("{error:#}")),
            Some(None) | None => {}
        }
        for entry in self.results(step)? {
            if earlier.manifests.len() == RECENT {
                break;
            }
            // One that was damaged since is no result any more.
            if Some(entry.key) != shown
                && let Some(manifest) = self.manifest(&entry.key)?
                && counts(&manifest)?
            {
                earlier.manifests.push(manifest);
            }
        }
        Ok(earlier)
    }

    /// The result that the step's folder shows.
    ///
    /// # Errors
    /// If a folder of the store cannot be read.
    pub fn newest(&self, step: &str) -> Result<Option<Manifest>> {
        match self.shown_by(step)? {
            Some(key) => self.manifest(&key),
            None => Ok(None),
        }
    }

    /// Results that there were when any were first asked for, newest first.
    ///
    /// # Errors
    /// If the folder of manifests cannot be read.
    pub fn all_results(&self) -> Result<&[Arc<Entry>]> {
        Ok(&self.found()?.all)
    }

    /// Those of the step with this name.
    ///
    /// # Errors
    /// If the folder of manifests cannot be read.
    pub fn results(&self, step: &str) -> Result<impl Iterator<Item = &Arc<Entry>>> {
        let found = self.found()?;
        let places = found.by_step.get(step).into_iter().flatten();
        Ok(places.map(|&place| &found.all[place]))
    }

    /// Manifests of those that have these settings, under any name.
    ///
    /// # Errors
    /// If a folder of the store cannot be read.
    pub fn with_settings(
        &self,
        settings: &Digest,
    ) -> Result<impl Iterator<Item = Result<Manifest>>> {
        let found = self.found()?;
        let places = found.by_settings.get(settings).into_iter().flatten();
        Ok(places.filter_map(|&place| self.manifest(&found.all[place].key).transpose()))
    }

    fn found(&self) -> Result<&Results> {
        let known = || self.results.get();
        if let Some(results) = known() {
            return Ok(results);
        }
        // One thread reads them, the others wait for it.
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(results) = known() {
            return Ok(results);
        }
        let mut all = self.entries()?;
        all.sort_by(|a, b| (&b.started, b.key).cmp(&(&a.started, a.key)));
        let mut by_step: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_settings: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (place, entry) in all.iter().enumerate() {
            by_step.entry(entry.step.clone()).or_default().push(place);
            by_settings.entry(entry.settings).or_default().push(place);
        }
        Ok(self.results.get_or_init(|| Results {
            all,
            by_step,
            by_settings,
        }))
    }

    /// What every manifest that is there says; only those are read that the index does not know. One that
    /// is damaged says nothing.
    fn entries(&self) -> Result<Vec<Arc<Entry>>> {
        let folder = self.root.join("manifests");
        let mut entries = Vec::new();
        for file in look::entries_if_folder(&self.root, &folder)?
            .into_iter()
            .flatten()
        {
            let file = file.with_context(|| format!("cannot read {}", folder.display()))?;
            let Some(key) = digest_in(&file.path(), ".json") else {
                continue;
            };
            if let Some(entry) = self.index.remembered(&key) {
                entries.push(entry);
                continue;
            }
            let Look::Seen(metadata) = look_at(&self.root, &file.path())? else {
                continue;
            };
            let stat = Stat::of(&metadata);
            if let Some(manifest) = self.manifest(&key)? {
                entries.push(self.note(stat, &manifest));
            }
        }
        Ok(entries)
    }
}
