//! What a step's process is told, and how it answers: a file in the working folder one way, lines
//! of JSON on standard output the other.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::any_path::AnyPath;
use crate::steps::{Environment, Params};
use nn::trace::Stretch;
use step::Progress;
use store::key::{Digest, KeyInputs};

/// One step to be computed, as `task.json` in its working folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub step: String,
    pub key: Digest,
    /// What the scheduler made the key from; the step's process makes it again.
    pub key_inputs: KeyInputs,
    pub params: Params,
    /// Input files by name, absolute.
    pub inputs: BTreeMap<String, AnyPath>,
    pub environment: Environment,
    /// The stretches of a training that are to be computed in place of all of it, with their snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replay: Vec<(Stretch, Option<AnyPath>)>,
}

impl Task {
    /// Name of the task's file in the working folder.
    const FILE: &str = "task.json";

    /// Reads the task of a working folder.
    ///
    /// # Errors
    /// If there is none or it is not a task of this version.
    pub fn read(folder: &Path) -> Result<Task> {
        let path = folder.join(Task::FILE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no task", path.display()))
    }

    /// Writes the task into a working folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(Task::FILE);
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// One line from a step's process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A job of a cluster has begun, perhaps not for the first time.
    Began(Began),
    Progress(Progress),
    Finished(Finished),
    /// It was asked to stop, and did so in good order.
    Interrupted,
    /// The whole chain of causes, in one line.
    Failed {
        cause: String,
    },
}

/// Where a job of a cluster runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Began {
    pub host: String,
    /// As the scheduler calls it.
    pub node: String,
    /// The scheduler's number of the job.
    pub job: String,
    /// How often it was started before.
    pub restarts: u64,
}

impl Began {
    /// The answer that says so, without the end of the line.
    ///
    /// # Errors
    /// Never; as serde has it.
    pub fn line(&self) -> Result<String> {
        Ok(serde_json::to_string(&Answer::Began(self.clone()))?)
    }
}

/// The outputs are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// What the step made, in one line.
    pub summary: String,
    /// What the step's own work took.
    pub work_seconds: f64,
    /// The machine, its processor and the number of threads.
    pub host: String,
    pub cpu: String,
    pub threads: usize,
    /// From the beginning to the end, where who started it cannot tell.
    #[serde(skip)]
    pub seconds: Option<f64>,
}
