//! The closed set of step kinds: which crate does the work, what it writes, and what it is told
//! beside its parameters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nn::architecture::Architecture;
use nn::checkpoint;
use nn::trace::Stretch;
use serde::{Deserialize, Serialize};
use step::Context;

use crate::any_path::AnyPath;

/// Settings that never enter a key, because they cannot change a step's bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Folders, URLs or archives where the download looks first.
    pub mirrors: Vec<AnyPath>,
    /// Where the archives of a download lie, in order of preference.
    pub sources: Vec<download::Source>,
    /// The backend's device to compute on, as `--device` names it exactly (`flex`, `tch:cuda:0`).
    pub device: String,
    /// Seconds between two checkpoints of a training.
    pub checkpoint_seconds: f64,
}

/// A step's kind with all that it can be told; every field enters the step's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "parameters", rename_all = "snake_case")]
pub enum Params {
    Download(download::Params),
    Preprocess(preprocess::Params),
    Train(train::Params),
    Evaluate(evaluate::Params),
    Responses(responses::Params),
    Aggregate(aggregate::Params),
    Plot(plot::Params),
    Table(table::Params),
}

impl Params {
    /// The names of all kinds.
    pub const KINDS: [&str; 8] = [
        "download",
        "preprocess",
        "train",
        "evaluate",
        "responses",
        "aggregate",
        "plot",
        "table",
    ];

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Params::Download(_) => "download",
            Params::Preprocess(_) => "preprocess",
            Params::Train(_) => "train",
            Params::Evaluate(_) => "evaluate",
            Params::Responses(_) => "responses",
            Params::Aggregate(_) => "aggregate",
            Params::Plot(_) => "plot",
            Params::Table(_) => "table",
        }
    }

    /// Names of the files that the step writes.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self {
            Params::Download(_) => download::OUTPUTS,
            Params::Preprocess(_) => preprocess::OUTPUTS,
            Params::Train(_) => train::OUTPUTS,
            Params::Evaluate(_) => evaluate::OUTPUTS,
            Params::Responses(_) => responses::OUTPUTS,
            Params::Aggregate(_) => aggregate::OUTPUTS,
            Params::Plot(params) => params.outputs(),
            Params::Table(_) => table::OUTPUTS,
        }
    }

    /// Whether the result depends on backend, compiler and architecture.
    pub fn is_numeric(&self) -> bool {
        Params::is_numeric_kind(self.kind())
    }

    /// Whether results of this kind depend on backend, compiler and architecture.
    pub fn is_numeric_kind(kind: &str) -> bool {
        matches!(kind, "train" | "evaluate" | "responses")
    }

    /// How much work the step is, by a measure that all steps of its kind share: multiply-adds of
    /// all images that a training sees, and of one image that an evaluation or the responses see; else 1.
    pub fn amount(&self) -> f64 {
        match self {
            Params::Train(params) => {
                let images =
                    params.recipe.schedule.iterations as f64 * f64::from(params.recipe.batch_size);
                images * params.architecture.multiply_adds() as f64
            }
            Params::Evaluate(evaluate::Params { architecture })
            | Params::Responses(responses::Params { architecture }) => {
                architecture.multiply_adds() as f64
            }
            _ => 1.0,
        }
    }

    /// Which of several steps that are ready begins first: the one with the least, and of equals the first in
    /// the graph. Trainings come last, since others take little, and the longest of them first, so that it is
    /// not left over at the end.
    pub fn turn(&self) -> u64 {
        match self {
            Params::Train(_) => u64::MAX - self.amount() as u64,
            _ => 0,
        }
    }

    /// Whether the step looks at [`Context::stop`], to end in good order.
    pub fn heeds_stop(&self) -> bool {
        matches!(
            self,
            Params::Train(_) | Params::Evaluate(_) | Params::Responses(_)
        )
    }

    /// How far an interrupted run of this step came, out of how much, by what it has left in its
    /// scratch folder: iterations of a training.
    pub fn kept(&self, scratch: &Path) -> Option<(u64, u64)> {
        match self {
            Params::Train(params) => {
                let iterations = params.recipe.schedule.iterations;
                checkpoint::newest_iteration(scratch).map(|done| (done, iterations))
            }
            _ => None,
        }
    }

    /// The newest file in the scratch folder that has all evaluations of a training up to some iteration:
    /// a checkpoint, or a snapshot that waits for the end.
    pub fn newest_state(&self, scratch: &Path) -> Option<(u64, PathBuf)> {
        let Params::Train(_) = self else {
            return None;
        };
        let checkpoints = checkpoint::list(scratch).unwrap_or_default();
        let snapshots = checkpoint::snapshots(&scratch.join("snapshots")).unwrap_or_default();
        checkpoints.into_iter().chain(snapshots).max()
    }

    /// Whether the outputs are for people to read.
    pub fn is_reported(&self) -> bool {
        matches!(self, Params::Plot(_) | Params::Table(_))
    }

    /// The network that the step is about.
    pub fn architecture(&self) -> Option<&Architecture> {
        match self {
            Params::Train(params) => Some(&params.architecture),
            Params::Evaluate(params) => Some(&params.architecture),
            Params::Responses(params) => Some(&params.architecture),
            _ => None,
        }
    }

    /// The parameters as JSON on one line, without the kind.
    pub fn to_json(&self) -> String {
        let mut json = Vec::with_capacity(512);
        let written = match self {
            Params::Download(params) => serde_json::to_writer(&mut json, params),
            Params::Preprocess(params) => serde_json::to_writer(&mut json, params),
            Params::Train(params) => serde_json::to_writer(&mut json, params),
            Params::Evaluate(params) => serde_json::to_writer(&mut json, params),
            Params::Responses(params) => serde_json::to_writer(&mut json, params),
            Params::Aggregate(params) => serde_json::to_writer(&mut json, params),
            Params::Plot(params) => serde_json::to_writer(&mut json, params),
            Params::Table(params) => serde_json::to_writer(&mut json, params),
        };
        written.expect("parameters are plain data under string keys");
        String::from_utf8(json).expect("JSON is UTF-8")
    }

    /// Computes stretches of a training again, from their snapshots; see [`train::replay`].
    ///
    /// # Errors
    /// If the step is no training; as there.
    pub fn replay(
        &self,
        stretches: &[(Stretch, Option<AnyPath>)],
        environment: &Environment,
        context: &mut Context,
    ) -> Result<String> {
        let Params::Train(params) = self else {
            bail!("a step of kind {} is not replayed", self.kind());
        };
        let path = |path: &AnyPath| path.0.clone();
        let stretches = stretches.iter();
        let stretches: Vec<(Stretch, Option<PathBuf>)> = stretches
            .map(|(stretch, snapshot)| (*stretch, snapshot.as_ref().map(path)))
            .collect();
        train::replay(params, environment.device.parse()?, &stretches, context)
    }

    /// Does the step's work and says in one line what it made.
    ///
    /// # Errors
    /// If the step fails; what it wrote so far is not used.
    pub fn run(&self, environment: &Environment, context: &mut Context) -> Result<String> {
        match self {
            Params::Download(params) => {
                let mirrors = environment.mirrors.iter();
                let mirrors: Vec<PathBuf> = mirrors.map(|mirror| mirror.0.clone()).collect();
                download::run(params, &mirrors, &environment.sources, context)
            }
            Params::Preprocess(params) => preprocess::run(params, context),
            Params::Train(params) => {
                let seconds = environment.checkpoint_seconds;
                let every =
                    Duration::try_from_secs_f64(seconds).context("the time between checkpoints")?;
                train::run(params, environment.device.parse()?, every, context)
            }
            Params::Evaluate(params) => evaluate::run(params, environment.device.parse()?, context),
            Params::Responses(params) => {
                responses::run(params, environment.device.parse()?, context)
            }
            Params::Aggregate(params) => aggregate::run(params, context),
            Params::Plot(params) => plot::run(params, context),
            Params::Table(params) => table::run(params, context),
        }
    }
}
