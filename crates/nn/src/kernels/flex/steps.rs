//! The steps of burn's graph that lead back through the layers: what each keeps, and which gradients it
//! hands to which parent. Unaware of how forward results come about.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use kernels::{Arch, Geometry, Norm, Saved, buffers};

use super::memory::{
    Traced, as_tensor, as_vector, channels_last, contiguous, give_back, into_values,
};

/// What the way back needs, and its place in burn's graph.
#[derive(Clone, Debug)]
pub struct Kept {
    pub geometry: Geometry,
    pub x: FlexTensor,
    pub weights: FlexTensor,
    pub scale: FlexTensor,
    /// Before normalisation.
    pub map: FlexTensor,
    /// After the ReLU, if there is one.
    pub out: Option<FlexTensor>,
    pub norm: Norm,
}

/// The step of a layer.
#[derive(Debug)]
pub struct Step;

/// Puts a layer's step into the graph. The parents are input, weights, scale, shift, and the skip if
/// there is one.
pub fn record<const N: usize>(nodes: [NodeGuard; N], kept: Kept, output: FlexTensor) -> Traced
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
        let found = kernels::backward(Arch::new(), &g, &saved, &mut gradient, of_x);
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

/// The step of [`super::zero_pad`].
#[derive(Clone, Copy, Debug)]
pub struct Pad(pub kernels::Pad);

impl Backward<Flex, 1> for Pad {
    /// The input.
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = channels_last(gradients.consume::<Flex>(&ops.node));
        let Pad(pad) = self;
        let found = pad.input_gradient(gradient.storage(), ops.state.storage());
        give_back(gradient);
        give_back(ops.state);
        if let [Some(parent)] = ops.parents {
            let [height, width, channels] = pad.shape;
            let images = found.len() / (height * width * channels).max(1);
            let found = as_tensor(found, images, [channels, height, width]);
            gradients.register::<Flex>(parent.id, found);
        }
    }
}

/// A gradient on its way from one step to another.
pub type Slot = Arc<Mutex<Option<FlexTensor>>>;

/// The second way of [`super::fork`].
#[derive(Debug)]
pub struct Leave;

impl Backward<Flex, 1> for Leave {
    type State = Slot;

    fn backward(self, ops: Ops<Slot, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        *ops.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
    }
}

/// The first way of [`super::fork`].
#[derive(Debug)]
pub struct Join;

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
            kernels::add(&mut sum, left.storage());
            give_back(left);
            gradient = as_tensor(sum, images, [channels, height, width]);
        }
        if let [Some(parent)] = ops.parents {
            gradients.register::<Flex>(parent.id, gradient);
        }
    }
}

/// The step of [`super::mean`].
#[derive(Debug)]
pub struct Mean;

impl Backward<Flex, 1> for Mean {
    /// The input's shape.
    type State = [usize; 4];

    fn backward(self, ops: Ops<[usize; 4], 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let [images, channels, height, width] = ops.state;
        let spread = kernels::spread_pixels(gradient.storage(), height * width, channels);
        if let [Some(parent)] = ops.parents {
            let spread = as_tensor(spread, images, [channels, height, width]);
            gradients.register::<Flex>(parent.id, spread);
        }
    }
}

/// Puts a step with one parent into the graph.
pub fn record_one<S>(step: S, parent: Traced, state: S::State, output: FlexTensor) -> Traced
where
    S: Backward<Flex, 1>,
{
    let prepared = step.prepare::<NoCheckpointing>([parent.node()]);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
