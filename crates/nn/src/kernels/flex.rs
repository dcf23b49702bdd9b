//! The layers on burn's Flex backend, by our own kernels (the crate `kernels`): tensors keep the shape
//! `[images, channels, height, width]` and lie channels last in memory, which every other operation
//! of the backend understands.
//!
//! Unaware of how the kernels compute, and of burn's graph, which `backward` knows.

mod backward;
mod memory;

use burn::backend::autodiff::ops::NodeGuard;
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use kernels::{Affine, Arch, BLOCK, Geometry, Input, Norm, Source};

use self::backward::{ChainBackward, PoolBackward, SavedChain, SavedSkip, Slot, record};
use self::memory::{
    Traced, as_tensor, as_vector, channels_last, contiguous, give_back, into_values, traced,
    untraced, values,
};
use super::Map;
use super::operands::{BatchStats, ConvBn, Downsample, Epilogue, SgdConfig, SgdStep, Skip};

/// Whether the kernels know the shape: whole blocks of filters.
pub fn can(conv: &ConvBn) -> bool {
    conv.weights.dims()[0].is_multiple_of(BLOCK)
}

/// Where a map comes from: what the layer that reads it needs on the way back.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The convolution's output before normalisation.
    map: FlexTensor,
    norm: Norm,
    /// Normalisation, if it and the ReLU are still to be done; the map's tensor is then this one.
    affine: Option<Affine>,
    /// Where sums of the map's gradient are left. Who leaves some has taken the gradient back through
    /// the ReLU.
    sums: Slot,
}

impl Origin {
    fn source(&self) -> Source<'_> {
        Source {
            map: self.map.storage(),
            norm: &self.norm,
        }
    }
}

/// A map that is read, channels last.
#[derive(Clone, Debug)]
struct SavedInput {
    values: FlexTensor,
    origin: Option<Origin>,
}

impl SavedInput {
    fn of(x: Map) -> (SavedInput, NodeGuard) {
        let tensor = traced(x.tensor);
        let input = SavedInput {
            values: channels_last(tensor.primitive().clone()),
            origin: x.origin,
        };
        (input, tensor.node())
    }

    fn input(&self) -> Input<'_> {
        let values = self.values.storage();
        match self
            .origin
            .as_ref()
            .and_then(|origin| origin.affine.as_ref())
        {
            None => Input::Plain(values),
            Some(affine) => Input::Normalised {
                values,
                affine,
                relu: true,
            },
        }
    }
}

/// A convolution with its batch normalisation, computed.
#[derive(Clone, Debug)]
struct SavedLayer {
    geometry: Geometry,
    weights: FlexTensor,
    scale: FlexTensor,
    /// Before normalisation.
    map: FlexTensor,
    norm: Norm,
    affine: Affine,
}

impl SavedLayer {
    /// Of `x`, `[images, channels, height, width]`; also gives the parameters' nodes.
    fn train(x: Input, shape: [usize; 4], conv: ConvBn) -> (SavedLayer, [NodeGuard; 3]) {
        let geometry = geometry(shape, &conv);
        let (weights, scale) = (traced(conv.weights), traced(conv.scale));
        let shift = traced(conv.shift);
        let nodes = [weights.node(), scale.node(), shift.node()];
        let flat = |tensor: Traced| contiguous(tensor.primitive().clone());
        let (weights, scale, shift) = (flat(weights), flat(scale), flat(shift));
        let layer = kernels::Layer {
            arch: Arch::new(),
            geometry,
            weights: weights.storage(),
        };
        let done = kernels::train(&layer, x, conv.epsilon);
        let affine = done.norm.affine(scale.storage(), shift.storage());
        let map = output(done.map, &geometry);
        let norm = done.norm;
        let layer = SavedLayer {
            geometry,
            weights,
            scale,
            map,
            norm,
            affine,
        };
        (layer, nodes)
    }

    /// The input of a layer that follows, `relu` or not.
    fn output(&self, relu: bool) -> Input<'_> {
        Input::Normalised {
            values: self.map.storage(),
            affine: &self.affine,
            relu,
        }
    }

    /// Images, channels, height and width of the output.
    fn shape(&self) -> [usize; 4] {
        let g = &self.geometry;
        [g.images, g.filters, g.out_height(), g.out_width()]
    }

    fn batch(&self) -> BatchStats {
        let statistic = |values: &[f32]| {
            let tensor = as_vector(values.to_vec());
            Tensor::from_primitive::<Autodiff<Flex>>(Traced::new(tensor))
        };
        BatchStats {
            mean: statistic(&self.norm.mean),
            variance: statistic(&self.norm.variance),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            map: self.map.storage(),
            norm: &self.norm,
        }
    }

    /// Where the output comes from; `written` if it is in memory as it is.
    fn origin(&self, written: bool, sums: &Slot) -> Origin {
        Origin {
            map: self.map.clone(),
            norm: self.norm.clone(),
            affine: (!written).then(|| self.affine.clone()),
            sums: sums.clone(),
        }
    }
}

