//! The networks' layers as the backends compute them fastest: a convolution together with the batch
//! normalisation, the sum and the ReLU that follow it, forward and backward.
//!
//! [`train`], [`train_block`], [`infer`], [`zero_pad`], [`global_avg_pool`] and [`sgd`] say what is
//! computed; who computes it depends on the device of the input:
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

pub use operands::{BatchStats, ConvBn, Downsample, Epilogue, SgdConfig, SgdStep, Skip};

/// A layer's output `[images, channels, height, width]` on its way to the one that reads it.
pub struct Map {
    tensor: Tensor<4>,
    /// What the tensor is, where it is not simply that output.
    #[cfg(feature = "flex")]
    origin: Option<flex::Origin>,
}

impl Map {
    /// Images, channels, height, width.
    pub fn dims(&self) -> [usize; 4] {
        self.tensor.dims()
    }

    /// The output itself, on a device without autodiff.
    pub fn tensor(self) -> Tensor<4> {
        self.tensor
    }

    /// The device that it is on.
    pub fn device(&self) -> Device {
        self.tensor.device()
    }
}

impl From<Tensor<4>> for Map {
    fn from(tensor: Tensor<4>) -> Map {
        Map {
            tensor,
            #[cfg(feature = "flex")]
            origin: None,
        }
    }
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

/// A layer in training, `relu(bn(conv(x)))` with the batch's statistics, on a device with autodiff:
/// `[images, channels, height, width]` to `[images, filters, ⌈height / stride⌉, ⌈width / stride⌉]`.
pub fn train(x: Map, conv: ConvBn) -> (Map, BatchStats) {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if flex::can(&conv) => flex::train(x, conv),
        #[cfg(feature = "tch")]
        Route::LibTorch => single(libtorch::train, x, conv),
        _ => single(portable::train, x, conv),
    }
}

/// A block in training, `relu(bn(conv(relu(bn(conv(x))))) + skip(x))`, else as [`train`]. Gives the
/// statistics of both layers, then the projection's if there is one.
pub fn train_block(x: Map, layers: [ConvBn; 2], skip: Skip<ConvBn>) -> (Map, Vec<BatchStats>) {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex if layers.iter().all(flex::can) => flex::train_block(x, layers, skip),
        #[cfg(feature = "tch")]
        Route::LibTorch => composed(libtorch::train, libtorch::zero_pad, x, layers, skip),
        _ => composed(portable::train, portable::zero_pad, x, layers, skip),
    }
}

/// A backend's convolution, normalisation and epilogue.
type Train = fn(Tensor<4>, ConvBn, Epilogue) -> (Tensor<4>, BatchStats);
/// A backend's option A.
type ZeroPad = fn(Tensor<4>, Downsample, [usize; 2]) -> Tensor<4>;

/// [`train`] by a backend's operation.
fn single(train: Train, x: Map, conv: ConvBn) -> (Map, BatchStats) {
    let (out, batch) = train(x.tensor, conv, Epilogue::Relu);
    (out.into(), batch)
}

/// [`train_block`] by a backend's operations, one after the other.
fn composed(
    train: Train,
    zero_pad: ZeroPad,
    x: Map,
    [first, second]: [ConvBn; 2],
    skip: Skip<ConvBn>,
) -> (Map, Vec<BatchStats>) {
    let x = x.tensor;
    let (y, of_first) = train(x.clone(), first, Epilogue::Relu);
    let (skip, of_skip) = match skip {
        Skip::Identity => (x, None),
        Skip::Pad(downsample, zeros) => (zero_pad(x, downsample, zeros), None),
        Skip::Projection(conv) => {
            let (skip, batch) = train(x, conv, Epilogue::Identity);
            (skip, Some(batch))
        }
    };
    let (y, of_second) = train(y, second, Epilogue::AddRelu(skip));
    let batches = [of_first, of_second].into_iter().chain(of_skip);
    (y.into(), batches.collect())
}

/// Convolution and normalisation with given statistics, and what follows, on a device without autodiff;
/// shapes as in [`train`].
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
/// and after (the paper's option A, and a variant of it), on a device without autodiff.
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, zeros: [usize; 2]) -> Tensor<4> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::zero_pad(x, downsample, zeros),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::zero_pad(x, downsample, zeros),
        Route::Portable => portable::zero_pad(x, downsample, zeros),
    }
}

/// The mean over all pixels: `[images, channels, height, width]` to `[images, channels]`.
pub fn global_avg_pool(x: Map) -> Tensor<2> {
    match Route::of(&x.device()) {
        #[cfg(feature = "flex")]
        Route::Flex => flex::global_avg_pool(x),
        #[cfg(feature = "tch")]
        Route::LibTorch => libtorch::global_avg_pool(x.tensor),
        _ => portable::global_avg_pool(x.tensor),
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
