//! Weights that fig6 did not write: from PyTorch's files and safetensors files of other code, for
//! nets of the paper under whatever names. Nothing in a file is executed, nothing is guessed:
//! what could be read in two ways is an error that says so.
//!
//! | step | in |
//! |---|---|
//! | file → dictionaries of tensors | `container`; `archive` and `pickle` keep it in bounds |
//! | dictionaries → one state dict | here |
//! | its names → fig6's names | `names`; unknown names: `structure`, if `census` finds a net |
//!
//! Memory: a file has at most 2 GiB, and so has what an archive unpacks to; a pickle makes at most
//! two million objects, which take less than 600 MB. Only tensors whose shapes are the net's are ever read, one at a time.
//!
//! Unaware of networks that compute: that the shortcuts fit the weights only the caller can say,
//! for shortcuts without weights leave no trace in them.

mod archive;
mod census;
mod container;
#[cfg(test)]
mod exotic_tests;
#[cfg(test)]
mod mapping_tests;
mod names;
mod pickle;
mod structure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use container::{Container, Dict, Tensor};
pub use names::Scheme;
use names::{Listing, Mapping, Seen, Unfit, shorten};
use nn::architecture::{Architecture, Shortcut};
use nn::trained_on::TrainedOn;
use nn::weights::{State, Values};

/// Counters that PyTorch keeps beside weights and nothing needs, by the end of their name.
const IGNORED: [&str; 2] = ["num_batches_tracked", "n_averaged"];

/// Keys of the state dict to take where a file holds several, the likeliest first. The others
/// (running averages, a teacher) can be had by saving them alone.
const KEYS: [&str; 10] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "best_state_dict",
];

/// The metadata that fig6 writes into its own files: the net, and what is a checkpoint.
const ARCHITECTURE: &str = "architecture";
const CHECKPOINT: &str = "fig6-checkpoint";

/// What optimizer state in such a checkpoint starts with.
const MOMENTUM: &str = "momentum.";

/// The weights of a net that were found in a file.
#[derive(Clone, Debug)]
pub struct Found {
    /// The tensors by fig6's names.
    pub state: State,
    /// Blocks of a stage, as deduced from the tensors.
    pub n: u32,
    /// The shortcuts that the net may have: one if that is known.
    pub shortcuts: Vec<Shortcut>,
    /// Whether the file's header says which one it is.
    pub declared: bool,
    /// Those of [`Found::shortcuts`] that the code with these names has.
    pub usual: Vec<Shortcut>,
    /// For people: whose names the tensors have ("akamaster's names").
    pub names: &'static str,
    /// The [`Scheme::id`] of the names; nothing where none has them.
    pub author: &'static str,
    /// As far as the file's header says it.
    pub trained_on: TrainedOn,
    /// For people: what kind of file it is, where in it the weights lie, whose names they have.
    pub source: String,
    /// The texts in a safetensors file's header.
    pub metadata: BTreeMap<String, String>,
}

/// The weights in a file of PyTorch or safetensors.
///
/// # Errors
/// If the file cannot be read, is none of these, or damaged, or does not hold exactly the weights
/// of one net: the tensors that are missing, left over or of another shape are named.
pub fn read(path: &Path) -> Result<Found> {
    find(path).with_context(|| format!("cannot take weights from {}", path.display()))
}

