//! `provenance.json`: how the report's files came about, as an in-toto statement with SLSA's
//! provenance, unsigned.
//!
//! It holds the key inputs of every step in full, so that each key can be worked out again from this
//! file alone. No time, host, path or number of threads is in it: it is the same from run to run.
//! Unaware of results and of the graph; what the present code says of it is the matter of
//! [`crate::verify`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::carried_over::CarriedOverRecord;
use super::files::{is_plain, read_if_there};
use super::one_line;
use crate::pipeline::{Experiment, Hole};
use store::Output;
use store::key::{Basis, Digest, KeyInputs, Numeric, Parameters, SCHEMA};

/// The file's name in a report.
pub const FILE: &str = "provenance.json";

/// The in-toto attestation framework's statement, version 1.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// SLSA's provenance, version 1.
pub const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// What the names of fig6's own terms begin with. It is no address: nobody can own that host (RFC 6761).
pub const TERMS: &str = "https://fig6.invalid/";

/// Version of the parameters that SLSA leaves to the build type.
const VERSION: u32 = 1;

/// The build type of a provenance of this version, a URI.
pub fn build_type() -> String {
    format!("{TERMS}reproduce/v{VERSION}")
}

/// An in-toto statement of the report's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The report's files.
    pub subject: Vec<Subject>,
    /// [`PREDICATE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    pub predicate: Predicate,
}

/// A file of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The name in the report's folder, and nothing else.
    pub name: String,
    pub digest: Digests,
}

/// Digests of one content: the common one, and the one that the store knows it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// In lower-case hexadecimal.
    pub sha256: String,
    pub blake3: Digest,
}

impl Digests {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Digests {
        Digests {
            sha256: sha256::of(bytes),
            blake3: Digest::of(bytes),
        }
    }
}

/// SLSA's provenance: what was built, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Predicate {
    pub build_definition: Definition,
    pub run_details: RunDetails,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Definition {
    /// [`build_type`].
    pub build_type: String,
    pub external_parameters: External,
    pub internal_parameters: Internal,
    /// The images' archive and the program.
    pub resolved_dependencies: Vec<Dependency>,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    pub profile: String,
    /// The name of the images in the pipeline file.
    pub data: String,
    /// Where the images' archive may lie.
    pub sources: Vec<Value>,
}

/// How each step was set, and what it made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// What the steps are made of: code, crates, backend.
    pub bases: Vec<Arc<Basis>>,
    /// Producers before consumers.
    pub steps: Vec<StepRecord>,
    /// Trainings and evaluations that have failed, and without which the report was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<HoleRecord>,
}

/// One step with its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    pub step: String,
    /// The kind of its basis.
    pub kind: String,
    pub key: Digest,
    /// Its place among [`Internal::bases`].
    pub basis: usize,
    pub parameters: Parameters,
    #[serde(serialize_with = "one_line::values")]
    pub inputs: BTreeMap<String, InputRecord>,
    #[serde(serialize_with = "one_line::values")]
    pub outputs: BTreeMap<String, OutputRecord>,
    /// What it made, in one line.
    pub summary: String,
    /// Where it comes from, unless it was computed under its own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_over: Option<CarriedOverRecord>,
}

impl StepRecord {
    /// The names of the recorded outputs that are not found like this.
    pub fn others(&self, found: impl Fn(&str) -> Option<Output>) -> Vec<&str> {
        let outputs = self.outputs.iter();
        let others = outputs.filter(|(name, recorded)| {
            let (digest, bytes) = (recorded.blake3, recorded.bytes);
            found(name) != Some(Output { digest, bytes })
        });
        others.map(|(name, _)| name.as_str()).collect()
    }
}

/// What a step has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRecord {
    /// The step that made it.
    pub from: String,
    /// How that step calls it.
    pub output: String,
    pub blake3: Digest,
}

/// What a step has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRecord {
    pub bytes: u64,
    pub blake3: Digest,
}

/// A result that the report lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoleRecord {
    pub model: String,
    pub seed: u64,
    #[serde(with = "Lack")]
    pub lacks: Hole,
}

/// What has failed, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Hole")]
enum Lack {
    #[serde(rename = "training")]
    Untrained,
    #[serde(rename = "evaluation")]
    Unevaluated,
}

/// Something that all steps together depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    pub digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

/// What built it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDetails {
    pub builder: Builder,
}

/// fig6.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Builder {
    /// A URI.
    pub id: String,
    /// Versions by program.
    pub version: BTreeMap<String, String>,
}

/// Why a provenance cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// There is none.
    Absent,
    /// Another version of fig6 has written it, in a way that this one does not read.
    OtherVersion(String),
    /// It is damaged or was edited.
    Wrong(anyhow::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unusable::Absent => formatter.write_str("there is none"),
            Unusable::OtherVersion(what) => formatter.write_str(what),
            Unusable::Wrong(error) => write!(formatter, "{error:#}"),
        }
    }
}

