//! Stochastic gradient descent as PyTorch's `torch.optim.SGD` does it, with momentum and weight
//! decay and neither dampening nor Nesterov's variant.
//!
//! burn's own optimiser computes the same, but keeps its momentum buffers under identities that are new
//! in every process; here they have the parameters' names, which a checkpoint can keep. Unaware of
//! schedules and files.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::module::{Module as _, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};

use super::kernels::{SgdConfig, SgdStep, sgd};
use super::recipe::Recipe;
use super::resnet::ResNet;
use super::transfers::{read_all, upload};
use super::weights::{State, Values};

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
            (name, upload(values, [length], device))
        };
        Sgd {
            momentum_buffers: momentum_buffers.into_iter().map(on_device).collect(),
            ..Sgd::new(recipe)
        }
    }

    /// The momentum buffers by the parameters' names, flattened.
    ///
    /// # Errors
    /// If they cannot be read back from the device.
    pub fn state(&self) -> Result<State> {
        if self.momentum_buffers.is_empty() {
            return Ok(State::new());
        }
        let buffers = self.momentum_buffers.values().cloned();
        let buffers = read_all(buffers.collect()).context("momentum")?.into_iter();
        let values = buffers.map(|values| Values {
            shape: vec![values.len()],
            values,
        });
        Ok(self.momentum_buffers.keys().cloned().zip(values).collect())
    }

    /// One step: `v ← μ v + (g + λ w)`, `w ← w − η v`, with `v` starting as the first gradient.
    /// Weight decay is on all parameters, batch normalisation's and biases included.
    pub fn step(&mut self, learning_rate: f64, network: ResNet, gradients: Gradients) -> ResNet {
        let mut collector = Collector {
            gradients,
            momentum_buffers: &mut self.momentum_buffers,
            path: Vec::new(),
            names: Vec::new(),
            steps: Vec::new(),
        };
        network.visit(&mut collector);
        let Collector { names, steps, .. } = collector;
        let config = SgdConfig {
            learning_rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
        };
        let mut weights = BTreeMap::new();
        for (name, [updated, buffer]) in names.into_iter().zip(sgd(steps, config)) {
            weights.insert(name.clone(), updated);
            self.momentum_buffers.insert(name, buffer);
        }
        let path = Vec::new();
        network.map(&mut Updater { path, weights })
    }
}

/// Takes what a step needs from the network's parameters.
struct Collector<'a> {
    gradients: Gradients,
    momentum_buffers: &'a mut BTreeMap<String, Tensor<1>>,
    path: Vec<String>,
    names: Vec<String>,
    /// In the order of the names.
    steps: Vec<SgdStep>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weights = param.val();
        // Running statistics have no gradient: they are not learned.
        let Some(gradient) = weights.grad_remove(&mut self.gradients) else {
            return;
        };
        let name = self.path.join(".");
        let length = weights.dims().iter().product::<usize>();
        self.steps.push(SgdStep {
            weights: weights.without_autodiff().reshape([length]),
            gradient: gradient.reshape([length]),
            momentum_buffer: self.momentum_buffers.remove(&name),
        });
        self.names.push(name);
    }
}

/// Puts new weights into a network.
struct Updater {
    path: Vec<String>,
    /// Flattened.
    weights: BTreeMap<String, Tensor<1>>,
}

impl ModuleMapper for Updater {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.weights.remove(&self.path.join(".")) {
            None => param,
            Some(weights) => param
                .map(|old| Tensor::from_inner(weights.reshape(old.dims())).set_require_grad(true)),
        }
    }
}
