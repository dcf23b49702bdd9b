//! `provenance.json`: how the report's files came about, as an in-toto statement with SLSA's
//! provenance, unsigned.
//!
//! It holds the key inputs of every step in full, so that each key can be worked out again from this
//! file alone. No time, host, path or number of threads is in it: it is the same from run to run.
//! Unaware of results and of the graph; what the present code says of it is the matter of
//! [`crate::verify`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{REPORTS, one_line};
use store::key::{Basis, Digest, KeyInputs, Parameters, SCHEMA};
use store::{Output, is_folder, is_there};

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

/// Longest file that is read, in bytes: hundreds of times that of a large experiment.
const LONGEST: u64 = 256 << 20;

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
}

impl StepRecord {
    /// The names of the recorded outputs that are not found like this.
    pub fn others<'a>(&'a self, found: impl Fn(&str) -> Option<Output>) -> Vec<&'a str> {
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
    pub lacks: Lack,
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lack {
    Training,
    Evaluation,
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
        match serde_json::from_slice(bytes) {
            Ok(statement) => of_this_version(statement),
            Err(error) => Err(match other_version(bytes) {
                Some(what) => Unusable::OtherVersion(what),
                None => {
                    let error = anyhow!(error).context("it is cut short or altered");
                    Unusable::Wrong(error)
                }
            }),
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

/// Whether a name is that of a file in a folder, and nothing else.
pub fn is_plain(name: &str) -> bool {
    let leads = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !name.is_empty() && !name.starts_with('.') && !name.contains(leads)
}

/// Reads a file of a report that is one, up to a length.
///
/// # Errors
/// If it cannot be read, is no regular file, or is longer.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = || format!("cannot read {}", path.display());
    // Before it is opened, which would wait for someone to write into a pipe.
    let found = path.metadata().with_context(name)?;
    ensure!(found.is_file(), "{} is no regular file", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(name)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .with_context(name)?;
    if bytes.len() as u64 > LONGEST {
        bail!("{} has more than {LONGEST} bytes", path.display());
    }
    Ok(bytes)
}

/// Reads a file of the report in this folder, as [`read`], if the report has one.
///
/// # Errors
/// If the folder, that of all reports, or the file is there and cannot be used.
pub fn read_if_there(report: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let above = report
        .parent()
        .filter(|above| !above.as_os_str().is_empty());
    let folders = above.into_iter().chain([report]);
    for folder in folders {
        if !is_folder(folder, REPORTS)? {
            return Ok(None);
        }
    }
    let path = report.join(name);
    match is_there(&path, REPORTS)? {
        true => read(&path).map(Some),
        false => Ok(None),
    }
}

/// Holds types and versions against those of this fig6.
fn of_this_version(statement: Statement) -> Result<Statement, Unusable> {
    let types = [
        ("_type", &statement.statement_type, STATEMENT),
        ("predicateType", &statement.predicate_type, PREDICATE),
    ];
    for (name, found, expected) in types {
        if found != expected {
            let error = anyhow!("its {name} is {found:?} instead of {expected:?}");
            return Err(Unusable::Wrong(error));
        }
    }
    let found = &statement.predicate.build_definition.build_type;
    if let Some(what) = other_build_type(found) {
        return Err(Unusable::OtherVersion(what));
    }
    if *found != build_type() {
        let expected = build_type();
        let error = anyhow!("its buildType is {found:?} instead of {expected:?}");
        return Err(Unusable::Wrong(error));
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

/// What is said of a file that another version of fig6 has written; `None` for any other.
fn other_version(bytes: &[u8]) -> Option<String> {
    let file: Value = serde_json::from_slice(bytes).ok()?;
    let definition = &file["predicate"]["buildDefinition"];
    other_build_type(definition["buildType"].as_str()?)
}

fn other_build_type(found: &str) -> Option<String> {
    let version = found.strip_prefix(TERMS)?.strip_prefix("reproduce/v")?;
    let version: u32 = version.parse().ok()?;
    (version != VERSION)
        .then(|| format!("it has schema version {version}, and this fig6 reads {VERSION}"))
}
