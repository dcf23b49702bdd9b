//! How a network is trained: batch, optimiser, augmentation and schedule, as plain data.
//!
//! Unaware of networks and of how training is carried out.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::schedule::Schedule;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Images of one optimizer step; what is left at an epoch's end makes a smaller batch.
    pub batch_size: u32,
    /// Momentum, without dampening and not Nesterov's.
    pub momentum: f64,
    /// Weight decay (an L2 penalty's factor) on all parameters.
    pub weight_decay: f64,
    pub augmentation: Augmentation,
    pub schedule: Schedule,
    /// Optimizer steps between two lines of metrics.
    pub evaluate_every: u64,
}

impl Recipe {
    /// Refuses recipes that make no sense.
    ///
    /// # Errors
    /// If a number is out of its range, naming it.
    pub fn check(&self) -> Result<()> {
        ensure!(self.batch_size > 0, "batch size must be at least 1");
        ensure!(
            (0.0..1.0).contains(&self.momentum),
            "momentum {} must be at least 0 and below 1",
            self.momentum
        );
        ensure!(
            self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
            "weight decay {} must not be negative",
            self.weight_decay
        );
        ensure!(
            self.evaluate_every > 0,
            "evaluate every at least 1 iteration"
        );
        ensure!(
            self.augmentation.pad <= 32,
            "padding of {} pixels would leave nothing of an image (at most 32)",
            self.augmentation.pad
        );
        self.schedule.check()
    }
}
