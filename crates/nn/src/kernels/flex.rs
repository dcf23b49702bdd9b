//! The layers on burn's Flex backend, by our own kernels (the crate `kernels`): tensors keep the shape
//! `[images, channels, height, width]` and lie channels last in memory, which every other operation
//! of the backend understands.
//!
//! Unaware of how the kernels compute, and of burn's graph, which `backward` knows.

mod backward;
mod memory;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use kernels::{Arch, BLOCK, Geometry, Norm};

use self::backward::{ConvBnBackward, SavedTensors, UnaryBackward, record};
use self::memory::{
    Traced, as_tensor, as_vector, channels_last, contiguous, give_back, into_values, traced,
    untraced, values,
};
use super::operands::{BatchStats, ConvBn, Downsample, Epilogue, SgdConfig, SgdStep};

/// Whether the kernels know the shape: whole blocks of filters.
pub fn can(conv: &ConvBn) -> bool {
    conv.weights.dims()[0].is_multiple_of(BLOCK)
}

/// See [`super::train`].
pub fn train(x: Tensor<4>, conv: ConvBn, epilogue: Epilogue) -> (Tensor<4>, BatchStats) {
    let geometry = geometry(&x, &conv);
    let (skip, relu) = epilogue.parts();
    let (x, weights) = (traced(x), traced(conv.weights));
    let (scale, shift) = (traced(conv.scale), traced(conv.shift));
    let skip = skip.map(traced);
    let x_last = channels_last(x.primitive().clone());
    let weights_flat = contiguous(weights.primitive().clone());
    let scale_flat = contiguous(scale.primitive().clone());
    let skip_last = skip
        .as_ref()
        .map(|skip| channels_last(skip.primitive().clone()));
    let shift_flat = contiguous(shift.primitive().clone());
    let layer = kernels::Layer {
        arch: Arch::new(),
        geometry,
        weights: weights_flat.storage(),
        skip: skip_last.as_ref().map(FlexTensor::storage),
        relu,
    };
    let scales = [scale_flat.storage(), shift_flat.storage()];
    let done = kernels::train(&layer, x_last.storage(), scales, conv.epsilon);
    let output = output(done.out, &geometry);
    let statistic = |values: &[f32]| {
        let tensor = as_vector(values.to_vec());
        Tensor::from_primitive::<Autodiff<Flex>>(Traced::new(tensor))
    };
    let batch = BatchStats {
        mean: statistic(&done.norm.mean),
        variance: statistic(&done.norm.variance),
    };
    let saved = SavedTensors {
        geometry,
        x: x_last,
        weights: weights_flat,
        scale: scale_flat,
        map: self::output(done.map, &geometry),
        out: relu.then(|| output.clone()),
        norm: done.norm,
    };
    let parents = [x.node(), weights.node(), scale.node(), shift.node()];
    let output = match skip {
        None => record(ConvBnBackward, parents, saved, output),
        Some(skip) => {
            let [x, weights, scale, shift] = parents;
            let parents = [x, weights, scale, shift, skip.node()];
            record(ConvBnBackward, parents, saved, output)
        }
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(output), batch)
}

/// See [`super::infer`].
pub fn infer(
    x: Tensor<4>,
    conv: ConvBn,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epilogue: Epilogue,
) -> Tensor<4> {
    let geometry = geometry(&x, &conv);
    let (skip, relu) = epilogue.parts();
    let [scale, shift] = [conv.scale, conv.shift].map(values);
    let (mean, variance) = (values(mean), values(variance));
    let reciprocal = |variance: &f32| (1.0 / (f64::from(*variance) + conv.epsilon).sqrt()) as f32;
    let norm = Norm {
        reciprocal: variance.iter().map(reciprocal).collect(),
        mean,
        variance,
    };
    let x = channels_last(untraced(x));
    let weights = contiguous(untraced(conv.weights));
    let skip = skip.map(|skip| channels_last(untraced(skip)));
    let layer = kernels::Layer {
        arch: Arch::new(),
        geometry,
        weights: weights.storage(),
        skip: skip.as_ref().map(FlexTensor::storage),
        relu,
    };
    let out = kernels::infer(&layer, x.storage(), &norm.affine(&scale, &shift));
    give_back(x);
    if let Some(skip) = skip {
        give_back(skip);
    }
    Tensor::from_primitive::<Flex>(output(out, &geometry))
}

