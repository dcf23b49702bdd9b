//! Training, from the first draw to the last evaluation: SGD with momentum and weight decay as
//! PyTorch defines them, over shuffled and augmented epochs. It may be stopped after any iteration
//! and goes on from a checkpoint to the same bytes.
//!
//! Unaware of pipelines, of names of files and of how progress is shown.

mod config;
mod evidence;
mod progress;
mod replay;
mod two_runs;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use burn::tensor::Device;
use serde_json::Value;

use super::augment::{Normalise, order};
use super::checkpoint::{self, Checkpoint, Checkpoints, TrainProgress};
use super::classification::{errors, percent};
use super::device::Backend;
use super::finite::{NotFinite, ensure_finite};
use super::mode::{for_evaluation, for_training};
use super::predict::{predict, to_device};
use super::recipe::Recipe;
use super::resnet::ResNet;
use super::schedule::{LrScheduler, WINDOW};
use super::sgd::Sgd;
use super::tally::{Outcome, Tally};
use super::trace::{Stretch, Trace};
use super::train_step::train_step;
use super::weights;
use cifar::Images;
use progress::ProgressMeter;
use records::Metrics;

pub use config::{Data, InterruptedTraining, TrainConfig, TrainEnv, TrainEvent, identity};
pub use progress::Observation;
pub use replay::{Replayed, replay};
pub use two_runs::{TwoRuns, two_runs};

/// Iterations after which their logits are read back at the latest: reading makes the host wait
/// for the device.
const READ_EVERY: u64 = 10;
// The warm-up is told of all iterations of a window before it is asked again.
const _: () = assert!(WINDOW.is_multiple_of(READ_EVERY));

/// A finished training.
pub struct Trained {
    /// For evaluation.
    pub network: ResNet,
    /// One line per evaluation, the last after the last iteration.
    pub metrics: Vec<Metrics>,
    pub trace: Trace,
}

/// Trains a network, from scratch or from the newest checkpoint of the same training.
///
/// # Errors
/// [`InterruptedTraining`] once `stop` is set. If architecture or recipe make no sense, there are no
/// training or test images, the loss stops being finite (with iteration, learning rate and the last
/// good checkpoint), a checkpoint cannot be written, or the device fails.
pub fn fit(config: &TrainConfig, data: Data, env: &mut TrainEnv) -> Result<Trained> {
    check(config, data)?;
    let mut training = Training::begin(config, data, env)?;
    training
        .run(env)
        .map_err(|error| training.explain(error, env.checkpoints))?;
    Ok(training.finished())
}

/// Refuses what no network can be trained with.
fn check(config: &TrainConfig, data: Data) -> Result<()> {
    config.architecture.check()?;
    config.recipe.check()?;
    ensure!(!data.train.is_empty(), "there are no images to train on");
    ensure!(!data.test.is_empty(), "there are no images to test with");
    Ok(())
}

/// A training under way. Between iterations everything that matters is in `network`, `sgd`,
/// `scheduler` and `progress`: that is where a checkpoint may be taken.
struct Training<'a> {
    config: &'a TrainConfig,
    data: Data<'a>,
    identity: Value,
    device: Device,
    normalise: Normalise,
    network: ResNet,
    sgd: Sgd,
    scheduler: LrScheduler,
    progress: TrainProgress,
    /// Iterations that are done but not yet part of the sums.
    unread: Vec<Outcome>,
    /// The epoch's order of images.
    shuffled: Vec<usize>,
    last_checkpoint: Instant,
    meter: ProgressMeter,
    /// The part that is computed: to the end, for all but a replay.
    stretch: Stretch,
    /// Iterations after which snapshots are taken, as far as they are known beforehand.
    snapshots: BTreeSet<u64>,
}

