//! A network's weights as a safetensors file with PyTorch's names and layouts, batch
//! normalisation's running statistics included, so that either side reads the other's files.
//!
//! Unaware of training and of where files lie.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use burn::module::{Module as _, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::architecture::{Architecture, NAMES};
use super::mode::for_evaluation;
use super::resnet::ResNet;
use super::trained_on::TrainedOn;
use super::transfers::{read_all, upload};

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

/// The metadata's entry that names the network: [`Architecture`] as JSON.
pub const ARCHITECTURE: &str = "architecture";

/// The network as a safetensors file whose header says what net it is and what it was trained on; the
/// same network always gives the same bytes.
///
/// # Errors
/// If a tensor cannot be read back from the device.
pub fn to_bytes(
    architecture: &Architecture,
    trained_on: &TrainedOn,
    network: &ResNet,
) -> Result<Vec<u8>> {
    file(&state(network)?, &metadata(architecture, trained_on)?)
}

/// What a file's header says about a net.
///
/// # Errors
/// If the architecture has no JSON form.
pub fn metadata(
    architecture: &Architecture,
    trained_on: &TrainedOn,
) -> Result<BTreeMap<String, String>> {
    let architecture = serde_json::to_string(architecture).context("no JSON form")?;
    let mut metadata = trained_on.to_metadata();
    metadata.insert(ARCHITECTURE.to_owned(), architecture);
    Ok(metadata)
}

/// Tensors as a safetensors file.
///
/// # Errors
/// If a tensor's shape does not fit its values.
pub fn file(state: &State, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let bytes: BTreeMap<&String, (&Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, (&tensor.shape, bytes))
        })
        .collect();
    let views: Vec<(&String, TensorView)> = bytes
        .iter()
        .map(|(&name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes)
                .with_context(|| format!("tensor {name}"))?;
            Ok((name, view))
        })
        .collect::<Result<_>>()?;
    let bytes = serialize(views, None).context("cannot put the weights into a safetensors file")?;
    with_metadata(&bytes, metadata)
}

/// A safetensors file with these texts in its header. The library would write them in any order,
/// so two calls would not give the same bytes.
///
/// # Errors
/// If the file has no header.
fn with_metadata(bytes: &[u8], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    const WORD: usize = size_of::<u64>();
    let (length, _) = SafeTensors::read_metadata(bytes).context("not a safetensors file")?;
    let (header, values) = (&bytes[WORD..WORD + length], &bytes[WORD + length..]);
    let tensors = header.trim_ascii_end().strip_prefix(b"{");
    let tensors = tensors.context("a safetensors file without tensors' names")?;
    let texts = serde_json::to_string(metadata).context("no JSON form")?;
    let mut header = format!("{{\"__metadata__\":{texts}").into_bytes();
    if tensors != b"}" {
        header.push(b',');
    }
    header.extend(tensors);
    // The values begin at a whole word.
    header.resize(header.len().next_multiple_of(WORD), b' ');
    let length = (header.len() as u64).to_le_bytes();
    Ok([&length[..], &header, values].concat())
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
    parse_with_metadata(bytes).map(|(state, _)| state)
}

/// The tensors of a safetensors file, and what it says about them.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_metadata(bytes: &[u8]) -> Result<(State, BTreeMap<String, String>)> {
    const WHAT: &str = "not a safetensors file, or one that was cut short or damaged";
    let (_, header) = SafeTensors::read_metadata(bytes).context(WHAT)?;
    let file = SafeTensors::deserialize(bytes).context(WHAT)?;
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
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok((state, metadata.into_iter().collect()))
}

/// The tensors of a network.
///
/// # Errors
/// If one cannot be read back from the device.
pub fn state(network: &ResNet) -> Result<State> {
    // This also brings the running statistics up to date.
    let network = for_evaluation(network);
    let mut reader = Reader {
        path: Vec::new(),
        shapes: Vec::new(),
        tensors: Vec::new(),
    };
    network.visit(&mut reader);
    let values = read_all(reader.tensors)?;
    let shaped = reader.shapes.into_iter().zip(values);
    Ok(shaped
        .map(|((name, shape), values)| (name, Values { shape, values }))
        .collect())
}

/// The network of `architecture` with the tensors of `state`.
///
/// # Errors
/// If the tensors are not exactly the architecture's; all differences are named.
pub fn from_state(architecture: &Architecture, state: State, device: &Device) -> Result<ResNet> {
    architecture.check()?;
    check(architecture, &state)?;
    let path = Vec::new();
    // Which weights the seed draws does not matter: every one of them is replaced.
    Ok(ResNet::new(architecture, 0, device).map(&mut Writer { path, state }))
}