impl std::error::Error for Unusable {}

impl Statement {
    /// The statement that lies in a report's folder.
    ///
    /// # Errors
    /// If it is not there or cannot be used.
    pub fn read(report: &Path) -> Result<Statement, Unusable> {
        match read_if_there(report, FILE) {
            Ok(Some(bytes)) => Statement::parse(&bytes),
            Ok(None) => Err(Unusable::Absent),
            Err(error) => Err(Unusable::Wrong(error)),
        }
    }

    /// Parses the file.
    ///
    /// # Errors
    /// If it is none, or of another version.
    pub fn parse(bytes: &[u8]) -> Result<Statement, Unusable> {
        let statement: Statement = serde_json::from_slice(bytes).map_err(|error| {
            let file: Option<Value> = serde_json::from_slice(bytes).ok();
            let found = file.and_then(|file| {
                other_version(file["predicate"]["buildDefinition"]["buildType"].as_str()?)
            });
            let wrong = || Unusable::Wrong(anyhow!(error).context("it is cut short or altered"));
            found.map_or_else(wrong, Unusable::OtherVersion)
        })?;
        let found = &statement.predicate.build_definition.build_type;
        if let Some(what) = other_version(found) {
            return Err(Unusable::OtherVersion(what));
        }
        for (name, found, expected) in [
            ("_type", &statement.statement_type, STATEMENT),
            ("predicateType", &statement.predicate_type, PREDICATE),
            ("buildType", found, &build_type()),
        ] {
            if found != expected {
                let error = anyhow!("its {name} is {found:?} instead of {expected:?}");
                return Err(Unusable::Wrong(error));
            }
        }
        let bases = &statement.internal().bases;
        match bases.iter().find(|basis| basis.schema != SCHEMA) {
            Some(basis) => Err(Unusable::OtherVersion(format!(
                "its keys have schema version {}, and this fig6 makes {SCHEMA}",
                basis.schema
            ))),
            None => Ok(statement),
        }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("plain data under string keys has a JSON form") + "\n"
    }

    /// How the steps were set.
    pub fn internal(&self) -> &Internal {
        &self.predicate.build_definition.internal_parameters
    }

    /// Something that all steps together depend on.
    pub fn dependency(&self, name: &str) -> Option<&Dependency> {
        let dependencies = &self.predicate.build_definition.resolved_dependencies;
        dependencies
            .iter()
            .find(|dependency| dependency.name == name)
    }

    /// The experiment without what the report says it lacks.
    pub fn as_reported(&self, experiment: &Experiment) -> Experiment {
        let mut experiment = experiment.clone();
        for HoleRecord { model, seed, lacks } in &self.internal().holes {
            let holes = experiment.holes.entry(model.clone()).or_default();
            holes.insert(*seed, *lacks);
        }
        experiment
    }

    /// The profile whose report it is.
    pub fn profile(&self) -> &str {
        let parameters = &self.predicate.build_definition.external_parameters;
        &parameters.profile
    }
}

impl Internal {
    /// The record of a step.
    pub fn step(&self, name: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.step == name)
    }

    /// What a step's key is the hash of; `None` if its basis is not there.
    pub fn key_inputs(&self, step: &StepRecord) -> Option<KeyInputs> {
        let inputs = step.inputs.iter();
        Some(KeyInputs {
            basis: self.bases.get(step.basis)?.clone(),
            parameters: step.parameters.clone(),
            inputs: inputs
                .map(|(name, input)| (name.clone(), input.blake3))
                .collect(),
        })
    }

    /// What stands for the program: the digest of all bases.
    pub fn code_digest(&self) -> Digest {
        let bases = serde_json::to_string(&self.bases);
        let bases = bases.expect("plain data under string keys has a JSON form");
        Digest::of(format!("fig6 bases 1\n{bases}").as_bytes())
    }
}

impl Subject {
    /// Whether the name is that of a file in the report's folder, and nothing else.
    pub fn is_plain(&self) -> bool {
        is_plain(&self.name)
    }
}

/// What is said of a build type of another version of fig6; `None` for any other.
fn other_version(build_type: &str) -> Option<String> {
    let version = build_type
        .strip_prefix(TERMS)?
        .strip_prefix("reproduce/v")?;
    let version: u32 = version.parse().ok()?;
    (version != VERSION)
        .then(|| format!("it has schema version {version}, and this fig6 reads {VERSION}"))
}

/// What computed a numeric result, in words.
pub fn in_words(numeric: &Numeric) -> String {
    let Numeric {
        backend,
        version,
        float,
        architecture,
        compiler,
        ..
    } = numeric;
    format!("{backend} {version} ({float}, {architecture}, {compiler})")
}
