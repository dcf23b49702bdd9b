//! A network's weights as a safetensors file with PyTorch's names and layouts, batch
//! normalisation's running statistics included, so that either side reads the other's files.
//!
//! Unaware of training and of where files lie.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use burn::module::{Module as _, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::resnet::{Architecture, ResNet};

/// Counters that PyTorch keeps beside batch normalisation's statistics and nothing needs.
const IGNORED: &str = ".num_batches_tracked";

/// One tensor on the host: its shape and its values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A network's tensors by PyTorch's names.
pub type State = BTreeMap<String, Values>;

/// The network as a safetensors file; the same network always gives the same bytes.
///
/// # Errors
/// If a tensor cannot be read back from the device.
pub fn to_bytes(network: &ResNet) -> Result<Vec<u8>> {
    let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = state(network)?
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, (tensor.shape, bytes))
        })
        .collect();
    let views: Vec<(&String, TensorView)> = bytes
        .iter()
        .map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .with_context(|| format!("tensor {name}"))?;
            Ok((name, view))
        })
        .collect::<Result<_>>()?;
    serialize(views, None).context("cannot put the weights into a safetensors file")
}

/// The network of `architecture` with the weights of a safetensors file.
///
/// # Errors
/// If the bytes are no safetensors file of 32-bit floats, or its tensors are not exactly the
/// architecture's: all that are missing, left over or of another shape are named.
pub fn from_bytes(architecture: &Architecture, bytes: &[u8], device: &Device) -> Result<ResNet> {
    from_state(architecture, parse(bytes)?, device)
}

/// The tensors of a safetensors file.
///
/// # Errors
/// If the bytes are no safetensors file, or a tensor does not hold 32-bit floats.
pub fn parse(bytes: &[u8]) -> Result<State> {
    let file = SafeTensors::deserialize(bytes)
        .context("not a safetensors file, or one that was cut short or damaged")?;
    let mut state = State::new();
    for (name, tensor) in file.iter() {
        if name.ends_with(IGNORED) {
            continue;
        }
        if tensor.dtype() != Dtype::F32 {
            bail!(
                "tensor {name} holds {:?}: expected 32-bit floats",
                tensor.dtype()
            );
        }
        let (values, _) = tensor.data().as_chunks();
        let tensor = Values {
            shape: tensor.shape().to_vec(),
            values: values
                .iter()
                .map(|&word| f32::from_le_bytes(word))
                .collect(),
        };
        state.insert(name.to_owned(), tensor);
    }
    Ok(state)
}

/// The tensors of a network.
///
/// # Errors
/// If one cannot be read back from the device.
pub fn state(network: &ResNet) -> Result<State> {
    // Without autodiff's graph: this also brings the running statistics up to date.
    let network = network.valid();
    let mut reader = Reader {
        path: Vec::new(),
        state: Ok(State::new()),
    };
    network.visit(&mut reader);
    reader.state
}

/// The network of `architecture` with the tensors of `state`.
///
/// # Errors
/// If the tensors are not exactly the architecture's; all differences are named.
pub fn from_state(architecture: &Architecture, state: State, device: &Device) -> Result<ResNet> {
    architecture.check()?;
    let mut writer = Writer {
        path: Vec::new(),
        state,
        problems: Vec::new(),
    };
    // Which weights the seed draws does not matter: every one of them is replaced.
    let network = architecture.init(0, device).map(&mut writer);
    let left_over = writer.state.keys();
    let mut problems = writer.problems;
    problems.extend(left_over.map(|name| format!("{name} is left over")));
    if !problems.is_empty() {
        bail!(
            "the weights are not those of a net of {} layers with shortcut {}: {}",
            architecture.layers(),
            architecture.shortcut,
            problems.join("; ")
        );
    }
    Ok(network)
}

/// Collects a network's tensors.
struct Reader {
    path: Vec<String>,
    state: Result<State>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(state) = &mut self.state else { return };
        let name = self.path.join(".");
        let shape = param.val().dims().to_vec();
        match read(param.val()).with_context(|| format!("tensor {name}")) {
            Ok(values) => {
                state.insert(name, Values { shape, values });
            }
            Err(error) => self.state = Err(error),
        }
    }
}

/// Reads a tensor back from its device, row-major.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data_as::<f32>();
    let data = data.context("cannot read a tensor back from the device")?;
    data.try_into_vec()
        .context("a tensor does not hold 32-bit floats")
}

/// Replaces a network's tensors by those of a file.
struct Writer {
    path: Vec<String>,
    state: State,
    problems: Vec<String>,
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(Values { shape, values }) = self.state.remove(&name) else {
            self.problems.push(format!("{name} is missing"));
            return param;
        };
        let expected = param.val().dims();
        if shape != expected {
            let problem = format!("{name} has shape {shape:?}, not {expected:?}");
            self.problems.push(problem);
            return param;
        }
        param.map(|tensor| {
            let requires_gradient = tensor.is_require_grad();
            let data = TensorData::new(values, shape);
            Tensor::from_data(data, &tensor.device()).set_require_grad(requires_gradient)
        })
    }
}
