//! The command line: parses arguments, calls the library, prints. Nothing else prints or knows clap.

mod bundle;
mod cluster;
mod devices;
mod environment;
mod evaluate;
mod explain;
mod export;
mod file;
mod fsck;
mod gc;
mod gc_remote;
mod init;
mod inspect;
mod jobs;
mod left;
mod line;
mod machine;
mod normalisation;
mod out;
mod pull;
mod push;
mod reproduce;
mod signals;
mod terminal;
mod train;
mod transfer;
mod verify;
mod view;
mod watch;

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use rustix::process::{Pid, Signal};

use crate::error::Invalid;
use crate::pipeline::{Experiment, Pipeline};
use crate::plan::{Bases, Graph};
use crate::project::Project;
use crate::run::{run_task, slurm};
use machine::{Executor, Machine};
use nn::device::{self, Backend};
use out::Out;
use store::Store;
use terminal::{Paint, paint_stderr, shown, shown_as_one};

/// Reproduces the CIFAR-10 experiments of "Deep Residual Learning" from cached steps.
#[derive(Debug, Parser)]
#[command(name = "fig6", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colours.
    #[arg(long, value_enum, global = true, default_value = "auto")]
    color: Color,
    /// Print nothing but errors and what was asked for.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the pipeline file that came with this program, to begin in an empty folder.
    Init(init::Arguments),
    /// Bring the report, or the given steps, up to date.
    Reproduce(reproduce::Arguments),
    /// Say of each step whether it is up to date, and if not, why.
    Status(inspect::StatusArguments),
    /// Serve the report's page on this machine, live: how a run gets on, until Ctrl-C.
    Watch(watch::Arguments),
    /// Say why a step runs or does not: its key inputs, what changed since its closest earlier result,
    /// and the first cause of the change.
    Explain(explain::Arguments),
    /// Draw the steps and what they read from each other.
    Graph(inspect::GraphArguments),
    /// Show the log of a step's newest run.
    Log(inspect::LogArguments),
    /// Pack a report with its evidence into one file. `fig6 verify` checks it on another machine. The
    /// images are left out.
    Bundle(bundle::Arguments),
    /// Bring results from a store elsewhere (--remote): those of the profile's steps, or of its report.
    Pull(pull::Arguments),
    /// Add results to a store elsewhere (--remote): those of the profile's steps that are up to date.
    Push(push::Arguments),
    /// Remove results that neither the pipeline nor a report nor one of the last runs needs. Look first
    /// with --dry-run.
    Gc(gc::Arguments),
    /// Read all artifacts, check them, and set aside what is damaged.
    Fsck(fsck::Arguments),
    /// Check whether the published numbers still hold: report, artifacts, claims. Exit code: 0 if every
    /// check passed, 1 if one failed, 3 if one could not be decided.
    Verify(verify::Arguments),
    /// Train one network by itself, without pipeline and artifacts.
    Train(train::Arguments),
    /// Give the test error of weights in a file: fig6's, other safetensors, or PyTorch's.
    Evaluate(evaluate::Arguments),
    /// Write weights as a safetensors file with the names that PyTorch code wants.
    Export(export::Arguments),
    /// List the devices to compute on.
    Devices(devices::Arguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Compute one step in its working folder (fig6 starts this itself).
    #[command(hide = true)]
    Exec {
        folder: PathBuf,
        /// The process that started it, and without which it ends.
        #[arg(long, required_unless_present = "ticket")]
        parent: Option<i32>,
        /// It is a job of a cluster, with this ticket.
        #[arg(long, conflicts_with = "parent")]
        ticket: Option<String>,
    },
}

/// Which experiment, and where its artifacts are.
#[derive(Args, Clone, Debug)]
struct Where {
    /// What to train and how long: smoke, quick, core, paper, or another profile of the file.
    #[arg(long, short)]
    profile: Option<String>,
    /// The pipeline file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.ron")]
    pipeline: PathBuf,
    /// The folder of artifacts.
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// Compute on this device: auto, cpu, cuda (all that are there), cuda:1, mps, or one that `fig6 devices` lists.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Read every artifact again instead of trusting sizes and time stamps.
    #[arg(long)]
    paranoid: bool,
}

impl Where {
    fn open(&self) -> Result<Project> {
        self.open_for(Machine::read()?.executor)
    }

    /// Opens a project whose steps run there.
    fn open_for(&self, executor: Executor) -> Result<Project> {
        let pipeline = Pipeline::text(&self.pipeline)?;
        let experiment = self.experiment_in(&pipeline)?;
        let (request, backend) = match executor {
            Executor::Local => device(&self.device)?,
            Executor::Slurm => device_elsewhere(&self.device)?,
        };
        Ok(Project {
            graph: Graph::of(&experiment)?,
            pipeline,
            experiment,
            store: Store::at(&self.artifacts, self.paranoid),
            backend,
            bases: match request {
                device::Request::Auto => Bases::any(&backend),
                _ => Bases::only(&backend),
            },
        })
    }

    /// Whether `--device` leaves open which of several GPUs it means.
    fn names_no_index(&self) -> bool {
        !self.device.ends_with(|last: char| last.is_ascii_digit())
    }

    fn experiment(&self) -> Result<Experiment> {
        self.experiment_in(&Pipeline::text(&self.pipeline)?)
    }

    /// The experiment that this text of the pipeline file describes.
    fn experiment_in(&self, text: &str) -> Result<Experiment> {
        let pipeline = Pipeline::parse(text, &self.pipeline.display().to_string())?;
        Ok(pipeline.experiment(self.profile.as_deref())?.clone())
    }
}

