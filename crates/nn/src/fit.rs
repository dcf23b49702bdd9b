//! Training, from the first draw to the last evaluation: SGD with momentum and weight decay as
//! PyTorch defines them, over shuffled and augmented epochs. It may be stopped after any iteration
//! and goes on from a checkpoint to the same bytes.
//!
//! Unaware of pipelines, of names of files and of how progress is shown.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use burn::module::Module as _;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};

use super::augment::{Normalise, order};
use super::checkpoint::{self, Checkpoint, Checkpoints, Progress};
use super::device::{BURN_VERSION, Backend};
use super::predict::{errors, percent, predict, to_device};
use super::recipe::Recipe;
use super::resnet::{Architecture, ResNet};
use super::schedule::{Pace, WINDOW};
use super::sgd::Sgd;
use super::tally::{NotFinite, Outcome, Tally};
use super::trained_on::TrainedOn;
use super::weights;
use cifar::{CLASSES, Images};
use records::{Metrics, Statistics};

/// Iterations after which their logits are read back at the latest: reading makes the host wait
/// for the device.
const READ_EVERY: u64 = 10;
// The warm-up is told of all iterations of a window before it is asked again.
const _: () = assert!(WINDOW.is_multiple_of(READ_EVERY));

/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What to train.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub architecture: &'a Architecture,
    pub recipe: &'a Recipe,
    /// Seed of initial weights, shuffling and augmentation.
    pub seed: u64,
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
pub struct Surroundings<'a> {
    pub backend: Backend,
    /// Where to keep checkpoints, if anywhere.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Once it is set, training stops after the iteration under way, with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Is told about once a second how training goes; nothing that it is told depends on when, but
    /// the averages.
    pub observe: &'a mut dyn FnMut(Sight),
}

/// What an observer is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// A sentence for people.
    Note(String),
    /// An evaluation that has just been made.
    Metrics(Metrics),
    Progress(Observation),
}

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

/// A finished training.
pub struct Trained {
    /// For inference, on the device without autodiff.
    pub network: ResNet,
    /// One line per evaluation, the last after the last iteration.
    pub metrics: Vec<Metrics>,
}

/// A training that was asked to stop.
#[derive(Debug)]
pub struct Interrupted {
    /// Optimizer steps done.
    pub iteration: u64,
    /// Whether a checkpoint keeps them.
    pub kept: bool,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = if self.kept {
            ", from where it goes on"
        } else {
            ""
        };
        write!(f, "interrupted after {} iterations{kept}", self.iteration)
    }
}

impl Error for Interrupted {}

/// What a training's result depends on, but for the code: a checkpoint of one training is of no use
/// to another.
pub fn identity(subject: Subject, data: Data, backend: Backend) -> Value {
    let mut hasher = blake3::Hasher::new();
    for images in [data.train, data.validation, data.test] {
        hasher.update(&(images.len() as u64).to_le_bytes());
        for index in 0..images.len() {
            hasher.update(&[images.label(index)]);
            hasher.update(images.image(index));
        }
    }
    json!({
        "architecture": subject.architecture,
        "recipe": subject.recipe,
        "seed": subject.seed,
        "images": hasher.finalize().to_string(),
        "statistics": data.statistics,
        "backend": format!("{} {BURN_VERSION}", backend.name()),
    })
}

/// Trains a network, from scratch or from the newest checkpoint of the same training.
///
/// # Errors
/// [`Interrupted`] once `stop` is set. If architecture or recipe make no sense, there are no
/// training or test images, the loss stops being finite (with iteration, learning rate and the last
/// good checkpoint), a checkpoint cannot be written, or the device fails.
pub fn fit(subject: Subject, data: Data, surroundings: &mut Surroundings) -> Result<Trained> {
    subject.architecture.check()?;
    subject.recipe.check()?;
    ensure!(!data.train.is_empty(), "there are no images to train on");
    ensure!(!data.test.is_empty(), "there are no images to test with");
    let mut training = Training::begin(subject, data, surroundings)?;
    let trained = training.run(surroundings);
    trained.map_err(|error| match error.is::<Interrupted>() {
        true => error,
        false => training.explain(error, surroundings.checkpoints),
    })?;
    Ok(Trained {
        network: training.network.valid(),
        metrics: training.progress.metrics,
    })
}

/// A training under way.
struct Training<'a> {
    subject: Subject<'a>,
    data: Data<'a>,
    identity: Value,
    /// With autodiff.
    training_device: Device,
    normalise: Normalise,
    network: ResNet,
    sgd: Sgd,
    pace: Pace,
    progress: Progress,
    /// Iterations that are done but not yet part of the sums.
    unread: Vec<Outcome>,
    /// The epoch's order of images.
    shuffled: Vec<usize>,
    /// When the last checkpoint was written.
    kept: Instant,
    report: Report,
}

