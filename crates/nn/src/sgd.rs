//! Stochastic gradient descent as PyTorch's `torch.optim.SGD` does it, with momentum and weight
//! decay and neither dampening nor Nesterov's variant.
//!
//! burn's own optimiser computes the same, but keeps its momentum buffers under identities that are new
//! in every process; here they have the parameters' names, which a checkpoint can keep. Unaware of
//! schedules and files.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::module::{Module as _, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::kernels::{SgdConfig, SgdStep, sgd};
use super::recipe::Recipe;
use super::resnet::ResNet;
use super::weights::{State, Values, read};

/// The optimiser with its momentum buffers.
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
    /// Each parameter's momentum buffer, flattened; none before the first step.
    momentum_buffers: BTreeMap<String, Tensor<1>>,
}

impl Sgd {
    /// At the start of training.
    pub fn new(recipe: &Recipe) -> Sgd {
        Sgd {
            momentum: recipe.momentum,
            weight_decay: recipe.weight_decay,
            momentum_buffers: BTreeMap::new(),
        }
    }

    /// With the momentum buffers that [`Sgd::state`] gave; `device` is the one without autodiff.
    pub fn resume(recipe: &Recipe, momentum_buffers: State, device: &Device) -> Sgd {
        let on_device = |(name, Values { values, .. }): (String, Values)| {
            let length = values.len();
            let data = TensorData::new(values, [length]);
            (name, Tensor::from_data(data, device))
        };
        Sgd {
            momentum_buffers: momentum_buffers.into_iter().map(on_device).collect(),
            ..Sgd::new(recipe)
        }
    }

    /// The momentum buffers by the parameters' names, flattened.
    ///
    /// # Errors
    /// If one cannot be read back from the device.
    pub fn state(&self) -> Result<State> {
        let on_host = |(name, momentum_buffer): (&String, &Tensor<1>)| {
            let values =
                read(momentum_buffer.clone()).with_context(|| format!("momentum of {name}"))?;
            let shape = vec![values.len()];
            Ok((name.clone(), Values { shape, values }))
        };
        self.momentum_buffers.iter().map(on_host).collect()
    }

    /// One step: `v ← μ v + (g + λ w)`, `w ← w − η v`, with `v` starting as the first gradient.
    /// Weight decay is on all parameters, batch normalisation's and biases included.
    pub fn step(&mut self, learning_rate: f64, network: ResNet, gradients: Gradients) -> ResNet {
        network.map(&mut Step {
            sgd: self,
            learning_rate,
            gradients,
            path: Vec::new(),
        })
    }
}

/// One step on its way through the network's parameters.
struct Step<'a> {
    sgd: &'a mut Sgd,
    learning_rate: f64,
    gradients: Gradients,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Running statistics have no gradient: they are not learned.
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else {
            return param;
        };
        let name = self.path.join(".");
        let config = SgdConfig {
            learning_rate: self.learning_rate,
            momentum: self.sgd.momentum,
            weight_decay: self.sgd.weight_decay,
        };
        let buffers = &mut self.sgd.momentum_buffers;
        param.map(|weights| {
            let shape = weights.dims();
            let length = shape.iter().product::<usize>();
            let step = SgdStep {
                weights: weights.without_autodiff().reshape([length]),
                gradient: gradient.reshape([length]),
                momentum_buffer: buffers.remove(&name),
            };
            let [weights, buffer] = sgd(step, config);
            buffers.insert(name, buffer);
            Tensor::from_inner(weights.reshape(shape)).set_require_grad(true)
        })
    }
}
