//! Options that make steps jobs of a cluster, and what an interruption of the command means.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::Args;
use indicatif::MultiProgress;

use super::machine::{Executor, Machine};
use super::signals;
use crate::error::Invalid;
use crate::project::Project;
use crate::reproduce::Place;
use crate::run::{Stop, slurm};

#[derive(Args, Debug)]
pub struct Cluster {
    /// Where steps that compute run [default: what fig6.toml says, or local].
    #[arg(long, value_enum)]
    executor: Option<Executor>,
    /// Options of sbatch for all jobs, or for some (`train/resnet110: --time=8:00:00`); may be repeated, and
    /// counts more than fig6.toml.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    slurm: Vec<String>,
    /// Submit what is ready, and do not wait for it; the same command goes on later.
    #[arg(long)]
    pub detach: bool,
    /// Cancel the jobs that compute in this folder of artifacts, and run nothing.
    #[arg(long, conflicts_with_all = ["detach", "dry_run"])]
    pub cancel: bool,
}

impl Cluster {
    /// What runs steps, by the options and the machine's file.
    pub fn executor(&self, machine: &Machine) -> Executor {
        self.executor.unwrap_or(machine.executor)
    }

    /// Where steps that compute are to run.
    ///
    /// # Errors
    /// [`Invalid`] if options contradict each other, cannot be read, or name steps that do not exist.
    pub fn place(&self, machine: Machine, project: &Project) -> Result<Place, Invalid> {
        if self.executor(&machine) == Executor::Local {
            let asked = [
                (!self.slurm.is_empty(), "--slurm"),
                (self.detach, "--detach"),
                (self.cancel, "--cancel"),
            ];
            return match asked.iter().find(|(asked, _)| *asked) {
                Some((_, option)) => Err(Invalid::new(format!("{option} is for --executor slurm"))),
                None => Ok(Place::Here),
            };
        }
        let mut settings = machine.slurm;
        for options in &self.slurm {
            settings.add(options);
        }
        let checked = settings.check();
        checked.map_err(|error| Invalid::new(format!("{error:#}")))?;
        let steps = project.graph.steps().iter();
        let steps: Vec<&str> = steps.map(|step| &*step.name).collect();
        // A file for several pipelines may name others' models.
        let given = self.slurm.iter().filter_map(|text| text.split_once(':'));
        let mut given = given.map(|(steps, _)| steps.trim());
        match settings.unknown(&steps) {
            Some(name) if given.any(|given| given == name) => Err(Invalid::new(format!(
                "--slurm: no step's name begins with {name:?}"
            ))),
            _ => Ok(Place::Slurm {
                settings,
                detached: self.detach,
            }),
        }
    }
}

/// What signals do to a run.
#[derive(Debug)]
pub struct Interrupts {
    pub stop: Stop,
    /// Stops what is on its way from elsewhere.
    pub transfers: Arc<AtomicBool>,
    /// Whether jobs are to be cancelled.
    cancel: Arc<AtomicBool>,
    jobs: Jobs,
    /// The lines that give way to a question.
    live: MultiProgress,
}

/// What becomes of jobs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Jobs {
    /// There are none.
    None,
    /// They go on.
    Left,
    /// The user is asked.
    Asked,
}

impl Interrupts {
    /// What they do to a run in this place, which is shown by these lines.
    pub fn of(place: &Place, live: &MultiProgress) -> Interrupts {
        let terminal = || io::stdin().is_terminal() && io::stderr().is_terminal();
        Interrupts {
            stop: Stop::default(),
            transfers: Arc::default(),
            cancel: Arc::default(),
            jobs: match place {
                Place::Here => Jobs::None,
                Place::Slurm { detached, .. } if !detached && terminal() => Jobs::Asked,
                Place::Slurm { .. } => Jobs::Left,
            },
            live: live.clone(),
        }
    }

    /// From now on the first signal stops the run, and what is on its way from elsewhere, in good order, the
    /// second one ends its steps at once, the third one this process. With jobs, which go on by themselves,
    /// already the second one ends this process.
    ///
    /// # Errors
    /// If signals cannot be listened for.
    pub fn listen(&self) -> Result<()> {
        let (stop, transfers) = (self.stop.clone(), self.transfers.clone());
        let (cancel, jobs, live) = (self.cancel.clone(), self.jobs, self.live.clone());
        signals::listen(move |before| {
            transfers.store(true, Ordering::SeqCst);
            if jobs == Jobs::None {
                return stop.request() < 3;
            }
            if before == 0 {
                let wants_cancel = jobs == Jobs::Asked && live.suspend(wants_cancel);
                cancel.store(wants_cancel, Ordering::SeqCst);
                stop.request();
            }
            before == 0
        })
    }

    /// Cancels jobs if that was the user's answer.
    ///
    /// # Errors
    /// As [`slurm::cancel`].
    pub fn cancel_if_wanted(&self, project: &Project) -> Result<()> {
        if self.cancel.load(Ordering::SeqCst) {
            slurm::cancel(&project.store.root().join("work"))?;
        }
        Ok(())
    }
}

/// Asks whether jobs are to be cancelled.
fn wants_cancel() -> bool {
    let question = "\nThe jobs go on without this process. Cancel them? [y/N] ";
    let _ = io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
