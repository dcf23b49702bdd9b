//! A step's key: the BLAKE3 hash of everything that its result depends on, and nothing else.
//!
//! | enters the key | never enters |
//! |---|---|
//! | this schema's version and the step's kind | time stamps, absolute paths, host, user |
//! | the parameters that the step reads | other steps' parameters, the profile's name |
//! | the code that the step reaches, the crates behind it | scheduler, command line, other steps' code |
//! | for numeric steps: backend, float type, architecture, compiler | threads, jobs, which CPU or GPU of a kind |
//! | the content of the inputs | how and by whom the inputs were made |
//!
//! The hashed text is kept in full beside each result, so that explaining a rerun is comparing two
//! [`KeyInputs`]. Unaware of the graph, of files and of the store.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the meaning of [`KeyInputs`]; a change invalidates every result.
pub const SCHEMA: u32 = 1;

/// A BLAKE3 digest: the address of a content, or a step's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a file's content, computed by all threads of the current pool.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(path: &std::path::Path) -> std::io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(path)?;
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// The first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = blake3::HexError;

    fn from_str(text: &str) -> Result<Digest, Self::Err> {
        blake3::Hash::from_hex(text).map(|hash| Digest(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| {
            serde::de::Error::custom(format!("{text:?} is no BLAKE3 digest: {error}"))
        })
    }
}

/// Everything that a step's result depends on. Maps are sorted and values are scalars, so equal
/// inputs have equal text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyInputs {
    pub schema: u32,
    /// The step's kind (`train`), not its name: equal work has an equal key under any name.
    pub kind: String,
    /// Parameters by dotted path (`recipe.schedule.milestones[0]`), scalars only.
    pub parameters: BTreeMap<String, Value>,
    /// Digest of each part of the code that the step reaches, by name.
    pub code: BTreeMap<String, Digest>,
    /// Version and checksum of each third-party crate that the step reaches.
    pub crates: BTreeMap<String, String>,
    /// Compiler and backend, for a step that computes in floating point on a backend.
    pub numeric: Option<Numeric>,
    /// Content of each input, by name.
    pub inputs: BTreeMap<String, Digest>,
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

impl KeyInputs {
    /// The text that is hashed: one line of JSON behind the record's type and version.
    pub fn canonical(&self) -> String {
        let json = serde_json::to_string(self).expect("scalars under string keys have a JSON form");
        format!("fig6 key inputs {SCHEMA}\n{json}\n")
    }

    /// The key.
    pub fn key(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// What differs in `new`, in the order of the fields; empty if nothing does.
    pub fn changes(&self, new: &KeyInputs) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |part, name: &str, old: Option<String>, new: Option<String>| {
            if old != new {
                changes.push(Change {
                    part,
                    name: name.to_owned(),
                    old,
                    new,
                });
            }
        };
        note(
            Part::Schema,
            "schema",
            Some(self.schema.to_string()),
            Some(new.schema.to_string()),
        );
        note(
            Part::Kind,
            "kind",
            Some(self.kind.clone()),
            Some(new.kind.clone()),
        );
        for (part, old, new) in [
            (
                Part::Parameter,
                texts(&self.parameters),
                texts(&new.parameters),
            ),
            (Part::Code, texts(&self.code), texts(&new.code)),
            (Part::Crate, texts(&self.crates), texts(&new.crates)),
            (Part::Numeric, numeric(&self.numeric), numeric(&new.numeric)),
            (Part::Input, texts(&self.inputs), texts(&new.inputs)),
        ] {
            let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                note(part, name, old.get(name).cloned(), new.get(name).cloned());
            }
        }
        changes
    }
}

/// One difference between two [`KeyInputs`]; `None` on the side that lacks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub part: Part,
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Which part of the key inputs differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Schema,
    Kind,
    Parameter,
    Code,
    Crate,
    Numeric,
    Input,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let what = match self.part {
            Part::Parameter | Part::Numeric | Part::Schema | Part::Kind => "",
            Part::Code => "code ",
            Part::Crate => "crate ",
            Part::Input => "input ",
        };
        let side = |value: &Option<String>| match value {
            // A digest's first digits tell it apart well enough for people.
            Some(value) if value.len() == 64 && self.part != Part::Parameter => {
                value[..10].to_owned()
            }
            Some(value) => value.clone(),
            None => "none".to_owned(),
        };
        write!(
            formatter,
            "{what}{}: {} → {}",
            self.name,
            side(&self.old),
            side(&self.new)
        )
    }
}

