//! The networks' layers as the backends compute them fastest: a convolution together with the batch
//! normalisation, the sum and the ReLU that follow it, forward and backward.
//!
//! [`train`], [`infer`], [`zero_pad`], [`fork`], [`global_avg_pool`] and [`sgd`] say what is computed;
//! who computes it depends on the device of the input:
//!
//! - `flex`: our own kernels, which are the crate `kernels`, on channels-last memory.
//! - `libtorch`: LibTorch's own operations with its own gradients.
//! - everything else (`portable`): burn's operations, one after the other.
//!
//! All of them compute the same function; they differ in rounding. Unaware of networks, parameters'
//! names and running statistics.

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "tch")]
mod libtorch;
mod operands;
mod portable;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor};

pub use operands::{BatchStats, ConvBn, Downsample, Epilogue, SgdConfig, SgdStep};

/// Who computes.
enum Route {
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "tch")]
    LibTorch,
    Portable,
}

impl Route {
    fn of(device: &Device) -> Route {
        let device = match device.as_dispatch() {
            DispatchDevice::Autodiff(device) => device,
            device => device,
        };
        match device {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Route::Flex,
            #[cfg(feature = "tch")]
            DispatchDevice::LibTorch(_) => Route::LibTorch,
            #[allow(
                unreachable_patterns,
                reason = "reached where there are other backends"
            )]
            _ => Route::Portable,
        }
    }
}

/// Convolution and normalisation with the batch's statistics, on a device with autodiff:
/// `[images, channels, height, width]` to `[images, filters, ⌈height / stride⌉, ⌈width / stride⌉]`.
pub fn train(x: Tensor<4>, conv: ConvBn, epilogue: Epilogue) -> (Tensor<4>, BatchStats) {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if flex::can(&conv) => flex::train(x, conv, epilogue),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::train(x, conv, epilogue),
        _ => portable::train(x, conv, epilogue),
    }
}

/// Convolution and normalisation with given statistics, on a device without autodiff; shapes as in
/// [`train`].
pub fn infer(
    x: Tensor<4>,
    conv: ConvBn,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epilogue: Epilogue,
) -> Tensor<4> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if flex::can(&conv) => flex::infer(x, conv, mean, variance, epilogue),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::infer(x, conv, mean, variance, epilogue),
        _ => portable::infer(x, conv, mean, variance, epilogue),
    }
}

/// One of each 2 × 2 pixels of `[images, channels, height, width]`, with channels of zeros before
/// and after (the paper's option A, and a variant of it).
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, zeros: [usize; 2]) -> Tensor<4> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::zero_pad(x, downsample, zeros),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::zero_pad(x, downsample, zeros),
        Route::Portable => portable::zero_pad(x, downsample, zeros),
    }
}

/// The same tensor twice, for two ways that start at it; its gradient is the sum of theirs. The
/// first way must lead to the loss.
pub fn fork(x: Tensor<4>) -> [Tensor<4>; 2] {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::fork(x),
        _ => [x.clone(), x],
    }
}

/// The mean over all pixels: `[images, channels, height, width]` to `[images, channels]`.
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::global_avg_pool(x),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::global_avg_pool(x),
        _ => portable::global_avg_pool(x),
    }
}

/// `[images, inputs]` times weights `[outputs, inputs]`: `[images, outputs]`.
pub fn linear(x: Tensor<2>, weights: Tensor<2>) -> Tensor<2> {
    match Route::of(&x.device()) {
        Route::Portable => portable::linear(x, weights),
        #[allow(
            unreachable_patterns,
            reason = "reached where there are other backends"
        )]
        _ => x.matmul(weights.transpose()),
    }
}

/// `v ← μ v + (g + λ w)` and `w ← w − η v`, in this order, for all parameters on a device; `v` starts as the
/// first gradient. Returns weights and momentum buffers.
pub fn sgd(steps: Vec<SgdStep>, config: SgdConfig) -> Vec<[Tensor<1>; 2]> {
    let route = steps.first().map(|step| Route::of(&step.weights.device()));
    let each = |sgd: fn(SgdStep, SgdConfig) -> [Tensor<1>; 2], steps: Vec<SgdStep>| {
        steps.into_iter().map(|step| sgd(step, config)).collect()
    };
    match route {
        #[cfg(feature = "flex")]
        Some(Route::Flex) => each(flex::sgd, steps),
        _ => each(portable::sgd, steps),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
