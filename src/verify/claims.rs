//! The claims level: whether every seed is in the results and in their means, and a verdict on each
//! claim of the pipeline file.
//!
//! Unaware of how a verdict comes about.

use serde_json::json;

use super::check::{Check, Level, Status};
use crate::judge::{error, judge};
use crate::pipeline::{Claims, Experiment, Metric};
use statistics::{Sample, Verdict};
use summary::Spread;
use table::{ResultRow, Results};

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
            0 => "the pipeline file claims nothing, so there is nothing to verify; see `claims` in docs/statistics.md"
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
        let margin = match (judgement.margin, judgement.verdict) {
            (None, _) => String::new(),
            (Some(margin), Verdict::Refuted) => {
                format!(", and not shown to be within {margin} points")
            }
            (Some(margin), _) => format!(", within {margin} points"),
        };
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
    let checks = models.map(|model| {
        let row = results.rows.iter().find(|row| row.model == model.name);
        let none = || (Status::Undecided, "there are no results".to_owned());
        let (status, message) = row.map_or_else(none, |row| seeds(experiment, row));
        let name = format!("seeds of {}", model.name);
        Check::new(Level::Claims, name, status, message)
    });
    checks.collect()
}

/// Whether every seed is in a model's results, and in their means.
fn seeds(experiment: &Experiment, row: &ResultRow) -> (Status, String) {
    let found: Vec<u64> = row.runs.iter().map(|run| run.seed).collect();
    let missing = experiment.seeds.iter().filter(|seed| !found.contains(seed));
    let missing: Vec<String> = missing.map(u64::to_string).collect();
    if !missing.is_empty() {
        let message = format!("seeds without a result: {}", missing.join(", "));
        return (Status::Undecided, message);
    }
    if found.len() != experiment.seeds.len() {
        let message = format!("seeds {found:?} instead of {:?}", experiment.seeds);
        return (Status::Failed, message);
    }
    for (metric, spread) in [
        (Metric::TestError, &row.test_error),
        (Metric::TrainError, &row.train_error),
    ] {
        let runs = row.runs.iter().filter_map(|run| error(metric, run));
        if !is_over(spread, &runs.collect::<Vec<_>>()) {
            let message = format!(
                "the {} over the seeds, {:.4} over {}, is not that of the runs",
                metric.name(),
                spread.mean,
                spread.n
            );
            return (Status::Failed, message);
        }
    }
    let message = format!("{} results, all in the means", found.len());
    (Status::Passed, message)
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
