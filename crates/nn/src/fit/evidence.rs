//! What a training under way notes for those who compute a part of it again: digests of its state,
//! and snapshots.
//!
//! Unaware of where snapshots are kept.

use anyhow::Result;

use super::Training;
use crate::checkpoint::Checkpoints;
use crate::trace;

impl Training<'_> {
    /// Whether the metrics have a line after the last iteration.
    pub(super) fn is_evaluated(&self) -> bool {
        let (done, recipe) = (self.progress.iteration, &self.config.recipe);
        let ended = done == recipe.schedule.iterations;
        done > 0 && (done.is_multiple_of(recipe.evaluate_every) || ended)
    }

    /// Whether the trace has the state after the last iteration.
    pub(super) fn is_traced(&self) -> bool {
        self.is_snapshot() || self.is_evaluated() || self.in_window().is_some()
    }

    /// Whether a snapshot is taken after the last iteration.
    fn is_snapshot(&self) -> bool {
        let done = self.progress.iteration;
        let ended = self.scheduler.warm_up().ended_after();
        let last = self.config.recipe.schedule.iterations;
        self.snapshots.contains(&done) || (ended == Some(done) && done < last)
    }

    /// Iterations since the snapshot whose window the last iteration belongs to.
    fn in_window(&self) -> Option<u64> {
        let done = self.progress.iteration;
        let taken = self.progress.trace.snapshots.range(..=done);
        let since = done - taken.last().copied().unwrap_or(0);
        (since <= self.config.recipe.snapshots.window).then_some(since)
    }

    /// Notes the state after the last iteration, if the trace has it, and keeps it, if it is a snapshot's.
    /// Everything else that is done after an iteration must be done.
    pub(super) fn note_state(&mut self, checkpoints: Option<&Checkpoints>) -> Result<()> {
        if !self.is_traced() {
            return Ok(());
        }
        let mut state = self.checkpoint()?;
        let (done, is_snapshot) = (self.progress.iteration, self.is_snapshot());
        let trace = &mut self.progress.trace;
        trace.states.insert(done, state.state_digest());
        if is_snapshot {
            trace.snapshots.insert(done);
        }
        let mut windows = trace.windows(&self.config.recipe).into_iter();
        if windows.any(|window| done == window.from + 1 || done == window.to) {
            let tensors = state.tensors();
            trace.norms.insert(done, trace::norms(&tensors));
            trace.tensors = tensors.into_keys().collect();
        }
        match checkpoints {
            Some(checkpoints) if is_snapshot => {
                state.progress.trace = trace.clone();
                checkpoints.keep(&state)
            }
            _ => Ok(()),
        }
    }
}
