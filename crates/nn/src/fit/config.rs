//! What a training is given and what it says: what to train, on which images, where, and who is told
//! of it.
//!
//! Unaware of how training is carried out.

use std::error::Error;
use std::fmt;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::progress::Observation;
use crate::architecture::Architecture;
use crate::checkpoint::Checkpoints;
use crate::device::{BURN_VERSION, Backend};
use crate::recipe::Recipe;
use crate::trained_on::TrainedOn;
use cifar::Images;
use records::{Metrics, Statistics};

/// What to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    pub architecture: Architecture,
    /// Seed of initial weights, shuffling and augmentation.
    pub seed: u64,
    pub recipe: Recipe,
}

/// What to train on and to evaluate with.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    pub train: &'a Images,
    /// Held out from training; may be empty.
    pub validation: &'a Images,
    pub test: &'a Images,
    pub statistics: &'a Statistics,
    /// The labels' names: what files of weights say, and nothing that training depends on.
    pub classes: &'a [String],
}

impl Data<'_> {
    /// What a file of weights says about it.
    pub fn trained_on(&self) -> TrainedOn {
        TrainedOn::new(self.classes, self.statistics)
    }
}

/// What happens outside of training and matters to it, but not to its result.
pub struct TrainEnv<'a> {
    pub backend: Backend,
    /// Where to keep checkpoints, if anywhere.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Once it is set, training stops after the iteration under way, with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Is told about once a second how training goes. Apart from averages, what it is told does not
    /// depend on timing.
    pub observe: &'a mut dyn FnMut(TrainEvent),
}

/// What an observer is told.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainEvent {
    /// A sentence for people.
    Note(String),
    /// An evaluation that has just been made.
    Metrics(Metrics),
    Progress(Observation),
}

/// A training that was asked to stop.
#[derive(Debug)]
pub struct InterruptedTraining {
    /// Optimizer steps done.
    pub iteration: u64,
    /// Whether a checkpoint keeps them.
    pub kept: bool,
}

impl fmt::Display for InterruptedTraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = if self.kept {
            ", from where it goes on"
        } else {
            ""
        };
        write!(f, "interrupted after {} iterations{kept}", self.iteration)
    }
}

impl Error for InterruptedTraining {}

/// What a training's result depends on, but for the code: a checkpoint of one training is of no use
/// to another.
pub fn identity(config: &TrainConfig, data: Data, backend: Backend) -> Value {
    let mut hasher = blake3::Hasher::new();
    for images in [data.train, data.validation, data.test] {
        hasher.update(&(images.len() as u64).to_le_bytes());
        for index in 0..images.len() {
            hasher.update(&[images.label(index)]);
            hasher.update(images.image(index));
        }
    }
    json!({
        "architecture": config.architecture,
        "recipe": config.recipe,
        "seed": config.seed,
        "images": hasher.finalize().to_string(),
        "statistics": data.statistics,
        "backend": format!("{} {BURN_VERSION}", backend.name()),
    })
}
