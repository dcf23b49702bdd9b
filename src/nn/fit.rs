//! Training, from the first draw to the last evaluation: SGD with momentum and weight decay as
//! PyTorch defines them, over shuffled and augmented epochs.
//!
//! Unaware of pipelines, files and how progress is shown.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use burn::module::Module as _;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::augment::{Augmentation, Normalise, order};
use super::predict::{errors, likeliest, percent, predict, to_device};
use super::resnet::{Architecture, ResNet};
use super::schedule::{Pace, Schedule, WINDOW};
use super::weights::read;
use crate::cifar::{CLASSES, Images};
use crate::results::{Metrics, Statistics};

/// Iterations after which their logits are read back at the latest: reading makes the host wait
/// for the device.
const READ_EVERY: u64 = 10;
// The warm-up is told of all iterations of a window before it is asked again.
const _: () = assert!(WINDOW.is_multiple_of(READ_EVERY));

/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_secs(1);

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
    pub schedule: Schedule,
    /// Optimizer steps between two lines of metrics.
    pub evaluate_every: u64,
}

impl Recipe {
    /// Refuses recipes that make no sense.
    ///
    /// # Errors
    /// If a number is out of its range, naming it.
    pub fn check(&self) -> Result<()> {
        ensure!(self.batch_size > 0, "batch size must be at least 1");
        ensure!(
            (0.0..1.0).contains(&self.momentum),
            "momentum {} must be at least 0 and below 1",
            self.momentum
        );
        ensure!(
            self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
            "weight decay {} must not be negative",
            self.weight_decay
        );
        ensure!(
            self.evaluate_every > 0,
            "evaluate every at least 1 iteration"
        );
        ensure!(
            self.augmentation.pad <= 32,
            "padding of {} pixels would leave nothing of an image (at most 32)",
            self.augmentation.pad
        );
        self.schedule.check()
    }
}

/// What to train on and to evaluate with.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    pub train: &'a Images,
    /// Held out from training; may be empty.
    pub validation: &'a Images,
    pub test: &'a Images,
    pub statistics: &'a Statistics,
}

/// How far a training is.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub iteration: u64,
    pub iterations: u64,
    /// Images trained on per second since the last observation.
    pub images_per_second: f64,
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

/// Trains a network from scratch on `device` (given without autodiff). `observe` is called about
/// once a second; nothing that it is told depends on when, but the averages.
///
/// # Errors
/// If architecture or recipe make no sense, there are no training or test images, the loss stops
/// being finite (with iteration and learning rate), or the device fails.
pub fn fit(
    architecture: &Architecture,
    recipe: &Recipe,
    seed: u64,
    data: Data,
    device: &Device,
    observe: &mut dyn FnMut(Observation),
) -> Result<Trained> {
    architecture.check()?;
    recipe.check()?;
    ensure!(!data.train.is_empty(), "there are no images to train on");
    ensure!(!data.test.is_empty(), "there are no images to test with");

    let training_device = device.clone().autodiff();
    let mut network = architecture.init(seed, &training_device);
    let mut optimizer = sgd(recipe);
    let normalise = Normalise::new(data.statistics);
    let mut pace = Pace::new(&recipe.schedule);
    let mut unread = Vec::new();
    let mut window = Tally::default();
    let mut report = Report::new(recipe.schedule.iterations);
    let mut metrics: Vec<Metrics> = Vec::new();

    let iterations = recipe.schedule.iterations;
    let batch_size = recipe.batch_size as usize;
    let batches = data.train.len().div_ceil(batch_size) as u64;
    let mut shuffled = Vec::new();
    for iteration in 0..iterations {
        let (epoch, batch) = (iteration / batches, (iteration % batches) as usize);
        if batch == 0 {
            shuffled = order(seed, epoch, data.train.len());
        }
        let start = batch * batch_size;
        let indices = &shuffled[start..shuffled.len().min(start + batch_size)];
        let labels: Vec<u8> = indices.iter().map(|&i| data.train.label(i)).collect();
        let images = normalise.varied_batch(data.train, indices, &recipe.augmentation, seed, epoch);

        let learning_rate = pace.learning_rate(iteration);
        let images = to_device(images, &training_device);
        let logits;
        (network, logits) = step(network, &mut optimizer, learning_rate, images, &labels);

        unread.push(Outcome {
            iteration,
            learning_rate,
            logits,
            labels,
        });
        let done = iteration + 1;
        let evaluate = done.is_multiple_of(recipe.evaluate_every) || done == iterations;
        if evaluate || done.is_multiple_of(READ_EVERY) || report.is_due() {
            for outcome in unread.drain(..) {
                let tally = outcome.read()?;
                pace.observe(outcome.iteration, tally.images, tally.errors);
                window.add(&tally);
                report.tally.add(&tally);
            }
        }
        if evaluate {
            let network = network.valid();
            let error = |images: &Images| -> Result<f64> {
                let predictions = predict(&network, images, &normalise, device)?;
                let wrong = errors(&predictions, images.labels());
                Ok(percent(wrong, images.len() as u64))
            };
            metrics.push(Metrics {
                iteration: done,
                epoch,
                learning_rate,
                train_loss: window.loss(),
                train_error: window.error(),
                validation_error: match data.validation.is_empty() {
                    true => None,
                    false => Some(error(data.validation)?),
                },
                test_error: error(data.test)?,
            });
            window = Tally::default();
        }
        if report.is_due() || done == iterations {
            observe(report.take(done, metrics.last()));
        }
    }
    Ok(Trained {
        network: network.valid(),
        metrics,
    })
}