fn find(path: &Path) -> Result<Found> {
    let Container {
        kind,
        root,
        metadata,
    } = Container::open(path)?;
    let (place, mut tensors) = state_dict(root)?;
    tensors.retain(|name, _| !IGNORED.iter().any(|end| name.ends_with(end)));
    if metadata.contains_key(CHECKPOINT) {
        tensors.retain(|name, _| !name.starts_with(MOMENTUM));
    }
    let (prefix, tensors) = strip(tensors);
    let mapping = mapping(&tensors)?;
    let declared = declared(&metadata);
    let shortcuts = match &declared {
        None => mapping.shortcuts,
        Some(declared) => {
            ensure!(
                // Shortcuts without weights leave no trace: there the header knows better than whose
                // names they are.
                declared.n == mapping.n
                    && (declared.shortcut == Shortcut::Conv1x1Proj)
                        == (mapping.shortcuts == [Shortcut::Conv1x1Proj]),
                "its header says n = {} and shortcut {}, but its tensors are those of n = {} with \
                 shortcut {}",
                declared.n,
                declared.shortcut,
                mapping.n,
                mapping
                    .shortcuts
                    .iter()
                    .map(|kind| kind.name())
                    .collect::<Vec<_>>()
                    .join(" or ")
            );
            vec![declared.shortcut]
        }
    };
    let mut state = State::new();
    for (own, name) in mapping.names {
        let tensor = tensors
            .get(&name)
            .with_context(|| format!("{name} is missing"))?;
        let values = tensor.read().with_context(|| format!("tensor {name}"))?;
        let shape = tensor.shape.clone();
        state.insert(own, Values { shape, values });
    }
    let mut source = format!("{kind}{place}");
    if !prefix.is_empty() {
        source += &format!(", prefix {prefix}");
    }
    source += &format!(", {}", mapping.scheme);
    Ok(Found {
        state,
        n: mapping.n,
        shortcuts,
        declared: declared.is_some(),
        usual: mapping.usual,
        names: mapping.scheme,
        author: mapping.id,
        trained_on: TrainedOn::from_metadata(&metadata),
        source,
        metadata,
    })
}

/// The net that fig6 wrote into its own file's header.
fn declared(metadata: &BTreeMap<String, String>) -> Option<Architecture> {
    // What is no architecture of ours is another program's text under the same key.
    serde_json::from_str(metadata.get(ARCHITECTURE)?).ok()
}

/// Whose names the tensors have.
fn mapping(tensors: &BTreeMap<String, Tensor>) -> Result<Mapping> {
    let seen: Listing = tensors
        .iter()
        .map(|(name, tensor)| {
            let (shape, rank) = (tensor.shape.as_slice(), tensor.rank);
            (name.as_str(), Seen { shape, rank })
        })
        .collect();
    let unfit = match names::known(&seen) {
        Ok(mapping) => return Ok(mapping),
        Err(unfit) => unfit,
    };
    if let Some(way) = detour(&seen) {
        bail!("{way}");
    }
    match (structure::deduce(&seen), unfit) {
        (Ok(mapping), _) => Ok(mapping),
        (Err(error), Unfit::Unknown) => Err(error.context(
            "the tensors have names of no known code, and their shapes do not tell which is which",
        )),
        (Err(error), Unfit::Differs { why, renamed }) => match renamed {
            true => bail!("{why}. By shapes and order alone: {error:#}"),
            false => bail!("{why}"),
        },
    }
}

/// What to do where weights were saved as what they are computed from.
fn detour(seen: &Listing) -> Option<&'static str> {
    const PRUNED: &str = "its weights are those of a pruned net, apart from their masks: call \
        torch.nn.utils.prune.remove(module, \"weight\") on each pruned layer, and save again";
    const PARAMETRIZED: &str = "its weights are parametrized: call \
        torch.nn.utils.parametrize.remove_parametrizations(module, \"weight\") on each such layer, \
        and save again";
    let has = |part: &str| seen.keys().any(|name| name.contains(part));
    match () {
        () if has("weight_mask") && has("weight_orig") => Some(PRUNED),
        () if has("parametrizations.") => Some(PARAMETRIZED),
        () => None,
    }
}

/// A dictionary in the file that may be a state dict: its keys from the root, and its tensors.
type Candidate = (Vec<String>, BTreeMap<String, Tensor>);

