//! Steps once more, in a fresh store, from the recorded inputs: equal bytes where that can be asked for,
//! within a tolerance where it cannot.
//!
//! Unaware of how a step's process runs, and of the terminal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::check::{Check, Level, Status};
use super::two_runs;
use crate::plan::{Bases, Graph, Step};
use crate::report::provenance::{Statement, StepRecord};
use crate::run::{self, Computed, Executor, Stopped, Task};
use crate::steps::{Environment, Params};
use nn::device::Backend;
use records::{Evaluation, Responses, Training};
use step::Progress;
use store::Store;
use store::key::Digest;

/// How steps are to be run again.
pub struct Setting<'a> {
    pub statement: &'a Statement,
    pub graph: &'a Graph,
    /// Where the recorded inputs lie, the first that has one.
    pub stores: Vec<&'a Store>,
    /// Below it, fresh stores are made.
    pub folder: &'a Path,
    pub backend: Backend,
    /// Folders or URLs in which a download looks first.
    pub mirrors: Vec<PathBuf>,
    pub executor: &'a dyn Executor,
    pub threads: usize,
    /// In percentage points of error; by default 0.1 for an evaluation and 1 for a training.
    pub tolerance: Option<f64>,
    /// This machine's processor.
    pub cpu: String,
    /// Whether the first of the stores is that of a bundle.
    pub is_bundle: bool,
}

/// Percentage points by which an evaluation's error may differ on another backend or processor:
/// rounding moves the few images between two classes.
pub const EVALUATION_TOLERANCE: f64 = 0.1;

/// Percentage points by which a training's error may differ where it cannot come out the same: five
/// times the standard deviation from run to run (see PAPER: 0.2 points).
pub const TRAINING_TOLERANCE: f64 = 1.0;

/// By how much the mean response of a network may differ there: a hundred times what rounding does.
pub const RESPONSE_TOLERANCE: f64 = 0.001;

/// Runs a step again and compares.
///
/// # Errors
/// [`Stopped`] if everything is to end.
pub fn again(
    level: Level,
    name: &str,
    setting: &Setting,
    report: &mut dyn FnMut(&str, Progress),
) -> Result<Check> {
    let of = |status, message: String| Check::new(level, name, status, message);
    let step = setting.graph.steps().iter().find(|step| step.name == name);
    let record = setting.statement.internal().step(name);
    let (Some(step), Some(record)) = (step, record) else {
        let message = "there is no such step in the provenance and in the pipeline".to_owned();
        return Ok(of(Status::Failed, message));
    };
    let task = match task(step, record, setting) {
        Ok(task) => task,
        Err(error) => return Ok(of(Status::Undecided, format!("{error:#}"))),
    };
    let mut progress = |progress| report(name, progress);
    let (folder, executor, threads) = (setting.folder, setting.executor, setting.threads);
    let computed = run::compute(&task, folder, executor, threads, &mut progress);
    let computed = match computed {
        Ok(computed) => computed,
        Err(error) if error.is::<Stopped>() => return Err(error),
        Err(error) => return Ok(of(Status::Failed, format!("it fails: {error:#}"))),
    };
    let (status, message) = compare(step, record, &task, &computed, setting);
    Ok(of(status, message))
}

/// The task that computes a step from the recorded inputs.
///
/// # Errors
/// If an input is not there or a store cannot be read.
pub(super) fn task(step: &Step, record: &StepRecord, setting: &Setting) -> Result<Task> {
    let mut inputs = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for (name, input) in &record.inputs {
        let path = find(&input.blake3, &setting.stores)?
            .with_context(|| {
                format!(
                    "its input {name} ({}) is not there; `fig6 reproduce {}` makes it, or name artifacts \
                     that have it with --artifacts",
                    input.blake3.short(),
                    input.from
                )
            })?;
        inputs.insert(name.clone(), input.blake3);
        paths.insert(name.clone(), path.into());
    }
    let key_inputs = Bases::only(&setting.backend).key_inputs(&step.params, inputs, None);
    Ok(Task {
        step: step.name.clone(),
        key: key_inputs.key(),
        key_inputs,
        params: step.params.clone(),
        inputs: paths,
        environment: Environment {
            mirrors: setting.mirrors.iter().cloned().map(Into::into).collect(),
            sources: step.sources.clone(),
            device: setting.backend.to_string(),
            checkpoint_seconds: 1e9,
        },
        replay: Vec::new(),
    })
}

/// Where a content lies that is what its digest says; the step's process reads it once more.
///
/// # Errors
/// If a store cannot be read.
pub(super) fn find(digest: &Digest, stores: &[&Store]) -> Result<Option<PathBuf>> {
    for store in stores {
        if let Some(path) = store.object(digest)?
            && Digest::of_file(&path).is_ok_and(|found| found == *digest)
        {
            return Ok(Some(std::path::absolute(path)?));
        }
    }
    Ok(None)
}

