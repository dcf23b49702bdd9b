//! Writes the results as a Markdown table for people, and as JSON and CSV for programs.
//!
//! Unaware of how the numbers came about. What was published, and why ours may not be compared
//! with it, is told to it.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use records::Dataset;
use step::Context;
use summary::{ModelSummary, SeedResult, Spread, Summary};

mod csv;
mod page;

/// What the table shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// The name of the profile whose results these are.
    pub profile: String,
    /// Why the numbers cannot be compared with the published ones, as clauses without a full
    /// stop (`the images are generated`); empty if they can.
    pub caveats: Vec<String>,
    /// Whose numbers the pipeline has.
    #[serde(default, skip_serializing_if = "Sources::is_all")]
    pub sources: Sources,
}

/// Whether there are numbers of others, for whichever models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// He et al. 2015.
    pub he: bool,
    /// The PyTorch reproduction nabla0001/resnet.
    pub reproduction: bool,
}

impl Default for Sources {
    fn default() -> Sources {
        Sources {
            he: true,
            reproduction: true,
        }
    }
}

impl Sources {
    fn is_all(&self) -> bool {
        *self == Sources::default()
    }
}

/// One model and what others measured for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The name in the summary (`resnet20`).
    pub model: String,
    /// The name for people (`ResNet-20`).
    pub label: String,
    /// He et al. 2015.
    pub he: Option<Published>,
    /// The PyTorch reproduction nabla0001/resnet.
    pub reproduction: Option<Published>,
    /// Seeds whose training or evaluation has failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
}

/// A published final test error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// In percent; of a single run, its error.
    pub mean: f64,
    /// Sample standard deviation over the runs, in percentage points.
    pub std: Option<f64>,
    /// Over how many runs, where that is known.
    pub runs: Option<u32>,
    /// How to read it (`best of 5`, `read off the figure`).
    pub note: Option<String>,
}

/// The files that the step writes.
pub const OUTPUTS: &[&str] = &["results.md", "results.json", "results.csv"];

/// `results.json`: everything in `results.md`, typed and in full precision. Errors are in
/// percent, differences in percentage points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    pub profile: String,
    /// Whether there are no caveats.
    pub comparable: bool,
    pub caveats: Vec<String>,
    pub dataset: Dataset,
    /// Models of which at least one training succeeded.
    pub rows: Vec<ResultRow>,
    /// What has failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// A model's seeds that have no result, because training or evaluation has failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub model: String,
    pub label: String,
    pub seeds: Vec<u64>,
    /// Whether none of the model's trainings succeeded, so that it has no row.
    pub all: bool,
}

/// One model's results beside the published ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRow {
    pub model: String,
    pub label: String,
    pub layers: u32,
    pub parameters: u64,
    pub multiply_adds: u64,
    pub iterations: u64,
    pub backends: Vec<String>,
    pub test_error: Spread,
    pub train_error: Spread,
    /// Mean over the 3 × 3 layers of the standard deviation of their responses (Fig. 7).
    pub response: Spread,
    pub runs: Vec<SeedResult>,
    pub he: Option<Published>,
    pub reproduction: Option<Published>,
    /// Our mean minus that of He et al.; absent if none was published or it is not comparable.
    pub difference_to_he: Option<f64>,
    /// Our mean minus that of the reproduction; absent likewise.
    pub difference_to_reproduction: Option<f64>,
}

/// Reads `summary.json` and `dataset.json` and writes all of [`OUTPUTS`].
///
/// # Errors
/// If an input is missing or malformed, or the summary lacks a model of which no training is said to
/// have failed.
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
    let summary: Summary = context.read_json("summary.json")?;
    let dataset: Dataset = context.read_json("dataset.json")?;
    let results = results(params, &summary, dataset)?;
    context.write("results.md", page::page(&results, &params.sources))?;
    context.write_json("results.json", &results)?;
    context.write("results.csv", csv::file(&results)?)?;
    Ok(format!("rows: {}", results.rows.len()))
}

fn results(params: &Params, summary: &Summary, dataset: Dataset) -> Result<Results> {
    let comparable = params.caveats.is_empty();
    let mut rows = Vec::with_capacity(params.rows.len());
    let mut missing = Vec::new();
    for row in &params.rows {
        let mut models = summary.models.iter();
        let model = models.find(|model| model.model == row.model);
        if !row.missing.is_empty() {
            missing.push(Missing {
                model: row.model.clone(),
                label: row.label.clone(),
                seeds: row.missing.clone(),
                all: model.is_none(),
            });
        }
        match model {
            Some(model) => rows.push(result_row(row, model, comparable)),
            None if !row.missing.is_empty() => {}
            None => bail!("input summary.json has no model {}", row.model),
        }
    }
    Ok(Results {
        missing,
        profile: params.profile.clone(),
        comparable,
        caveats: params.caveats.clone(),
        dataset,
        rows,
    })
}

fn result_row(row: &Row, model: &ModelSummary, comparable: bool) -> ResultRow {
    let difference = |published: &Option<Published>| {
        let published = published.as_ref().filter(|_| comparable)?;
        Some(model.test_error.mean - published.mean)
    };
    ResultRow {
        model: row.model.clone(),
        label: row.label.clone(),
        layers: model.layers,
        parameters: model.parameters,
        multiply_adds: model.multiply_adds,
        iterations: model.iterations,
        backends: model.backends.clone(),
        test_error: model.test_error.clone(),
        train_error: model.train_error.clone(),
        response: model.response.clone(),
        runs: model.runs.clone(),
        difference_to_he: difference(&row.he),
        difference_to_reproduction: difference(&row.reproduction),
        he: row.he.clone(),
        reproduction: row.reproduction.clone(),
    }
}

#[cfg(test)]
mod tests;