/// The state dict among a file's dictionaries, and a remark on where it lies.
fn state_dict(root: Dict) -> Result<(String, BTreeMap<String, Tensor>)> {
    let mut candidates = Vec::new();
    let mut rest = Vec::new();
    collect(root, &mut Vec::new(), &mut candidates, &mut rest);
    if candidates.is_empty() {
        candidates.extend(module(rest));
    }
    let paths: Vec<String> = candidates.iter().map(|(path, _)| path.join(".")).collect();
    let rank = |(path, _): &Candidate| {
        let known = KEYS
            .iter()
            .position(|key| path.iter().any(|step| step == key));
        known.unwrap_or(KEYS.len())
    };
    let ranks: Vec<usize> = candidates.iter().map(rank).collect();
    let Some(best) = ranks.iter().min() else {
        bail!("it holds no weights of a net with convolutions and batch normalisations");
    };
    let mut likeliest = (0..).zip(&ranks).filter(|(_, rank)| *rank == best);
    let (Some((at, _)), None) = (likeliest.next(), likeliest.next()) else {
        bail!(
            "it holds several state dicts ({}): save one of them alone",
            shorten(&paths, ", ")
        );
    };
    let (path, tensors) = candidates.swap_remove(at);
    let mut place = match path.is_empty() {
        true => String::new(),
        false => format!(", inside {}", path.join(".")),
    };
    let others: Vec<&String> = paths
        .iter()
        .filter(|other| **other != path.join("."))
        .collect();
    if !others.is_empty() {
        place += &format!(" (not {})", shorten(&others, ", "));
    }
    Ok((place, tensors))
}

/// Sorts the dictionaries into state dicts, which hold convolutions and batch normalisations
/// side by side (an optimizer's hold no running means), and single tensors elsewhere.
fn collect(
    dict: Dict,
    path: &mut Vec<String>,
    candidates: &mut Vec<Candidate>,
    rest: &mut Vec<(Vec<String>, Tensor)>,
) {
    let convolves = dict.tensors.values().any(|tensor| tensor.shape.len() == 4);
    if convolves && dict.tensors.keys().any(|name| is_statistic(name)) {
        candidates.push((path.clone(), dict.tensors));
    } else {
        for (name, tensor) in dict.tensors {
            path.push(name);
            rest.push((path.clone(), tensor));
            path.pop();
        }
    }
    for (key, dict) in dict.dicts {
        path.push(key);
        collect(dict, path, candidates, rest);
        path.pop();
    }
}

fn is_statistic(name: &str) -> bool {
    name.contains("running_") || name.contains("moving_")
}

/// The tensors of a module that was saved whole: a dictionary for each layer, all below the one
/// that the paths of the running means have in common.
fn module(rest: Vec<(Vec<String>, Tensor)>) -> Option<Candidate> {
    let mut layers = rest
        .iter()
        .filter(|(path, _)| path.last().is_some_and(|name| is_statistic(name)))
        .map(|(path, _)| path);
    let mut root = layers.next()?.clone();
    root.pop();
    for path in layers {
        let common = root.iter().zip(path).take_while(|(a, b)| a == b).count();
        root.truncate(common);
    }
    let inside = rest.into_iter().filter_map(|(path, mut tensor)| {
        let name = path.strip_prefix(root.as_slice())?.join(".");
        // Where the file says "weight" for the first time tells nothing about this layer.
        tensor.rank = None;
        Some((name, tensor))
    });
    let tensors = inside.collect();
    Some((root, tensors))
}

/// Takes off what all names begin with, such as "module.".
fn strip(mut tensors: BTreeMap<String, Tensor>) -> (String, BTreeMap<String, Tensor>) {
    let mut prefix = String::new();
    loop {
        let first = tensors.keys().next().and_then(|name| name.split_once('.'));
        let Some(start) = first.map(|(start, _)| format!("{start}.")) else {
            return (prefix, tensors);
        };
        if !tensors.keys().all(|name| name.starts_with(&start)) {
            return (prefix, tensors);
        }
        tensors = tensors
            .into_iter()
            .map(|(name, tensor)| (name[start.len()..].to_owned(), tensor))
            .collect();
        prefix += &start;
    }
}
