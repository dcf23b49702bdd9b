//! The record of one finished step: its key inputs in full, its outputs' addresses, and when,
//! where and how fast it ran. A manifest carries a checksum of itself and is never trusted
//! without it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CarriedOver, disk};
use crate::key::{Digest, KeyInputs, SCHEMA};

/// One finished step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name under which the step ran first.
    pub step: String,
    pub key: Digest,
    pub key_inputs: KeyInputs,
    /// Outputs by file name.
    pub outputs: BTreeMap<String, Output>,
    /// Files that show how the result came about, by name; no step reads them, and they may be gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, Output>,
    /// What the step made, in one line.
    pub summary: String,
    /// The run that computed it, also where it was carried over.
    pub run: RunRecord,
    /// Where it comes from, unless it was computed under its own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_over: Option<CarriedOver>,
}

/// Where an output's content lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub digest: Digest,
    pub bytes: u64,
}

/// When, where and how a step ran; says nothing about its result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// UTC, RFC 3339, to the millisecond.
    pub started: String,
    pub seconds: f64,
    /// Part of `seconds` that the step's own work took.
    pub work_seconds: f64,
    /// How much work it was, by a measure that all steps of the kind share.
    pub amount: f64,
    pub threads: usize,
    /// Why it ran, in words.
    pub because: Vec<String>,
    pub host: String,
    pub cpu: String,
    pub fig6: String,
    /// What the step printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Output>,
}

/// What a manifest says of a result beside its key inputs: all that it takes to use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub key: Digest,
    /// The name under which the step ran first.
    pub step: String,
    /// The step's kind.
    pub kind: String,
    /// Digest of all key inputs but the content of the inputs.
    pub settings: Digest,
    /// The backend that computed it, for a numeric step.
    pub backend: Option<String>,
    pub outputs: BTreeMap<String, Output>,
    pub summary: String,
    /// UTC, RFC 3339, to the millisecond, so that the order of the texts is that of the times.
    pub started: String,
    pub seconds: f64,
    pub work_seconds: f64,
    pub amount: f64,
    pub threads: usize,
    pub host: String,
    /// Whether it was computed under an earlier key.
    pub carried_over: bool,
}

/// An output's name that would lead out of the step's folder, if there is one.
pub(super) fn strange_name(outputs: &BTreeMap<String, Output>) -> Option<&str> {
    let mut names = outputs.keys().map(String::as_str);
    names.find(|name| matches!(*name, "" | "." | "..") || name.contains(['/', '\0']))
}

impl From<&Manifest> for Entry {
    fn from(manifest: &Manifest) -> Entry {
        let basis = &manifest.key_inputs.basis;
        Entry {
            key: manifest.key,
            step: manifest.step.clone(),
            kind: basis.kind.clone(),
            settings: manifest.key_inputs.settings_digest(),
            backend: basis
                .numeric
                .as_ref()
                .map(|numeric| numeric.backend.clone()),
            outputs: manifest.outputs.clone(),
            summary: manifest.summary.clone(),
            started: manifest.run.started.clone(),
            seconds: manifest.run.seconds,
            work_seconds: manifest.run.work_seconds,
            amount: manifest.run.amount,
            threads: manifest.run.threads,
            host: manifest.run.host.clone(),
            carried_over: manifest.carried_over.is_some(),
        }
    }
}

/// The file around a manifest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    /// BLAKE3 of the manifest's JSON on one line.
    checksum: Digest,
    manifest: Manifest,
}

impl Manifest {
    /// Writes the manifest, whole or not at all, first under the name `partial`.
    pub(super) fn write(&self, partial: &Path, path: &Path) -> Result<()> {
        let sealed = Sealed {
            checksum: self.checksum()?,
            manifest: self.clone(),
        };
        let text = serde_json::to_string_pretty(&sealed)? + "\n";
        disk::write_by(partial, path, text.as_bytes())
    }

    /// Parses a manifest's file and holds it against its checksum, its own key and today's schema.
    ///
    /// # Errors
    /// If it is no such manifest: what is wrong.
    pub fn parse(bytes: &[u8], key: &Digest) -> Result<Manifest> {
        let sealed: Result<Sealed, _> = serde_json::from_slice(bytes);
        let found = match &sealed {
            Ok(sealed) => Some(sealed.manifest.key_inputs.basis.schema.into()),
            Err(_) => schema(bytes),
        };
        if let Some(found) = found.filter(|found| *found != u64::from(SCHEMA)) {
            bail!("it has schema version {found}, and this fig6 reads {SCHEMA}");
        }
        let Sealed { checksum, manifest } = sealed.context("it is cut short or altered")?;
        ensure!(
            manifest.checksum()? == checksum,
            "its checksum does not match"
        );
        ensure!(
            manifest.key == *key && manifest.key_inputs.key() == *key,
            "it belongs to another key"
        );
        if let Some(name) = strange_name(&manifest.outputs) {
            bail!("{name:?} is no output's name");
        }
        if let Some(name) = strange_name(&manifest.evidence) {
            bail!("{name:?} is no name of evidence");
        }
        if let Some(carried_over) = &manifest.carried_over {
            carried_over.expect_to_fit(&manifest.key_inputs)?;
        }
        Ok(manifest)
    }

    /// The digests of all listings that it refers to.
    pub fn listings(&self) -> impl Iterator<Item = Digest> {
        let original = self.carried_over.as_ref().map(|it| &it.original_inputs);
        let inputs = [Some(&self.key_inputs), original].into_iter().flatten();
        inputs.flat_map(|inputs| inputs.basis.listings())
    }

    fn checksum(&self) -> Result<Digest> {
        Ok(Digest::of(serde_json::to_string(self)?.as_bytes()))
    }
}

/// Whether a file holds a manifest that another version of fig6 has written.
pub(super) fn is_of_another_version(bytes: &[u8]) -> bool {
    schema(bytes).is_some_and(|found| found != u64::from(SCHEMA))
}

/// The schema version of a manifest of any version, as far as it can be made out.
fn schema(bytes: &[u8]) -> Option<u64> {
    let file: Value = serde_json::from_slice(bytes).ok()?;
    let key_inputs = &file["manifest"]["key_inputs"];
    // Version 1 had no basis.
    let schema = key_inputs["basis"]
        .get("schema")
        .or(key_inputs.get("schema"));
    schema?.as_u64()
}
