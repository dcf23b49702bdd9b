//! How trainings under way have fared so far: the evaluations in their newest checkpoints or snapshots, and
//! those that they have noted since.
//!
//! Unaware of the store and of who trains.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::steps::Params;
use nn::checkpoint::Checkpoint;
use records::Metrics;
use store::key::Digest;

/// The evaluations of trainings, by their keys.
#[derive(Debug, Default)]
pub struct Curves(BTreeMap<Digest, Curve>);

/// The evaluations of one training, and where they were read.
#[derive(Debug, Default)]
struct Curve {
    metrics: Vec<Metrics>,
    /// The checkpoint or snapshot.
    state: Option<PathBuf>,
    /// Bytes of the notes.
    noted: u64,
}

impl Curves {
    /// The evaluations of a training with this scratch folder, which a process may be writing to. What has not
    /// grown is not read again; what cannot be read says no more than was known.
    pub fn of(&mut self, key: &Digest, params: &Params, scratch: &Path) -> &[Metrics] {
        let curve = self.0.entry(*key).or_default();
        if let Some((_, path)) = params.newest_state(scratch)
            && curve.state.as_ref() != Some(&path)
            && let Ok(checkpoint) = Checkpoint::read(&path)
        {
            curve.add(checkpoint.progress.metrics);
            curve.state = Some(path);
        }
        let notes = scratch.join(train::SO_FAR);
        let length = fs::metadata(&notes).map_or(0, |found| found.len());
        if length != curve.noted
            && let Ok(text) = fs::read_to_string(&notes)
        {
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            curve.add(lines.collect());
            curve.noted = length;
        }
        &curve.metrics
    }

    /// Forgets all trainings but these.
    pub fn retain(&mut self, is_under_way: impl Fn(&Digest) -> bool) {
        self.0.retain(|key, _| is_under_way(key));
    }
}

impl Curve {
    /// Adds evaluations. Of an iteration there is one, whichever run came to it: the key is the same.
    fn add(&mut self, more: Vec<Metrics>) {
        self.metrics.extend(more);
        self.metrics.sort_by_key(|metrics| metrics.iteration);
        self.metrics.dedup_by_key(|metrics| metrics.iteration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Graph;

    const TINY: &str = include_str!("../../tests/pipelines/tiny.ron");

    #[test]
    fn evaluations_are_those_that_were_noted_each_once_and_whole() {
        let pipeline = Pipeline::parse(TINY, "tiny.ron").unwrap();
        let graph = Graph::of(pipeline.experiment(None).unwrap()).unwrap();
        let step = graph.step(graph.named("train/plain8/seed0").unwrap());
        let folder = testing::folder();
        let line = |iteration: u64| {
            format!(
                "{{\"iteration\":{iteration},\"epoch\":0,\"learning_rate\":0.1,\"train_loss\":2.3,\
                 \"train_error\":90.0,\"validation_error\":null,\"test_error\":88.5}}\n"
            )
        };
        let mut curves = Curves::default();
        let mut after = |text: &str| -> Vec<u64> {
            fs::write(folder.path().join(train::SO_FAR), text).unwrap();
            let metrics = curves.of(&Digest::of(b"key"), &step.params, folder.path());
            metrics.iter().map(|metrics| metrics.iteration).collect()
        };
        let mut text = line(2) + &line(4);
        assert_eq!(after(&text), [2, 4]);
        // Gone on from a checkpoint before 4.
        text += &line(4);
        assert_eq!(after(&text), [2, 4]);
        text += &line(6)[..20];
        assert_eq!(after(&text), [2, 4]);
        text += &line(6)[20..];
        assert_eq!(after(&text), [2, 4, 6]);
    }
}
