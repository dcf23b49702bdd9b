//! Earlier results, whatever their keys: what a rerun is explained against, whether one would do
//! again, and how long it took.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use super::index::Stat;
use super::{Entry, Manifest, SHOWN, Store};
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
    /// Some earlier results of the step with this name.
    pub fn earlier(&self, step: &str) -> Earlier {
        let mut earlier = Earlier::default();
        let shown = self.shown_by(step);
        match shown.map(|key| self.read_manifest(&key)) {
            Some(Ok(Some(Ok(manifest)))) => earlier.manifests.push(manifest),
            Some(Ok(Some(Err(error))) | Err(error)) => {
                earlier.unusable = Some(format!("{error:#}"));
            }
            Some(Ok(None)) | None => {}
        }
        let others = self.results(step).map(|entry| entry.key);
        let others = others.filter(|key| Some(*key) != shown);
        // What cannot be read any more is no result.
        let others = others.filter_map(|key| self.manifest(&key));
        earlier.manifests.extend(others.take(RECENT - 1));
        earlier
    }

    /// The result that the step's folder shows.
    pub fn newest(&self, step: &str) -> Option<Manifest> {
        self.manifest(&self.shown_by(step)?)
    }

    /// Results that there were when any were first asked for, newest first.
    pub fn all_results(&self) -> &[Arc<Entry>] {
        &self.found().all
    }

    /// Those of the step with this name.
    pub fn results(&self, step: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let found = self.found();
        let places = found.by_step.get(step).into_iter().flatten();
        places.map(|&place| &found.all[place])
    }

    /// Manifests of those that have these settings, under any name.
    pub fn with_settings(&self, settings: &Digest) -> impl Iterator<Item = Manifest> {
        let found = self.found();
        let places = found.by_settings.get(settings).into_iter().flatten();
        places.filter_map(|&place| self.manifest(&found.all[place].key))
    }

    fn found(&self) -> &Results {
        self.results.get_or_init(|| {
            let mut all = self.entries();
            all.sort_by(|a, b| (&b.started, b.key).cmp(&(&a.started, a.key)));
            let mut by_step: HashMap<String, Vec<usize>> = HashMap::new();
            let mut by_settings: HashMap<Digest, Vec<usize>> = HashMap::new();
            for (place, entry) in all.iter().enumerate() {
                by_step.entry(entry.step.clone()).or_default().push(place);
                by_settings.entry(entry.settings).or_default().push(place);
            }
            Results {
                all,
                by_step,
                by_settings,
            }
        })
    }

    /// What every manifest that is there says; only those are read that the index does not know.
    fn entries(&self) -> Vec<Arc<Entry>> {
        let files = fs::read_dir(self.root.join("manifests"));
        let names = files.into_iter().flatten().flatten();
        names
            .filter_map(|file| {
                let name = file.file_name();
                let key: Digest = name.to_str()?.strip_suffix(".json")?.parse().ok()?;
                if let Some(entry) = self.index.remembered(&key) {
                    return Some(entry);
                }
                let stat = Stat::of(&fs::metadata(file.path()).ok()?);
                let entry = Arc::new(Entry::from(&self.manifest(&key)?));
                self.index.note_result(stat, entry.clone());
                Some(entry)
            })
            .collect()
    }

    /// The key of the result that the step's folder shows.
    fn shown_by(&self, step: &str) -> Option<Digest> {
        let target = fs::read_link(self.step_folder(step).join(SHOWN)).ok()?;
        target.file_stem()?.to_str()?.parse().ok()
    }
}
