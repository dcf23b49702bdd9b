//! Stochastic gradient descent as PyTorch's `torch.optim.SGD` does it, with momentum and weight
//! decay and neither dampening nor Nesterov's variant.
//!
//! burn's own optimiser computes the same, but keeps its velocities under identities that are new
//! in every process; here they have the parameters' names, which a checkpoint can keep. Unaware of
//! schedules and files.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use burn::module::{Module as _, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::kernels::{Rates, Update, sgd};
use super::recipe::Recipe;
use super::resnet::ResNet;
use super::weights::{State, Values, read};

/// The optimiser with its velocities.
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
    /// Each parameter's velocity, flattened; none before the first step.
    velocities: BTreeMap<String, Tensor<1>>,
}

impl Sgd {
    /// At the start of training.
    pub fn new(recipe: &Recipe) -> Sgd {
        Sgd {
            momentum: recipe.momentum,
            weight_decay: recipe.weight_decay,
            velocities: BTreeMap::new(),
        }
    }

    /// With the velocities that [`Sgd::state`] gave; `device` is the one without autodiff.
    pub fn resume(recipe: &Recipe, velocities: State, device: &Device) -> Sgd {
        let on_device = |(name, Values { values, .. }): (String, Values)| {
            let length = values.len();
            let data = TensorData::new(values, [length]);
            (name, Tensor::from_data(data, device))
        };
        Sgd {
            velocities: velocities.into_iter().map(on_device).collect(),
            ..Sgd::new(recipe)
        }
    }

    /// The velocities by the parameters' names, flattened.
    ///
    /// # Errors
    /// If one cannot be read back from the device.
    pub fn state(&self) -> Result<State> {
        let on_host = |(name, velocity): (&String, &Tensor<1>)| {
            let values = read(velocity.clone()).with_context(|| format!("momentum of {name}"))?;
            let shape = vec![values.len()];
            Ok((name.clone(), Values { shape, values }))
        };
        self.velocities.iter().map(on_host).collect()
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
        let Sgd {
            momentum,
            weight_decay,
            velocities,
        } = &mut *self.sgd;
        let rates = Rates {
            learning_rate: self.learning_rate,
            momentum: *momentum,
            weight_decay: *weight_decay,
        };
        param.map(|weights| {
            let shape = weights.dims();
            let length = shape.iter().product::<usize>();
            let update = Update {
                weights: weights.without_autodiff().reshape([length]),
                gradient: gradient.reshape([length]),
                velocity: velocities.remove(&name),
            };
            let [weights, velocity] = sgd(update, rates);
            velocities.insert(name, velocity);
            Tensor::from_inner(weights.reshape(shape)).set_require_grad(true)
        })
    }
}