/// Holds what came out against what was recorded.
fn compare(
    step: &Step,
    record: &StepRecord,
    task: &Task,
    computed: &Computed,
    setting: &Setting,
) -> (Status, String) {
    let found = |name: &str| computed.outputs.get(name).cloned();
    let differing = record.others(found).join(", ");
    let files = record.outputs.len();
    if differing.is_empty() && computed.outputs.len() == files {
        let seconds = computed.seconds;
        let message = format!("the same bytes in {files} files, after {seconds:.1} s");
        return (Status::Passed, message);
    }
    let Some(other) = other_circumstances(step, record, task, setting) else {
        let message = format!("not the same: {differing} came out with other bytes");
        return (Status::Failed, message);
    };
    match found_and_recorded(step, record, computed, setting) {
        Err(error) => (
            Status::Undecided,
            format!("other bytes in {differing} ({other}), and they cannot be compared: {error:#}"),
        ),
        Ok((found, recorded)) => {
            let of_error = |usual| setting.tolerance.unwrap_or(usual);
            let (what, [unit, points], tolerance) = match step.params {
                Params::Responses(_) => ("mean response", ["", ""], RESPONSE_TOLERANCE),
                Params::Evaluate(_) => (
                    "test error",
                    [" %", " points"],
                    of_error(EVALUATION_TOLERANCE),
                ),
                _ => (
                    "test error",
                    [" %", " points"],
                    of_error(TRAINING_TOLERANCE),
                ),
            };
            let message = format!(
                "{other}, so other bytes in {differing}: {what} {found:.2}{unit}, \
                 recorded {recorded:.2}{unit}, tolerance {tolerance}{points}"
            );
            // Rounding of the difference itself is no reason to fail.
            match (found - recorded).abs() <= tolerance + 1e-9 {
                true => (Status::Passed, message),
                false => (Status::Failed, message),
            }
        }
    }
}

/// Why a step need not come out with the same bytes here; nothing if it must.
fn other_circumstances(
    step: &Step,
    record: &StepRecord,
    task: &Task,
    setting: &Setting,
) -> Option<String> {
    if !step.params.is_numeric() {
        return None;
    }
    let recorded = setting.statement.internal().key_inputs(record)?;
    let (then, now) = (&recorded.basis.numeric, &task.key_inputs.basis.numeric);
    if then != now {
        let name = |numeric: &Option<store::key::Numeric>| {
            numeric.as_ref().map_or_else(String::new, |numeric| {
                format!(
                    "{} {} for {}, {}",
                    numeric.backend, numeric.version, numeric.architecture, numeric.compiler
                )
            })
        };
        return Some(format!("{} instead of {}", name(now), name(then)));
    }
    let manifests = setting.stores.iter();
    let mut manifests = manifests.filter_map(|store| store.manifest(&record.key).ok()?);
    let manifest = manifests.next();
    if !setting.backend.is_cpu() {
        let here = setting.backend.identity();
        let here = here.unwrap_or_else(|_| setting.backend.to_string());
        let recorded = manifest.map(|manifest| two_runs::recorded(&manifest, &setting.stores));
        return two_runs::excuse(&recorded.unwrap_or_default(), &here);
    }
    let cpu = manifest?.run.cpu;
    (cpu != setting.cpu).then(|| format!("{} instead of {cpu}", setting.cpu))
}

/// What came out, and what was recorded: the test error in percent, or the mean response.
fn found_and_recorded(
    step: &Step,
    record: &StepRecord,
    computed: &Computed,
    setting: &Setting,
) -> Result<(f64, f64)> {
    let name = match step.params {
        Params::Evaluate(_) => "evaluation.json",
        Params::Responses(_) => "responses.json",
        _ => "training.json",
    };
    let recorded = record
        .outputs
        .get(name)
        .with_context(|| format!("no {name} was recorded"))?;
    let recorded = find(&recorded.blake3, &setting.stores)?
        .with_context(|| format!("the recorded {name} is in no store"))?;
    let value = |path: &Path| -> Result<f64> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(match step.params {
            Params::Evaluate(_) => serde_json::from_str::<Evaluation>(&text)?.test_error,
            Params::Responses(_) => {
                let mean = serde_json::from_str::<Responses>(&text)?.mean();
                mean.context("a network without layers")?
            }
            _ => serde_json::from_str::<Training>(&text)?.last.test_error,
        })
    };
    Ok((value(&computed.path(name))?, value(&recorded)?))
}
