//! How a network is trained: batch, optimiser, augmentation and schedule, as plain data.
//!
//! Unaware of networks and of how training is carried out.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::schedule::{LrSchedule, WarmUp};

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
    pub schedule: LrSchedule,
    /// Optimizer steps between two lines of metrics.
    pub evaluate_every: u64,
}

impl Recipe {
    /// The recipe of He et al. 2015, section 4.2, for a net of `layers` layers: batches of 128,
    /// momentum 0.9, weight decay 0.0001, and a rate (theirs is 0.1) that is divided by 10 at a half
    /// and at three quarters of the iterations (32k and 48k of 64k). From 110 layers on it starts at
    /// a tenth of that rate, until the training error is below 80 %.
    pub fn paper(layers: u32, iterations: u64, learning_rate: f64) -> Recipe {
        // Where there are too few iterations for three stages, there are fewer stages.
        let mut milestones = vec![iterations / 2, iterations - iterations / 4];
        milestones.retain(|&milestone| (1..iterations).contains(&milestone));
        milestones.dedup();
        Recipe {
            batch_size: 128,
            momentum: 0.9,
            weight_decay: 1e-4,
            augmentation: Augmentation { pad: 4, flip: true },
            schedule: LrSchedule {
                learning_rate,
                milestones,
                factor: 10.0,
                iterations,
                warm_up: match layers {
                    110.. => WarmUp::UntilError {
                        learning_rate: learning_rate / 10.0,
                        train_error: 80.0,
                    },
                    _ => WarmUp::None,
                },
            },
            evaluate_every: 1000,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_recipe_is_that_of_the_pipeline_file() {
        let pipeline = include_str!("../../../pipeline.ron");
        let recipe = Recipe::paper(20, 64_000, 0.1);
        let said = [
            format!("batch_size: {}", recipe.batch_size),
            format!("learning_rate: {}", recipe.schedule.learning_rate),
            format!("divide_at: {:?}", recipe.schedule.milestones),
            format!("divide_by: {:?}", recipe.schedule.factor),
            format!("iterations: {}", recipe.schedule.iterations),
            format!("momentum: {}", recipe.momentum),
            format!("weight_decay: {}", recipe.weight_decay),
            format!("pad: {}", recipe.augmentation.pad),
            format!("flip: {}", recipe.augmentation.flip),
            format!("evaluate_every: {}", recipe.evaluate_every),
        ];
        for line in said {
            assert!(pipeline.contains(&line), "{line}");
        }
        assert_eq!(recipe.schedule.warm_up, WarmUp::None);
        let warm_up = WarmUp::UntilError {
            learning_rate: 0.01,
            train_error: 80.0,
        };
        assert_eq!(Recipe::paper(110, 64_000, 0.1).schedule.warm_up, warm_up);
        for iterations in 1..10 {
            let recipe = Recipe::paper(20, iterations, 0.1);
            assert!(recipe.check().is_ok(), "{iterations}");
            assert!(!recipe.schedule.milestones.contains(&0), "{iterations}");
        }
    }

    #[test]
    fn recipes_out_of_range_are_refused_by_name() {
        let said = |edit: fn(&mut Recipe)| {
            let mut recipe = Recipe::paper(20, 64_000, 0.1);
            edit(&mut recipe);
            recipe.check().unwrap_err().to_string()
        };
        assert!(said(|recipe| recipe.batch_size = 0).contains("batch size"));
        assert!(said(|recipe| recipe.momentum = 1.0).contains("momentum 1"));
        assert!(said(|recipe| recipe.weight_decay = -0.1).contains("weight decay -0.1"));
        assert!(said(|recipe| recipe.evaluate_every = 0).contains("evaluate every"));
        assert!(said(|recipe| recipe.augmentation.pad = 33).contains("33 pixels"));
        assert!(said(|recipe| recipe.schedule.learning_rate = 0.0).contains("learning rate 0"));
    }
}
