//! The backward pass through the layers, as steps of burn's graph: what each saves, and which
//! gradients it hands to which parent. Unaware of how forward results come about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use kernels::{Arch, Input, NormGradients, Onward, Pad, SkipGradient, buffers, relu_backward};

use super::memory::{
    Traced, as_tensor, as_vector, channels_last, contiguous, give_back, into_values,
};
use super::{Origin, SavedInput, SavedLayer};

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

/// Sums of a gradient, on their way from the layer that found it to the one that it is for.
pub type Slot = Arc<Mutex<Option<NormGradients>>>;

fn slot(slot: &Slot) -> MutexGuard<'_, Option<NormGradients>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The backward pass of the mean over all pixels, from the input's shape.
#[derive(Debug)]
pub struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
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

/// The backward pass of layers, one after the other, with a skip past them or without. The parents are
/// the input, then weights, scale and shift of each layer, the projection's last.
#[derive(Debug)]
pub struct ChainBackward;

/// What the backward pass of [`ChainBackward`] needs.
#[derive(Clone, Debug)]
pub struct SavedChain {
    pub x: SavedInput,
    /// Each reads the one before, after its normalisation and ReLU.
    pub layers: Vec<SavedLayer>,
    pub skip: Option<SavedSkip>,
    /// The last ReLU's output, if it is in memory.
    pub out: Option<FlexTensor>,
    /// Where the output's reader may have left sums.
    pub sums: Slot,
}

/// What is added before the last ReLU.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum SavedSkip {
    /// The input itself, or what the padding makes of it.
    Pad(Option<Pad>),
    Projection(SavedLayer),
}

impl<const N: usize> Backward<Flex, N> for ChainBackward {
    type State = SavedChain;

    fn backward(self, ops: Ops<SavedChain, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let of_x = matches!(ops.parents.first(), Some(Some(_)));
        let found = ops.state.backward(gradient, of_x);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

impl SavedChain {
    /// Gradients of the parents, in their order.
    fn backward(mut self, gradient: FlexTensor, of_x: bool) -> Vec<Option<FlexTensor>> {
        let mut gradient = into_values(channels_last(gradient));
        let (mut sums, images) = match (slot(&self.sums).take(), self.layers.last()) {
            (_, None) => return Vec::new(),
            (Some(sums), Some(last)) => (sums, last.geometry.images),
            (None, Some(last)) => {
                let images = last.geometry.images;
                let out = match &self.out {
                    Some(out) => Input::Plain(out.storage()),
                    None => last.output(true),
                };
                let source = last.source();
                let found = relu_backward(Arch::new(), images, &source, Some(out), &mut gradient);
                (found, images)
            }
        };
        // The skip's gradient on its way to the input, and the projection's parameters' on the way.
        let mut projected = Vec::new();
        let mut skipped = None;
        if let Some(SavedSkip::Projection(layer)) = &self.skip {
            let sums = relu_backward(Arch::new(), images, &layer.source(), None, &mut gradient);
            let onward = of_x.then_some(Onward {
                skip: None,
                source: None,
            });
            let found = layer.backward(self.x.input(), &gradient, &sums, onward.as_ref());
            skipped = found.x;
            projected = layer.parameters(found.weights, found.scale);
        }
        let mut parameters = Vec::new();
        // From the last layer to the first, each layer's output's.
        let mut gradients = vec![gradient];
        while let Some(layer) = self.layers.pop() {
            let Some(gradient) = gradients.last() else {
                break;
            };
            let found = match self.layers.last() {
                Some(before) => {
                    let onward = Onward {
                        skip: None,
                        source: Some(before.source()),
                    };
                    layer.backward(before.output(true), gradient, &sums, Some(&onward))
                }
                None => {
                    let skip = self.skip.as_ref().map(|skip| match skip {
                        SavedSkip::Pad(pad) => SkipGradient {
                            gradient: &gradients[0],
                            pad: *pad,
                        },
                        SavedSkip::Projection(_) => SkipGradient {
                            gradient: skipped.as_deref().unwrap_or_default(),
                            pad: None,
                        },
                    });
                    let source = self.x.origin.as_ref().map(Origin::source);
                    let onward = of_x.then_some(Onward { skip, source });
                    layer.backward(self.x.input(), gradient, &sums, onward.as_ref())
                }
            };
            let of_layer = layer.parameters(found.weights, found.scale);
            parameters.splice(0..0, of_layer);
            gradients.extend(found.x);
            match (found.source, &self.x.origin) {
                (Some(found), _) if !self.layers.is_empty() => sums = found,
                (found, Some(origin)) => *slot(&origin.sums) = found,
                (_, None) => {}
            }
            give_back(layer.map);
        }
        let g = &self.x.values.layout().shape().dims::<4>();
        let x = if of_x { gradients.pop() } else { None };
        let x = x.map(|x| as_tensor(x, g[0], [g[1], g[2], g[3]]));
        for gradient in gradients.into_iter().chain(skipped) {
            buffers::give(gradient);
        }
        let skip = self.skip.and_then(|skip| match skip {
            SavedSkip::Projection(layer) => Some(layer.map),
            SavedSkip::Pad(_) => None,
        });
        for tensor in [Some(self.x.values), self.out, skip].into_iter().flatten() {
            give_back(tensor);
        }
        std::iter::once(x)
            .chain(parameters.into_iter().chain(projected).map(Some))
            .collect()
    }
}

impl SavedLayer {
    fn backward(
        &self,
        x: Input,
        gradient: &[f32],
        sums: &NormGradients,
        onward: Option<&Onward>,
    ) -> kernels::Gradients {
        let layer = kernels::Layer {
            arch: Arch::new(),
            geometry: self.geometry,
            weights: self.weights.storage(),
        };
        let saved = kernels::Saved {
            x,
            map: self.map.storage(),
            norm: &self.norm,
            scale: self.scale.storage(),
        };
        kernels::backward(&layer, &saved, gradient, sums, onward)
    }

    /// The parameters' gradients as tensors.
    fn parameters(&self, weights: Vec<f32>, scale: [Vec<f32>; 2]) -> Vec<FlexTensor> {
        let g = &self.geometry;
        let layout = Layout::contiguous(Shape::from([g.filters, g.channels, g.size, g.size]));
        let weights = FlexTensor::new(Bytes::from_elems(weights), layout, DType::F32);
        let [scale, shift] = scale.map(as_vector);
        vec![weights, scale, shift]
    }
}