/// A value's scalars by dotted path; empty lists and maps stand as themselves.
pub fn flatten(value: &Value) -> BTreeMap<String, Value> {
    fn walk(path: String, value: &Value, flat: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    walk(path, value, flat);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    walk(format!("{path}[{index}]"), value, flat);
                }
            }
            scalar => {
                flat.insert(path, scalar.clone());
            }
        }
    }
    let mut flat = BTreeMap::new();
    walk(String::new(), value, &mut flat);
    flat
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
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> KeyInputs {
        KeyInputs {
            schema: SCHEMA,
            kind: "train".into(),
            parameters: flatten(&json!({ "seed": 0, "recipe": { "rate": 0.1, "at": [32, 48] } })),
            code: BTreeMap::from([("fig6".into(), Digest::of(b"code"))]),
            crates: BTreeMap::new(),
            numeric: None,
            inputs: BTreeMap::from([("train.bin".into(), Digest::of(b"images"))]),
        }
    }

    #[test]
    fn equal_inputs_have_equal_keys_and_survive_the_way_through_json() {
        let text = serde_json::to_string(&example()).unwrap();
        let read: KeyInputs = serde_json::from_str(&text).unwrap();
        assert_eq!(read, example());
        assert_eq!(read.key(), example().key());
        assert_eq!(read.changes(&example()), []);
    }

    #[test]
    fn every_part_of_the_inputs_changes_the_key_and_is_named() {
        let numeric = Numeric {
            backend: "flex".into(),
            version: "0.22.1".into(),
            float: "f32".into(),
            architecture: "x86_64".into(),
            compiler: "rustc 1.95.0".into(),
        };
        type Edit = Box<dyn Fn(&mut KeyInputs)>;
        let edits: Vec<(&str, Edit)> = vec![
            ("schema: 1 → 2", Box::new(|inputs| inputs.schema = 2)),
            (
                "kind: train → plot",
                Box::new(|inputs| inputs.kind = "plot".into()),
            ),
            (
                "recipe.at[1]: 48 → 49",
                Box::new(|inputs| {
                    inputs.parameters.insert("recipe.at[1]".into(), json!(49));
                }),
            ),
            (
                "recipe.rate: 0.1 → none",
                Box::new(|inputs| {
                    inputs.parameters.remove("recipe.rate");
                }),
            ),
            (
                "code fig6: ",
                Box::new(|inputs| inputs.code.get_mut("fig6").unwrap().0[0] ^= 1),
            ),
            (
                "crate plotters: none → 0.3.7",
                Box::new(|inputs| {
                    inputs.crates.insert("plotters".into(), "0.3.7".into());
                }),
            ),
            (
                "architecture: none → x86_64",
                Box::new(move |inputs| inputs.numeric = Some(numeric.clone())),
            ),
            (
                "input train.bin: ",
                Box::new(|inputs| inputs.inputs.get_mut("train.bin").unwrap().0[31] ^= 1),
            ),
        ];
        for (said, edit) in edits {
            let mut edited = example();
            edit(&mut edited);
            assert_ne!(edited.key(), example().key(), "{said}");
            let changes = example().changes(&edited);
            assert!(
                changes
                    .iter()
                    .any(|change| change.to_string().starts_with(said)),
                "{changes:?}"
            );
        }
    }

    #[test]
    fn lists_and_maps_are_flattened_to_scalars() {
        let flat = flatten(&json!({ "a": { "b": [1, { "c": null }] }, "d": [], "e": "x" }));
        let expected = [
            ("a.b[0]", json!(1)),
            ("a.b[1].c", json!(null)),
            ("d", json!([])),
            ("e", json!("x")),
        ];
        assert_eq!(
            flat,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        );
    }
}
