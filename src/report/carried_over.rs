//! Results of a report that earlier code has computed: what the provenance records of them, and
//! `carried-over.md`, which says it to people. A report without any has no such file.

use serde::{Deserialize, Serialize};

use super::provenance::{Internal, StepRecord};
use markdown::row;
use store::ShownStretch;
use store::key::{Digest, KeyInputs};

/// The file's name in a report.
pub const FILE: &str = "carried-over.md";

const HEAD: &str = "\
# Results that were carried over

Earlier code has computed these results. The code of this report has computed iterations of them again, each
time from a state that the training had left, and came to the same states. `fig6 verify --level replay` does
so once more; docs/trust.md of fig6 says what that shows and what it does not.

";

/// That a result was computed by other code, and that parts of it came out the same once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedOverRecord {
    /// The key under which it was computed.
    pub original: Digest,
    /// The place among [`Internal::bases`] of what computed it.
    pub basis: usize,
    /// What differs between that and the step's own basis, in words.
    pub changes: Vec<String>,
    /// What was computed again to the same states.
    pub stretches: Vec<ShownStretch>,
}

impl CarriedOverRecord {
    /// How many iterations were computed again.
    pub fn iterations(&self) -> u64 {
        let lengths = self.stretches.iter();
        let lengths = lengths.map(|stretch| stretch.to.saturating_sub(stretch.from));
        lengths.fold(0, u64::saturating_add)
    }
}

impl Internal {
    /// What the original key of a step that was carried over is the hash of; `None` if its basis is not
    /// there.
    pub fn original_key_inputs(
        &self,
        step: &StepRecord,
        carried_over: &CarriedOverRecord,
    ) -> Option<KeyInputs> {
        Some(KeyInputs {
            basis: self.bases.get(carried_over.basis)?.clone(),
            ..self.key_inputs(step)?
        })
    }

    /// The steps that were carried over.
    pub fn carried_over(&self) -> impl Iterator<Item = (&StepRecord, &CarriedOverRecord)> {
        let steps = self.steps.iter();
        steps.filter_map(|step| Some((step, step.carried_over.as_ref()?)))
    }
}

/// The file's text, with a final newline, if anything was carried over.
pub fn page(internal: &Internal) -> Option<String> {
    let rows = internal.carried_over().map(|(step, carried_over)| {
        let replayed = format!(
            "{} in {} stretches",
            carried_over.iterations(),
            carried_over.stretches.len()
        );
        row([
            &step.step,
            &carried_over.original.short(),
            &replayed,
            &carried_over.changes.join("; "),
        ])
    });
    let rows: Vec<String> = rows.collect();
    let titles = row([
        "training",
        "computed under key",
        "iterations computed again",
        "what changed",
    ]);
    let rule = row(["---"; 4]);
    (!rows.is_empty()).then(|| format!("{HEAD}{titles}{rule}{}", rows.concat()))
}
