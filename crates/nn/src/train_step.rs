//! One optimizer step: forward, loss, backward, SGD.
//!
//! Unaware of schedules and of where images come from.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::resnet::ResNet;
use super::sgd::Sgd;
use super::transfers::upload;
use cifar::CLASSES;

/// One optimizer step on images `[n, 3, 32, 32]`. Returns the network after it and the logits
/// `[n, 10]` before it, outside of autodiff's graph.
pub fn train_step(
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
    let weights = upload(weights, [labels.len(), CLASSES], &logits.device());
    (log_softmax(logits, 1) * weights).sum()
}
