//! Claims against results: a verdict on each, and why.
//!
//! Unaware of where the results come from, and of what a verdict means for the whole.

mod measured;

use serde::Serialize;

pub use measured::{Measured, error, measured};

use crate::pipeline::{self, Applies, Assertion, Claim, Claims, Quantity};
use statistics::{self, Evidence, Sample, Seeds, Test, Unknown, Verdict, Why};
use summary::Spread;
use table::{ResultRow, Results};

/// The text of this module: where it changes, verdicts that were written down are written anew.
pub const CODE: &str = include_str!("judge.rs");

/// What became of a claim, and by which evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    pub claim: String,
    /// Its source, for people.
    pub source: String,
    pub url: String,
    pub verdict: Verdict,
    /// Why the claim is held to be wrong, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disputed: Option<String>,
    /// In percentage points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// What was found, for people.
    pub found: String,
    /// The statistics behind the verdict, in percentage points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// How many runs an undecided claim would take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Seeds>,
}

/// What a claim meets in the results.
enum Found<'a> {
    /// Runs, to be judged together with those of other claims.
    Runs(Runs<'a>),
    /// A count, which is what it is.
    Count(Verdict),
    /// Nothing to judge it by, and why.
    Nothing(String),
}

/// Fewer equal runs than these do not show that all runs are equal.
const FEW: u64 = 5;

/// The runs that a claim is about.
struct Runs<'a> {
    claim: &'a Claim,
    /// Of each of its quantities.
    samples: Vec<Sample>,
}

/// Judges all claims of a profile together at a level of significance.
pub fn judge(claims: &Claims, results: &Results, significance: f64) -> Vec<Judgement> {
    let met = claims.here.iter().map(|claim| meet(claim, results));
    let met: Vec<Found> = met.collect();
    let runs = met.iter().filter_map(|found| match found {
        Found::Runs(runs) => Some(runs.evidence(None)),
        Found::Count(_) | Found::Nothing(_) => None,
    });
    let evidence: Vec<Evidence> = runs.collect();
    let verdicts = statistics::decide(&evidence, significance);
    let tested = evidence.len();
    let mut verdicts = verdicts.into_iter().zip(evidence);
    let each = claims.here.iter().zip(&met);
    each.map(|(claim, met)| {
        let mut judgement = Judgement {
            claim: claim.name(),
            source: claim.cited(),
            url: claim.citation.url.clone(),
            verdict: Verdict::Undecided,
            disputed: claim.disputed.clone(),
            margin: claim.margin,
            found: ours(claim, results),
            test: None,
            seeds: None,
        };
        match met {
            Found::Nothing(why) => judgement.found.clone_from(why),
            Found::Count(verdict) => judgement.verdict = *verdict,
            Found::Runs(runs) => {
                let next = verdicts.next();
                let (verdict, evidence) = next.expect("all evidence gets a verdict");
                judgement.verdict = verdict;
                judgement.test = evidence.test().copied();
                judgement.found += &format!("; {}", in_words(&evidence));
                if verdict == Verdict::Undecided {
                    let seeds = runs.needed(tested, significance);
                    judgement.found += &format!("; {}", seeds_in_words(seeds));
                    judgement.seeds = Some(seeds);
                }
            }
        }
        judgement
    })
    .collect()
}

/// What a claim meets in the results.
fn meet<'a>(claim: &'a Claim, results: &Results) -> Found<'a> {
    if let Applies::No(caveats) = &claim.applies {
        let caveats = caveats.join("; ");
        return Found::Nothing(format!("not comparable with what was published: {caveats}"));
    }
    let mut samples = Vec::new();
    for quantity in claim.assertion.quantities() {
        let Some(row) = row(quantity, results) else {
            return Found::Nothing(format!("{} has no results", quantity.model));
        };
        if let Assertion::Exact { of, value } = &claim.assertion {
            return match measured(of.metric, row) {
                Measured::Count(count) if value.stands_for(count) => {
                    Found::Count(Verdict::Confirmed)
                }
                Measured::Count(_) => Found::Count(Verdict::Refuted),
                Measured::Errors(_) => Found::Nothing(format!("{of} is not a whole number")),
            };
        }
        let runs = row
            .runs
            .iter()
            .filter_map(|run| error(quantity.metric, run));
        samples.push(Sample::of(&runs.collect::<Vec<_>>()));
    }
    match samples.into_iter().collect() {
        Some(samples) => Found::Runs(Runs { claim, samples }),
        None => Found::Nothing("a model has no runs".to_owned()),
    }
}