/// See [`super::train`].
pub fn train(x: Map, conv: ConvBn) -> (Map, BatchStats) {
    let shape = x.dims();
    let (x, node) = SavedInput::of(x);
    let (layer, [weights, scale, shift]) = SavedLayer::train(x.input(), shape, conv);
    let (batch, tensor) = (layer.batch(), layer.map.clone());
    let sums = Slot::default();
    let origin = layer.origin(false, &sums);
    let saved = SavedChain {
        x,
        layers: vec![layer],
        skip: None,
        out: None,
        sums,
    };
    let tensor = record(ChainBackward, [node, weights, scale, shift], saved, tensor);
    (map(tensor, Some(origin)), batch)
}

/// See [`super::train_block`].
pub fn train_block(
    x: Map,
    [first, second]: [ConvBn; 2],
    skip: Skip<ConvBn>,
) -> (Map, Vec<BatchStats>) {
    let shape = x.dims();
    let (x, node) = SavedInput::of(x);
    let (first, [w1, s1, b1]) = SavedLayer::train(x.input(), shape, first);
    let (second, [w2, s2, b2]) = SavedLayer::train(first.output(true), first.shape(), second);
    let (skip, nodes) = match skip {
        Skip::Identity => (SavedSkip::Pad(None), None),
        Skip::Pad(downsample, zeros) => {
            let [_, channels, height, width] = shape;
            let pad = pad([height, width, channels], downsample, zeros);
            (SavedSkip::Pad(Some(pad)), None)
        }
        Skip::Projection(conv) => {
            let (layer, nodes) = SavedLayer::train(x.input(), shape, conv);
            (SavedSkip::Projection(layer), Some(nodes))
        }
    };
    let mut batches = vec![first.batch(), second.batch()];
    let added = match &skip {
        SavedSkip::Pad(pad) => kernels::Skip {
            x: x.input(),
            pad: *pad,
        },
        SavedSkip::Projection(layer) => {
            batches.push(layer.batch());
            kernels::Skip {
                x: layer.output(false),
                pad: None,
            }
        }
    };
    let normalised = (second.map.storage(), &second.affine);
    let out = kernels::activate(Arch::new(), shape[0], normalised, Some(added));
    let out = output(out, &second.geometry);
    let sums = Slot::default();
    let origin = second.origin(true, &sums);
    let saved = SavedChain {
        x,
        layers: vec![first, second],
        skip: Some(skip),
        out: Some(out.clone()),
        sums,
    };
    let tensor = match nodes {
        None => record(ChainBackward, [node, w1, s1, b1, w2, s2, b2], saved, out),
        Some([w3, s3, b3]) => {
            let nodes = [node, w1, s1, b1, w2, s2, b2, w3, s3, b3];
            record(ChainBackward, nodes, saved, out)
        }
    };
    (map(tensor, Some(origin)), batches)
}

/// See [`super::infer`].
pub fn infer(
    x: Tensor<4>,
    conv: ConvBn,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epilogue: Epilogue,
) -> Tensor<4> {
    let geometry = geometry(x.dims(), &conv);
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
    };
    let epilogue = kernels::Epilogue {
        affine: &norm.affine(&scale, &shift),
        skip: skip.as_ref().map(FlexTensor::storage),
        relu,
    };
    let out = kernels::infer(&layer, x.storage(), &epilogue);
    give_back(x);
    if let Some(skip) = skip {
        give_back(skip);
    }
    Tensor::from_primitive::<Flex>(output(out, &geometry))
}

/// See [`super::zero_pad`].
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, zeros: [usize; 2]) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    let pad = pad([height, width, channels], downsample, zeros);
    let padded = pad.forward(channels_last(untraced(x)).storage());
    let [height, width, channels] = pad.out_shape();
    Tensor::from_primitive::<Flex>(as_tensor(padded, images, [channels, height, width]))
}

/// See [`super::global_avg_pool`].
pub fn global_avg_pool(x: Map) -> Tensor<2> {
    let shape @ [images, channels, height, width] = x.dims();
    let means = |values: &[f32]| {
        let means = kernels::mean_pixels(values, height * width, channels);
        let layout = Layout::contiguous(Shape::from([images, channels]));
        FlexTensor::new(Bytes::from_elems(means), layout, DType::F32)
    };
    if !x.device().is_autodiff() {
        let values = channels_last(untraced(x.tensor));
        return Tensor::from_primitive::<Flex>(means(values.storage()));
    }
    let (x, node) = SavedInput::of(x);
    let means = match x.input() {
        Input::Plain(values) => means(values),
        Input::Normalised { values, affine, .. } => {
            let written = kernels::activate(Arch::new(), images, (values, affine), None);
            let found = means(&written);
            kernels::buffers::give(written);
            found
        }
    };
    let means = record(PoolBackward, [node], shape, means);
    Tensor::from_primitive::<Autodiff<Flex>>(means)
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

fn geometry([images, channels, height, width]: [usize; 4], conv: &ConvBn) -> Geometry {
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

/// `shape`: height, width, channels.
fn pad(shape: [usize; 3], downsample: Downsample, zeros: [usize; 2]) -> kernels::Pad {
    kernels::Pad {
        shape,
        largest: downsample == Downsample::MaxPool,
        zeros,
    }
}

/// A layer's output, channels last, as a tensor.
fn output(values: Vec<f32>, g: &Geometry) -> FlexTensor {
    as_tensor(values, g.images, [g.filters, g.out_height(), g.out_width()])
}

fn map(tensor: Traced, origin: Option<Origin>) -> Map {
    Map {
        tensor: Tensor::from_primitive::<Autodiff<Flex>>(tensor),
        origin,
    }
}
