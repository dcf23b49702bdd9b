//! The layers in burn's own operations, for every backend that has no kernels of its own here; what
//! the others are held against in tests.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};

use super::operands::{BatchStats, ConvBn, Downsample, Epilogue, SgdConfig, SgdStep};

pub fn train(x: Tensor<4>, conv: ConvBn, epilogue: Epilogue) -> (Tensor<4>, BatchStats) {
    let map = convolve(x, conv.weights, conv.stride);
    let batch = batch_norm_train(map, conv.scale, conv.shift, conv.epsilon);
    let (mean, variance) = (batch.mean, batch.variance);
    (
        finish(batch.output, epilogue),
        BatchStats { mean, variance },
    )
}

pub fn infer(
    x: Tensor<4>,
    conv: ConvBn,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epilogue: Epilogue,
) -> Tensor<4> {
    let map = convolve(x, conv.weights, conv.stride);
    let map = batch_norm(map, conv.scale, conv.shift, mean, variance, conv.epsilon);
    finish(map, epilogue)
}

/// Pooling single pixels skips the others.
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, [before, after]: [usize; 2]) -> Tensor<4> {
    let size = match downsample {
        Downsample::EveryOther => 1,
        Downsample::MaxPool => 2,
    };
    let x = max_pool2d(x, MaxPoolOptions::new([size; 2]).with_stride([2; 2]));
    let [images, _, height, width] = x.dims();
    let zeros = |channels: usize| {
        (channels > 0).then(|| Tensor::zeros([images, channels, height, width], &x.device()))
    };
    let parts = [zeros(before), Some(x.clone()), zeros(after)];
    Tensor::cat(parts.into_iter().flatten().collect(), 1)
}

pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let [images, channels, height, width] = x.dims();
    let means = x.reshape([images, channels, height * width]).mean_dim(2);
    means.reshape([images, channels])
}

/// Without a matrix multiplication: burn's takes tensor cores on NVIDIA's GPUs, which round to TF32's 10 bits.
pub fn linear(x: Tensor<2>, weights: Tensor<2>) -> Tensor<2> {
    let ([images, inputs], [outputs, _]) = (x.dims(), weights.dims());
    let x = x.reshape([images, 1, inputs]);
    let weights = weights.reshape([1, outputs, inputs]);
    (x * weights).sum_dim(2).reshape([images, outputs])
}

pub fn sgd(step: SgdStep, config: SgdConfig) -> [Tensor<1>; 2] {
    let decayed = step.gradient + step.weights.clone().mul_scalar(config.weight_decay);
    let momentum_buffer = match step.momentum_buffer {
        Some(buffer) => decayed + buffer.mul_scalar(config.momentum),
        None => decayed,
    };
    let weights = step.weights - momentum_buffer.clone().mul_scalar(config.learning_rate);
    [weights, momentum_buffer]
}

fn convolve(x: Tensor<4>, weights: Tensor<4>, stride: usize) -> Tensor<4> {
    let pad = weights.dims()[2] / 2;
    let options = ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1);
    conv2d(x, weights, None, options)
}

fn finish(map: Tensor<4>, epilogue: Epilogue) -> Tensor<4> {
    match epilogue.parts() {
        (Some(skip), _) => relu(map + skip),
        (None, true) => relu(map),
        (None, false) => map,
    }
}
