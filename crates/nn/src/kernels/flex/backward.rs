//! The backward pass through the layers, as steps of burn's graph: what each saves, and which
//! gradients it hands to which parent. Unaware of how forward results come about.

use std::fmt::Debug;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use kernels::{Arch, Geometry, Norm, Saved, buffers};

use super::memory::{Traced, as_tensor, as_vector, channels_last, give_back, into_values};

/// Puts an operation with its backward pass into the graph.
pub fn record<const N: usize, B>(
    backward: B,
    parents: [NodeGuard; N],
    saved: B::State,
    output: FlexTensor,
) -> Traced
where
    B: Backward<Flex, N>,
{
    let prepared = backward.prepare::<NoCheckpointing>(parents);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// The backward pass of an operation on one tensor: from the output's gradient and what was saved to
/// the input's gradient, if there is one yet.
#[derive(Debug)]
pub struct UnaryBackward<S>(pub fn(FlexTensor, S) -> Option<FlexTensor>);

impl<S: Clone + Debug + Send + 'static> Backward<Flex, 1> for UnaryBackward<S> {
    type State = S;

    fn backward(self, ops: Ops<S, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let found = (self.0)(gradient, ops.state);
        if let ([Some(parent)], Some(found)) = (ops.parents, found) {
            gradients.register::<Flex>(parent.id, found);
        }
    }
}

/// The backward pass of convolution, normalisation and epilogue. The parents are input, weights,
/// scale, shift, and the skip if there is one.
#[derive(Debug)]
pub struct ConvBnBackward;

/// What the backward pass of [`ConvBnBackward`] needs.
#[derive(Clone, Debug)]
pub struct SavedTensors {
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

macro_rules! conv_bn_backward {
    ($parents:literal) => {
        impl Backward<Flex, $parents> for ConvBnBackward {
            type State = SavedTensors;

            fn backward(
                self,
                ops: Ops<SavedTensors, $parents>,
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

conv_bn_backward!(4);
conv_bn_backward!(5);

impl SavedTensors {
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
        let skip = if of_skip {
            let shape = [g.filters, g.out_height(), g.out_width()];
            Some(as_tensor(gradient, g.images, shape))
        } else {
            buffers::give(gradient);
            None
        };
        let x = found.x;
        let x = x.map(|x| as_tensor(x, g.images, [g.channels, g.height, g.width]));
        let layout = Layout::contiguous(Shape::from([g.filters, g.channels, g.size, g.size]));
        let weights = FlexTensor::new(Bytes::from_elems(found.weights), layout, DType::F32);
        let [scale, shift] = found.scale.map(as_vector);
        [x, Some(weights), Some(scale), Some(shift), skip]
    }
}