impl<'a> Training<'a> {
    /// At the beginning, or after the newest checkpoint of this training.
    fn begin(config: &'a TrainConfig, data: Data<'a>, env: &mut TrainEnv) -> Result<Training<'a>> {
        let mut note = |note| (env.observe)(TrainEvent::Note(note));
        let (mut identity, mut checkpoint) = (Value::Null, None);
        if let Some(checkpoints) = env.checkpoints {
            identity = self::identity(config, data, env.backend);
            checkpoint = checkpoints.newest(&identity, &mut note)?;
        }
        if let Some(checkpoint) = &checkpoint {
            let done = checkpoint.progress.iteration;
            let iterations = config.recipe.schedule.iterations;
            ensure!(
                done <= iterations,
                "a checkpoint says that {done} of {iterations} iterations are done: it was altered; remove it to start over"
            );
            note(format!(
                "resumes after iteration {done} of {iterations}, from a checkpoint"
            ));
        }
        Training::after(config, data, env.backend, identity, checkpoint)
    }

    /// At the beginning, or after a checkpoint of this training.
    fn after(
        config: &'a TrainConfig,
        data: Data<'a>,
        backend: Backend,
        identity: Value,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Training<'a>> {
        let device = backend.open()?;
        let recipe = &config.recipe;
        let schedule = &recipe.schedule;
        let training_device = for_training(device.clone());
        let (network, sgd, progress) = match checkpoint {
            None => (
                ResNet::new(&config.architecture, config.seed, &training_device),
                Sgd::new(recipe),
                TrainProgress::default(),
            ),
            Some(checkpoint) => (
                weights::from_state(&config.architecture, checkpoint.weights, &training_device)?,
                Sgd::resume(recipe, checkpoint.momentum_buffers, &device),
                checkpoint.progress,
            ),
        };
        Ok(Training {
            config,
            data,
            identity,
            device: training_device,
            normalise: Normalise::new(data.statistics),
            network,
            sgd,
            scheduler: LrScheduler::resume(schedule, progress.warm_up.clone()),
            stretch: Stretch {
                from: progress.iteration,
                to: schedule.iterations,
                evaluated: true,
            },
            snapshots: recipe.snapshots.iterations(schedule),
            progress,
            unread: Vec::new(),
            shuffled: Vec::new(),
            last_checkpoint: Instant::now(),
            meter: ProgressMeter::new(recipe),
        })
    }

    /// Trains to the end of the stretch.
    fn run(&mut self, env: &mut TrainEnv) -> Result<()> {
        while !self.advance(env)? {}
        let (done, rate) = (self.progress.iteration, self.progress.learning_rate);
        ensure_finite(&weights::state(&self.network)?, done, rate)
    }

    /// Does all that is to be done after an iteration (checkpoint, stop, evaluation, report), and then
    /// the next one; returns whether none was left.
    fn advance(&mut self, env: &mut TrainEnv) -> Result<bool> {
        let recipe = &self.config.recipe;
        let (done, iterations) = (self.progress.iteration, recipe.schedule.iterations);
        let ended = done == self.stretch.to;
        let evaluate = self.is_evaluated();
        let stop = env.stop.load(Ordering::Relaxed);
        let keep = env.checkpoints.filter(|checkpoints| {
            done > 0 && (stop || self.last_checkpoint.elapsed() >= checkpoints.every)
        });
        if evaluate
            || keep.is_some()
            || done.is_multiple_of(READ_EVERY)
            || self.meter.is_due()
            || self.is_traced()
        {
            self.read()?;
        }
        if let Some(checkpoints) = keep {
            match checkpoints.write(&self.checkpoint()?) {
                // The work is still there, and the next one may succeed.
                Err(error) if !stop && !error.is::<NotFinite>() => {
                    (env.observe)(TrainEvent::Note(format!("{error:#}")));
                }
                written => written?,
            }
            self.last_checkpoint = Instant::now();
        }
        if stop {
            let (iteration, kept) = (done, keep.is_some());
            return Err(InterruptedTraining { iteration, kept }.into());
        }
        // One that was stopped while it evaluated has yet to do so.
        let evaluated = self.progress.metrics.last().map(|line| line.iteration);
        if evaluate && evaluated != Some(done) {
            if self.stretch.evaluated || done == iterations {
                let Some(line) = self.evaluate(env.stop)? else {
                    return Ok(false);
                };
                (env.observe)(TrainEvent::Metrics(line.clone()));
                self.progress.metrics.push(line);
            }
            self.progress.window = Tally::default();
        }
        self.note_state(env.checkpoints)?;
        if self.meter.is_due() || ended {
            let observation = self.meter.take(done, self.progress.metrics.last());
            (env.observe)(TrainEvent::Progress(observation));
        }
        if !ended {
            self.step();
        }
        Ok(ended)
    }

    /// One iteration: the epoch's next batch, augmented, and an optimizer step on it.
    fn step(&mut self) {
        let TrainConfig { recipe, seed, .. } = self.config;
        let (train, batch_size) = (self.data.train, recipe.batch_size as usize);
        let iteration = self.progress.iteration;
        let (epoch, batch) = position(iteration, train, recipe);
        if batch == 0 || self.shuffled.is_empty() {
            self.shuffled = order(*seed, epoch, train.len());
        }
        let start = batch as usize * batch_size;
        let indices = &self.shuffled[start..train.len().min(start + batch_size)];
        let labels: Vec<u8> = indices.iter().map(|&i| train.label(i)).collect();
        let images =
            self.normalise
                .varied_batch(train, indices, &recipe.augmentation, *seed, epoch);
        let images = to_device(images, &self.device);

        let learning_rate = self.scheduler.learning_rate(iteration);
        self.progress
            .trace
            .note_learning_rate(iteration, learning_rate);
        let logits;
        (self.network, logits) =
            train_step(&self.network, &mut self.sgd, learning_rate, images, &labels);
        self.progress.iteration += 1;
        self.progress.learning_rate = learning_rate;
        self.unread.push(Outcome {
            iteration,
            learning_rate,
            logits,
            labels,
        });
    }

    /// Adds the outcomes of the last iterations to the sums.
    fn read(&mut self) -> Result<()> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let tallies = Outcome::read(&self.unread)?;
        for (outcome, tally) in self.unread.drain(..).zip(tallies) {
            self.scheduler
                .observe(outcome.iteration, tally.images, tally.errors);
            self.progress.window.add(&tally);
            self.meter.tally.add(&tally);
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            identity: self.identity.clone(),
            progress: TrainProgress {
                warm_up: self.scheduler.warm_up().clone(),
                ..self.progress.clone()
            },
            trained_on: self.data.trained_on(),
            weights: weights::state(&self.network)?,
            momentum_buffers: self.sgd.state()?,
        })
    }

    /// What is left of a training that is at its end.
    fn finished(mut self) -> Trained {
        let warm_up = self.scheduler.warm_up().windows();
        self.progress.trace.warm_up = warm_up.to_vec();
        Trained {
            network: for_evaluation(&self.network),
            metrics: self.progress.metrics,
            trace: self.progress.trace,
        }
    }

    /// A line of metrics; none if `stop` was set before it was complete.
    fn evaluate(&self, stop: &AtomicBool) -> Result<Option<Metrics>> {
        let network = for_evaluation(&self.network);
        let error = |images: &Images| -> Result<Option<f64>> {
            let predictions = predict(&network, images, &self.normalise, stop)
                .map_err(|error| self.dated(error))?;
            let count = |predictions: Vec<u8>| errors(&predictions, images.labels());
            Ok(predictions.map(|predictions| percent(count(predictions), images.len() as u64)))
        };
        let validation_error = match self.data.validation.is_empty() {
            true => None,
            false => error(self.data.validation)?,
        };
        let progress = &self.progress;
        let (epoch, _) = position(progress.iteration - 1, self.data.train, &self.config.recipe);
        Ok(error(self.data.test)?.map(|test_error| Metrics {
            iteration: progress.iteration,
            epoch,
            learning_rate: progress.learning_rate,
            train_loss: progress.window.loss(),
            train_error: progress.window.error(),
            validation_error,
            test_error,
        }))
    }

    /// Adds to an error of an evaluation when it happened.
    fn dated(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<NotFinite>() {
            Ok(NotFinite(said)) => NotFinite(format!(
                "{said} after {} iterations, the last with learning rate {:?}",
                self.progress.iteration, self.progress.learning_rate
            ))
            .into(),
            Err(other) => other,
        }
    }

    /// Adds to the error of a training that diverged what may help, and what is left of it.
    fn explain(&self, error: anyhow::Error, checkpoints: Option<&Checkpoints>) -> anyhow::Error {
        if !error.is::<NotFinite>() {
            return error;
        }
        let list = checkpoints.and_then(|kept| checkpoint::list(&kept.folder).ok());
        let last = match list.unwrap_or_default().first() {
            Some((iteration, path)) => format!(
                "the last good checkpoint is of iteration {iteration} ({})",
                path.display()
            ),
            None => "there is no checkpoint yet".to_owned(),
        };
        anyhow!("{error}: training diverged; {last}; a lower learning rate or a warm-up may help")
    }
}

/// The epoch that an iteration belongs to and its place in it, both counted from 0. An epoch's last
/// batch may be smaller.
fn position(iteration: u64, train: &Images, recipe: &Recipe) -> (u64, u64) {
    let batches = train.len().div_ceil(recipe.batch_size as usize) as u64;
    (iteration / batches, iteration % batches)
}

#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
