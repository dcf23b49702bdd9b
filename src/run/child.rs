//! The other side of a step: what the process does that was started for it.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::task::{Answer, Task};
use crate::any_path::AnyPath;
use crate::plan::Bases;
use nn::device::Backend;
use step::Progress;
use store::key::Digest;

/// What a signal that asks the process to end means to it.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Set by such a signal.
    pub stop: Arc<AtomicBool>,
    /// Whether it also ends the process at once.
    pub at_once: Arc<AtomicBool>,
}

impl Default for Signals {
    fn default() -> Signals {
        Signals {
            stop: Arc::default(),
            at_once: Arc::new(AtomicBool::new(true)),
        }
    }
}

/// Computes the task in `folder` and answers with lines of JSON; `log` gets what a person may want
/// to read later. Signals end a step at once, unless it heeds them itself; returns whether it
/// succeeded.
///
/// # Errors
/// If nobody listens to the answers any more; the work is pointless then.
pub fn run_task(
    folder: &Path,
    signals: &Signals,
    answers: &mut dyn Write,
    log: &mut dyn Write,
) -> io::Result<bool> {
    let started = Instant::now();
    let mut deaf = None;
    let result = compute(folder, signals, &mut |progress| {
        if let Progress::Note(note) = &progress {
            // A log that cannot be written to must not stop the work.
            let _ = writeln!(log, "{note}");
        }
        if let Err(error) = answer(answers, &Answer::Progress(progress)) {
            // The scheduler is gone. Nothing more is written, and nobody will commit.
            deaf.get_or_insert(error);
        }
        deaf.is_none()
    });
    if let Some(error) = deaf {
        return Err(error);
    }
    let (last, succeeded) = match result {
        Ok(summary) => {
            let _ = writeln!(log, "{summary}");
            let work_seconds = started.elapsed().as_secs_f64();
            (
                Answer::Finished {
                    summary,
                    work_seconds,
                },
                true,
            )
        }
        Err(error) => {
            let cause = format!("{error:#}");
            let _ = writeln!(log, "error: {cause}");
            let answer = match error.is::<step::Interrupted>() {
                true => Answer::Interrupted,
                false => Answer::Failed { cause },
            };
            (answer, false)
        }
    };
    answer(answers, &last)?;
    Ok(succeeded)
}

fn answer(answers: &mut dyn Write, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    answers.write_all(line.as_bytes())?;
    answers.flush()
}

/// Runs the step; `report` returns whether anybody still listens.
fn compute(
    folder: &Path,
    signals: &Signals,
    report: &mut dyn FnMut(Progress) -> bool,
) -> Result<String> {
    let _mark = store::work_in(folder)?;
    let task = Task::read(folder)?;
    check_key(&task)?;
    let heeds_stop = task.params.heeds_stop();
    signals.at_once.store(!heeds_stop, Ordering::Relaxed);
    let mut progress = |progress| {
        if !report(progress) {
            // There is no way back through the step's own code, nor any reason to take it.
            std::process::exit(1);
        }
    };
    let mut context = step::Context {
        inputs: task
            .inputs
            .into_iter()
            .map(|(name, path)| (name, path.0))
            .collect(),
        output: folder.join("out"),
        scratch: folder.join("scratch"),
        stop: &signals.stop,
        progress: &mut progress,
    };
    task.params.run(&task.environment, &mut context)
}

/// Makes the key again from this binary and these files, and refuses any other.
fn check_key(task: &Task) -> Result<()> {
    let inputs = task
        .inputs
        .iter()
        .map(|(name, AnyPath(path))| {
            let digest = Digest::of_file(path)
                .with_context(|| format!("cannot read input {name} at {}", path.display()))?;
            Ok((name.clone(), digest))
        })
        .collect::<Result<_>>()?;
    let backend: Backend = task.environment.device.parse()?;
    let here = Bases::only(&backend).key_inputs(&task.params, inputs, None);
    if here.key() != task.key {
        let changes: Vec<String> = task
            .key_inputs
            .changes(&here)
            .iter()
            .map(ToString::to_string)
            .collect();
        bail!(
            "this is another computation than the one that was planned ({}); run the command again",
            changes.join(", ")
        );
    }
    Ok(())
}
