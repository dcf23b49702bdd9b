//! The record of one finished step: its key inputs in full, its outputs' addresses, and when,
//! where and how fast it ran. A manifest carries a checksum of itself and is never trusted
//! without it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::disk;
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
    /// What the step made, in one line.
    pub summary: String,
    pub run: RunRecord,
}

/// Where an output's content lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub digest: Digest,
    pub bytes: u64,
}

/// When, where and how a step ran; says nothing about its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// UTC, RFC 3339.
    pub started: String,
    pub seconds: f64,
    /// Part of `seconds` that the step's own work took.
    pub work_seconds: f64,
    pub threads: usize,
    pub host: String,
    pub cpu: String,
    pub fig6: String,
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
    /// Writes the manifest, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let sealed = Sealed {
            checksum: self.checksum()?,
            manifest: self.clone(),
        };
        let text = serde_json::to_string_pretty(&sealed)? + "\n";
        disk::write_whole(path, text.as_bytes())
    }

    /// Parses a manifest's file and holds it against its checksum, its own key and today's schema.
    pub(super) fn parse(bytes: &[u8], key: &Digest) -> Result<Manifest> {
        let Sealed { checksum, manifest } = serde_json::from_slice(bytes)
            .context("it is cut short, altered, or of another version")?;
        ensure!(
            manifest.checksum()? == checksum,
            "its checksum does not match"
        );
        ensure!(
            manifest.key_inputs.schema == SCHEMA,
            "it has another schema version"
        );
        ensure!(
            manifest.key == *key && manifest.key_inputs.key() == *key,
            "it belongs to another key"
        );
        Ok(manifest)
    }

    fn checksum(&self) -> Result<Digest> {
        Ok(Digest::of(serde_json::to_string(self)?.as_bytes()))
    }
}
