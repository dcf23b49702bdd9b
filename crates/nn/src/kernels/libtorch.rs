//! The layers on LibTorch, by LibTorch's own operations and its own backward pass.
//!
//! burn derives a convolution's gradients by other convolutions; LibTorch has kernels for them, which
//! its bindings offer only through its own autograd. So LibTorch records the layers itself, and
//! burn's graph lies over its graph: the first gradient that arrives from outside ([`global_avg_pool`]'s,
//! in the networks) starts LibTorch's backward pass, which leaves each parameter's gradient with it;
//! the steps of burn's graph hand these over, and an empty tensor to their predecessors.
//!
//! Unaware of devices' differences but for the order in memory, which is channels last on CPUs.

#![allow(deprecated, reason = "burn 0.23 drops LibTorch, which 0.22 deprecates")]

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::Tensor;
use tch::{Device, Tensor as Torch};

use super::operands::{BatchStats, ConvBn, Downsample, Epilogue};

/// burn's own type for a tensor with a gradient.
type Traced = burn::backend::tensor::FloatTensor<Autodiff<LibTorch>>;

/// See [`super::train`].
pub fn train(x: Tensor<4>, conv: ConvBn, epilogue: Epilogue) -> (Tensor<4>, BatchStats) {
    let [_, _, size, _] = conv.weights.dims();
    let (skip, relu) = epilogue.parts();
    let x = traced(x);
    let parameters = [traced(conv.weights), traced(conv.scale), traced(conv.shift)];
    let skip = skip.map(traced);
    let start = Entry::of(&x);
    let [weights, scale, shift] = parameters
        .each_ref()
        .map(|parameter| leaf(&parameter.primitive().tensor));
    let (stride, pad) = (conv.stride as i64, (size / 2) as i64);
    let map = start
        .tensor()
        .conv2d(&weights, None::<Torch>, [stride; 2], [pad; 2], [1; 2], 1);
    // With all weight on the newest batch these become its mean and its unbiased variance.
    let statistic = || Torch::zeros_like(&scale.detach());
    let (mean, unbiased) = (statistic(), statistic());
    let (mut output, _, _) = map.native_batch_norm(
        Some(&scale),
        Some(&shift),
        Some(&mean),
        Some(&unbiased),
        true,
        1.0,
        conv.epsilon,
    );
    let end = skip.as_ref().map(Entry::of);
    if let Some(end) = &end {
        output += end.tensor();
    }
    if relu {
        output = output.relu_();
    }
    let count = (map.numel() / scale.numel().max(1)) as f64;
    let variance = unbiased * ((count - 1.0) / count);
    let statistic = |value| Tensor::from_primitive::<Autodiff<LibTorch>>(Traced::new(value));
    let saved = SavedTensors {
        output: TchTensor::new(output.shallow_clone()),
        entries: [Some(start), end].map(|entry| entry.and_then(Entry::into_leaf)),
        parameters: [weights, scale, shift].map(TchTensor::new),
    };
    let output = TchTensor::new(output);
    let [weights, scale, shift] = parameters.each_ref().map(Traced::node);
    let output = match skip {
        None => record(Layer, [x.node(), weights, scale, shift], saved, output),
        Some(skip) => {
            let nodes = [x.node(), weights, scale, shift, skip.node()];
            record(Layer, nodes, saved, output)
        }
    };
    let batch = BatchStats {
        // A copy: LibTorch has kept the other for its backward pass, and callers may change theirs.
        mean: statistic(TchTensor::new(mean.copy())),
        variance: statistic(TchTensor::new(variance)),
    };
    (Tensor::from_primitive::<Autodiff<LibTorch>>(output), batch)
}

/// See [`super::infer`]: the normalisation is folded into the weights.
pub fn infer(
    x: Tensor<4>,
    conv: ConvBn,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epilogue: Epilogue,
) -> Tensor<4> {
    let [_, _, size, _] = conv.weights.dims();
    let (skip, relu) = epilogue.parts();
    let scale = untraced(conv.scale) / (untraced(variance) + conv.epsilon).sqrt();
    let shift = untraced(conv.shift) - untraced(mean) * &scale;
    let weights = untraced(conv.weights) * scale.view([-1, 1, 1, 1]);
    let (stride, pad) = (conv.stride as i64, (size / 2) as i64);
    let x = ordered(&untraced(x));
    let mut output = x.conv2d(&weights, Some(&shift), [stride; 2], [pad; 2], [1; 2], 1);
    if let Some(skip) = skip {
        output += untraced(skip);
    }
    if relu {
        output = output.relu_();
    }
    Tensor::from_primitive::<LibTorch>(TchTensor::new(output))
}

/// See [`super::zero_pad`].
pub fn zero_pad(x: Tensor<4>, downsample: Downsample, zeros: [usize; 2]) -> Tensor<4> {
    let [before, after] = zeros.map(|zeros| zeros as i64);
    let apply = |x: &Torch| {
        let x = match downsample {
            Downsample::EveryOther => x.slice(2, None, None, 2).slice(3, None, None, 2),
            Downsample::MaxPool => x.max_pool2d([2; 2], [2; 2], [0; 2], [1; 2], false),
        };
        x.constant_pad_nd([0, 0, 0, 0, before, after])
    };
    if !x.device().is_autodiff() {
        let padded = apply(&untraced(x));
        return Tensor::from_primitive::<LibTorch>(TchTensor::new(padded));
    }
    let x = traced(x);
    let start = Entry::of(&x);
    let padded = apply(start.tensor());
    let saved = SavedTensors {
        output: TchTensor::new(padded.shallow_clone()),
        entries: [start.into_leaf(), None],
        parameters: [],
    };
    let padded = record(Layer, [x.node()], saved, TchTensor::new(padded));
    Tensor::from_primitive::<Autodiff<LibTorch>>(padded)
}

