//! What a trained network makes of images: single view, running statistics.
//!
//! Unaware of training and files.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use burn::tensor::{Device, Tensor};

use super::augment::Normalise;
use super::classification::argmax_rows;
use super::finite::NotFinite;
use super::resnet::ResNet;
use super::transfers::{read, upload};
use cifar::{CHANNELS, CLASSES, Images, SIDE};

/// Images that go through the network at once; never changes a result by more than rounding, but
/// does enter the artifacts through it.
pub(super) const BATCH: usize = 200;

/// The class that the network, which is on a device without autodiff, finds likeliest (argmax) for each
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
    Ok(logits.map(|logits| argmax_rows(&logits)))
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

/// Images `[n, 3, 32, 32]` as a tensor.
pub(super) fn to_device(batch: Vec<f32>, device: &Device) -> Tensor<4> {
    let images = batch.len() / (CHANNELS * SIDE * SIDE);
    upload(batch, [images, CHANNELS, SIDE, SIDE], device)
}
