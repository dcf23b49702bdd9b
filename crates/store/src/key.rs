//! A step's key: the BLAKE3 hash of everything that its result depends on, and nothing else.
//!
//! | enters the key | never enters |
//! |---|---|
//! | this schema's version and the step's kind | time stamps, absolute paths, host, user |
//! | the parameters that the step reads | other steps' parameters, the profile's name |
//! | the code of the crates that the step depends on, the packages behind them | code of other crates: scheduler, command line, other steps |
//! | for numeric steps: backend, float type, architecture, compiler | threads, jobs, which CPU or GPU of a kind |
//! | the content of the inputs | how and by whom the inputs were made |
//!
//! All that is hashed is kept in full beside each result, so that explaining a rerun is comparing
//! two [`KeyInputs`]. Code stands in it as one digest per crate of ours, the packages behind it as
//! one, and one for a backend's; a [`Listing`] says what each of those stands for. Unaware of the graph, of files and of the store.

mod change;
mod digest;
mod listing;
mod parameters;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use change::differences;
pub use change::{Change, KeyPart, shortened};
pub use digest::Digest;
pub use listing::{Detail, Listing};
pub use parameters::Parameters;

/// Version of the meaning of [`KeyInputs`]; a change invalidates every result.
pub const SCHEMA: u32 = 3;

/// The part of the key inputs that all steps of one kind on one backend share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    pub schema: u32,
    /// The step's kind (`train`), not its name: equal work has an equal key under any name.
    pub kind: String,
    /// Digest of the [`Listing`] of the files of each crate of ours that the step depends on, by crate
    /// (`nn`), and of what a backend's feature adds to one (`nn with flex`).
    pub code: BTreeMap<String, Digest>,
    /// Digest of the [`Listing`] of the packages of others behind that code (`dependencies`), and of
    /// those that the backend adds.
    pub crates: BTreeMap<String, Digest>,
    /// Compiler and backend, for a step that computes in floating point on a backend.
    pub numeric: Option<Numeric>,
}

/// What a floating-point result depends on beyond the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numeric {
    /// The backend's name without the device's number (`flex`, `tch:cuda`).
    pub backend: String,
    /// Version of the backend's crate.
    pub version: String,
    /// Float type (`f32`).
    pub float: String,
    /// Target architecture (`x86_64`).
    pub architecture: String,
    /// The compiler (`rustc 1.95.0`).
    pub compiler: String,
}

/// Everything that a step's result depends on. Maps are sorted and parameters are kept to the letter,
/// so equal key inputs have equal keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyInputs {
    pub basis: Arc<Basis>,
    pub parameters: Parameters,
    /// Content of each input, by name.
    pub inputs: BTreeMap<String, Digest>,
}

impl Basis {
    /// The digests of all listings that it refers to.
    pub fn listings(&self) -> impl Iterator<Item = Digest> {
        self.code.values().chain(self.crates.values()).copied()
    }

    /// The hash of the record's type and version and of the basis, to go on from: a graph has many
    /// steps on few bases.
    pub fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        let header = json(&("fig6 key inputs", self.schema, &self.kind, &self.numeric));
        add(&mut hasher, &header);
        for digests in [&self.code, &self.crates] {
            add_all(&mut hasher, digests);
        }
        hasher
    }
}

impl KeyInputs {
    /// The key: the hash of the record's type and version, the basis, the parameters, and the
    /// inputs.
    pub fn key(&self) -> Digest {
        key(&self.settings(), &self.inputs)
    }

    /// The digest of all but the inputs.
    pub fn settings_digest(&self) -> Digest {
        Digest::from_bytes(*self.settings().finalize().as_bytes())
    }

    fn settings(&self) -> blake3::Hasher {
        settings(&self.basis.hasher(), &self.parameters)
    }

    /// What differs in `new`, in the order of the fields; empty if nothing does.
    pub fn changes(&self, new: &KeyInputs) -> Vec<Change> {
        let (one, two) = (&self.basis, &new.basis);
        [
            (
                KeyPart::Schema,
                single("schema", one.schema),
                single("schema", two.schema),
            ),
            (
                KeyPart::Kind,
                single("kind", &one.kind),
                single("kind", &two.kind),
            ),
            (
                KeyPart::Parameter,
                texts(&self.parameters.scalars()),
                texts(&new.parameters.scalars()),
            ),
            (KeyPart::Code, texts(&one.code), texts(&two.code)),
            (KeyPart::Crate, texts(&one.crates), texts(&two.crates)),
            (
                KeyPart::Numeric,
                numeric(&one.numeric),
                numeric(&two.numeric),
            ),
            (KeyPart::Input, texts(&self.inputs), texts(&new.inputs)),
        ]
        .into_iter()
        .flat_map(|(part, old, new)| {
            differences(&old, &new)
                .map(move |(name, old, new)| Change {
                    part,
                    name,
                    old,
                    new,
                })
                .collect::<Vec<_>>()
        })
        .collect()
    }
}

/// The hash of a basis and parameters, to go on from: all of a key but the inputs.
pub fn settings(basis: &blake3::Hasher, parameters: &Parameters) -> blake3::Hasher {
    let mut hasher = basis.clone();
    add(&mut hasher, parameters.text());
    hasher
}

/// The key of a step with these settings and inputs.
pub fn key<N: AsRef<str>>(settings: &blake3::Hasher, inputs: &BTreeMap<N, Digest>) -> Digest {
    let mut hasher = settings.clone();
    add_all(&mut hasher, inputs);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// Hashes a text behind its length, which keeps neighbouring texts apart.
fn add(hasher: &mut blake3::Hasher, text: &str) {
    let length = text.len() as u64;
    hasher.update(&length.to_le_bytes()).update(text.as_bytes());
}

/// Hashes named digests behind their number.
fn add_all<N: AsRef<str>>(hasher: &mut blake3::Hasher, digests: &BTreeMap<N, Digest>) {
    hasher.update(&(digests.len() as u64).to_le_bytes());
    for (name, digest) in digests {
        add(hasher, name.as_ref());
        hasher.update(digest.as_bytes());
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data under string keys has a JSON form")
}

fn single(name: &str, value: impl ToString) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_string())])
}

fn texts<T: ToString>(map: &BTreeMap<String, T>) -> BTreeMap<String, String> {
    map.iter()
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect()
}

fn numeric(numeric: &Option<Numeric>) -> BTreeMap<String, String> {
    let Some(numeric) = numeric else {
        return BTreeMap::new();
    };
    [
        ("backend", &numeric.backend),
        ("backend version", &numeric.version),
        ("float type", &numeric.float),
        ("architecture", &numeric.architecture),
        ("compiler", &numeric.compiler),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into()
}

#[cfg(test)]
mod tests;