/// See [`super::global_avg_pool`]: here LibTorch's graph ends.
pub fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let apply = |x: &Torch| x.mean_dim([2_i64, 3].as_slice(), false, None);
    if !x.device().is_autodiff() {
        let means = apply(&untraced(x));
        return Tensor::from_primitive::<LibTorch>(TchTensor::new(means));
    }
    let x = traced(x);
    let start = Entry::of(&x);
    let means = apply(start.tensor());
    // A copy: burn's operations on it must not become part of LibTorch's graph.
    let outside = TchTensor::new(means.detach().copy());
    let saved = SavedTensors {
        output: TchTensor::new(means),
        entries: [start.into_leaf(), None],
        parameters: [],
    };
    let means = record(Layer, [x.node()], saved, outside);
    Tensor::from_primitive::<Autodiff<LibTorch>>(means)
}

/// A tensor as LibTorch's graph begins with it or goes on from it.
enum Entry {
    /// The output of another layer.
    Recorded(Torch),
    /// From outside; LibTorch collects its gradient.
    Leaf(Torch),
    /// From outside, and nobody asks for its gradient.
    Constant(Torch),
}

impl Entry {
    fn of(tensor: &Traced) -> Entry {
        let torch = &tensor.primitive().tensor;
        if torch.requires_grad() {
            return Entry::Recorded(torch.shallow_clone());
        }
        let prepared = Probe.prepare::<NoCheckpointing>([tensor.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(_) => Entry::Leaf(leaf(&ordered(torch))),
            OpsKind::UnTracked(_) => Entry::Constant(ordered(torch)),
        }
    }

    fn tensor(&self) -> &Torch {
        let (Entry::Recorded(tensor) | Entry::Leaf(tensor) | Entry::Constant(tensor)) = self;
        tensor
    }

    fn into_leaf(self) -> Option<TchTensor> {
        match self {
            Entry::Leaf(tensor) => Some(TchTensor::new(tensor)),
            _ => None,
        }
    }
}

/// Asks whether a tensor has a gradient.
#[derive(Debug)]
struct Probe;

impl Backward<LibTorch, 1> for Probe {
    type State = ();

    fn backward(self, _: Ops<(), 1>, _: &mut Gradients, _: &mut Checkpointer) {}
}

/// The values as a new beginning, whose gradient LibTorch collects.
fn leaf(tensor: &Torch) -> Torch {
    tensor.detach().set_requires_grad(true)
}

/// In the order in memory that LibTorch trains fastest with: channels last on CPUs.
fn ordered(tensor: &Torch) -> Torch {
    match tensor.device() {
        Device::Cpu => tensor
            .permute([0, 2, 3, 1])
            .contiguous()
            .permute([0, 3, 1, 2]),
        _ => tensor.shallow_clone(),
    }
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct SavedTensors<const P: usize> {
    /// In LibTorch's graph.
    output: TchTensor,
    /// Inputs that LibTorch's graph begins with: the input, and the skip.
    entries: [Option<TchTensor>; 2],
    parameters: [TchTensor; P],
}

impl<const P: usize> SavedTensors<P> {
    /// Gradients of input, parameters and skip, after LibTorch's backward pass.
    fn backward(&self, gradient: TchTensor) -> Vec<TchTensor> {
        if gradient.tensor.numel() > 0 {
            (&self.output.tensor * gradient.tensor).sum(None).backward();
        }
        let empty = || {
            TchTensor::new(Torch::empty(
                [0],
                (self.output.tensor.kind(), self.output.tensor.device()),
            ))
        };
        let entry = |entry: &Option<TchTensor>| match entry {
            Some(leaf) => TchTensor::new(leaf.tensor.grad()),
            None => empty(),
        };
        let [input, skip] = self.entries.each_ref().map(entry);
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|parameter| TchTensor::new(parameter.tensor.grad()));
        std::iter::once(input)
            .chain(parameters)
            .chain([skip])
            .collect()
    }
}

#[derive(Debug)]
struct Layer;

macro_rules! recorded_backward {
    ($parents:literal, $parameters:literal) => {
        impl Backward<LibTorch, $parents> for Layer {
            type State = SavedTensors<$parameters>;

            fn backward(
                self,
                ops: Ops<Self::State, $parents>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<LibTorch>(&ops.node);
                let found = ops.state.backward(gradient);
                for (parent, gradient) in ops.parents.into_iter().zip(found) {
                    if let Some(parent) = parent {
                        register(gradients, parent.id, gradient);
                    }
                }
            }
        }
    };
}

recorded_backward!(1, 0);
recorded_backward!(4, 3);
recorded_backward!(5, 3);

fn register(gradients: &mut Gradients, parent: NodeId, gradient: TchTensor) {
    gradients.register::<LibTorch>(parent, gradient);
}

fn record<const N: usize, S>(
    step: S,
    nodes: [NodeGuard; N],
    saved: S::State,
    output: TchTensor,
) -> Traced
where
    S: Backward<LibTorch, N>,
{
    match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// The tensor below a tensor on LibTorch with autodiff.
fn traced<const D: usize>(tensor: Tensor<D>) -> Traced {
    let tensor = tensor.try_into_primitive::<Autodiff<LibTorch>>();
    tensor.expect("a tensor on LibTorch with autodiff: the device was looked at")
}

/// The tensor below a tensor on LibTorch.
fn untraced<const D: usize>(tensor: Tensor<D>) -> Torch {
    let tensor = tensor.try_into_primitive::<LibTorch>();
    tensor
        .expect("a tensor on LibTorch: the device was looked at")
        .tensor
}