/// Makes sure that the tensors are exactly the architecture's.
fn check(architecture: &Architecture, state: &State) -> Result<()> {
    let expected: BTreeMap<String, Vec<usize>> = architecture.tensors(&NAMES).collect();
    let mut problems = Vec::new();
    for (name, expected) in &expected {
        match state.get(name) {
            None => problems.push(format!("{name} is missing")),
            Some(Values { shape, .. }) if shape != expected => {
                problems.push(format!("{name} has shape {shape:?}, not {expected:?}"));
            }
            Some(_) => {}
        }
    }
    let left_over = state.keys().filter(|name| !expected.contains_key(*name));
    problems.extend(left_over.map(|name| format!("{name} is left over")));
    if !problems.is_empty() {
        bail!(
            "the weights are not those of a net of {} layers with shortcut {}: {}",
            architecture.layers(),
            architecture.shortcut,
            problems.join("; ")
        );
    }
    Ok(())
}

/// Collects a network's tensors.
struct Reader {
    path: Vec<String>,
    shapes: Vec<(String, Vec<usize>)>,
    /// Flattened.
    tensors: Vec<Tensor<1>>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.val().dims().to_vec();
        self.tensors.push(param.val().reshape([-1]));
        self.shapes.push((self.path.join("."), shape));
    }
}

/// Replaces a network's tensors.
struct Writer {
    path: Vec<String>,
    /// Those of the network's architecture.
    state: State,
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
        let tensor = self.state.remove(&name);
        let Values { values, .. } = tensor.expect("the architecture lists every tensor");
        param.map(|tensor| {
            let requires_gradient = tensor.is_require_grad();
            let shape: [usize; D] = tensor.dims();
            upload(values, shape, &tensor.device()).set_require_grad(requires_gradient)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Shortcut;
    use crate::device::Backend;

    const NET: Architecture = Architecture {
        n: 1,
        shortcut: Shortcut::Conv1x1Proj,
    };

    fn device() -> Device {
        Backend::Flex.open().unwrap()
    }

    fn trained_on() -> TrainedOn {
        TrainedOn {
            classes: Some((0..10).map(|at| format!("class {at}")).collect()),
            mean: Some([0.25, 0.5, 0.75]),
            std: Some([0.125; 3]),
        }
    }

    fn of_seed(seed: u64) -> Vec<u8> {
        to_bytes(&NET, &trained_on(), &ResNet::new(&NET, seed, &device())).unwrap()
    }

    fn written() -> Vec<u8> {
        of_seed(3)
    }

    #[test]
    fn weights_read_back_as_they_were_written_and_always_as_the_same_bytes() {
        let bytes = written();
        assert_eq!(written(), bytes);
        let network = from_bytes(&NET, &bytes, &device()).unwrap();
        assert_eq!(to_bytes(&NET, &trained_on(), &network).unwrap(), bytes);
        assert_ne!(of_seed(4), bytes);
    }

    #[test]
    fn the_header_says_what_the_net_is_and_was_trained_on_in_one_order() {
        let bytes = written();
        let header = String::from_utf8_lossy(&bytes[8..]);
        let names: Vec<String> = (0..10).map(|at| format!(r#"\"class {at}\""#)).collect();
        let expected = format!(
            r#"{{"__metadata__":{{"architecture":"{{\"n\":1,\"shortcut\":\"conv1x1-proj\"}}","classes":"[{}]","mean":"[0.25,0.5,0.75]","std":"[0.125,0.125,0.125]"}},""#,
            names.join(",")
        );
        assert!(header.starts_with(&expected), "{}", &header[..500]);
        let (_, metadata) = parse_with_metadata(&bytes).unwrap();
        assert_eq!(TrainedOn::from_metadata(&metadata), trained_on());
        let (length, _) = SafeTensors::read_metadata(&bytes).unwrap();
        assert!(length.is_multiple_of(8));
    }

    #[test]
    fn a_file_without_tensors_is_one_as_well() {
        let texts = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let bytes = file(&State::new(), &texts).unwrap();
        assert_eq!(parse_with_metadata(&bytes).unwrap(), (State::new(), texts));
    }

    #[test]
    fn names_and_shapes_are_pytorchs() {
        let path = "../../tests/fixtures/resnet20-conv1x1-proj-init.safetensors";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let theirs = parse(&std::fs::read(path).unwrap()).unwrap();
        let architecture = Architecture { n: 3, ..NET };
        let ours = ResNet::new(&architecture, 0, &device());
        let shapes = |state: &State| -> Vec<(String, Vec<usize>)> {
            state
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shape.clone()))
                .collect()
        };
        assert_eq!(shapes(&state(&ours).unwrap()), shapes(&theirs));
    }

    #[test]
    fn tensors_that_are_missing_left_over_or_of_another_shape_are_all_named() {
        let mut state = parse(&written()).unwrap();
        state.remove("fc.bias").unwrap();
        let conv = state.remove("conv1.weight").unwrap();
        state.insert("first.weight".into(), conv);
        state.get_mut("bn1.weight").unwrap().shape = vec![4, 4];
        let error = from_state(&NET, state, &device()).unwrap_err().to_string();
        for said in [
            "fc.bias",
            "conv1.weight",
            "first.weight is left over",
            "bn1.weight",
        ] {
            assert!(error.contains(said), "{said} is not in {error}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let bytes = written();
        for end in (0..2_000).chain((2_000..bytes.len()).step_by(997)) {
            assert!(
                from_bytes(&NET, &bytes[..end], &device()).is_err(),
                "cut to {end}"
            );
        }
    }
}
