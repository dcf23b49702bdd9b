//! The layers on burn's Flex backend, by the kernels of `maps`: tensors keep the shape
//! `[images, channels, height, width]` and lie channels last in memory, which every other operation
//! of the backend understands.
//!
//! Unaware of how the kernels compute.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use pulp::Arch;

use super::maps::{self, Geometry, Norm, Saved};
use super::{Batch, Then, Unit, buffers};

/// burn's own type for a tensor with a gradient.
type Traced = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// Whether the kernels know the shape: whole blocks of filters.
pub fn can(unit: &Unit) -> bool {
    unit.weights.dims()[0].is_multiple_of(16)
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
    let layer = maps::Layer {
        arch: Arch::new(),
        geometry,
        weights: weights_flat.storage(),
        skip: skip_last.as_ref().map(FlexTensor::storage),
        relu,
    };
    let scales = [scale_flat.storage(), shift_flat.storage()];
    let done = maps::train(&layer, x_last.storage(), scales, unit.epsilon);
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
    let layer = maps::Layer {
        arch: Arch::new(),
        geometry,
        weights: weights.storage(),
        skip: skip.as_ref().map(FlexTensor::storage),
        relu,
    };
    let out = maps::infer(&layer, x.storage(), &norm.affine(&scale, &shift));
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
pub fn zero_pad(x: Tensor<4>, zeros: [usize; 2]) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    let pad = Pad {
        shape: [height, width, channels],
        zeros,
    };
    let apply = |x: FlexTensor| {
        let out = maps::pad_channels(channels_last(x).storage(), pad.shape, 2, zeros);
        let shape = [
            zeros[0] + channels + zeros[1],
            height.div_ceil(2),
            width.div_ceil(2),
        ];
        as_tensor(out, images, shape)
    };
    if !x.device().is_autodiff() {
        return Tensor::from_primitive::<Flex>(apply(untraced(x)));
    }
    let x = traced(x);
    let out = apply(x.primitive().clone());
    Tensor::from_primitive::<Autodiff<Flex>>(record_one(pad, x, (), out))
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
        let means = maps::mean_pixels(channels_last(x).storage(), height * width, channels);
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

/// Puts a step with one parent into the graph.
fn record_one<S>(step: S, parent: Traced, state: S::State, output: FlexTensor) -> Traced
where
    S: Backward<Flex, 1>,
{
    let prepared = step.prepare::<NoCheckpointing>([parent.node()]);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
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

/// What the way back needs, and its place in burn's graph.
#[derive(Clone, Debug)]
struct Kept {
    geometry: Geometry,
    x: FlexTensor,
    weights: FlexTensor,
    scale: FlexTensor,
    /// Before normalisation.
    map: FlexTensor,
    /// After the ReLU, if there is one.
    out: Option<FlexTensor>,
    norm: Norm,
}

#[derive(Debug)]
struct Step;

/// Puts the step into the graph. The parents are input, weights, scale, shift, and the skip if
/// there is one.
fn record<const N: usize>(
    nodes: [burn::backend::autodiff::ops::NodeGuard; N],
    kept: Kept,
    output: FlexTensor,
) -> Traced
where
    Step: Backward<Flex, N, State = Kept>,
{
    match Step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(kept, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

macro_rules! layer_backward {
    ($parents:literal) => {
        impl Backward<Flex, $parents> for Step {
            type State = Kept;

            fn backward(
                self,
                ops: Ops<Kept, $parents>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<Flex>(&ops.node);
                let wanted = ops.parents.each_ref().map(Option::is_some);
                let found = ops
                    .state
                    .backward(gradient, wanted[0], wanted.get(4) == Some(&true));
                for (parent, gradient) in ops.parents.into_iter().zip(found) {
                    if let (Some(parent), Some(gradient)) = (parent, gradient) {
                        gradients.register::<Flex>(parent.id, gradient);
                    }
                }
            }
        }
    };
}

layer_backward!(4);
layer_backward!(5);

impl Kept {
    /// Gradients of the parents, in their order.
    fn backward(self, gradient: FlexTensor, of_x: bool, of_skip: bool) -> [Option<FlexTensor>; 5] {
        let g = self.geometry;
        let mut gradient = into_values(channels_last(gradient));
        let saved = Saved {
            x: self.x.storage(),
            weights: self.weights.storage(),
            scale: self.scale.storage(),
            map: self.map.storage(),
            out: self.out.as_ref().map(FlexTensor::storage),
            norm: &self.norm,
        };
        let found = maps::backward(Arch::new(), &g, &saved, &mut gradient, of_x);
        give_back(self.x);
        give_back(self.map);
        if let Some(out) = self.out {
            give_back(out);
        }
        let skip = match of_skip {
            true => Some(as_tensor(
                gradient,
                g.images,
                [g.filters, g.out_height(), g.out_width()],
            )),
            false => {
                buffers::give(gradient);
                None
            }
        };
        let weights = Layout::contiguous(Shape::from([g.filters, g.channels, g.size, g.size]));
        let [scale, shift] = found.scale.map(as_vector);
        [
            found
                .x
                .map(|x| as_tensor(x, g.images, [g.channels, g.height, g.width])),
            Some(FlexTensor::new(
                Bytes::from_elems(found.weights),
                weights,
                DType::F32,
            )),
            Some(scale),
            Some(shift),
            skip,
        ]
    }
}

/// The step of [`zero_pad`].
#[derive(Clone, Copy, Debug)]
struct Pad {
    /// Height, width and channels of the input.
    shape: [usize; 3],
    /// Channels before and after.
    zeros: [usize; 2],
}

impl Backward<Flex, 1> for Pad {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = channels_last(gradients.consume::<Flex>(&ops.node));
        let found = maps::pad_channels_backward(gradient.storage(), self.shape, 2, self.zeros);
        give_back(gradient);
        if let [Some(parent)] = ops.parents {
            let [height, width, channels] = self.shape;
            let images = found.len() / (height * width * channels).max(1);
            let found = as_tensor(found, images, [channels, height, width]);
            gradients.register::<Flex>(parent.id, found);
        }
    }
}

/// A gradient on its way from one step to another.
type Slot = Arc<Mutex<Option<FlexTensor>>>;

/// The second way of [`fork`].
#[derive(Debug)]
struct Leave;

impl Backward<Flex, 1> for Leave {
    type State = Slot;

    fn backward(self, ops: Ops<Slot, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        *ops.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
    }
}

/// The first way of [`fork`].
#[derive(Debug)]
struct Join;

impl Backward<Flex, 1> for Join {
    type State = Slot;

    fn backward(self, ops: Ops<Slot, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let mut gradient = gradients.consume::<Flex>(&ops.node);
        let left = ops
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(left) = left {
            let (left, dims) = (channels_last(left), gradient.layout().shape().dims());
            let [images, channels, height, width]: [usize; 4] = dims;
            let mut sum = into_values(channels_last(gradient));
            maps::add(&mut sum, left.storage());
            give_back(left);
            gradient = as_tensor(sum, images, [channels, height, width]);
        }
        if let [Some(parent)] = ops.parents {
            gradients.register::<Flex>(parent.id, gradient);
        }
    }
}

/// The step of [`mean`].
#[derive(Debug)]
struct Mean;

impl Backward<Flex, 1> for Mean {
    /// The input's shape.
    type State = [usize; 4];

    fn backward(self, ops: Ops<[usize; 4], 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let [images, channels, height, width] = ops.state;
        let spread = maps::spread_pixels(gradient.storage(), height * width, channels);
        if let [Some(parent)] = ops.parents {
            let spread = as_tensor(spread, images, [channels, height, width]);
            gradients.register::<Flex>(parent.id, spread);
        }
    }
}

/// The tensor below a tensor on Flex with autodiff.
fn traced<const D: usize>(tensor: Tensor<D>) -> Traced {
    let tensor = tensor.try_into_primitive::<Autodiff<Flex>>();
    tensor.expect("a tensor on Flex with autodiff: the device was looked at")
}

/// The tensor below a tensor on Flex.
fn untraced<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = tensor.try_into_primitive::<Flex>();
    tensor.expect("a tensor on Flex: the device was looked at")
}

fn values(tensor: Tensor<1>) -> Vec<f32> {
    contiguous(untraced(tensor)).storage().to_vec()
}

/// The same tensor, whose storage is its values, row-major.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let count = tensor.layout().num_elements();
    match tensor.layout().contiguous_offsets() {
        Some((0, end)) if end == count && tensor.bytes().len() == 4 * count => tensor,
        _ => FlexTensor::from_data(tensor.into_data()),
    }
}

/// The layout of `[images, channels, height, width]` whose channels are neighbours.
fn last(images: usize, [channels, height, width]: [usize; 3]) -> Layout {
    let strides = [height * width * channels, 1, width * channels, channels];
    let shape = Shape::from([images, channels, height, width]);
    Layout::new(shape, strides.map(|stride| stride as isize).to_vec(), 0)
}

/// The same tensor `[images, channels, height, width]`, whose storage is its values, channels last.
fn channels_last(tensor: FlexTensor) -> FlexTensor {
    let dims: [usize; 4] = tensor.layout().shape().dims();
    let [images, channels, height, width] = dims;
    let count = dims.iter().product::<usize>();
    let wanted = last(images, [channels, height, width]);
    let lies_so = tensor.layout().strides() == wanted.strides()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == 4 * count;
    if lies_so {
        return tensor;
    }
    let tensor = contiguous(tensor);
    let moved = maps::to_channels_last(tensor.storage(), channels, height * width);
    as_tensor(moved, images, [channels, height, width])
}

/// Values that lie channels last, as a tensor `[images, channels, height, width]`.
fn as_tensor(values: Vec<f32>, images: usize, shape: [usize; 3]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), last(images, shape), DType::F32)
}

fn as_vector(values: Vec<f32>) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from([values.len()]));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// A tensor's values as they lie; without a copy where nobody else has them.
fn into_values(tensor: FlexTensor) -> Vec<f32> {
    let count = tensor.layout().num_elements();
    let flat = tensor.with_layout(Layout::contiguous(Shape::from([count])));
    let (bytes, _, _) = flat.into_data().into_parts();
    match bytes.try_into_vec() {
        Ok(values) => values,
        Err(bytes) => {
            let floats = bytes.chunks_exact(4);
            let float = |bytes: &[u8]| f32::from_ne_bytes(bytes.try_into().unwrap_or_default());
            floats.map(float).collect()
        }
    }
}

/// Keeps a tensor's memory for the next, unless somebody else has it.
fn give_back(tensor: FlexTensor) {
    if tensor.is_unique() {
        buffers::give(into_values(tensor));
    }
}
