//! The claims of the pipeline file against the results: a verdict on each, and why.
//!
//! Unaware of where the results come from.

use serde::Serialize;
use serde_json::json;

use super::{Check, Level, Status};
use crate::pipeline::{self, Applies, Claim, Claims, Experiment, Statement};
use crate::results::{Metric, Quantity, SeedResult, Spread};
use crate::statistics::{self, Evidence, Sample, Seeds, Test, Unknown, Verdict, Why};
use crate::steps::table::{ResultRow, Results};

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

/// The runs that a claim is about.
struct Runs<'a> {
    claim: &'a Claim,
    /// Of each of its quantities.
    samples: Vec<Sample>,
}

/// Judges all claims of a profile together at a level of significance.
pub fn judge(claims: &Claims, results: &Results, significance: f64) -> Vec<Judgement> {
    let met: Vec<Found> = claims
        .here
        .iter()
        .map(|claim| meet(claim, results))
        .collect();
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
    let quantities = claim.statement.quantities();
    let mut rows = Vec::new();
    for quantity in &quantities {
        match row(quantity, results) {
            Some(row) => rows.push(row),
            None => return Found::Nothing(format!("{} has no results", quantity.model)),
        }
    }
    if let Statement::Exact { of, value } = &claim.statement {
        let verdict = match value.stands_for(count(of.metric, rows[0])) {
            true => Verdict::Confirmed,
            false => Verdict::Refuted,
        };
        return Found::Count(verdict);
    }
    let metrics = quantities.iter().map(|quantity| quantity.metric);
    let samples = metrics.zip(&rows).map(|(metric, row)| {
        let runs: Vec<f64> = row.runs.iter().map(|run| error(metric, run)).collect();
        Sample::of(&runs)
    });
    match samples.collect() {
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
        let margin = self.claim.margin.unwrap_or(0.0);
        match (&self.claim.statement, &samples[..]) {
            (Statement::Mean { published, .. }, [ours]) => {
                let published = statistics::Published {
                    mean: published.mean,
                    std: published.std,
                    runs: published.runs.into(),
                    reading_error: published.reading_error,
                };
                statistics::agreement(ours, &published, margin)
            }
            (Statement::Order { .. }, [larger, smaller]) => statistics::order(larger, smaller),
            (
                Statement::Bound {
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
            (Statement::Trend { .. }, samples) => statistics::trend(samples, margin),
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
    let quantities = claim.statement.quantities().into_iter();
    let ours = quantities.filter_map(|quantity| {
        let row = row(quantity, results)?;
        Some(match quantity.metric {
            Metric::TestError => spread(&row.test_error),
            Metric::TrainError => spread(&row.train_error),
            counted => count(counted, row).to_string(),
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
            "difference {:+.2} (95 % {:+.2} to {:+.2}); p {} that it does not hold, {} that it does ({})",
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
        Seeds::Never(Why::TooClose) => {
            "more than 1,000 seeds would be needed to decide it".to_owned()
        }
        Seeds::Never(Why::PublishedSide) => {
            "no number of seeds would decide it: the published number is too uncertain".to_owned()
        }
        Seeds::Never(Why::NoEvidence(_)) => "more seeds would not decide it".to_owned(),
    }
}

fn row<'r>(quantity: &Quantity, results: &'r Results) -> Option<&'r ResultRow> {
    results.rows.iter().find(|row| row.model == quantity.model)
}

fn count(metric: Metric, row: &ResultRow) -> u64 {
    match metric {
        Metric::Parameters => row.parameters,
        Metric::MultiplyAdds => row.multiply_adds,
        _ => row.layers.into(),
    }
}

fn error(metric: Metric, run: &SeedResult) -> f64 {
    match metric {
        Metric::TrainError => run.train_error,
        _ => run.test_error,
    }
}

/// The checks of the level: whether the results are whole, and every claim about the profile.
pub fn checks(
    claims: &Claims,
    experiment: &Experiment,
    results: &Results,
    significance: f64,
) -> Vec<Check> {
    let mut checks = complete(experiment, results);
    if claims.here.is_empty() {
        let message = match claims.elsewhere {
            0 => "the pipeline file claims nothing, so there is nothing to verify; see `claims` in                   docs/statistics.md"
                .to_owned(),
            some => format!(
                "none of the {some} claims of the pipeline file is about this profile's models"
            ),
        };
        checks.push(Check::new(
            Level::Claims,
            "claims",
            Status::Undecided,
            message,
        ));
    }
    let judged = judge(claims, results, significance);
    checks.extend(judged.into_iter().map(|judgement| {
        let (status, word) = match (judgement.verdict, &judgement.disputed) {
            (Verdict::Undecided, _) => (Status::Undecided, "undecided".to_owned()),
            (Verdict::Confirmed, None) => (Status::Passed, "confirmed".to_owned()),
            (Verdict::Refuted, None) => (Status::Failed, "refuted".to_owned()),
            (Verdict::Refuted, Some(why)) => {
                (Status::Passed, format!("refuted, as expected ({why})"))
            }
            (Verdict::Confirmed, Some(why)) => (
                Status::Failed,
                format!("confirmed, although the pipeline file disputes it ({why})"),
            ),
        };
        let margin = judgement.margin;
        let margin = margin.map_or_else(String::new, |margin| format!(", within {margin} points"));
        let message = format!("{word}{margin}: {}; {}", judgement.found, judgement.source);
        let mut check = Check::new(Level::Claims, &judgement.claim, status, message);
        check.details = Some(json!(judgement));
        check
    }));
    checks
}

/// Whether every seed of every model is in the results, and in their means.
fn complete(experiment: &Experiment, results: &Results) -> Vec<Check> {
    let models = experiment.models.iter();
    models
        .map(|model| {
            let name = format!("seeds of {}", model.name);
            let of = |status, message| Check::new(Level::Claims, &name, status, message);
            let Some(row) = results.rows.iter().find(|row| row.model == model.name) else {
                return of(Status::Undecided, "there are no results".to_owned());
            };
            let found: Vec<u64> = row.runs.iter().map(|run| run.seed).collect();
            let missing: Vec<String> = experiment
                .seeds
                .iter()
                .filter(|seed| !found.contains(seed))
                .map(u64::to_string)
                .collect();
            if !missing.is_empty() {
                let message = format!("seeds without a result: {}", missing.join(", "));
                return of(Status::Undecided, message);
            }
            if found.len() != experiment.seeds.len() {
                let message = format!("seeds {found:?} instead of {:?}", experiment.seeds);
                return of(Status::Failed, message);
            }
            for (metric, spread) in [
                (Metric::TestError, &row.test_error),
                (Metric::TrainError, &row.train_error),
            ] {
                let runs: Vec<f64> = row.runs.iter().map(|run| error(metric, run)).collect();
                if !is_over(spread, &runs) {
                    let message = format!(
                        "the {} over the seeds, {:.4} over {}, is not that of the runs",
                        metric.name(),
                        spread.mean,
                        spread.n
                    );
                    return of(Status::Failed, message);
                }
            }
            of(
                Status::Passed,
                format!("{} results, all in the means", found.len()),
            )
        })
        .collect()
}

/// Whether moments are those of these runs, up to rounding.
fn is_over(spread: &Spread, runs: &[f64]) -> bool {
    let near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * other.abs().max(1.0);
    let Some(sample) = Sample::of(runs) else {
        return false;
    };
    let stds = match (spread.std, sample.std) {
        (Some(one), Some(other)) => near(one, other),
        (None, None) => true,
        _ => false,
    };
    let fold = |pick: fn(f64, f64) -> f64| runs.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    sample.n == spread.n
        && near(spread.mean, sample.mean)
        && stds
        && spread.min == fold(f64::min)
        && spread.max == fold(f64::max)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
