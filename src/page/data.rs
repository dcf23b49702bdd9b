//! What a page shows, as plain data with a JSON form: the page carries it for its curves, and the live
//! page is sent it again and again.
//!
//! Unaware of HTML, and of where the numbers come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::judge::Judgement;
use records::{Evaluation, Metrics};
use store::key::{Basis, Digest};
use table::Results;

/// All that a page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Data {
    pub profile: String,
    /// Why the numbers cannot be compared with the published ones; empty if they can.
    pub caveats: Vec<String>,
    /// The longest training's iterations, whether they are done or not.
    pub iterations: u64,
    /// Trainings with their evaluations, models in the order of the tables; also those that have only begun.
    pub runs: Vec<Run>,
    /// `results.json`, once there is one.
    pub results: Option<Results>,
    /// A verdict on each claim about the profile.
    pub verdicts: Vec<Judged>,
    /// Producers before consumers.
    pub steps: Vec<StepLine>,
    /// What the steps are made of: code, packages, backend.
    pub bases: Vec<Arc<Basis>>,
    /// Drawn by steps; the page has them as they are, and the data does not repeat them.
    #[serde(skip)]
    pub figures: Vec<Figure>,
}

/// One training with its evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The model's name in the pipeline (`resnet20`).
    pub model: String,
    /// The model's name for people (`ResNet-20`).
    pub label: String,
    pub seed: u64,
    pub curve: Curve,
    /// Absent until it is evaluated.
    pub evaluation: Option<Evaluation>,
}

/// The lines of a `metrics.jsonl`, column by column, which is a third of the size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub iteration: Vec<u64>,
    pub epoch: Vec<u64>,
    pub learning_rate: Vec<f64>,
    pub train_loss: Vec<f64>,
    pub train_error: Vec<f64>,
    pub validation_error: Vec<Option<f64>>,
    pub test_error: Vec<f64>,
}

impl Curve {
    /// From lines.
    pub fn of(lines: &[Metrics]) -> Curve {
        let mut curve = Curve::default();
        for line in lines {
            curve.iteration.push(line.iteration);
            curve.epoch.push(line.epoch);
            curve.learning_rate.push(line.learning_rate);
            curve.train_loss.push(line.train_loss);
            curve.train_error.push(line.train_error);
            curve.validation_error.push(line.validation_error);
            curve.test_error.push(line.test_error);
        }
        curve
    }

    /// The lines again; `None` if the columns are not of one length.
    pub fn lines(&self) -> Option<Vec<Metrics>> {
        let lines = (0..self.iteration.len()).map(|at| {
            Some(Metrics {
                iteration: self.iteration[at],
                epoch: *self.epoch.get(at)?,
                learning_rate: *self.learning_rate.get(at)?,
                train_loss: *self.train_loss.get(at)?,
                train_error: *self.train_error.get(at)?,
                validation_error: *self.validation_error.get(at)?,
                test_error: *self.test_error.get(at)?,
            })
        });
        lines.collect()
    }
}

/// A claim with what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    #[serde(flatten)]
    pub judgement: Judgement,
    pub kind: ClaimKind,
    /// The number that was published, where the claim has one.
    pub published: Option<f64>,
    /// The differences, in percentage points, with which the claim holds; a side without an end has none.
    pub holds: [Option<f64>; 2],
}

/// What a claim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimKind {
    /// A mean is a published number.
    Mean,
    /// Means are in an order, or one is above or below a number.
    Order,
    /// A count is what was published.
    Count,
}

/// A step, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    pub step: String,
    pub kind: String,
    pub standing: Standing,
    /// What it made, or why it must run, in one line.
    pub said: String,
    /// How long it took.
    pub seconds: Option<f64>,
    /// How far a running step is, out of how much.
    pub progress: Option<(u64, u64)>,
    /// Absent as long as an input is open.
    pub key: Option<Digest>,
    /// Its place among [`Data::bases`].
    pub basis: Option<usize>,
    /// As they enter the key: JSON on one line.
    pub parameters: String,
    pub inputs: BTreeMap<String, InputLine>,
    pub outputs: Vec<String>,
}

/// What a step reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputLine {
    /// The step that makes it.
    pub from: String,
    /// How that step calls it.
    pub output: String,
    /// Absent until it is made.
    pub content: Option<Digest>,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    UpToDate,
    /// Earlier code computed its result, and a replay has shown that it holds.
    CarriedOver,
    Running,
    MustRun,
    MayRun,
    Failed,
}

/// An SVG that a step has drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The file's name in the report (`fig6.svg`).
    pub name: String,
    /// The step that drew it.
    pub step: String,
    /// From `<svg` to `</svg>`.
    pub svg: String,
}
