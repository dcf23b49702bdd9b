//! Results of a report that earlier code has computed: what the provenance records of them, and what says
//! it to people: `carried-over.md`, and a footer below the table of results. A report without any has
//! neither.

use serde::{Deserialize, Serialize};

use super::provenance::{Internal, StepRecord};
use markdown::{escaped, row};
use store::ShownStretch;
use store::key::{Digest, KeyInputs};

/// The file's name in a report.
pub const FILE: &str = "carried-over.md";

/// The file of a report that has the table of results, and the [`Footer`].
pub const TABLE: &str = "results.md";

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

/// What a report's table of results has below what its step has made, which cannot say it: a step's key
/// knows contents, and not how they came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer(String);

impl Footer {
    /// Of a report in which these trainings were carried over; of one without any it is empty.
    pub fn naming<'a>(trainings: impl IntoIterator<Item = &'a str>) -> Footer {
        let trainings: Vec<String> = trainings.into_iter().map(escaped).collect();
        Footer(match trainings.join(", ") {
            none if none.is_empty() => none,
            names => format!(
                "\n**Carried over from earlier code: {names}.** The code of this report computed only some \
                 iterations of each again, from states that the training had left, and came to the same \
                 states: see [{FILE}]({FILE}).\n"
            ),
        })
    }

    /// Of the report with this provenance.
    pub fn of(internal: &Internal) -> Footer {
        Footer::naming(internal.carried_over().map(|(step, _)| &*step.step))
    }

    /// What stands in this file of the report below what its step has made.
    pub fn below(&self, file: &str) -> &str {
        match file {
            TABLE => &self.0,
            _ => "",
        }
    }
}

/// The text of `carried-over.md`, with a final newline, if anything was carried over.
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
