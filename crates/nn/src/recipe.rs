//! How a network is trained: batch, optimiser, augmentation and schedule, as plain data.
//!
//! Unaware of networks and of how training is carried out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::schedule::{LrSchedule, WarmUp};
use super::snapshots::Snapshots;

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
    /// What is kept of the way, for those who compute parts of it again.
    pub snapshots: Snapshots,
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
        let schedule = LrSchedule {
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
        };
        Recipe {
            batch_size: 128,
            momentum: 0.9,
            weight_decay: 1e-4,
            augmentation: Augmentation { pad: 4, flip: true },
            snapshots: Snapshots::fitting(&schedule, None),
            schedule,
            evaluate_every: 1000,
        }
    }

    /// Refuses recipes that make no sense; the one place that knows the limits.
    ///
    /// # Errors
    /// The first number that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let schedule = &self.schedule;
        at_least_1("batch_size", self.batch_size.into())?;
        at_least_1("iterations", schedule.iterations)?;
        at_least_1("evaluate_every", self.evaluate_every)?;
        let rate = schedule.learning_rate;
        within("learning_rate", rate, rate > 0.0, "above 0")?;
        let factor = schedule.factor;
        within("factor", factor, factor >= 1.0, "at least 1")?;
        let momentum = self.momentum;
        let fits = (0.0..1.0).contains(&momentum);
        within("momentum", momentum, fits, "from 0 to below 1")?;
        let decay = self.weight_decay;
        within("weight_decay", decay, decay >= 0.0, "at least 0")?;
        let pad = self.augmentation.pad;
        if pad > LARGEST_PAD {
            let expected = format!("at most {LARGEST_PAD} pixels");
            return Err(OutOfRange::new("pad", expected, pad));
        }
        let mut before = 0;
        for (index, &milestone) in schedule.milestones.iter().enumerate() {
            if milestone <= before || milestone >= schedule.iterations {
                let last = schedule.iterations;
                let expected = format!("an iteration above {before} and below {last}");
                let wrong = OutOfRange::new("milestones", expected, milestone);
                return Err(OutOfRange {
                    index: Some(index),
                    ..wrong
                });
            }
            before = milestone;
        }
        let rate = |rate: f64| within("warm_up.learning_rate", rate, rate > 0.0, "above 0");
        match schedule.warm_up {
            WarmUp::None => {}
            WarmUp::Iterations { learning_rate, .. } => rate(learning_rate)?,
            WarmUp::UntilError {
                learning_rate,
                train_error: error,
            } => {
                rate(learning_rate)?;
                let fits = error > 0.0 && error < 100.0;
                let expected = "a percentage between 0 and 100";
                within("warm_up.train_error", error, fits, expected)?;
            }
        }
        self.snapshots.check(schedule)
    }
}

/// More padding would leave nothing of an image of 32 by 32 pixels.
const LARGEST_PAD: u32 = 32;

/// A number of a [`Recipe`] that is out of its range.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfRange {
    /// The field's name (`batch_size`, `warm_up.learning_rate`), without that of the struct that it
    /// is in.
    pub field: &'static str,
    /// The place in the field's list, if it is one.
    pub index: Option<usize>,
    /// What the number must be (`at least 1`).
    pub expected: String,
    pub found: String,
}

impl OutOfRange {
    pub(super) fn new(
        field: &'static str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> OutOfRange {
        OutOfRange {
            field,
            index: None,
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace('_', " ").replace('.', "'s ");
        let OutOfRange {
            expected, found, ..
        } = self;
        write!(f, "{field} must be {expected}, found {found}")
    }
}

impl std::error::Error for OutOfRange {}

fn at_least_1(field: &'static str, value: u64) -> Result<(), OutOfRange> {
    match value {
        0 => Err(OutOfRange::new(field, "at least 1", 0)),
        _ => Ok(()),
    }
}

fn within(field: &'static str, value: f64, fits: bool, expected: &str) -> Result<(), OutOfRange> {
    match (value.is_finite(), fits) {
        (true, true) => Ok(()),
        (true, false) => Err(OutOfRange::new(field, expected, value)),
        (false, _) => {
            let expected = format!("a finite number {expected}");
            Err(OutOfRange::new(field, expected, value))
        }
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
        let batch = said(|recipe| recipe.batch_size = 0);
        assert_eq!(batch, "batch size must be at least 1, found 0");
        assert!(
            said(|recipe| recipe.momentum = 1.0).contains("momentum must be from 0 to below 1")
        );
        assert!(
            said(|recipe| recipe.weight_decay = -0.1).contains("weight decay must be at least 0")
        );
        assert!(
            said(|recipe| recipe.weight_decay = f64::NAN).contains("a finite number at least 0")
        );
        assert!(said(|recipe| recipe.evaluate_every = 0).contains("evaluate every"));
        assert!(
            said(|recipe| recipe.augmentation.pad = 33).contains("at most 32 pixels, found 33")
        );
        assert!(said(|recipe| recipe.schedule.learning_rate = 0.0).contains("learning rate"));
        assert!(said(|recipe| recipe.schedule.factor = 0.5).contains("factor must be at least 1"));
        let ascending = said(|recipe| recipe.schedule.milestones = vec![2, 1]);
        let expected = "milestones must be an iteration above 2 and below 64000, found 1";
        assert_eq!(ascending, expected);
        let error = said(|recipe| {
            recipe.schedule.warm_up = WarmUp::UntilError {
                learning_rate: 0.01,
                train_error: 100.0,
            }
        });
        assert!(error.starts_with("warm up's train error must be a percentage"));
    }
}
