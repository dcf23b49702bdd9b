//! Trains one network with one seed. The work is done in `nn`; this maps files to it and back.

use std::time::Duration;

use anyhow::{Context as _, Result};

use cifar::Images;
use nn::checkpoint::Checkpoints;
use nn::device::{BURN_VERSION, Backend};
use nn::fit::{Data, InterruptedTraining, Observation, TrainEnv, TrainEvent, Trained, fit};
use nn::weights;
use records::Training;
use step::{Context, Interrupted, Progress};

/// What a training depends on beside its input files.
pub use nn::fit::TrainConfig as Params;

/// The files that [`run`] writes.
pub const OUTPUTS: &[&str] = &["metrics.jsonl", "weights.safetensors", "training.json"];

/// Trains on a device, with a checkpoint in the scratch folder every so often, and returns one line for
/// people.
///
/// Inputs: `train.bin`, `validation.bin` (may be empty), `test.bin`, `statistics.json` and
/// `classes.json` (the ten names, for the header of the weights).
///
/// # Errors
/// [`Interrupted`] if it was asked to stop. If an input is missing or not as expected, the device
/// is not usable, training diverges, or an output cannot be written.
pub fn run(
    params: &Params,
    backend: Backend,
    checkpoint_every: Duration,
    context: &mut Context,
) -> Result<String> {
    let train = Images::read(context.input("train.bin")?)?;
    let validation = Images::read(context.input("validation.bin")?)?;
    let test = Images::read(context.input("test.bin")?)?;
    let statistics = context.read_json("statistics.json")?;
    let classes: Vec<String> = context.read_json("classes.json")?;
    let checkpoints = Checkpoints {
        folder: context.scratch.clone(),
        every: checkpoint_every,
    };

    let progress = &mut *context.progress;
    let data = Data {
        train: &train,
        validation: &validation,
        test: &test,
        statistics: &statistics,
        classes: &classes,
    };
    let trained = fit(
        params,
        data,
        &mut TrainEnv {
            backend,
            checkpoints: Some(&checkpoints),
            stop: context.stop,
            observe: &mut |event| match event {
                TrainEvent::Note(note) => progress(Progress::Note(note)),
                TrainEvent::Progress(seen) => progress(progress_of(seen)),
                TrainEvent::Metrics(_) => {}
            },
        },
    );
    let trained = trained.map_err(|error| match error.is::<InterruptedTraining>() {
        true => error.context(Interrupted),
        false => error,
    })?;

    let files = Files::of(params, &trained, data, backend)?;
    context.write("metrics.jsonl", &files.metrics)?;
    context.write("weights.safetensors", &files.weights)?;
    context.write_json("training.json", &files.training)?;
    let last = &files.training.last;
    Ok(format!(
        "test error {:.2} %, train error {:.2} % after {} iterations",
        last.test_error, last.train_error, last.iteration
    ))
}

/// What a finished training leaves, as contents of the files in [`OUTPUTS`].
pub struct Files {
    pub metrics: String,
    pub weights: Vec<u8>,
    pub training: Training,
}

impl Files {
    /// Of a training on these images.
    ///
    /// # Errors
    /// If the weights cannot be read back from the device, or nothing was measured.
    pub fn of(params: &Params, trained: &Trained, data: Data, backend: Backend) -> Result<Files> {
        let mut metrics = String::new();
        for line in &trained.metrics {
            metrics += &serde_json::to_string(line)?;
            metrics.push('\n');
        }
        let last = trained.metrics.last().context("training left no metrics")?;
        Ok(Files {
            metrics,
            weights: weights::to_bytes(&params.architecture, &data.trained_on(), &trained.network)?,
            training: Training {
                layers: params.architecture.layers(),
                parameters: params.architecture.parameters(),
                multiply_adds: params.architecture.multiply_adds(),
                seed: params.seed,
                images: data.train.len() as u64,
                iterations: params.recipe.schedule.iterations,
                backend: format!("{} {BURN_VERSION}", backend.name()),
                last: last.clone(),
            },
        })
    }
}

/// What a training reports, for whoever runs the step.
pub fn progress_of(seen: Observation) -> Progress {
    Progress::Training {
        iteration: seen.iteration,
        iterations: seen.iterations,
        images_per_second: seen.images_per_second,
        seconds_left: seen.seconds_left,
        loss: seen.loss,
        train_error: seen.train_error,
        test_error: seen.test_error,
    }
}
