//! Which earlier training may hold under today's code: one from which today's differs in nothing but code,
//! packages and compiler, and which has left what a replay takes.
//!
//! Unaware of how a replay shows it.

use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::assess::{Inputs, Planner};
use super::graph::Step;
use crate::steps::Params;
use store::key::{Change, Digest, KeyPart};
use store::{Lookup, Manifest};

/// An earlier training that a replay may show to be today's as well.
#[derive(Clone, Debug)]
pub struct Carriable {
    pub manifest: Arc<Manifest>,
    /// What differs.
    pub changes: Vec<Change>,
    /// How many iterations a replay computes.
    pub replayed: u64,
    /// How many the training computes.
    pub iterations: u64,
    /// Why it cannot be replayed, if it cannot: what it has left is gone or damaged.
    pub unusable: Option<String>,
}

/// What a replay would spare, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// The key of the earlier result.
    pub of: Digest,
    /// How many are computed again.
    pub iterations: u64,
    /// Expected, by what the training took.
    pub seconds: f64,
    /// What the training took.
    pub training_seconds: f64,
}

impl Carriable {
    /// What a replay would spare, if it can be made.
    pub fn offer(&self) -> Option<Offer> {
        if self.unusable.is_some() {
            return None;
        }
        let training_seconds = self.manifest.run.seconds;
        let share = self.replayed as f64 / self.iterations.max(1) as f64;
        Some(Offer {
            of: self.manifest.key,
            iterations: self.replayed,
            seconds: training_seconds * share,
            training_seconds,
        })
    }
}

impl Planner<'_> {
    /// The training among the earlier results of a step that a replay may carry over, if there is one. An
    /// open input is taken to come out as it was.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn carriable(&self, step: &Step, inputs: &Inputs) -> Result<Option<Carriable>> {
        let Params::Train(params) = &step.params else {
            return Ok(None);
        };
        let mut found: Option<Carriable> = None;
        for manifest in self.comparable(step, inputs)?.manifests {
            let changes = self.certain_changes(step, inputs, &manifest.key_inputs);
            if changes.is_empty() || !changes.iter().all(is_of_code) {
                continue;
            }
            let unusable = self.unusable(&manifest)?;
            if unusable.is_some() && found.is_some() {
                continue;
            }
            let is_usable = unusable.is_none();
            let snapshots = &params.recipe.snapshots;
            let evidence = manifest.evidence.keys();
            let kept = evidence.filter(|name| *name != train::TWO_RUNS).count();
            let (windows, iterations) = (kept as u64 + 1, params.recipe.schedule.iterations);
            found = Some(Carriable {
                manifest: Arc::new(manifest),
                changes,
                replayed: (windows * snapshots.window).min(iterations),
                iterations,
                unusable,
            });
            if is_usable {
                break;
            }
        }
        Ok(found)
    }

    /// Why a result cannot be replayed, if it cannot.
    fn unusable(&self, manifest: &Manifest) -> Result<Option<String>> {
        match self.store.lookup(&manifest.key)? {
            Lookup::Found(_) => {}
            Lookup::Absent => return Ok(Some("its result is gone".to_owned())),
            Lookup::Damaged(what) => return Ok(Some(what)),
        }
        for (name, evidence) in &manifest.evidence {
            match self.store.evidence_file(evidence) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Some(format!("its {name} is gone"))),
                Err(error) => return Ok(Some(format!("its {name}: {error:#}"))),
            }
        }
        let left = manifest.outputs.contains_key("trace.json");
        Ok((!left).then(|| "it has left no trace.json".to_owned()))
    }
}

/// Whether a change is one that a replay can show to be none: of code, of packages or of the compiler.
pub fn is_of_code(change: &Change) -> bool {
    match change.part {
        KeyPart::Code | KeyPart::Crate => true,
        KeyPart::Numeric => change.name == "compiler",
        KeyPart::Schema | KeyPart::Kind | KeyPart::Parameter | KeyPart::Input => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_packages_and_compiler_may_be_others_and_nothing_else() {
        let of = |part, name: &str| {
            is_of_code(&Change {
                part,
                name: name.to_owned(),
                old: None,
                new: None,
            })
        };
        assert!(of(KeyPart::Code, "nn") && of(KeyPart::Crate, "dependencies"));
        assert!(of(KeyPart::Numeric, "compiler"));
        for name in ["backend", "backend version", "float type", "architecture"] {
            assert!(!of(KeyPart::Numeric, name), "{name}");
        }
        for part in [
            KeyPart::Schema,
            KeyPart::Kind,
            KeyPart::Parameter,
            KeyPart::Input,
        ] {
            assert!(!of(part, "compiler"), "{part:?}");
        }
    }
}
