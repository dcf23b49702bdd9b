//! The three kinds of layers that the networks are made of, with PyTorch's parameter names and
//! layouts and PyTorch's meaning of batch normalisation's running variance.
//!
//! Unaware of how they are put together.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use super::init::Init;
use super::kernels::{self, BatchStats, ConvBn, Epilogue, Map, Skip, zero_pad};
use super::mode::is_training;

/// PyTorch's default, added to the variance.
const EPSILON: f64 = 1e-5;
/// PyTorch's default share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Convolution without bias, padded so that stride 1 keeps the size.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[filters, channels, size, size]`
    weight: Param<Tensor<4>>,
    stride: usize,
}

impl Conv {
    /// `shape`: filters, channels, height and width of the square kernel (odd).
    pub fn new(init: &Init, name: &str, shape: [usize; 4], stride: usize) -> Conv {
        Conv {
            weight: init.conv(&format!("{name}.weight"), shape),
            stride,
        }
    }

    /// The device that the weight is on.
    pub fn device(&self) -> Device {
        self.weight.val().device()
    }
}

/// Batch normalisation over images and pixels, per channel.
///
/// burn's own layer feeds the *biased* batch variance into its running variance; PyTorch, and so
/// every published number, the unbiased one.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`.
    weight: Param<Tensor<1>>,
    /// Shift, `[channels]`.
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
}

impl BatchNorm {
    /// The identity on normalised input.
    pub fn new(init: &Init, channels: usize) -> BatchNorm {
        BatchNorm {
            weight: init.constant(channels, 1.0),
            bias: init.constant(channels, 0.0),
            running_mean: RunningState::new(Tensor::zeros([channels], init.device)),
            running_var: RunningState::new(Tensor::ones([channels], init.device)),
        }
    }
}

impl BatchNorm {
    /// The layer that it makes up with a convolution.
    fn with(&self, conv: &Conv) -> ConvBn {
        ConvBn {
            weights: conv.weight.val(),
            stride: conv.stride,
            scale: self.weight.val(),
            shift: self.bias.val(),
            epsilon: EPSILON,
        }
    }

    /// Moves the running statistics towards a batch's, whose output is `[images, _, height, width]`.
    fn follow(&self, batch: BatchStats, [images, _, height, width]: [usize; 4]) {
        let n = (images * height * width) as f64;
        // A single value has no unbiased variance; PyTorch refuses such a batch, which cannot
        // occur here, where every map has at least 64 pixels.
        let unbiased = batch.variance.mul_scalar(n / (n - 1.0));
        update(&self.running_mean, batch.mean);
        update(&self.running_var, unbiased);
    }
}

/// A convolution with its batch normalisation.
pub type Layer<'a> = (&'a Conv, &'a BatchNorm);

/// relu(bn(conv(x))): `[N, channels, H, W]` to `[N, filters, H / stride, W / stride]`. Training
/// normalises with the batch's statistics and updates the running ones; evaluation normalises with the
/// running ones.
pub fn conv_bn_relu(x: Map, (conv, bn): Layer) -> Map {
    if !is_training(&x.device()) {
        return conv_bn(x.tensor(), (conv, bn), Epilogue::Relu).into();
    }
    let (output, batch) = kernels::train(x, bn.with(conv));
    bn.follow(batch, output.dims());
    output
}

/// relu(F(x) + skip(x)), F being two layers with a ReLU between them; else as [`conv_bn_relu`].
pub fn residual(x: Map, [first, second]: [Layer; 2], skip: Skip<Layer>) -> Map {
    if !is_training(&x.device()) {
        let x = x.tensor();
        let y = conv_bn(x.clone(), first, Epilogue::Relu);
        return conv_bn(y, second, Epilogue::AddRelu(skipped(x, skip))).into();
    }
    let mut norms = vec![first.1, second.1];
    let layers = [first, second].map(|(conv, bn)| bn.with(conv));
    let skip = match skip {
        Skip::Identity => Skip::Identity,
        Skip::Pad(downsample, zeros) => Skip::Pad(downsample, zeros),
        Skip::Projection((conv, bn)) => {
            norms.push(bn);
            Skip::Projection(bn.with(conv))
        }
    };
    let (output, batches) = kernels::train_block(x, layers, skip);
    for (bn, batch) in norms.into_iter().zip(batches) {
        // All of them have output maps of one size.
        bn.follow(batch, output.dims());
    }
    output
}

/// The shortcut in evaluation.
pub fn skipped(x: Tensor<4>, skip: Skip<Layer>) -> Tensor<4> {
    match skip {
        Skip::Identity => x,
        Skip::Pad(downsample, zeros) => zero_pad(x, downsample, zeros),
        Skip::Projection(layer) => conv_bn(x, layer, Epilogue::Identity),
    }
}

/// Convolution, batch normalisation and epilogue in evaluation.
pub fn conv_bn(x: Tensor<4>, (conv, bn): Layer, epilogue: Epilogue) -> Tensor<4> {
    let (mean, variance) = (bn.running_mean.value(), bn.running_var.value());
    kernels::infer(x, bn.with(conv), mean, variance, epilogue)
}

/// Moves a running statistic towards the newest batch's.
fn update(running: &RunningState<Tensor<1>>, newest: Tensor<1>) {
    let kept = running.value_sync().mul_scalar(1.0 - MOMENTUM);
    running.update(kept.add(newest.mul_scalar(MOMENTUM)).detach());
}

/// Fully connected layer.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`, as PyTorch keeps it.
    weight: Param<Tensor<2>>,
    /// `[outputs]`
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// `shape`: outputs, inputs.
    pub fn new(init: &Init, name: &str, shape: [usize; 2]) -> Linear {
        let [outputs, inputs] = shape;
        Linear {
            weight: init.linear(&format!("{name}.weight"), shape, inputs),
            bias: init.linear(&format!("{name}.bias"), [outputs], inputs),
        }
    }

    /// `[N, inputs]` to `[N, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::linear(x, self.weight.val()) + self.bias.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::device::tested;
    use crate::transfers::read;

    #[test]
    fn running_statistics_take_a_tenth_of_each_batch_with_its_unbiased_variance() {
        for backend in tested() {
            let device = backend.open().unwrap().autodiff();
            let init = Init {
                seed: 0,
                device: &device,
            };
            let (conv, norm) = (
                Conv::new(&init, "c", [16, 1, 1, 1], 1),
                BatchNorm::new(&init, 16),
            );
            let conv = Conv {
                weight: Param::from_tensor(Tensor::ones([16, 1, 1, 1], &device)),
                ..conv
            };
            // Two images of two pixels: mean 3, sum of squares about it 14, of four values.
            let batch = TensorData::new(vec![1.0_f32, 2.0, 3.0, 6.0], [2, 1, 1, 2]);
            let (mut mean, mut variance) = (0.0, 1.0);
            for _ in 0..3 {
                let x: Tensor<4> = Tensor::from_data(batch.clone(), &device);
                conv_bn_relu(x.into(), (&conv, &norm));
                mean = 0.9 * mean + 0.1 * 3.0;
                variance = 0.9 * variance + 0.1 * 14.0 / 3.0;
                let running = [&norm.running_mean, &norm.running_var];
                let [centre, spread] = running.map(|state| read(state.value_sync()).unwrap()[0]);
                assert!(
                    (f64::from(centre) - mean).abs() < 1e-6,
                    "{backend}: {centre}"
                );
                assert!(
                    (f64::from(spread) - variance).abs() < 1e-6,
                    "{backend}: {spread}"
                );
            }
        }
    }
}
