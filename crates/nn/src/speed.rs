//! What a device achieves: steps of training and evaluations on made-up images, as training and
//! evaluation do them, and single layers.
//!
//! Unaware of files and of how figures are shown.

use std::time::{Duration, Instant};

use anyhow::Result;
use burn::tensor::{Device, Tensor};

use super::augment::{Augmentation, Normalise};
use super::device::Backend;

use super::architecture::{Architecture, Shortcut};
use super::classification::argmax_rows;
use super::init::Init;
use super::kernels::{self, ConvBn};
use super::mode::{for_evaluation, for_training};
use super::predict::to_device;
use super::recipe::Recipe;
use super::resnet::ResNet;
use super::sgd::Sgd;
use super::train_step::train_step;
use super::transfers::read;
use cifar::{CHANNELS, CLASSES, Images, SIDE};
use records::Statistics;

/// A training that never ends.
pub struct TrainBenchmark {
    images: Images,
    normalise: Normalise,
    augmentation: Augmentation,
    learning_rate: f64,
    device: Device,
    network: ResNet,
    sgd: Sgd,
    epoch: u64,
}

impl TrainBenchmark {
    /// With one batch of made-up images, which every step trains on.
    ///
    /// # Errors
    /// If the network does not exist or the device cannot be opened.
    pub fn new(
        backend: Backend,
        architecture: &Architecture,
        recipe: &Recipe,
    ) -> Result<TrainBenchmark> {
        architecture.check()?;
        let device = for_training(backend.open()?);
        let statistics = Statistics {
            mean: [0.5; CHANNELS],
            std: [0.25; CHANNELS],
        };
        Ok(TrainBenchmark {
            images: made_up(recipe.batch_size as usize)?,
            normalise: Normalise::new(&statistics),
            augmentation: recipe.augmentation.clone(),
            // Small, so that weights stay finite however long it goes on.
            learning_rate: 1e-3,
            network: ResNet::new(architecture, 0, &device),
            device,
            sgd: Sgd::new(recipe),
            epoch: 0,
        })
    }

    /// Does `count` steps of stochastic gradient descent and waits for them; returns how long
    /// loading, augmenting and normalising the images took of it.
    ///
    /// # Errors
    /// If the device fails.
    pub fn steps(&mut self, count: usize) -> Result<Duration> {
        let indices: Vec<usize> = (0..self.images.len()).collect();
        let labels = self.images.labels();
        let mut loading = Duration::ZERO;
        let mut last = None;
        for _ in 0..count {
            let start = Instant::now();
            let (normalise, variation) = (&self.normalise, &self.augmentation);
            let batch = normalise.varied_batch(&self.images, &indices, variation, 0, self.epoch);
            loading += start.elapsed();
            let batch = to_device(batch, &self.device);
            let logits;
            (self.network, logits) = train_step(
                &self.network,
                &mut self.sgd,
                self.learning_rate,
                batch,
                labels,
            );
            self.epoch += 1;
            last = Some(logits);
        }
        if let Some(logits) = last {
            read(logits)?;
        }
        Ok(loading)
    }

    /// Classifies `count` batches as an evaluation does; returns the classes of the last, so that
    /// none of the work can be left out.
    ///
    /// # Errors
    /// If the device fails.
    pub fn evaluate(&self, count: usize) -> Result<Vec<u8>> {
        let network = for_evaluation(&self.network);
        let device = network.device();
        let indices: Vec<usize> = (0..self.images.len()).collect();
        let mut classes = Vec::new();
        for _ in 0..count {
            let batch = to_device(self.normalise.batch(&self.images, &indices), &device);
            let logits = read(network.forward(batch))?;
            classes = argmax_rows(&logits);
        }
        Ok(classes)
    }
}

/// Seconds that training takes per multiply-add of the forward pass, with all cores at work: measured
/// on a net of 8 layers in about a second.
///
/// # Errors
/// If the device cannot be opened, or fails.
pub fn rate(backend: Backend) -> Result<f64> {
    let architecture = Architecture {
        n: 1,
        shortcut: Shortcut::Zeropad,
    };
    let recipe = Recipe::paper(architecture.layers(), 64_000, 0.1);
    let mut benchmark = TrainBenchmark::new(backend, &architecture, &recipe)?;
    benchmark.steps(1)?;
    let (start, steps) = (Instant::now(), 3);
    benchmark.steps(steps)?;
    let seconds = start.elapsed().as_secs_f64() / steps as f64;
    Ok(seconds / (f64::from(recipe.batch_size) * architecture.multiply_adds() as f64))
}

/// One layer: a convolution with its normalisation and ReLU.
pub struct LayerBenchmark {
    pub images: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Of the input's maps, in pixels.
    pub side: usize,
    pub filters: usize,
    pub stride: usize,
}

impl LayerBenchmark {
    /// Multiply-adds of the forward pass; the backward pass has twice as many.
    pub fn multiply_adds(&self) -> u64 {
        let side = self.side.div_ceil(self.stride);
        (self.images * side * side * self.filters * self.channels * 9) as u64
    }

    /// Seconds of forward and backward pass, over `count` times, of a 3 × 3 convolution.
    ///
    /// # Errors
    /// If the device fails.
    pub fn time(&self, backend: Backend, count: usize) -> Result<[f64; 2]> {
        let device = for_training(backend.open()?);
        let init = Init {
            seed: 0,
            device: &device,
        };
        let weights = init.conv("layer", [self.filters, self.channels, 3, 3]);
        let shape = [self.images, self.channels, self.side, self.side];
        let x: Tensor<4> = Tensor::ones(shape, &device).require_grad();
        let vector = |value| init.constant(self.filters, value).val();
        let (scale, shift) = (vector(1.0), vector(0.0));
        let mut seconds = [0.0; 2];
        for _ in 0..count {
            let start = Instant::now();
            let conv = ConvBn {
                weights: weights.val(),
                stride: self.stride,
                scale: scale.clone(),
                shift: shift.clone(),
                epsilon: 1e-5,
            };
            let output = kernels::train(x.clone().into(), conv).0;
            seconds[0] += start.elapsed().as_secs_f64();
            // By our own kernel: the backward pass of burn's mean over whole maps costs more than a layer.
            let loss = kernels::global_avg_pool(output).mean();
            let start = Instant::now();
            let gradients = loss.backward();
            seconds[1] += start.elapsed().as_secs_f64();
            drop(gradients);
        }
        Ok(seconds)
    }
}

/// Images of noise, the same in every run.
fn made_up(count: usize) -> Result<Images> {
    let mut images = Images::default();
    for image in 0..count {
        let pixel = |place: usize| ((image * 3072 + place).wrapping_mul(2_654_435_761) >> 7) as u8;
        let pixels: Vec<u8> = (0..CHANNELS * SIDE * SIDE).map(pixel).collect();
        images.push((image % CLASSES) as u8, &pixels)?;
    }
    Ok(images)
}
