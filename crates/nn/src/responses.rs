//! How strongly the layers of a trained network respond to images (Fig. 7).
//!
//! Unaware of training and files.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use burn::tensor::Tensor;

use super::augment::Normalise;
use super::finite::NotFinite;
use super::predict::{BATCH, to_device};
use super::resnet::ResNet;
use super::transfers::read;
use cifar::Images;

/// The standard deviation of each 3 × 3 layer's response, first layer first: after batch
/// normalisation, before ReLU and addition, over all images, channels and pixels (divisor N). Nothing
/// once `stop` is set. The network is on a device without autodiff.
///
/// # Errors
/// [`NotFinite`] if one is infinite or no number; if a response cannot be read back from the device.
pub fn responses(
    network: &ResNet,
    images: &Images,
    normalise: &Normalise,
    stop: &AtomicBool,
) -> Result<Option<Vec<f64>>> {
    let device = network.device();
    let mut layers: Vec<Moments> = Vec::new();
    let indices: Vec<usize> = (0..images.len()).collect();
    for indices in indices.chunks(BATCH) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = to_device(normalise.batch(images, indices), &device);
        let mut layer = 0;
        network.observe(batch, |response: Tensor<4>| -> Result<()> {
            if layer == layers.len() {
                layers.push(Moments::default());
            }
            layers[layer].add(&read(response)?);
            layer += 1;
            Ok(())
        })?;
    }
    let deviations: Vec<f64> = layers.iter().map(Moments::std).collect();
    if let Some(layer) = deviations.iter().position(|std| !std.is_finite()) {
        let said = format!("the response of 3 × 3 layer {} is not finite", layer + 1);
        return Err(NotFinite(said).into());
    }
    Ok(Some(deviations))
}

/// Sums over values, in 64 bits: the mean of a response is small beside its deviation, so their
/// difference loses nothing.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: u64,
    sum: f64,
    sum_of_squares: f64,
}

impl Moments {
    fn add(&mut self, values: &[f32]) {
        // Several sums at once, in an order that depends on nothing but the number of values.
        const LANES: usize = 8;
        let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for values in values.chunks(LANES) {
            for (lane, &value) in values.iter().enumerate() {
                let value = f64::from(value);
                sums[lane] += value;
                squares[lane] += value * value;
            }
        }
        self.n += values.len() as u64;
        self.sum += sums.iter().sum::<f64>();
        self.sum_of_squares += squares.iter().sum::<f64>();
    }

    fn std(&self) -> f64 {
        let n = self.n as f64;
        let mean = self.sum / n;
        let variance = self.sum_of_squares / n - mean * mean;
        // Rounding may leave a little less than nothing; what is no number stays so.
        if variance < 0.0 { 0.0 } else { variance.sqrt() }
    }
}

#[cfg(test)]
mod tests;
