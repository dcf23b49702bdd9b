//! How long steps will take, judged by how long steps of the same kind took.

use std::collections::{BTreeMap, HashMap};

use super::graph::Step;
use nn::device::Backend;
use store::Entry;

/// What earlier runs took.
#[derive(Clone, Debug, Default)]
pub struct Estimates {
    /// Seconds per amount of work: the newest run of each step on each backend.
    steps: HashMap<(String, Option<String>), f64>,
    /// The median over all runs of each kind on each backend.
    kinds: BTreeMap<(String, Option<String>), f64>,
}

impl Estimates {
    /// What these results took, given newest first.
    pub fn of<'a>(results: impl IntoIterator<Item = &'a Entry>) -> Estimates {
        let mut estimates = Estimates::default();
        let mut rates: BTreeMap<(String, Option<String>), Vec<f64>> = BTreeMap::new();
        for entry in results {
            let backend = &entry.backend;
            let threads = if on_cpu(backend.as_deref()) {
                entry.threads
            } else {
                1
            };
            let rate = entry.seconds * threads as f64 / entry.amount.max(1.0);
            let step = (entry.step.clone(), backend.clone());
            estimates.steps.entry(step).or_insert(rate);
            let kind = (entry.kind.clone(), backend.clone());
            rates.entry(kind).or_default().push(rate);
        }
        estimates.kinds = rates
            .into_iter()
            .map(|(kind, mut rates)| {
                rates.sort_by(f64::total_cmp);
                (kind, rates[rates.len() / 2])
            })
            .collect();
        estimates
    }

    /// Fills in what no earlier run tells: steps of this kind take `seconds` per amount of work with
    /// all `cores` at work, or on the GPU.
    pub fn assume(&mut self, kind: &str, backend: &str, seconds: f64, cores: usize) {
        let backend = Some(backend.to_owned());
        let cores = if on_cpu(backend.as_deref()) { cores } else { 1 };
        let kind = (kind.to_owned(), backend);
        self.kinds.entry(kind).or_insert(seconds * cores as f64);
    }

    /// Seconds that a step is expected to take with all cores at work, or on the GPU, where
    /// `backend` computes numeric steps; `None` if no step of its kind ever ran there.
    pub fn seconds(&self, step: &Step, backend: &str, cores: usize) -> Option<f64> {
        let backend = step.params.is_numeric().then(|| backend.to_owned());
        let cores = if on_cpu(backend.as_deref()) { cores } else { 1 };
        let own = self.steps.get(&(step.name.clone(), backend.clone()));
        let rate = own.or_else(|| self.kinds.get(&(step.params.kind().to_owned(), backend)))?;
        Some(rate * step.params.amount().max(1.0) / cores as f64)
    }
}

/// Whether a step shares the cores with others; one that names no backend does.
fn on_cpu(backend: Option<&str>) -> bool {
    let gpu = |other: &Backend| Some(other.name()) == backend && !other.is_cpu();
    !Backend::ALL.iter().any(gpu)
}
