//! The layers in burn's own operations, for every backend that has no kernels of its own here; what
//! the others are held against in tests.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};

use super::{Batch, Rates, Shrink, Then, Unit, Update};

pub fn train(x: Tensor<4>, unit: Unit, then: Then) -> Batch {
    let map = convolve(x, unit.weights, unit.stride);
    let batch = batch_norm_train(map, unit.scale, unit.shift, unit.epsilon);
    Batch {
        output: finish(batch.output, then),
        mean: batch.mean,
        variance: batch.variance,
    }
}

pub fn infer(
    x: Tensor<4>,
    unit: Unit,
    mean: Tensor<1>,
    variance: Tensor<1>,
    then: Then,
) -> Tensor<4> {
    let map = convolve(x, unit.weights, unit.stride);
    let map = batch_norm(map, unit.scale, unit.shift, mean, variance, unit.epsilon);
    finish(map, then)
}

/// Pooling single pixels skips the others.
pub fn zero_pad(x: Tensor<4>, shrink: Shrink, [before, after]: [usize; 2]) -> Tensor<4> {
    let size = match shrink {
        Shrink::EveryOther => 1,
        Shrink::Largest => 2,
    };
    let x = max_pool2d(x, MaxPoolOptions::new([size; 2]).with_stride([2; 2]));
    let [images, _, height, width] = x.dims();
    let zeros = |channels: usize| {
        (channels > 0).then(|| Tensor::zeros([images, channels, height, width], &x.device()))
    };
    let parts = [zeros(before), Some(x.clone()), zeros(after)];
    Tensor::cat(parts.into_iter().flatten().collect(), 1)
}

pub fn mean(x: Tensor<4>) -> Tensor<2> {
    let [images, channels, height, width] = x.dims();
    let means = x.reshape([images, channels, height * width]).mean_dim(2);
    means.reshape([images, channels])
}

pub fn sgd(update: Update, rates: Rates) -> [Tensor<1>; 2] {
    let Update {
        weights,
        gradient,
        velocity,
    } = update;
    let decayed = gradient + weights.clone().mul_scalar(rates.weight_decay);
    let velocity = match velocity {
        Some(velocity) => decayed + velocity.mul_scalar(rates.momentum),
        None => decayed,
    };
    let weights = weights - velocity.clone().mul_scalar(rates.learning_rate);
    [weights, velocity]
}

fn convolve(x: Tensor<4>, weights: Tensor<4>, stride: usize) -> Tensor<4> {
    let pad = weights.dims()[2] / 2;
    conv2d(
        x,
        weights,
        None,
        ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1),
    )
}

fn finish(map: Tensor<4>, then: Then) -> Tensor<4> {
    match then {
        Then::Nothing => map,
        Then::Relu => relu(map),
        Then::AddRelu(skip) => relu(map + skip),
    }
}
