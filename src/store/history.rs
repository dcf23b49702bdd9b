//! Earlier results of a step, whatever their keys: what a rerun is explained against, and how long
//! it took.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use super::index::Stat;
use super::{Entry, Manifest, Store, look_at};
use crate::key::Digest;

/// Of how many earlier results the manifests are read.
const RECENT: usize = 8;

/// Results by the step's name, newest first.
pub(super) type Results = HashMap<String, Vec<Arc<Entry>>>;

/// What is left of a step's earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The result that the step's folder shows, then others, newest first; a few at most.
    pub manifests: Vec<Manifest>,
    /// Why the result that the step's folder shows cannot be used, if it cannot.
    pub unusable: Option<String>,
}

impl Store {
    /// The newest earlier results of the step with this name.
    pub fn earlier(&self, step: &str) -> Earlier {
        let mut earlier = Earlier::default();
        let shown = self.shown(step);
        match shown.map(|key| self.manifest(&key)) {
            Some(Ok(Some(manifest))) => earlier.manifests.push(manifest),
            Some(Err(error)) => earlier.unusable = Some(format!("{error:#}")),
            Some(Ok(None)) | None => {}
        }
        let others = self.results(step).iter().map(|entry| entry.key);
        let others = others.filter(|key| Some(*key) != shown);
        // What cannot be read any more is no result.
        let others = others.filter_map(|key| self.manifest(&key).ok().flatten());
        earlier.manifests.extend(others.take(RECENT - 1));
        earlier
    }

    /// The result that the step's folder shows.
    pub fn newest(&self, step: &str) -> Option<Manifest> {
        self.manifest(&self.shown(step)?).ok().flatten()
    }

    /// Results of the step with this name when they were first asked for, newest first.
    pub fn results(&self, step: &str) -> &[Arc<Entry>] {
        self.all_results().get(step).map_or(&[], Vec::as_slice)
    }

    /// All results when they were first asked for, by the step's name.
    pub fn all_results(&self) -> &HashMap<String, Vec<Arc<Entry>>> {
        self.results.get_or_init(|| {
            let mut results = Results::new();
            for entry in self.entries() {
                results.entry(entry.step.clone()).or_default().push(entry);
            }
            for entries in results.values_mut() {
                entries.sort_by(|a, b| (&b.started, b.key).cmp(&(&a.started, a.key)));
            }
            results
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
                let stat = Stat::of(&look_at(&file.path()).ok()??);
                let entry = Arc::new(Entry::from(&self.manifest(&key).ok()??));
                self.index.note_result(stat, entry.clone());
                Some(entry)
            })
            .collect()
    }

    /// The key of the result that the step's folder shows.
    fn shown(&self, step: &str) -> Option<Digest> {
        let target = fs::read_link(self.step_folder(step).join("manifest.json")).ok()?;
        target.file_stem()?.to_str()?.parse().ok()
    }
}
