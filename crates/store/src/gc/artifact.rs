//! A result as a collection sees it: what it mentions, what it cost, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::Fate;
use crate::key::Digest;
use crate::{Manifest, Output, Store, disk, manifest};

/// A result.
#[derive(Clone, Debug, Serialize)]
pub struct Artifact {
    pub key: Digest,
    /// The step's name; empty if its manifest cannot be read.
    pub step: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// What it cost to compute.
    pub seconds: f64,
    /// Size of its outputs and its evidence, as found; other results may share some of it.
    pub bytes: u64,
    pub fate: Fate,
    #[serde(skip)]
    pub(super) contents: BTreeSet<Digest>,
    /// Those of its contents that are evidence only.
    #[serde(skip)]
    pub(super) evidence: BTreeSet<Digest>,
    #[serde(skip)]
    pub(super) inputs: BTreeSet<Digest>,
    #[serde(skip)]
    pub(super) listings: BTreeSet<Digest>,
    #[serde(skip)]
    pub(super) damaged: bool,
}

impl Store {
    /// All results that there are, as if nobody needed them.
    pub(super) fn artifacts(&self, sizes: &BTreeMap<Digest, u64>) -> Result<Vec<Artifact>> {
        let files = self.list("manifests")?;
        let artifacts = files.par_iter().filter_map(|file| {
            let key = file.digest(".json")?;
            let mut artifact = match disk::read(&file.path) {
                Ok(bytes) => match Manifest::parse(&bytes, &key) {
                    Ok(manifest) => Artifact::of(manifest),
                    Err(_) => Artifact::illegible(key, &bytes),
                },
                // Nothing that could mention a content.
                Err(_) if !file.metadata.is_file() => Artifact::illegible(key, &[]),
                Err(error) => {
                    let why = format!(
                        "which contents {} mentions cannot be told, so nothing is removed; get the \
                         permission to read it, or set it aside with `fig6 fsck`",
                        file.path.display()
                    );
                    return Some(Err(error).context(why));
                }
            };
            let contents = artifact.contents.iter();
            artifact.bytes = contents.filter_map(|digest| sizes.get(digest)).sum();
            Some(Ok(artifact))
        });
        artifacts.collect()
    }
}

impl Artifact {
    pub(super) fn stays(&self) -> bool {
        matches!(self.fate, Fate::Kept(_))
    }

    fn of(manifest: Manifest) -> Artifact {
        let digests = |files: &BTreeMap<String, Output>| -> BTreeSet<Digest> {
            files.values().map(|file| file.digest).collect()
        };
        let (outputs, evidence) = (digests(&manifest.outputs), digests(&manifest.evidence));
        Artifact {
            listings: manifest.listings().collect(),
            contents: &outputs | &evidence,
            evidence: &evidence - &outputs,
            key: manifest.key,
            step: manifest.step,
            started: manifest.run.started,
            seconds: manifest.run.seconds,
            bytes: 0,
            fate: Fate::Unneeded,
            inputs: manifest.key_inputs.inputs.values().copied().collect(),
            damaged: false,
        }
    }

    /// One of another version, or a damaged one: every digest in it counts as mentioned.
    fn illegible(key: Digest, bytes: &[u8]) -> Artifact {
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        let mentioned: BTreeSet<Digest> = words.filter_map(|word| word.parse().ok()).collect();
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let manifest = &value["manifest"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Artifact {
            key,
            step: text(&manifest["step"]),
            started: text(&manifest["run"]["started"]),
            seconds: manifest["run"]["seconds"].as_f64().unwrap_or_default(),
            bytes: 0,
            fate: Fate::Unneeded,
            contents: mentioned.clone(),
            evidence: BTreeSet::new(),
            inputs: BTreeSet::new(),
            listings: mentioned,
            damaged: !manifest::is_of_another_version(bytes),
        }
    }
}
