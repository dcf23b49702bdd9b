//! A result that was computed under an earlier key and holds under a new one, because a replay showed that
//! today's code computes the same. Unaware of how that is shown.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::key::{Digest, KeyInputs};

/// Where a carried-over result comes from, and what showed that it still holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedOver {
    /// The key under which it was computed; never one that was itself carried over.
    pub original: Digest,
    pub original_inputs: KeyInputs,
    /// UTC, RFC 3339: when the replay showed it.
    pub shown: String,
    /// What the replay took.
    pub seconds: f64,
    /// Where the replay ran.
    pub host: String,
    pub cpu: String,
    /// Stretches that were computed again to the same state.
    pub stretches: Vec<ShownStretch>,
}

/// Iterations that were computed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownStretch {
    pub from: u64,
    pub to: u64,
    /// Digest of the training's state after `to` iterations.
    pub state: String,
}

impl CarriedOver {
    /// Refuses an original that cannot be one of a result with these key inputs: only code, crates and
    /// compiler may differ.
    pub(super) fn expect_to_fit(&self, key_inputs: &KeyInputs) -> Result<()> {
        let original = &self.original_inputs;
        ensure!(
            original.key() == self.original,
            "it is altered: what it was carried over from has another key"
        );
        ensure!(
            self.original != key_inputs.key(),
            "it is altered: it was carried over from itself"
        );
        ensure!(
            same_computation(original, key_inputs),
            "it is altered: it was carried over from another computation"
        );
        Ok(())
    }
}

/// Whether nothing differs that a replay cannot make up for.
fn same_computation(one: &KeyInputs, two: &KeyInputs) -> bool {
    let machine = |inputs: &KeyInputs| {
        let numeric = inputs.basis.numeric.as_ref();
        numeric.map(|it| [&it.backend, &it.float, &it.architecture].map(String::clone))
    };
    (one.basis.schema, &one.basis.kind) == (two.basis.schema, &two.basis.kind)
        && one.parameters == two.parameters
        && one.inputs == two.inputs
        && machine(one) == machine(two)
}

#[cfg(test)]
mod tests;