impl<'a> Training<'a> {
    fn begin(
        subject: Subject<'a>,
        data: Data<'a>,
        surroundings: &mut Surroundings,
    ) -> Result<Training<'a>> {
        let device = surroundings.backend.open()?;
        let training_device = device.clone().autodiff();
        let identity = match surroundings.checkpoints {
            Some(_) => identity(subject, data, surroundings.backend),
            None => Value::Null,
        };
        let mut note = |note| (surroundings.observe)(Sight::Note(note));
        let checkpoint = match surroundings.checkpoints {
            Some(checkpoints) => checkpoints.newest(&identity, &mut note)?,
            None => None,
        };
        let Subject {
            architecture,
            recipe,
            seed,
        } = subject;
        let iterations = recipe.schedule.iterations;
        let (network, sgd, progress) = match checkpoint {
            Some(Checkpoint {
                progress,
                weights,
                velocities,
                ..
            }) => {
                let done = progress.iteration;
                ensure!(
                    done <= iterations,
                    "a checkpoint says that {done} of {iterations} iterations are done: it was altered; remove it to start over"
                );
                note(format!(
                    "resumes after iteration {done} of {iterations}, from a checkpoint"
                ));
                let network = weights::from_state(architecture, weights, &training_device)?;
                (network, Sgd::resume(recipe, velocities, &device), progress)
            }
            None => (
                architecture.init(seed, &training_device),
                Sgd::new(recipe),
                Progress::default(),
            ),
        };
        Ok(Training {
            subject,
            data,
            identity,
            normalise: Normalise::new(data.statistics),
            training_device,
            network,
            sgd,
            pace: Pace::resume(&recipe.schedule, progress.watch.clone()),
            progress,
            unread: Vec::new(),
            shuffled: Vec::new(),
            kept: Instant::now(),
            report: Report::new(recipe),
        })
    }

    /// Trains to the end.
    fn run(&mut self, surroundings: &mut Surroundings) -> Result<()> {
        while !self.advance(surroundings)? {}
        let (done, rate) = (self.progress.iteration, self.progress.learning_rate);
        checkpoint::finite(&weights::state(&self.network)?, done, rate)
    }

    /// Does all that is to be done after an iteration, and then the next one; returns whether none
    /// was left. In between everything that matters is in `progress`, `pace`, `sgd` and `network`:
    /// that is where a checkpoint may be taken.
    fn advance(&mut self, surroundings: &mut Surroundings) -> Result<bool> {
        let recipe = self.subject.recipe;
        let (done, iterations) = (self.progress.iteration, recipe.schedule.iterations);
        let ended = done == iterations;
        let evaluate = done > 0 && (done.is_multiple_of(recipe.evaluate_every) || ended);
        let stop = surroundings.stop.load(Ordering::Relaxed);
        let keep = surroundings
            .checkpoints
            .filter(|checkpoints| done > 0 && (stop || self.kept.elapsed() >= checkpoints.every));
        let reading = done.is_multiple_of(READ_EVERY) || self.report.is_due();
        if evaluate || keep.is_some() || reading {
            self.read()?;
        }
        if let Some(checkpoints) = keep {
            match checkpoints.write(&self.checkpoint()?) {
                // The work is still there, and the next one may succeed.
                Err(error) if !stop && !error.is::<NotFinite>() => {
                    (surroundings.observe)(Sight::Note(format!("{error:#}")));
                }
                written => written?,
            }
            self.kept = Instant::now();
        }
        if stop {
            let kept = keep.is_some();
            return Err(Interrupted {
                iteration: done,
                kept,
            }
            .into());
        }
        // One that was stopped while it evaluated has yet to do so.
        let evaluated = self.progress.metrics.last().map(|line| line.iteration);
        if evaluate && evaluated != Some(done) {
            let Some(line) = self.evaluate(surroundings.stop)? else {
                return Ok(false);
            };
            (surroundings.observe)(Sight::Metrics(line.clone()));
            self.progress.metrics.push(line);
            self.progress.window = Tally::default();
        }
        if self.report.is_due() || ended {
            let observation = self.report.take(done, self.progress.metrics.last());
            (surroundings.observe)(Sight::Progress(observation));
        }
        if !ended {
            self.step();
        }
        Ok(ended)
    }

    /// One optimizer step.
    fn step(&mut self) {
        let Subject { recipe, seed, .. } = self.subject;
        let iteration = self.progress.iteration;
        let (train, batch_size) = (self.data.train, recipe.batch_size as usize);
        let (epoch, batch) = position(iteration, train, recipe);
        if batch == 0 || self.shuffled.is_empty() {
            self.shuffled = order(seed, epoch, train.len());
        }
        let start = batch as usize * batch_size;
        let indices = &self.shuffled[start..train.len().min(start + batch_size)];
        let labels: Vec<u8> = indices.iter().map(|&i| train.label(i)).collect();
        let augmentation = &recipe.augmentation;
        let images = self
            .normalise
            .varied_batch(train, indices, augmentation, seed, epoch);
        let images = to_device(images, &self.training_device);

        let learning_rate = self.pace.learning_rate(iteration);
        let logits;
        (self.network, logits) = step(&self.network, &mut self.sgd, learning_rate, images, &labels);
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
        for outcome in self.unread.drain(..) {
            let tally = outcome.read()?;
            self.pace
                .observe(outcome.iteration, tally.images, tally.errors);
            self.progress.window.add(&tally);
            self.report.tally.add(&tally);
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            identity: self.identity.clone(),
            progress: Progress {
                watch: self.pace.watch().clone(),
                ..self.progress.clone()
            },
            trained_on: self.data.trained_on(),
            weights: weights::state(&self.network)?,
            velocities: self.sgd.state()?,
        })
    }

    /// A line of metrics; none if `stop` was set on the way.
    fn evaluate(&self, stop: &AtomicBool) -> Result<Option<Metrics>> {
        let network = self.network.valid();
        let error = |images: &Images| -> Result<Option<f64>> {
            let predictions = predict(&network, images, &self.normalise, stop);
            let predictions = predictions.map_err(|error| self.dated(error))?;
            let percentage = |predictions: Vec<u8>| {
                percent(errors(&predictions, images.labels()), images.len() as u64)
            };
            Ok(predictions.map(percentage))
        };
        let Progress {
            iteration,
            learning_rate,
            window,
            ..
        } = &self.progress;
        let validation_error = match self.data.validation.is_empty() {
            true => None,
            false => error(self.data.validation)?,
        };
        let (epoch, _) = position(iteration - 1, self.data.train, self.subject.recipe);
        Ok(error(self.data.test)?.map(|test_error| Metrics {
            iteration: *iteration,
            epoch,
            learning_rate: *learning_rate,
            train_loss: window.loss(),
            train_error: window.error(),
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

    /// Adds to an error what a person will want to know: what may help, and what is left.
    fn explain(&self, error: anyhow::Error, checkpoints: Option<&Checkpoints>) -> anyhow::Error {
        if !error.is::<NotFinite>() {
            return error;
        }
        let last = checkpoints
            .and_then(|checkpoints| checkpoint::list(&checkpoints.folder).ok())
            .and_then(|list| list.into_iter().next());
        let last = match last {
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

/// One optimizer step on images `[n, 3, 32, 32]`. Returns the network after it and the logits
/// `[n, 10]` before it, outside of autodiff's graph.
pub(super) fn step(
    network: &ResNet,
    sgd: &mut Sgd,
    learning_rate: f64,
    images: Tensor<4>,
    labels: &[u8],
) -> (ResNet, Tensor<2>) {
    let logits = network.forward(images);
    let loss = cross_entropy(logits.clone(), labels);
    let network = sgd.step(learning_rate, network.clone(), loss.backward());
    (network, logits.without_autodiff())
}

/// Mean cross-entropy of logits `[images, 10]`, a tensor of one number.
fn cross_entropy(logits: Tensor<2>, labels: &[u8]) -> Tensor<1> {
    // Minus one over n where the label is, zero elsewhere.
    let mut weights = vec![0.0f32; labels.len() * CLASSES];
    for (row, &label) in weights.chunks_exact_mut(CLASSES).zip(labels) {
        row[usize::from(label)] = -1.0 / labels.len() as f32;
    }
    let weights = TensorData::new(weights, [labels.len(), CLASSES]);
    let weights = Tensor::from_data(weights, &logits.device());
    (log_softmax(logits, 1) * weights).sum()
}

/// Collects what the next observation says. Time decides when that is, and nothing else.
struct Report {
    iterations: u64,
    batch_size: u32,
    last: Instant,
    tally: Tally,
}

impl Report {
    fn new(recipe: &Recipe) -> Report {
        Report {
            iterations: recipe.schedule.iterations,
            batch_size: recipe.batch_size,
            last: Instant::now(),
            tally: Tally::default(),
        }
    }

    fn is_due(&self) -> bool {
        self.last.elapsed() >= REPORT_EVERY
    }

    fn take(&mut self, iteration: u64, last: Option<&Metrics>) -> Observation {
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

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
