//! Trains one network with one seed. The work is done in `nn`; this maps files to it and back.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Context, Progress};
use crate::cifar::Images;
use crate::nn::checkpoint::Checkpoints;
use crate::nn::device::{BURN_VERSION, Backend};
use crate::nn::fit::{Data, Sight, Subject, Surroundings, fit};
use crate::nn::recipe::Recipe;
use crate::nn::resnet::Architecture;
use crate::nn::weights;
use crate::results::Training;

/// What a training depends on beside its input files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    pub architecture: Architecture,
    /// Seed of initial weights, shuffling and augmentation.
    pub seed: u64,
    pub recipe: Recipe,
}

/// The files that [`run`] writes.
pub const OUTPUTS: &[&str] = &["metrics.jsonl", "weights.safetensors", "training.json"];

/// Trains, and returns one line for people.
///
/// Inputs: `train.bin`, `validation.bin` (may be empty), `test.bin` and `statistics.json`.
///
/// # Errors
/// If an input is missing or not as expected, the device is not usable, training diverges, or an
/// output cannot be written.
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
    let train = Images::read(context.input("train.bin")?)?;
    let validation = Images::read(context.input("validation.bin")?)?;
    let test = Images::read(context.input("test.bin")?)?;
    let statistics = context.read_json("statistics.json")?;
    let backend: Backend = context.environment.device.parse()?;
    let checkpoints = Checkpoints {
        folder: context.scratch.clone(),
        every: Duration::try_from_secs_f64(context.environment.checkpoint_seconds)
            .context("the time between checkpoints")?,
    };

    let batch_size = f64::from(params.recipe.batch_size);
    let progress = &mut *context.progress;
    let trained = fit(
        Subject {
            architecture: &params.architecture,
            recipe: &params.recipe,
            seed: params.seed,
        },
        Data {
            train: &train,
            validation: &validation,
            test: &test,
            statistics: &statistics,
        },
        &mut Surroundings {
            backend,
            checkpoints: Some(&checkpoints),
            stop: context.stop,
            observe: &mut |sight| progress(told(sight, batch_size)),
        },
    )?;

    let last = trained.metrics.last().cloned();
    let last = last.context("training left no metrics")?;
    let mut lines = String::new();
    for metrics in &trained.metrics {
        lines += &serde_json::to_string(metrics)?;
        lines.push('\n');
    }
    let bytes = weights::to_bytes(&params.architecture, &trained.network)?;
    context.write("metrics.jsonl", lines)?;
    context.write("weights.safetensors", bytes)?;
    context.write_json(
        "training.json",
        &Training {
            layers: params.architecture.layers(),
            parameters: params.architecture.parameters(),
            multiply_adds: params.architecture.multiply_adds(),
            seed: params.seed,
            images: train.len() as u64,
            iterations: params.recipe.schedule.iterations,
            backend: format!("{} {BURN_VERSION}", backend.name()),
            last: last.clone(),
        },
    )?;
    Ok(format!(
        "test error {:.2} %, train error {:.2} % after {} iterations",
        last.test_error, last.train_error, last.iteration
    ))
}

/// What a training says, for those who follow the step.
fn told(sight: Sight, batch_size: f64) -> Progress {
    match sight {
        Sight::Note(note) => Progress::Note(note),
        Sight::Progress(seen) => {
            let images_left = (seen.iterations - seen.iteration) as f64 * batch_size;
            Progress::Training {
                iteration: seen.iteration,
                iterations: seen.iterations,
                images_per_second: seen.images_per_second,
                seconds_left: images_left / seen.images_per_second.max(1e-9),
                loss: seen.loss,
                train_error: seen.train_error,
                test_error: seen.test_error,
            }
        }
    }
}
