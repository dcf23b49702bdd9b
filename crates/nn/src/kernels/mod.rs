//! The networks' layers as the backends compute them fastest: a convolution together with the batch
//! normalisation, the sum and the ReLU that follow it, forward and backward.
//!
//! [`train`], [`infer`], [`zero_pad`], [`fork`], [`mean`] and [`sgd`] say what is computed; who
//! computes it depends on the device of the input:
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
mod portable;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor};

/// A convolution without bias (padded so that stride 1 keeps the size) and its normalisation.
pub struct Unit {
    /// `[filters, channels, size, size]`, `size` odd.
    pub weights: Tensor<4>,
    pub stride: usize,
    /// Batch normalisation's weight, `[filters]`.
    pub scale: Tensor<1>,
    /// Batch normalisation's bias, `[filters]`.
    pub shift: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What follows the normalisation.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Then {
    Nothing,
    Relu,
    /// The sum with a tensor of the output's shape, then the ReLU.
    AddRelu(Tensor<4>),
}

/// A batch that was normalised with its own statistics.
pub struct Batch {
    /// `[images, filters, ⌈height / stride⌉, ⌈width / stride⌉]`
    pub output: Tensor<4>,
    /// Of each filter's values before normalisation; no gradient flows through it.
    pub mean: Tensor<1>,
    /// Biased, as the batch was normalised with; no gradient flows through it.
    pub variance: Tensor<1>,
}

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

/// Convolution and normalisation with the batch's statistics, on a device with autodiff.
/// `x` is `[images, channels, height, width]`.
pub fn train(x: Tensor<4>, unit: Unit, then: Then) -> Batch {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if flex::can(&unit) => flex::train(x, unit, then),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::train(x, unit, then),
        _ => portable::train(x, unit, then),
    }
}

/// Convolution and normalisation with given statistics, on a device without autodiff.
/// `x` is `[images, channels, height, width]`.
pub fn infer(
    x: Tensor<4>,
    unit: Unit,
    mean: Tensor<1>,
    variance: Tensor<1>,
    then: Then,
) -> Tensor<4> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if flex::can(&unit) => flex::infer(x, unit, mean, variance, then),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::infer(x, unit, mean, variance, then),
        _ => portable::infer(x, unit, mean, variance, then),
    }
}

/// Which of 2 × 2 pixels stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// The first of the first row.
    EveryOther,
    /// The largest, channel by channel.
    Largest,
}

/// One of each 2 × 2 pixels of `[images, channels, height, width]`, with channels of zeros before
/// and after (the paper's option A, and a variant of it).
pub fn zero_pad(x: Tensor<4>, shrink: Shrink, zeros: [usize; 2]) -> Tensor<4> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::zero_pad(x, shrink, zeros),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::zero_pad(x, shrink, zeros),
        Route::Portable => portable::zero_pad(x, shrink, zeros),
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

/// The mean over all pixels (global average pooling): `[images, channels, height, width]` to
/// `[images, channels]`.
pub fn mean(x: Tensor<4>) -> Tensor<2> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::mean(x),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::mean(x),
        _ => portable::mean(x),
    }
}

/// The numbers of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// η
    pub learning_rate: f64,
    /// μ
    pub momentum: f64,
    /// λ
    pub weight_decay: f64,
}

/// Weights `w`, their gradient `g` and their velocity `v`, none before the first step, outside of
/// autodiff's graph.
pub struct Update {
    pub weights: Tensor<1>,
    pub gradient: Tensor<1>,
    pub velocity: Option<Tensor<1>>,
}

/// `v ← μ v + (g + λ w)` and `w ← w − η v`, in this order; `v` starts as the first gradient. Returns
/// weights and velocity.
pub fn sgd(update: Update, rates: Rates) -> [Tensor<1>; 2] {
    match Route::of(&update.weights.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::sgd(update, rates),
        _ => portable::sgd(update, rates),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
