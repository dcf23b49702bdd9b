//! The other side of a step: what the process does that was started for it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::machine::{cpu, host, threads};
use super::task::{Answer, Finished, Task};
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
    let result = compute(folder, signals, &mut |progress| {
        if let Progress::Note(note) = &progress {
            // A log that cannot be written to must not stop the work.
            let _ = writeln!(log, "{note}");
        }
        if answer(answers, &Answer::Progress(progress)).is_err() {
            // The scheduler is gone, and nobody will commit. There is no way back through the step's own
            // code, nor any reason to take it.
            std::process::exit(1);
        }
    });
    let last = match result {
        Ok(summary) => {
            let _ = writeln!(log, "{summary}");
            Answer::Finished(Finished {
                summary,
                work_seconds: started.elapsed().as_secs_f64(),
                host: host(),
                cpu: cpu(),
                threads: threads(),
                seconds: None,
            })
        }
        Err(error) => {
            let cause = format!("{error:#}");
            let _ = writeln!(log, "error: {cause}");
            match error.is::<step::Interrupted>() {
                true => Answer::Interrupted,
                false => Answer::Failed { cause },
            }
        }
    };
    answer(answers, &last)?;
    Ok(matches!(last, Answer::Finished(_)))
}

fn answer(answers: &mut dyn Write, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    answers.write_all(line.as_bytes())?;
    answers.flush()
}

/// Runs the step.
fn compute(folder: &Path, signals: &Signals, progress: &mut dyn FnMut(Progress)) -> Result<String> {
    // A job of a cluster has its ticket, and the folder's file system perhaps no locks.
    let _mark = match folder.join(store::JOB).exists() {
        true => None,
        false => Some(store::work_in(folder)?),
    };
    let task = Task::read(folder)?;
    check_key(&task)?;
    let heeds_stop = task.params.heeds_stop();
    signals.at_once.store(!heeds_stop, Ordering::Relaxed);
    let inputs = task.inputs.into_iter();
    let mut context = step::Context {
        inputs: inputs.map(|(name, path)| (name, path.0)).collect(),
        output: folder.join("out"),
        evidence: folder.join("evidence"),
        scratch: folder.join("scratch"),
        stop: &signals.stop,
        progress,
    };
    match &*task.replay {
        [] => task.params.run(&task.environment, &mut context),
        stretches => task
            .params
            .replay(stretches, &task.environment, &mut context),
    }
}

/// Makes the key again from this binary and these files, and refuses any other.
fn check_key(task: &Task) -> Result<()> {
    let mut inputs = BTreeMap::new();
    for (name, AnyPath(path)) in &task.inputs {
        let digest = Digest::of_file(path)
            .with_context(|| format!("cannot read input {name} at {}", path.display()))?;
        inputs.insert(name.clone(), digest);
    }
    let backend: Backend = task.environment.device.parse()?;
    let here = Bases::only(&backend).key_inputs(&task.params, inputs, None);
    if here.key() != task.key {
        let changes = task.key_inputs.changes(&here);
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        bail!(
            "this is another computation than the one that was planned ({}); run the command again",
            changes.join(", ")
        );
    }
    Ok(())
}
