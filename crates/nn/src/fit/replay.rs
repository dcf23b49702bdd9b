//! A part of a training once more, from a state that it has left: what it takes to see whether today's
//! code computes the same.
//!
//! Compares nothing.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{Data, TrainConfig, TrainEnv};
use super::{Trained, Training, check, identity};
use crate::checkpoint::{Checkpoint, TrainProgress};
use crate::trace::{Stretch, Trace};
use records::Metrics;

/// What a stretch of a training gives today.
pub struct Replayed {
    /// States of the stretch, and what the snapshot had before it.
    pub trace: Trace,
    /// Likewise.
    pub metrics: Vec<Metrics>,
    /// The finished training, if the stretch goes to its end.
    pub trained: Option<Trained>,
}

/// Computes a stretch of a training again, from the snapshot at its beginning or, at iteration 0, from
/// the first draw. Checkpoints are neither read nor written.
///
/// # Errors
/// [`super::InterruptedTraining`] once `stop` is set. If the snapshot is damaged, of another training or of
/// another iteration, or the stretch is none of this training; as [`super::fit`].
pub fn replay(
    config: &TrainConfig,
    data: Data,
    stretch: Stretch,
    snapshot: Option<&Path>,
    env: &mut TrainEnv,
) -> Result<Replayed> {
    check(config, data)?;
    let iterations = config.recipe.schedule.iterations;
    ensure!(
        stretch.from < stretch.to && stretch.to <= iterations,
        "{stretch} are no part of a training of {iterations}"
    );
    let identity = identity(config, data, env.backend);
    let read = |path: &Path| -> Result<Checkpoint> {
        let found = Checkpoint::read(path).and_then(|found| found.of(&identity));
        found.with_context(|| format!("the snapshot {}", path.display()))
    };
    let mut start = snapshot.map(read).transpose()?;
    let from = start.as_ref().map_or(0, |start| start.progress.iteration);
    ensure!(
        from == stretch.from,
        "the snapshot is of iteration {from}, not of {}",
        stretch.from
    );
    if let Some(start) = &mut start {
        only_what_came_before(start);
    }
    let mut training = Training::after(config, data, env.backend, identity, start)?;
    training.stretch = stretch;
    env.checkpoints = None;
    training
        .run(env)
        .map_err(|error| training.explain(error, None))?;
    Ok(Replayed {
        trace: training.progress.trace.clone(),
        metrics: training.progress.metrics.clone(),
        trained: (stretch.to == iterations).then(|| training.finished()),
    })
}

/// Takes out of a snapshot whatever it says of its own state and of what follows: that is to be computed,
/// and a forged one may say anything.
fn only_what_came_before(snapshot: &mut Checkpoint) {
    let from = snapshot.progress.iteration;
    let own = snapshot.state_digest();
    let TrainProgress { trace, metrics, .. } = &mut snapshot.progress;
    metrics.retain(|line| line.iteration <= from);
    trace.states.split_off(&from);
    trace.states.insert(from, own);
    trace.norms.split_off(&(from + 1));
    trace.snapshots.split_off(&(from + 1));
    trace.learning_rates.retain(|(at, _)| *at < from);
}
