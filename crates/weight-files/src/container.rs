//! From a file to named tensors, whose values are read only when asked for. What kind of file it
//! is, its first bytes say and never its name.
//!
//! Unaware of networks: which of the tensors belong together is told by the dictionaries that
//! hold them and not yet by their names.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use half::{bf16, f16};
use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensors};

use super::archive::{self, MAX_FILE};
use super::pickle::Scan;

/// A file's tensors.
pub struct Container {
    /// For people: "a safetensors file".
    pub kind: &'static str,
    pub root: Dict,
    /// The texts in a safetensors file's header.
    pub metadata: BTreeMap<String, String>,
}

/// A dictionary as it was saved: tensors, and further dictionaries.
#[derive(Default)]
pub struct Dict {
    pub tensors: BTreeMap<String, Tensor>,
    pub dicts: BTreeMap<String, Dict>,
}

/// A tensor whose values still lie in the file.
pub struct Tensor {
    pub shape: Vec<usize>,
    /// Where its name stands among the file's, if the file keeps an order.
    pub rank: Option<usize>,
    read: Box<dyn Fn() -> Result<Vec<f32>>>,
}

impl Tensor {
    /// A tensor that `read` reads.
    pub fn of(
        shape: Vec<usize>,
        rank: Option<usize>,
        read: impl Fn() -> Result<Vec<f32>> + 'static,
    ) -> Tensor {
        let read = Box::new(read);
        Tensor { shape, rank, read }
    }

    /// The values, row-major, whatever the layout and the precision in the file.
    ///
    /// # Errors
    /// If they are no floats, or the file does not hold what it says.
    pub fn read(&self) -> Result<Vec<f32>> {
        (self.read)()
    }
}

impl Container {
    /// # Errors
    /// If the file cannot be read, is too large, of no known kind, cut short or damaged.
    pub fn open(path: &Path) -> Result<Container> {
        // Before it is opened, which would wait for someone to write into a pipe.
        let about = path.metadata()?;
        ensure!(about.is_file(), "it is not a regular file");
        ensure!(
            about.len() <= MAX_FILE,
            "it has {} bytes, above the limit of {MAX_FILE}: save only the weights",
            about.len()
        );
        let file = File::open(path)?;
        let mut head = Vec::new();
        (&file).take(512).read_to_end(&mut head)?;
        if starts_like_safetensors(&head) {
            return safetensors(std::fs::read(path)?);
        }
        if head.starts_with(b"PK\x03\x04") {
            let mended = archive::mend(&file)?;
            let (file, path) = match &mended {
                Some(copy) => (copy.as_file(), copy.path()),
                None => (&file, path),
            };
            return pytorch(path, "a PyTorch file", archive::scan(file)?);
        }
        // Before the legacy kind, in the same order as the reader that is asked in the end.
        if head.get(257..262) == Some(b"ustar") {
            bail!("it is a tar archive, as PyTorch wrote them until 2017: {AGAIN}");
        }
        // The start of every legacy file: a pickle of one number, told by its bytes.
        let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
        let start = head.get(..64).unwrap_or(&head);
        if start.windows(magic.len()).any(|at| at == magic) {
            return pytorch(path, "a PyTorch file (legacy format)", legacy(&file)?);
        }
        if head.first() == Some(&0x80) {
            bail!("it is a bare pickle, in which tensors cannot be read: {AGAIN}");
        }
        bail!(
            "it is neither a safetensors file nor one of PyTorch: it starts with {:?}",
            String::from_utf8_lossy(head.get(..16).unwrap_or(&head))
        )
    }
}

/// What to do with a file that is too exotic.
const AGAIN: &str = "load it in PyTorch and save its state dict with torch.save";

/// What to do about integers.
const FLOATS: &str = "expected floats, so save it as such (tensor.float(), or tensor.dequantize() \
    if it is quantised)";

/// What tensors a file holds that the reader has no values for, by its error, and what to do.
fn exotic(error: &str) -> Option<&'static str> {
    const QUANTISED: &str = "it holds quantised tensors: save the state dict of the net as it was \
        before it was quantised, or, where the batch normalisations are still there, one with \
        tensor.dequantize() in the place of each tensor";
    const SPARSE: &str = "it holds sparse tensors: save a state dict with tensor.to_dense() in the \
        place of each of them";
    const META: &str = "it holds tensors on the meta device, which have no values: save the state \
        dict of a net on a real device";
    const NESTED: &str = "it holds nested tensors, of which no such net has any: save the state \
        dict of the net alone";
    let known = [
        ("_rebuild_qtensor", QUANTISED),
        ("torch.QInt", QUANTISED),
        ("torch.QUInt", QUANTISED),
        ("_rebuild_sparse", SPARSE),
        ("_rebuild_meta_tensor", META),
        ("_rebuild_nested_tensor", NESTED),
    ];
    let found = known.iter().find(|(name, _)| error.contains(name));
    found.map(|(_, way)| *way)
}

/// A length of at most 100 MB, and the JSON that is so long.
fn starts_like_safetensors(head: &[u8]) -> bool {
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length <= 100_000_000) && head.get(8) == Some(&b'{')
}

