//! Loss and error of trained images: read back from the device, and summed up.
//!
//! Unaware of what is done with the sums.

use anyhow::Result;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::classification::{argmax, percent};
use super::finite::NotFinite;
use super::transfers::read_all;
use cifar::CLASSES;

/// Sums over a number of trained images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Images seen.
    pub images: u64,
    /// Images that were classified wrongly.
    pub errors: u64,
    /// Sum of cross-entropies, in nats.
    pub losses: f64,
}

impl Tally {
    /// Adds the images of another tally.
    pub fn add(&mut self, other: &Tally) {
        self.images += other.images;
        self.errors += other.errors;
        self.losses += other.losses;
    }

    /// Mean cross-entropy, in nats; 0 where there are no images.
    pub fn loss(&self) -> f64 {
        match self.images {
            0 => 0.0,
            images => self.losses / images as f64,
        }
    }

    /// Share of wrongly classified images, in percent; 0 where there are none.
    pub fn error(&self) -> f64 {
        percent(self.errors, self.images)
    }
}

/// An iteration whose outcome still lies on the device.
pub struct Outcome {
    /// Counted from 0.
    pub iteration: u64,
    /// The rate that the iteration's step was taken with.
    pub learning_rate: f64,
    /// `[images, 10]`, before the step.
    pub logits: Tensor<2>,
    /// One for each image.
    pub labels: Vec<u8>,
}

impl Outcome {
    /// Loss and error of the images of each of these iterations, with one wait for the device.
    ///
    /// # Errors
    /// [`NotFinite`] if a loss is infinite or no number; if the logits cannot be read back.
    pub fn read(outcomes: &[Outcome]) -> Result<Vec<Tally>> {
        let logits = outcomes.iter().map(|outcome| outcome.logits.clone());
        let logits = read_all(logits.collect())?;
        let tallies = outcomes.iter().zip(&logits);
        tallies
            .map(|(outcome, logits)| outcome.tally(logits))
            .collect()
    }

    fn tally(&self, logits: &[f32]) -> Result<Tally> {
        let mut tally = Tally::default();
        for (logits, &label) in logits.chunks_exact(CLASSES).zip(&self.labels) {
            tally.images += 1;
            tally.errors += u64::from(argmax(logits) != label);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponentials = logits.iter().map(|x| f64::from(x - largest).exp());
            let normaliser: f64 = exponentials.sum();
            tally.losses += normaliser.ln() - f64::from(logits[usize::from(label)] - largest);
        }
        if !tally.losses.is_finite() {
            let said = format!(
                "the loss is {} at iteration {} with learning rate {:?}",
                tally.loss(),
                self.iteration,
                self.learning_rate
            );
            return Err(NotFinite(said).into());
        }
        Ok(tally)
    }
}
