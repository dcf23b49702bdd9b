//! What a trained network makes of images: single view, running statistics.
//!
//! Unaware of training and files.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};

use super::augment::Normalise;
use super::resnet::ResNet;
use super::tally::NotFinite;
use super::weights::read;
use cifar::{CHANNELS, CLASSES, Images, SIDE};

/// Images that go through the network at once; never changes a result by more than rounding, but
/// does enter the artifacts through it.
const BATCH: usize = 200;

/// The class that the network, which is on a device without autodiff, finds likeliest for each
/// image, the first of equals; nothing once `stop` is set.
///
/// # Errors
/// As [`logits`].
pub fn predict(
    network: &ResNet,
    images: &Images,
    normalise: &Normalise,
    stop: &AtomicBool,
) -> Result<Option<Vec<u8>>> {
    let logits = logits(network, images, normalise, stop)?;
    Ok(logits.map(|logits| likeliest_of(&logits)))
}

/// The class that each row of logits finds likeliest, the first of equals.
pub fn likeliest_of(logits: &[f32]) -> Vec<u8> {
    logits.chunks_exact(CLASSES).map(likeliest).collect()
}

/// The network's logits `[images, 10]`, row-major; nothing once `stop` is set. The network is on a
/// device without autodiff.
///
/// # Errors
/// [`NotFinite`] if one is infinite or no number; if they cannot be read back from the device.
pub fn logits(
    network: &ResNet,
    images: &Images,
    normalise: &Normalise,
    stop: &AtomicBool,
) -> Result<Option<Vec<f32>>> {
    let device = network.device();
    let mut logits = Vec::with_capacity(images.len() * CLASSES);
    let indices: Vec<usize> = (0..images.len()).collect();
    for indices in indices.chunks(BATCH) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = to_device(normalise.batch(images, indices), &device);
        logits.extend(read(network.forward(batch))?);
    }
    if let Some(place) = logits.iter().position(|logit| !logit.is_finite()) {
        let (image, logit) = (place / CLASSES, logits[place]);
        let said = format!("the network's output for test image {image} is {logit}");
        return Err(NotFinite(said).into());
    }
    Ok(Some(logits))
}

/// How many of the predictions differ from the labels.
pub fn errors(predictions: &[u8], labels: &[u8]) -> u64 {
    let pairs = predictions.iter().zip(labels);
    pairs
        .filter(|(prediction, label)| prediction != label)
        .count() as u64
}

/// `part / whole` in percent; 0 where there is nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    100.0 * part as f64 / whole as f64
}

/// Images `[n, 3, 32, 32]` as a tensor.
pub(super) fn to_device(batch: Vec<f32>, device: &Device) -> Tensor<4> {
    let images = batch.len() / (CHANNELS * SIDE * SIDE);
    let data = TensorData::new(batch, [images, CHANNELS, SIDE, SIDE]);
    Tensor::from_data(data, device)
}

/// The place of the largest logit, the first of equals.
pub(super) fn likeliest(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (class, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = class;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_is_the_first_of_the_largest() {
        assert_eq!(likeliest(&[0.0, 3.0, 3.0, -1.0]), 1);
        assert_eq!(likeliest(&[-2.0, -3.0]), 0);
    }

    #[test]
    fn errors_count_differences_and_percent_survives_nothing() {
        assert_eq!(errors(&[1, 2, 3], &[1, 3, 2]), 2);
        assert_eq!(percent(2, 8), 25.0);
        assert_eq!(percent(0, 0), 0.0);
    }
}
