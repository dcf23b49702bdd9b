//! What an observer is told about a training that goes on. Unaware of networks and of who observes.

use std::time::{Duration, Instant};

use crate::recipe::Recipe;
use crate::tally::Tally;
use records::Metrics;

/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How far a training is.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub iteration: u64,
    pub iterations: u64,
    /// Images trained on per second since the last observation.
    pub images_per_second: f64,
    /// Time to the end at that pace, evaluations aside.
    pub seconds_left: f64,
    /// Mean cross-entropy since the last observation.
    pub loss: f64,
    /// Training error since the last observation, in percent.
    pub train_error: f64,
    /// Test error of the last evaluation, in percent.
    pub test_error: Option<f64>,
}

/// Collects what the next observation says. Time decides when that is, and nothing else.
pub struct ProgressMeter {
    iterations: u64,
    batch_size: u32,
    last: Instant,
    pub tally: Tally,
}

impl ProgressMeter {
    pub fn new(recipe: &Recipe) -> ProgressMeter {
        ProgressMeter {
            iterations: recipe.schedule.iterations,
            batch_size: recipe.batch_size,
            last: Instant::now(),
            tally: Tally::default(),
        }
    }

    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= REPORT_EVERY
    }

    pub fn take(&mut self, iteration: u64, last: Option<&Metrics>) -> Observation {
        let seconds = self.last.elapsed().as_secs_f64().max(1e-9);
        let images_per_second = self.tally.images as f64 / seconds;
        let images_left = (self.iterations - iteration) as f64 * f64::from(self.batch_size);
        let observation = Observation {
            iteration,
            iterations: self.iterations,
            images_per_second,
            seconds_left: images_left / images_per_second.max(1e-9),
            loss: self.tally.loss(),
            train_error: self.tally.error(),
            test_error: last.map(|metrics| metrics.test_error),
        };
        (self.last, self.tally) = (Instant::now(), Tally::default());
        observation
    }
}