/// See [`super::zero_pad`].
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, zeros: [usize; 2]) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    let pad = kernels::Pad {
        shape: [height, width, channels],
        largest: downsample == Downsample::MaxPool,
        zeros,
    };
    let forward = |x: &FlexTensor| {
        let [height, width, channels] = pad.out_shape();
        as_tensor(pad.forward(x.storage()), images, [channels, height, width])
    };
    unary(
        x,
        forward,
        |x| (pad, x),
        |gradient, (pad, x)| {
            let gradient = channels_last(gradient);
            let [images, channels, height, width] = x.layout().shape().dims();
            let found = pad.input_gradient(gradient.storage(), x.storage());
            give_back(gradient);
            give_back(x);
            Some(as_tensor(found, images, [channels, height, width]))
        },
    )
}

/// See [`super::global_avg_pool`].
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let shape @ [images, channels, height, width] = x.dims();
    let forward = |x: &FlexTensor| {
        let means = kernels::mean_pixels(x.storage(), height * width, channels);
        let layout = Layout::contiguous(Shape::from([images, channels]));
        FlexTensor::new(Bytes::from_elems(means), layout, DType::F32)
    };
    unary(
        x,
        forward,
        |_| shape,
        |gradient, [images, channels, height, width]| {
            let gradient = contiguous(gradient);
            let spread = kernels::spread_pixels(gradient.storage(), height * width, channels);
            Some(as_tensor(spread, images, [channels, height, width]))
        },
    )
}

/// An operation on one map; on a device with autodiff it is recorded, with what `save` makes of the
/// input.
fn unary<const D: usize, S: Clone + Debug + Send + 'static>(
    x: Tensor<4>,
    forward: impl Fn(&FlexTensor) -> FlexTensor,
    save: impl Fn(FlexTensor) -> S,
    backward: fn(FlexTensor, S) -> Option<FlexTensor>,
) -> Tensor<D> {
    if !x.device().is_autodiff() {
        return Tensor::from_primitive::<Flex>(forward(&channels_last(untraced(x))));
    }
    let x = traced(x);
    let value = channels_last(x.primitive().clone());
    let out = forward(&value);
    let out = record(UnaryBackward(backward), [x.node()], save(value), out);
    Tensor::from_primitive::<Autodiff<Flex>>(out)
}

/// A gradient on its way from one step to another.
type Slot = Arc<Mutex<Option<FlexTensor>>>;

/// See [`super::fork`].
///
/// The graph would add the two gradients by itself, in an order of memory that this backend is slow
/// with: the second way leaves its gradient in a slot, and the first adds it on.
pub fn fork(x: Tensor<4>) -> [Tensor<4>; 2] {
    if !x.device().is_autodiff() {
        return [x.clone(), x];
    }
    let slot = Slot::default();
    let x = traced(x);
    let value = channels_last(x.primitive().clone());
    let first = record(UnaryBackward(join), [x.node()], slot.clone(), value.clone());
    // A child of the first, so that it comes before it in the backward pass.
    let second = record(UnaryBackward(leave), [first.node()], slot, value);
    [first, second].map(Tensor::from_primitive::<Autodiff<Flex>>)
}

fn leave(gradient: FlexTensor, slot: Slot) -> Option<FlexTensor> {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
    None
}

fn join(gradient: FlexTensor, slot: Slot) -> Option<FlexTensor> {
    let left = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(left) = left else {
        return Some(gradient);
    };
    let left = channels_last(left);
    let [images, channels, height, width] = gradient.layout().shape().dims();
    let mut sum = into_values(channels_last(gradient));
    kernels::add(&mut sum, left.storage());
    give_back(left);
    Some(as_tensor(sum, images, [channels, height, width]))
}

/// See [`super::sgd`].
pub fn sgd(step: SgdStep, config: SgdConfig) -> [Tensor<1>; 2] {
    let numbers = |tensor: Tensor<1>| into_values(contiguous(untraced(tensor)));
    let (weights, gradient) = (numbers(step.weights), numbers(step.gradient));
    let momentum_buffer = step.momentum_buffer.map(numbers);
    let config = [config.learning_rate, config.momentum, config.weight_decay];
    let config = config.map(|number| number as f32);
    kernels::sgd(weights, gradient, momentum_buffer, config)
        .map(|values| Tensor::from_primitive::<Flex>(as_vector(values)))
}

fn geometry(x: &Tensor<4>, conv: &ConvBn) -> Geometry {
    let [images, channels, height, width] = x.dims();
    let [filters, _, size, _] = conv.weights.dims();
    Geometry {
        images,
        channels,
        height,
        width,
        filters,
        size,
        stride: conv.stride,
    }
}

/// A layer's output, channels last, as a tensor.
fn output(values: Vec<f32>, g: &Geometry) -> FlexTensor {
    as_tensor(values, g.images, [g.filters, g.out_height(), g.out_width()])
}
