//! The three kinds of layers that the networks are made of, with PyTorch's parameter names and
//! layouts and PyTorch's meaning of batch normalisation's running variance.
//!
//! Unaware of how they are put together.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use super::init::Init;
use super::kernels::{self, Then, Unit};

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
    /// `shape`: filters, channels, size of the square kernel (odd).
    pub fn new(init: &Init, name: &str, shape: [usize; 3], stride: usize) -> Conv {
        Conv {
            weight: init.conv(&format!("{name}.weight"), shape),
            stride,
        }
    }

    /// The device that the weight is on.
    pub fn device(&self) -> Device {
        self.weight.val().device()
    }

    /// Convolves, normalises and does what is to follow: `[images, channels, h, w]` to
    /// `[images, filters, h / stride, w / stride]`.
    pub fn forward(&self, x: Tensor<4>, norm: &BatchNorm, then: Then) -> Tensor<4> {
        let unit = Unit {
            weights: self.weight.val(),
            stride: self.stride,
            scale: norm.weight.val(),
            shift: norm.bias.val(),
            epsilon: EPSILON,
        };
        norm.apply(x, unit, then)
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
        let running = |value: Tensor<1>| RunningState::new(value);
        let device: &Device = init.device;
        BatchNorm {
            weight: init.constant(channels, 1.0),
            bias: init.constant(channels, 0.0),
            running_mean: running(Tensor::zeros([channels], device)),
            running_var: running(Tensor::ones([channels], device)),
        }
    }

    /// Normalises with the batch's statistics on a device with autodiff, where it also updates
    /// the running ones, and with the running statistics elsewhere.
    fn apply(&self, x: Tensor<4>, unit: Unit, then: Then) -> Tensor<4> {
        if !x.device().is_autodiff() {
            let (mean, variance) = (self.running_mean.value(), self.running_var.value());
            return kernels::infer(x, unit, mean, variance, then);
        }
        let batch = kernels::train(x, unit, then);
        let [images, _, height, width] = batch.output.dims();
        let n = (images * height * width) as f64;
        // A single value has no unbiased variance; PyTorch refuses such a batch, which cannot
        // occur here, where every map has at least 64 pixels.
        let unbiased = batch.variance.mul_scalar(n / (n - 1.0));
        update(&self.running_mean, batch.mean);
        update(&self.running_var, unbiased);
        batch.output
    }
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
        Linear {
            weight: init.linear_weight(&format!("{name}.weight"), shape),
            bias: init.linear_bias(&format!("{name}.bias"), shape),
        }
    }

    /// `[images, inputs]` to `[images, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::device::Backend;
    use crate::weights::read;

    #[test]
    fn running_statistics_take_a_tenth_of_each_batch_with_its_unbiased_variance() {
        let backends = [Backend::Flex, Backend::TchCpu];
        for backend in backends.into_iter().filter(|b| b.compiled_in()) {
            let device = backend.open().unwrap().autodiff();
            let init = Init {
                seed: 0,
                device: &device,
            };
            let (conv, norm) = (
                Conv::new(&init, "c", [16, 1, 1], 1),
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
                let x = Tensor::from_data(batch.clone(), &device);
                conv.forward(x, &norm, Then::Relu);
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