fn safetensors(bytes: Vec<u8>) -> Result<Container> {
    const BROKEN: &str = "it starts like a safetensors file and was cut short or damaged";
    // For the check that the tensors lie within the file, without gaps.
    SafeTensors::deserialize(&bytes).context(BROKEN)?;
    let (header, metadata) = SafeTensors::read_metadata(&bytes).context(BROKEN)?;
    let bytes = Arc::new(bytes);
    let mut root = Dict::default();
    for (name, info) in metadata.tensors() {
        let (dtype, bytes) = (info.dtype, Arc::clone(&bytes));
        let start = header + size_of::<u64>();
        let range = start + info.data_offsets.0..start + info.data_offsets.1;
        let read = move || {
            let bytes = bytes.get(range.clone()).context(BROKEN)?;
            let float = match dtype {
                Dtype::F16 => Float::F16,
                Dtype::BF16 => Float::BF16,
                Dtype::F32 => Float::F32,
                Dtype::F64 => Float::F64,
                other => bail!("it holds {other:?}: {FLOATS}"),
            };
            Ok(float.decode(bytes))
        };
        let tensor = Tensor::of(info.shape.clone(), None, read);
        root.tensors.insert(name, tensor);
    }
    let texts = metadata.metadata().clone().unwrap_or_default();
    Ok(Container {
        kind: "a safetensors file",
        root,
        metadata: texts.into_iter().collect(),
    })
}

/// What is in the pickles of a file from before the zip archives: a number, a version, what
/// machine it was, the object, the names of the storages. Their bytes follow.
fn legacy(mut file: &File) -> Result<Scan> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let mut scan = Scan::new();
    for _ in 0..5 {
        scan.pickle(&mut reader)?;
    }
    Ok(scan)
}

/// The tensors of a file whose pickles were counted. Nothing in them is executed: the reader
/// knows how tensors and dictionaries are put together and leaves other calls as they are.
fn pytorch(path: &Path, kind: &'static str, scan: Scan) -> Result<Container> {
    // Its errors say the cause themselves: as a context they would say it twice.
    let broken = |error: PytorchError| match exotic(&error.to_string()) {
        Some(way) => anyhow!("{kind}, but {way}"),
        None => anyhow!(
            "{kind} was cut short, damaged, or holds what cannot be read ({error}): {AGAIN}"
        ),
    };
    let mut tensors = PytorchReader::new(path).map_err(broken)?.into_tensors();
    // The tensors come with their whole path; where in it a dictionary ends, only this tells.
    let tree = PytorchReader::read_pickle_data(path, None).map_err(broken)?;
    let root = dict(tree, "", &mut tensors, &scan.strings)?;
    Ok(Container {
        kind,
        root,
        metadata: BTreeMap::new(),
    })
}

fn dict(
    tree: PickleValue,
    path: &str,
    tensors: &mut HashMap<String, pytorch_reader::Tensor>,
    ranks: &HashMap<String, usize>,
) -> Result<Dict> {
    let items: Vec<(String, PickleValue)> = match tree {
        PickleValue::Dict(items) => items.into_iter().collect(),
        PickleValue::List(items) => (0..).map(|at: u64| at.to_string()).zip(items).collect(),
        _ => Vec::new(),
    };
    let mut dict = Dict::default();
    for (key, value) in items {
        let path = match path {
            "" => key.clone(),
            _ => format!("{path}.{key}"),
        };
        match value {
            PickleValue::Dict(_) | PickleValue::List(_) => {
                let inner = self::dict(value, &path, tensors, ranks)?;
                dict.dicts.insert(key, inner);
            }
            PickleValue::Unsupported(kind) if kind == "torch.Tensor" => {
                let tensor = tensors.remove(&path).with_context(|| {
                    format!("two of its tensors have the path {path}: it is damaged")
                })?;
                let rank = ranks.get(&key).copied();
                let shape = tensor.shape().to_vec();
                let tensor = Tensor::of(shape, rank, move || read(&tensor));
                dict.tensors.insert(key, tensor);
            }
            _ => {}
        }
    }
    Ok(dict)
}

fn read(tensor: &pytorch_reader::Tensor) -> Result<Vec<f32>> {
    let float = match tensor.dtype() {
        DType::F16 => Float::F16,
        DType::BF16 => Float::BF16,
        DType::F32 => Float::F32,
        DType::F64 => Float::F64,
        other => bail!("it holds {other:?}: {FLOATS}"),
    };
    let mut bytes = tensor.read()?;
    // The reader gives the machine's order of bytes.
    if cfg!(target_endian = "big") {
        let size = tensor.dtype().size();
        bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    }
    Ok(float.decode(&bytes))
}

/// A precision of weights.
#[derive(Clone, Copy)]
enum Float {
    F16,
    BF16,
    F32,
    F64,
}

impl Float {
    /// Little-endian numbers, rounded to 32 bits where they have more.
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            let (words, _) = bytes.as_chunks();
            words.iter().map(|&word| number(word)).collect()
        }
        match self {
            Float::F16 => each(bytes, |word| f16::from_le_bytes(word).to_f32()),
            Float::BF16 => each(bytes, |word| bf16::from_le_bytes(word).to_f32()),
            Float::F32 => each(bytes, f32::from_le_bytes),
            Float::F64 => each(bytes, |word| f64::from_le_bytes(word) as f32),
        }
    }
}