impl Runs<'_> {
    /// What they say about the claim, or would say if there were so many of each.
    fn evidence(&self, runs: Option<u64>) -> Evidence {
        let samples = self.samples.iter();
        let samples: Vec<Sample> = samples
            .map(|sample| runs.map_or(*sample, |runs| sample.with_runs(runs)))
            .collect();
        // A few runs that are equal are so by chance, on a grid of so many images.
        let by_chance = |sample: &Sample| sample.n < FEW && sample.std == Some(0.0);
        if samples.iter().any(by_chance) {
            return Evidence::Unknown(Unknown::SpreadOfZero);
        }
        let margin = self.claim.margin.unwrap_or(0.0);
        match (&self.claim.assertion, &samples[..]) {
            (Assertion::Mean { published, .. }, [ours]) => {
                let published = statistics::Published {
                    mean: published.mean,
                    std: published.std,
                    runs: published.runs.into(),
                    reading_error: published.reading_error,
                };
                statistics::agreement(ours, &published, margin)
            }
            (Assertion::Order { .. }, [larger, smaller]) => statistics::order(larger, smaller),
            (
                Assertion::Bound {
                    relation, number, ..
                },
                [ours],
            ) => {
                let relation = match relation {
                    pipeline::Relation::Below => statistics::Relation::Below,
                    pipeline::Relation::Above => statistics::Relation::Above,
                };
                statistics::bound(ours, *number, relation)
            }
            (Assertion::Trend { .. }, samples) => statistics::trend(samples, margin),
            _ => Evidence::Unknown(Unknown::TooFewRuns),
        }
    }

    /// How many runs of each would decide the claim, among so many that are judged together.
    fn needed(&self, claims: usize, significance: f64) -> Seeds {
        let fewest = self.samples.iter().map(|sample| sample.n).min();
        let again = |runs| self.evidence(Some(runs));
        statistics::seeds_needed(fewest.unwrap_or(0), claims, significance, again)
    }
}

/// What we have of a claim's quantities.
fn ours(claim: &Claim, results: &Results) -> String {
    let quantities = claim.assertion.quantities().into_iter();
    let ours = quantities.filter_map(|quantity| {
        let row = row(quantity, results)?;
        Some(match measured(quantity.metric, row) {
            Measured::Errors(errors) => spread(errors),
            Measured::Count(count) => count.to_string(),
        })
    });
    format!("ours {}", ours.collect::<Vec<_>>().join(", "))
}

fn spread(spread: &Spread) -> String {
    match spread.std {
        Some(std) => format!("{:.2} ± {std:.2} ({} seeds)", spread.mean, spread.n),
        None => format!("{:.2} ({} seed)", spread.mean, spread.n),
    }
}

/// What a test found.
fn in_words(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Unknown(why) => why.to_string(),
        Evidence::Test(test) => format!(
            "difference {:+.2} (95 % {:+.2} to {:+.2}), p(false) {}, p(exact) {} by {}",
            test.estimate,
            test.interval.low,
            test.interval.high,
            probability(test.p_confirm),
            probability(test.p_refute),
            test.method
        ),
    }
}

fn probability(p: f64) -> String {
    match p {
        ..0.0001 => "< 0.0001".to_owned(),
        _ => format!("{p:.4}"),
    }
}

fn seeds_in_words(seeds: Seeds) -> String {
    match seeds {
        Seeds::Total(n) => format!("{n} seeds would decide it if means and spreads stay"),
        Seeds::AtLeast(n) => format!("at least {n} seeds are needed"),
        Seeds::Never(why @ (Why::TooClose | Why::PublishedSide)) => why.to_string(),
        Seeds::Never(Why::NoEvidence(_)) => "run other seeds".to_owned(),
    }
}

fn row<'r>(quantity: &Quantity, results: &'r Results) -> Option<&'r ResultRow> {
    results.rows.iter().find(|row| row.model == quantity.model)
}