/// Stochastic gradient descent as PyTorch's: `v ← μ v + (g + λ w)`, `w ← w − η v`, `v` starting
/// as the first gradient.
fn sgd(recipe: &Recipe) -> ModuleOptimizer {
    let momentum = MomentumConfig::new()
        .with_momentum(recipe.momentum)
        .with_dampening(0.0)
        .with_nesterov(false);
    SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(Some(WeightDecayConfig::new(recipe.weight_decay as f32)))
        .init()
}

/// One optimizer step on images `[n, 3, 32, 32]`. Returns the network after it and the logits
/// `[n, 10]` before it, outside of autodiff's graph.
fn step(
    network: ResNet,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
    images: Tensor<4>,
    labels: &[u8],
) -> (ResNet, Tensor<2>) {
    let logits = network.forward(images);
    let loss = cross_entropy(logits.clone(), labels);
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let network = optimizer.step(learning_rate, network, gradients);
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

/// An iteration whose outcome still lies on the device.
struct Outcome {
    iteration: u64,
    learning_rate: f64,
    /// `[images, 10]`
    logits: Tensor<2>,
    labels: Vec<u8>,
}

impl Outcome {
    /// Loss and error of the iteration's images.
    fn read(&self) -> Result<Tally> {
        let logits = read(self.logits.clone())?;
        let mut tally = Tally::default();
        for (logits, &label) in logits.chunks_exact(CLASSES).zip(&self.labels) {
            tally.images += 1;
            tally.errors += u64::from(likeliest(logits) != label);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponentials = logits.iter().map(|x| f64::from(x - largest).exp());
            let normaliser: f64 = exponentials.sum();
            tally.losses += normaliser.ln() - f64::from(logits[usize::from(label)] - largest);
        }
        if !tally.losses.is_finite() {
            bail!(
                "the loss is {} at iteration {} with learning rate {}: training diverged; a lower learning rate or a warm-up may help",
                tally.loss(),
                self.iteration,
                self.learning_rate
            );
        }
        Ok(tally)
    }
}

/// Sums over a number of trained images.
#[derive(Clone, Default)]
struct Tally {
    images: u64,
    errors: u64,
    /// Sum of cross-entropies.
    losses: f64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.images += other.images;
        self.errors += other.errors;
        self.losses += other.losses;
    }

    fn loss(&self) -> f64 {
        self.losses / self.images as f64
    }

    fn error(&self) -> f64 {
        percent(self.errors, self.images)
    }
}

/// Collects what the next observation says. Time decides when that is, and nothing else.
struct Report {
    iterations: u64,
    last: Instant,
    tally: Tally,
}

impl Report {
    fn new(iterations: u64) -> Report {
        Report {
            iterations,
            last: Instant::now(),
            tally: Tally::default(),
        }
    }

    fn is_due(&self) -> bool {
        self.last.elapsed() >= REPORT_EVERY
    }

    fn take(&mut self, iteration: u64, last: Option<&Metrics>) -> Observation {
        let seconds = self.last.elapsed().as_secs_f64().max(1e-9);
        let observation = Observation {
            iteration,
            iterations: self.iterations,
            images_per_second: self.tally.images as f64 / seconds,
            loss: match self.tally.images {
                0 => 0.0,
                _ => self.tally.loss(),
            },
            train_error: self.tally.error(),
            test_error: last.map(|metrics| metrics.test_error),
        };
        *self = Report::new(self.iterations);
        observation
    }
}

#[cfg(test)]
mod tests;
