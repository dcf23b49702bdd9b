//! How trainings under way have fared so far: the evaluations in their newest checkpoints or snapshots.
//!
//! Unaware of the store and of who trains.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::steps::Params;
use nn::checkpoint::Checkpoint;
use records::Metrics;
use store::key::Digest;

/// The evaluations of trainings, by their keys, each with the file that they were read from.
#[derive(Debug, Default)]
pub struct Curves(BTreeMap<Digest, (PathBuf, Vec<Metrics>)>);

impl Curves {
    /// The evaluations of a training with this scratch folder, which a process may be writing to. A file is
    /// read once; one that cannot be read says no more than was known.
    pub fn of(&mut self, key: &Digest, params: &Params, scratch: &Path) -> &[Metrics] {
        if let Some((_, path)) = params.newest_state(scratch) {
            let known = self.0.get(key).is_some_and(|(known, _)| *known == path);
            if !known && let Ok(checkpoint) = Checkpoint::read(&path) {
                self.0.insert(*key, (path, checkpoint.progress.metrics));
            }
        }
        self.0.get(key).map_or(&[], |(_, metrics)| metrics)
    }

    /// Forgets all trainings but these.
    pub fn retain(&mut self, is_under_way: impl Fn(&Digest) -> bool) {
        self.0.retain(|key, _| is_under_way(key));
    }
}
