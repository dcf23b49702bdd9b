//! How many runs would decide what is undecided.

use std::fmt;

use serde::Serialize;

use super::decide::{Verdict, verdict};
use super::evidence::{Evidence, Unknown};

/// More seeds than anyone would train.
const MOST: u64 = 1_000;

/// So many that only the published side's uncertainty is left.
const ALL: u64 = 1_000_000_000_000;

/// How many runs a claim would need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seeds {
    /// So many runs in total, if the means and spreads stay what they are.
    Total(u64),
    /// So many before anything can be said: one run does not show a spread.
    AtLeast(u64),
    /// No number of them would do.
    Never(Why),
}

/// Why no number of runs would decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// More than 1,000 would be needed: the difference is too close to what separates the verdicts.
    TooClose,
    /// The published side's own uncertainty stays, however well our mean is known.
    PublishedSide,
    /// There is no evidence for another reason than too few runs.
    NoEvidence(Unknown),
}

/// The smallest number of runs above `now` with which the claim would be decided at `level`, if all
/// means and spreads stayed as they were estimated: `evidence` gives the evidence for a number of runs
/// (see [`Sample::with_runs`](super::Sample::with_runs)), the same for all of our samples. `claims` are
/// judged together; for a refutation the strictest of Holm's factors is used.
///
/// The estimates will not stay, so this is about even odds rather than a promise.
#[must_use]
pub fn seeds_needed(
    now: u64,
    claims: usize,
    level: f64,
    evidence: impl Fn(u64) -> Evidence,
) -> Seeds {
    let decided = |evidence: &Evidence| {
        let p_refute = (evidence.p_refute() * claims.max(1) as f64).min(1.0);
        verdict(evidence, p_refute, level) != Verdict::Undecided
    };
    match evidence(now.max(2)) {
        // The moments are those of a single run, whatever its number is said to be.
        Evidence::Unknown(Unknown::TooFewRuns | Unknown::NoSpread) if now < 2 => {
            return Seeds::AtLeast(2);
        }
        Evidence::Unknown(unknown) => return Seeds::Never(Why::NoEvidence(unknown)),
        Evidence::Test(_) => {}
    }
    for n in (now + 1).max(2)..=MOST {
        if decided(&evidence(n)) {
            return Seeds::Total(n);
        }
    }
    let (most, all) = (evidence(MOST), evidence(ALL));
    if !decided(&all)
        && let (Some(most), Some(all)) = (most.test(), all.test())
        // With all of the uncertainty ours, it would be smaller by orders of magnitude.
        && all.standard_error > 0.5 * most.standard_error
    {
        return Seeds::Never(Why::PublishedSide);
    }
    Seeds::Never(Why::TooClose)
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Why::TooClose => write!(
                f,
                "more than {MOST} runs would be needed, as the difference is too close to what separates the verdicts"
            ),
            Why::PublishedSide => f.write_str(
                "the published side's own uncertainty stays, however many runs there are",
            ),
            Why::NoEvidence(unknown) => unknown.fmt(f),
        }
    }
}