/// What `--device` asks for, and the device that is meant.
fn device(text: &str) -> Result<(device::Request, Backend), Invalid> {
    let invalid = |error| Invalid::new(format!("{error:#}"));
    let request: device::Request = text.parse().map_err(invalid)?;
    let backend = request.resolve().map_err(invalid)?;
    Ok((request, backend))
}

/// As [`device`], on machines of which only their jobs know what they have: a GPU need not be here.
fn device_elsewhere(text: &str) -> Result<(device::Request, Backend), Invalid> {
    let request: device::Request = text
        .parse()
        .map_err(|error| Invalid::new(format!("{error:#}")))?;
    let gpus = match request {
        device::Request::Exact(backend) => vec![backend],
        device::Request::Cuda(index) => {
            let index = index.unwrap_or(0);
            vec![Backend::TchCuda(index), Backend::Cuda(index)]
        }
        _ => Vec::new(),
    };
    match gpus.into_iter().find(|backend| backend.compiled_in()) {
        Some(backend) => Ok((request, backend)),
        // A CPU is everywhere, and what is not compiled in is nowhere.
        None => device(text),
    }
}

/// A number of seconds in an option.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, from 0 to 1000000000".to_owned()),
    }
}

/// Runs the command that the arguments ask for.
///
/// Exit codes: 0 done; 1 a step failed or something could not be done; 2 wrong usage or a wrong
/// pipeline file; 3 `verify` could not decide; 130 interrupted. A closed pipe changes none of them. An
/// answer that could not be written is a failure.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return say_usage(&error),
    };
    set_colors(cli.color);
    environment::set_temporary_folder();
    let mut out = Out::new(cli.quiet);
    let code = run(cli.command, &mut out).unwrap_or_else(|error| {
        say_error(&error);
        ExitCode::from(if error.is::<Invalid>() { 2 } else { 1 })
    });
    match out.failure() {
        Some(error) => unwritten(error, code),
        None => code,
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn say_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // By itself clap would pass on to a terminal whatever the arguments hold.
        let text = error.render().to_string();
        let _ = io::stderr().write_all(shown(&text).as_bytes());
        return ExitCode::from(2);
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => unwritten(cause, ExitCode::SUCCESS),
        _ => ExitCode::SUCCESS,
    }
}

/// Says that the answer could not be written; gives the exit code, which is never that of success.
fn unwritten(error: io::Error, code: ExitCode) -> ExitCode {
    say_error(&anyhow::Error::new(error).context("cannot write to standard output"));
    match code == ExitCode::SUCCESS {
        true => ExitCode::FAILURE,
        false => code,
    }
}

fn say_error(error: &anyhow::Error) {
    let label = paint_stderr(Paint::Red, "error:");
    let text = shown_as_one(&format!("{label} {error:#}"));
    // Nobody reads it if this fails, and there is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{text}");
}

fn run(command: Command, out: &mut Out) -> Result<ExitCode> {
    // A limit on the size of files is an error of the write that meets it, not the end of the process.
    signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::default())
        .context("cannot listen for signals")?;
    match command {
        Command::Reproduce(arguments) => return reproduce::run(&arguments, out),
        Command::Fsck(arguments) => return fsck::run(&arguments, out),
        Command::Verify(arguments) => return verify::run(&arguments, out),
        Command::Train(arguments) => return train::run(&arguments, out),
        Command::Evaluate(arguments) => return evaluate::run(&arguments, out),
        Command::Export(arguments) => return export::run(&arguments, out),
        Command::Bundle(arguments) => return bundle::run(&arguments, out),
        Command::Watch(arguments) => return watch::run(&arguments, out),
        Command::Pull(arguments) => return pull::run(&arguments, out),
        Command::Push(arguments) => return push::run(&arguments, out),
        Command::Gc(arguments) => return gc::run(&arguments, out),
        Command::Init(arguments) => init::run(&arguments, out)?,
        Command::Status(arguments) => inspect::status(&arguments, out)?,
        Command::Explain(arguments) => explain::run(&arguments, out)?,
        Command::Graph(arguments) => inspect::graph(&arguments, out)?,
        Command::Log(arguments) => inspect::log(&arguments, out)?,
        Command::Devices(arguments) => devices::run(&arguments, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "fig6", &mut script);
            out.result(&String::from_utf8_lossy(&script));
        }
        Command::Exec {
            folder,
            parent,
            ticket,
        } => {
            return match (parent, ticket) {
                (_, Some(ticket)) => exec_as_job(&folder, &ticket),
                (parent, None) => exec(&folder, parent.unwrap_or_default()),
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn exec(folder: &Path, parent: i32) -> Result<ExitCode> {
    // Whoever started this step commits it; without that process nobody will, and another one may
    // start the step anew at any moment.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .context("cannot tie this process to its parent")?;
    // It may have died before that.
    let found = Pid::as_raw(rustix::process::getppid());
    ensure!(
        found == parent,
        "the process that started this step is gone"
    );
    let signals = signals::conditional()?;
    let mut answers = io::stdout().lock();
    let succeeded = run_task(folder, &signals, &mut answers, &mut io::stderr())
        .context("the process that started this step does not listen")?;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn exec_as_job(folder: &Path, ticket: &str) -> Result<ExitCode> {
    let signals = signals::conditional()?;
    let pause = signals::pause()?;
    let mut answers = io::stdout().lock();
    let log = &mut io::stderr();
    let finished = slurm::run_job(folder, ticket, &signals, &pause, &mut answers, log)?;
    Ok(match finished {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn set_colors(color: Color) {
    let wanted = |is_terminal| match color {
        Color::Auto => environment::wants_colors(is_terminal),
        Color::Always => true,
        Color::Never => false,
    };
    console::set_colors_enabled(wanted(io::stdout().is_terminal()));
    console::set_colors_enabled_stderr(wanted(io::stderr().is_terminal()));
}

#[cfg(test)]
mod page_tests;
