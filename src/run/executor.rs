//! Where a step's process runs: on this machine here, or as a job of a cluster ([`super::slurm`]).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::task::{Answer, Finished};
use nn::device;
use step::Progress;

/// Runs steps, each in a process of its own.
pub trait Executor: Sync {
    /// Computes the task in `folder`, passing on its progress; blocks until it ends.
    ///
    /// # Errors
    /// [`Stopped`] if everything is to end; if the process cannot be started or fails.
    fn run(
        &self,
        folder: &Path,
        log: &Path,
        threads: usize,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished>;

    /// Whether a job that another process has started may still compute in this working folder, and
    /// [`Executor::run`] takes it over: so the folder is to be left as it is.
    ///
    /// # Errors
    /// If another kind of executor has to take it over, or that cannot be told.
    fn is_at_work(&self, folder: &Path) -> Result<bool>;

    /// Asks everything that runs to end in good order, and starts nothing more. Jobs that need nobody who
    /// waits for them are left.
    fn stop(&self);

    /// Ends everything that runs at once, and starts nothing more.
    fn kill(&self);
}

/// A step that has come to no end because nobody waits for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything was to end.
    Interrupted,
    /// A job goes on with it, and a later run finds that.
    Left,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::Interrupted => "interrupted",
            Stopped::Left => "its job goes on",
        })
    }
}

impl std::error::Error for Stopped {}

/// Processes on this machine, running `fig6 exec`.
#[derive(Debug)]
pub struct LocalProcesses {
    program: PathBuf,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    stopped: bool,
    /// By their process's number.
    children: BTreeMap<u32, Child>,
}

impl LocalProcesses {
    /// Starts the program that is running now, even if its file was replaced meanwhile.
    ///
    /// # Errors
    /// If the program's path cannot be found out.
    pub fn new() -> Result<LocalProcesses> {
        let itself = Path::new("/proc/self/exe");
        let program = match itself.exists() {
            true => itself.to_owned(),
            false => std::env::current_exe().context("cannot find out the path of fig6 itself")?,
        };
        Ok(LocalProcesses::of(program))
    }

    /// Starts the given program.
    pub fn of(program: PathBuf) -> LocalProcesses {
        LocalProcesses {
            program,
            running: Mutex::default(),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        // The list is whole after every operation on it, a panic in between changes nothing.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for LocalProcesses {
    fn run(
        &self,
        folder: &Path,
        log: &Path,
        threads: usize,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let log_file = || {
            File::options()
                .append(true)
                .create(true)
                .open(log)
                .with_context(|| format!("cannot write the log {}", log.display()))
        };
        let (id, mut answers) = {
            let mut running = self.running();
            if running.stopped {
                return Err(Stopped::Interrupted.into());
            }
            let mut child = Command::new(&self.program);
            child
                .arg("exec")
                .arg(folder)
                .args(["--parent", &std::process::id().to_string()])
                .envs(device::environment(threads));
            // An empty variable counts as not set, also for the libraries that a step uses.
            for (name, _) in std::env::vars_os().filter(|(_, value)| value.is_empty()) {
                child.env_remove(name);
            }
            let mut child = child
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log_file()?)
                .spawn()
                .with_context(|| format!("cannot start {}", self.program.display()))?;
            let stdout = child
                .stdout
                .take()
                .expect("standard output was asked for as a pipe");
            let id = child.id();
            running.children.insert(id, child);
            (id, stdout)
        };
        let mut last = None;
        let mut log_file = log_file()?;
        for line in BufReader::new(&mut answers).lines() {
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(Answer::Progress(progress)) => report(progress),
                Ok(answer) => last = Some(answer),
                // A library printed something; it belongs into the log.
                Err(_) => drop(writeln!(log_file, "{line}")),
            }
        }
        let mut running = self.running();
        let process = running.children.remove(&id);
        let mut process = process.expect("only its own run removes a child");
        let stopped = running.stopped;
        drop(running);
        let status = process
            .wait()
            .context("cannot wait for the step's process")?;
        match last {
            // Also if it was to be stopped: what is done is not thrown away.
            Some(Answer::Finished(finished)) if status.success() => Ok(finished),
            Some(Answer::Failed { cause }) => bail!("{cause}"),
            _ if stopped => Err(Stopped::Interrupted.into()),
            Some(Answer::Interrupted) => bail!("its process was asked to end by someone else"),
            _ => bail!("its process ended early ({status})"),
        }
    }

    fn is_at_work(&self, folder: &Path) -> Result<bool> {
        ensure!(
            !folder.join(store::JOB).exists(),
            "a job of Slurm has this step: go on with --executor slurm, or cancel it with --executor slurm --cancel"
        );
        Ok(false)
    }

    fn stop(&self) {
        let mut running = self.running();
        running.stopped = true;
        for child in running.children.values() {
            // One that has ended by itself stays in the list, unreaped, so the number is still its.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
    }

    fn kill(&self) {
        let mut running = self.running();
        running.stopped = true;
        for child in running.children.values_mut() {
            // It may have ended by itself; then there is nothing to stop.
            let _ = child.kill();
        }
    }
}
