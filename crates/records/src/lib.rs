//! The records in which steps hand their results on: what training measured, what evaluation
//! found, what the images are. Plain data with a JSON form; every error is in percent.
//!
//! Unaware of how the numbers come about and of how they are shown.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`: the state of a training at one evaluation point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Optimizer steps done.
    pub iteration: u64,
    /// Passes over the training images that were begun, from 0.
    pub epoch: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean cross-entropy over the augmented images since the previous line.
    pub train_loss: f64,
    /// Error on the augmented images since the previous line, in percent.
    pub train_error: f64,
    /// Error on the held-out images, in percent; none are held out where this is absent.
    pub validation_error: Option<f64>,
    /// Error on the test images, in percent.
    pub test_error: f64,
}

/// `training.json`: what was trained, with what, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Weighted layers, 6n + 2.
    pub layers: u32,
    /// Learned parameters, batch norm's scale and shift included.
    pub parameters: u64,
    /// Multiply-adds of one forward pass over one image.
    pub multiply_adds: u64,
    /// Seed of initial weights, shuffling and augmentation.
    pub seed: u64,
    /// Images of the training split that were trained on.
    pub images: u64,
    /// Optimizer steps done.
    pub iterations: u64,
    /// Backend and its version (`flex 0.22.1`).
    pub backend: String,
    /// The last line of the metrics.
    pub last: Metrics,
}

/// `evaluation.json`: the final weights on the test images, once, single view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Test images.
    pub images: u64,
    /// Test images that were classified wrongly.
    pub errors: u64,
    /// `errors / images`, in percent.
    pub test_error: f64,
    /// One record per class, in the order of the labels.
    pub classes: Vec<ClassErrors>,
    /// `confusion[label][prediction]`: number of images.
    pub confusion: Vec<Vec<u64>>,
}

/// How one class fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassErrors {
    pub class: String,
    pub images: u64,
    pub errors: u64,
    /// `errors / images`, in percent; none where there is no image.
    pub test_error: Option<f64>,
}

/// `responses.json`: how strongly the 3 × 3 layers of the final weights respond to the test images (Fig. 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responses {
    /// Test images.
    pub images: u64,
    /// Every 3 × 3 layer, the first one first.
    pub layers: Vec<LayerResponse>,
}

/// How strongly one layer responds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerResponse {
    /// The layer's batch normalisation (`layer1.0.bn1`), whose output is the response.
    pub layer: String,
    /// Standard deviation (divisor N) over all images, channels and pixels, before ReLU and addition.
    pub std: f64,
}

impl Responses {
    /// The mean of the layers' standard deviations; none without layers.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.layers.iter().map(|layer| layer.std).sum();
        (!self.layers.is_empty()).then(|| sum / self.layers.len() as f64)
    }
}

/// `statistics.json`: per-channel moments of the training split's pixels scaled to [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Mean of R, G, B over all training images, those that were drawn to be held out included.
    pub mean: [f64; 3],
    /// Population standard deviation (divisor N) of R, G, B over the same images.
    pub std: [f64; 3],
}

/// `dataset.json`: what the images are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// SHA-256 of the archive that the images come from.
    pub archive_sha256: String,
    /// Images to train on.
    pub train: u64,
    /// Held-out images: drawn from the training images, or given in a folder of their own.
    pub validation: u64,
    pub test: u64,
}

/// Reads `metrics.jsonl`.
///
/// # Errors
/// If a line is not a [`Metrics`] record, with the line's number.
pub fn parse_metrics(text: &str, path: &Path) -> Result<Vec<Metrics>> {
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), number + 1))
        })
        .collect()
}
