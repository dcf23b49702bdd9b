//! The layers on burn's Flex backend, by our own kernels (the crate `kernels`): tensors keep the shape
//! `[images, channels, height, width]` and lie channels last in memory, which every other operation
//! of the backend understands.
//!
//! Unaware of how the kernels compute, and of the way back, which `steps` knows.

mod memory;
mod steps;

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use kernels::{Arch, BLOCK, Geometry, Norm};

use self::memory::{
    Traced, as_tensor, as_vector, channels_last, contiguous, give_back, into_values, traced,
    untraced, values,
};
use self::steps::{Join, Kept, Leave, Mean, Pad, Slot, record, record_one};
use super::{Batch, Rates, Shrink, Then, Unit, Update};

/// Whether the kernels know the shape: whole blocks of filters.
pub fn can(unit: &Unit) -> bool {
    unit.weights.dims()[0].is_multiple_of(BLOCK)
}

/// See [`super::train`].
pub fn train(x: Tensor<4>, unit: Unit, then: Then) -> Batch {
    let geometry = geometry(&x, &unit);
    let relu = !matches!(then, Then::Nothing);
    let (x, weights) = (traced(x), traced(unit.weights));
    let (scale, shift) = (traced(unit.scale), traced(unit.shift));
    let skip = match then {
        Then::AddRelu(skip) => Some(traced(skip)),
        _ => None,
    };
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
    let done = kernels::train(&layer, x_last.storage(), scales, unit.epsilon);
    let shape = [
        geometry.filters,
        geometry.out_height(),
        geometry.out_width(),
    ];
    let output = as_tensor(done.out, geometry.images, shape);
    let statistic = |values: &[f32]| {
        let tensor = as_vector(values.to_vec());
        Tensor::from_primitive::<Autodiff<Flex>>(Traced::new(tensor))
    };
    let (mean, variance) = (statistic(&done.norm.mean), statistic(&done.norm.variance));
    let kept = Kept {
        geometry,
        x: x_last,
        weights: weights_flat,
        scale: scale_flat,
        map: as_tensor(done.map, geometry.images, shape),
        out: relu.then(|| output.clone()),
        norm: done.norm,
    };
    let nodes = [x.node(), weights.node(), scale.node(), shift.node()];
    let output = match skip {
        None => record(nodes, kept, output),
        Some(skip) => {
            let [x, weights, scale, shift] = nodes;
            record([x, weights, scale, shift, skip.node()], kept, output)
        }
    };
    Batch {
        output: Tensor::from_primitive::<Autodiff<Flex>>(output),
        mean,
        variance,
    }
}

/// See [`super::infer`].
pub fn infer(
    x: Tensor<4>,
    unit: Unit,
    mean: Tensor<1>,
    variance: Tensor<1>,
    then: Then,
) -> Tensor<4> {
    let geometry = geometry(&x, &unit);
    let relu = !matches!(then, Then::Nothing);
    let [scale, shift] = [unit.scale, unit.shift].map(values);
    let (mean, variance) = (values(mean), values(variance));
    let reciprocal = |variance: &f32| (1.0 / (f64::from(*variance) + unit.epsilon).sqrt()) as f32;
    let norm = Norm {
        reciprocal: variance.iter().map(reciprocal).collect(),
        mean,
        variance,
    };
    let x = channels_last(untraced(x));
    let weights = contiguous(untraced(unit.weights));
    let skip = match then {
        Then::AddRelu(skip) => Some(channels_last(untraced(skip))),
        _ => None,
    };
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
    let shape = [
        geometry.filters,
        geometry.out_height(),
        geometry.out_width(),
    ];
    let out = as_tensor(out, geometry.images, shape);
    Tensor::from_primitive::<Flex>(out)
}

/// See [`super::zero_pad`].
pub fn zero_pad(x: Tensor<4>, shrink: Shrink, zeros: [usize; 2]) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    let pad = kernels::Pad {
        shape: [height, width, channels],
        largest: shrink == Shrink::Largest,
        zeros,
    };
    let apply = |x: &FlexTensor| {
        let out = pad.forward(x.storage());
        let [height, width, channels] = pad.out_shape();
        as_tensor(out, images, [channels, height, width])
    };
    if !x.device().is_autodiff() {
        let x = channels_last(untraced(x));
        return Tensor::from_primitive::<Flex>(apply(&x));
    }
    let x = traced(x);
    let value = channels_last(x.primitive().clone());
    let out = apply(&value);
    Tensor::from_primitive::<Autodiff<Flex>>(record_one(Pad(pad), x, value, out))
}

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
    let first = record_one(Join, x, slot.clone(), value.clone());
    // A child of the first, so that it comes before it on the way back.
    let second = record_one(Leave, first.clone(), slot, value);
    [first, second].map(Tensor::from_primitive::<Autodiff<Flex>>)
}

/// See [`super::mean`].
pub fn mean(x: Tensor<4>) -> Tensor<2> {
    let [images, channels, height, width] = x.dims();
    let apply = |x: FlexTensor| {
        let means = kernels::mean_pixels(channels_last(x).storage(), height * width, channels);
        let layout = Layout::contiguous(Shape::from([images, channels]));
        FlexTensor::new(Bytes::from_elems(means), layout, DType::F32)
    };
    if !x.device().is_autodiff() {
        return Tensor::from_primitive::<Flex>(apply(untraced(x)));
    }
    let x = traced(x);
    let means = apply(x.primitive().clone());
    let means = record_one(Mean, x, [images, channels, height, width], means);
    Tensor::from_primitive::<Autodiff<Flex>>(means)
}

/// See [`super::sgd`].
pub fn sgd(update: Update, rates: Rates) -> [Tensor<1>; 2] {
    let numbers = |tensor: Tensor<1>| into_values(contiguous(untraced(tensor)));
    let (weights, gradient) = (numbers(update.weights), numbers(update.gradient));
    let velocity = update.velocity.map(numbers);
    let rates = [rates.learning_rate, rates.momentum, rates.weight_decay];
    kernels::sgd(weights, gradient, velocity, rates.map(|rate| rate as f32))
        .map(|values| Tensor::from_primitive::<Flex>(as_vector(values)))
}

fn geometry(x: &Tensor<4>, unit: &Unit) -> Geometry {
    let [images, channels, height, width] = x.dims();
    let [filters, _, size, _] = unit.weights.dims();
    Geometry {
        images,
        channels,
        height,
        width,
        filters,
        size,
        stride: unit.stride,
    }
}
