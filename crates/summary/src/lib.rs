//! `summary.json`: every model over its seeds, which `aggregate` writes and `table` reads; and
//! how a handful of measurements is summed up.
//!
//! Unaware of how the numbers come about and of how they are shown.

use serde::{Deserialize, Serialize};

mod spread;

pub use spread::{CONFIDENCE, spread};

/// `summary.json`: every model over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub models: Vec<ModelSummary>,
}

/// One model over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSummary {
    /// The model's name in the pipeline (`resnet20`).
    pub model: String,
    pub layers: u32,
    pub parameters: u64,
    pub multiply_adds: u64,
    /// Optimizer steps of each training.
    pub iterations: u64,
    /// Backends that trained it, without repetition, sorted.
    pub backends: Vec<String>,
    /// Final test error of each seed, in the order of the seeds.
    pub runs: Vec<SeedResult>,
    /// Final test error over the seeds.
    pub test_error: Spread,
    /// Training error over the last window, over the seeds.
    pub train_error: Spread,
    /// Mean over the 3 × 3 layers of the standard deviation of their responses (Fig. 7), over the seeds.
    pub response: Spread,
}

/// The result of one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedResult {
    pub seed: u64,
    pub test_error: f64,
    pub train_error: f64,
    /// Mean over the 3 × 3 layers of the standard deviation of their responses (Fig. 7).
    pub response: f64,
}

/// A sample's moments and range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    pub n: u64,
    pub mean: f64,
    /// Sample standard deviation (divisor n − 1); absent for a single run.
    pub std: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean (Student); absent for a single
    /// run.
    pub half_width: Option<f64>,
    pub min: f64,
    pub max: f64,
}
