//! `results.csv`: the results for spreadsheets and data frames, one number with its uncertainty in
//! each row.
//!
//! | column | what it says |
//! |---|---|
//! | `profile` | whose results these are |
//! | `comparable` | whether they may be compared with the published ones: `true` or `false` |
//! | `model`, `label` | the model's name in the pipeline, and for people |
//! | `source` | who measured it: `fig6`, `he`, or `reproduction`, as in `results.json` |
//! | `metric` | `test_error` or `train_error`, in percent; `response`, the mean of Fig. 7 |
//! | `n` | runs; 0 where all have failed; empty where it was not published |
//! | `mean` | mean over the runs, in the metric's unit |
//! | `std` | sample standard deviation, in the same unit; empty for one run |
//! | `half_width` | half the width of the 95 % confidence interval of the mean; empty for one run |
//! | `min`, `max` | smallest and largest run; empty where it was not published |
//! | `failed` | seeds that have no result, separated by blanks |
//!
//! A model's rows stand together, in the order of `results.md`; numbers are in full precision. What a
//! single row cannot say (single runs, sizes of the models, remarks) is in `results.json`.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Missing, Published, Results};
use statistics::{Sample, confidence_interval};
use summary::CONFIDENCE;
use summary::Spread;

/// A row; its fields' names are the header.
#[derive(Clone, Default, Serialize)]
struct Row<'r> {
    profile: &'r str,
    comparable: bool,
    model: &'r str,
    label: &'r str,
    source: &'static str,
    metric: &'static str,
    n: Option<u64>,
    mean: Option<f64>,
    std: Option<f64>,
    half_width: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    failed: String,
}

/// The file, with a header.
///
/// # Errors
/// If a row cannot be written, which only a lack of memory explains.
pub fn file(results: &Results) -> Result<Vec<u8>> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for row in rows(results) {
        writer.serialize(row).context("cannot write results.csv")?;
    }
    writer.into_inner().context("cannot write results.csv")
}

fn rows(results: &Results) -> Vec<Row<'_>> {
    let empty = |model, label| Row {
        profile: &results.profile,
        comparable: results.comparable,
        model,
        label,
        source: "fig6",
        metric: "test_error",
        failed: failed(&results.missing, model),
        ..Row::default()
    };
    let mut rows = Vec::new();
    for row in &results.rows {
        let empty = empty(&row.model, &row.label);
        for (metric, spread) in [
            ("test_error", &row.test_error),
            ("train_error", &row.train_error),
            ("response", &row.response),
        ] {
            let empty = empty.clone();
            rows.push(Row { metric, ..empty }.with(spread));
        }
        for (source, published) in [("he", &row.he), ("reproduction", &row.reproduction)] {
            if let Some(published) = published {
                let (failed, empty) = (String::new(), empty.clone());
                let row = Row {
                    source,
                    failed,
                    ..empty
                };
                rows.push(row.with_published(published));
            }
        }
    }
    for missing in results.missing.iter().filter(|missing| missing.all) {
        rows.extend(["test_error", "train_error", "response"].map(|metric| Row {
            metric,
            n: Some(0),
            ..empty(&missing.model, &missing.label)
        }));
    }
    rows
}

impl Row<'_> {
    fn with(self, spread: &Spread) -> Self {
        Row {
            n: Some(spread.n),
            mean: Some(spread.mean),
            std: spread.std,
            half_width: spread.half_width,
            min: Some(spread.min),
            max: Some(spread.max),
            ..self
        }
    }

    /// Of a published number runs and deviation are known at most; its interval follows from them.
    fn with_published(self, published: &Published) -> Self {
        let interval = published.runs.and_then(|n| {
            let sample = Sample {
                n: n.into(),
                mean: published.mean,
                std: published.std,
            };
            confidence_interval(&sample, CONFIDENCE)
        });
        Row {
            n: published.runs.map(u64::from),
            mean: Some(published.mean),
            std: published.std,
            half_width: interval.map(|interval| (interval.high - interval.low) / 2.0),
            ..self
        }
    }
}

/// The seeds of a model that have failed, separated by blanks.
fn failed(missing: &[Missing], model: &str) -> String {
    let missing = missing.iter().filter(|missing| missing.model == model);
    let seeds: Vec<String> = missing
        .flat_map(|missing| missing.seeds.iter().map(u64::to_string))
        .collect();
    seeds.join(" ")
}
