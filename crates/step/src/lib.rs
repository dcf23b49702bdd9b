//! The contract between a step and what runs it. A step is a function from parameters and input files
//! to output files; it gets folders to read and to write and a channel for progress.
//!
//! Unaware of the store, of the graph, and of what any step does.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod count;

pub use count::grouped;

/// Where a step reads, writes and reports.
pub struct Context<'a> {
    /// Input files by name, as the graph names them (`train.bin`, `metrics/resnet20/seed0`).
    pub inputs: BTreeMap<String, PathBuf>,
    /// An empty folder; a step writes exactly its declared outputs here.
    pub output: PathBuf,
    /// An empty folder for files that show how the result came about: any names, and no step reads them.
    pub evidence: PathBuf,
    /// A folder that survives an interruption of this very step (partial downloads, checkpoints).
    pub scratch: PathBuf,
    /// Set when the work is to end early; only training and evaluation look at it.
    pub stop: &'a AtomicBool,
    /// Receives how far the step is.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// One report of how far a running step is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Bytes of a download.
    Bytes { done: u64, total: u64 },
    /// Images, or whatever `what` says.
    Items { what: String, done: u64, total: u64 },
    /// One stretch of training.
    Training {
        iteration: u64,
        iterations: u64,
        images_per_second: f64,
        /// Estimated time to the end, in seconds.
        seconds_left: f64,
        /// Mean cross-entropy since the last report.
        loss: f64,
        /// Training error since the last report, in percent.
        train_error: f64,
        /// Test error of the last evaluation, in percent.
        test_error: Option<f64>,
    },
    /// A sentence for the log and for people (a retry, a source that failed).
    Note(String),
}

/// A step that has ended because [`Context::stop`] was set.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Interrupted {}

impl Context<'_> {
    /// The path of an input file.
    ///
    /// # Errors
    /// If the graph did not hand this step such an input.
    pub fn input(&self, name: &str) -> Result<&Path> {
        self.inputs
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("the step was given no input {name:?}"))
    }

    /// The text of an input file.
    ///
    /// # Errors
    /// If there is no such input or it cannot be read as UTF-8.
    pub fn read_text(&self, name: &str) -> Result<String> {
        let path = self.input(name)?;
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// An input file parsed as JSON.
    ///
    /// # Errors
    /// If there is no such input, it cannot be read, or it is not the JSON expected.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_str(&self.read_text(name)?)
            .with_context(|| format!("input {name} is not as expected"))
    }

    /// Writes an output file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.output.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes an output file as indented JSON with a final newline.
    ///
    /// # Errors
    /// If the value has no JSON form or the file cannot be written.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .with_context(|| format!("output {name} has no JSON form"))?;
        self.write(name, text + "\n")
    }

    /// Reports how far the step is.
    pub fn report(&mut self, progress: Progress) {
        (self.progress)(progress);
    }
}
