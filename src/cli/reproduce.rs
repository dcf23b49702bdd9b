//! `fig6 reproduce`: the main job.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use indicatif::MultiProgress;
use serde_json::json;

use super::cluster::{Cluster, Interrupts};
use super::left::TimeLeft;
use super::machine::Machine;
use super::out::Out;
use super::signals::INTERRUPTED;
use super::transfer::{Elsewhere, Meter, is_stopped, open, show_pulled};
use super::view::{View, counted, forecast_in_words, shortened_list};
use super::{Where, environment, inspect, jobs};
use crate::error::Invalid;
use crate::project::Project;
use crate::remote::{Pull, Pulled, pull};
use crate::report::carried_over::TABLE;
use crate::reproduce::{Place, Reproduced, Reproduction, Request};
use crate::run::{End, Outcome, slurm};
use remote_store::Remote;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Steps to bring up to date, by name or by its first parts (`train/resnet20`); all by default.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// Steps at once, dividing the cores among them; by default one per core, or what the GPUs compute at once.
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    jobs: Option<std::num::NonZeroUsize>,
    /// Steps at once on each GPU: small networks leave most of a large one idle.
    #[arg(long, value_name = "N", default_value = "1")]
    per_gpu: std::num::NonZeroUsize,
    /// Say what would run, and why, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Run this step again and compare with its earlier result (may be repeated).
    #[arg(long, value_name = "STEP")]
    force: Vec<String>,
    /// Go on with independent steps after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Where only code, packages or compiler changed: replay parts of the earlier training and, if they come
    /// out the same, carry its result over (also FIG6_REPLAY, or `replay: true` in the pipeline file).
    #[arg(long)]
    replay: bool,
    /// Look here first for archives: a folder, a URL, or the archive itself (may be repeated; also FIG6_MIRROR).
    #[arg(long, value_name = "DIR|URL")]
    mirror: Vec<PathBuf>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    cluster: Cluster,
    /// Seconds of work between two checkpoints of a training [default: FIG6_CHECKPOINT_EVERY, or 300].
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = super::seconds)]
    checkpoint_every: Option<f64>,
    /// The folder of reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let started = Instant::now();
    let machine = Machine::read()?;
    let executor = arguments.cluster.executor(&machine);
    let project = arguments.place.open_for(executor)?;
    let place = arguments.cluster.place(machine, &project)?;
    if arguments.cluster.cancel {
        let jobs = slurm::cancel(&project.store.root().join("work"))?;
        out.remark(&format!("{} cancelled", counted(jobs, "job")));
        return Ok(ExitCode::SUCCESS);
    }
    let live = MultiProgress::new();
    let interrupts = Interrupts::of(&place, &live);
    let Fetching { remote, pulled } = match fetch(arguments, &project, &interrupts, out) {
        Err(error) if is_stopped(&error) => return Ok(ExitCode::from(INTERRUPTED)),
        fetched => fetched?,
    };
    let request = Request {
        targets: arguments.targets.clone(),
        forced: arguments.force.clone(),
        jobs: arguments.jobs,
        keep_going: arguments.keep_going,
        replay: arguments.replay || project.experiment.replay || environment::replay()?,
        mirrors: environment::mirrors(&arguments.mirror),
        checkpoint_seconds: environment::checkpoint_seconds(arguments.checkpoint_every)?,
        remote,
        reports: arguments.reports.clone(),
        executor: place,
        all_gpus: arguments.place.names_no_index(),
        steps_per_gpu: arguments.per_gpu,
    };
    let reproduction = Reproduction::plan(&project, &request)?;
    if arguments.replay {
        expect_training(&project, &reproduction.needed)?;
    }
    let plan = &reproduction.plan;
    if arguments.dry_run {
        inspect::show(&project, plan, true, arguments.json, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut left = TimeLeft::default();
    if !reproduction.is_idle() {
        if !arguments.json {
            let forecast = project.forecast(plan, false)?;
            out.remark(&forecast_in_words(&forecast));
            left = TimeLeft::of(&project.graph, plan, &forecast);
        }
        if request.remote.is_none() {
            interrupts.listen()?;
        }
    }
    let needed = reproduction.needed.clone();
    let mut view = View::new(live, out.is_quiet(), arguments.json, left);
    let reproduced = reproduction.run(&interrupts.stop, &mut |event| view.show(&event, out));
    view.close();
    let Reproduced { outcome, files } = reproduced?;
    interrupts.cancel_if_wanted(&project)?;
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        out.json_line(&json!({
            "event": "done",
            "ran": outcome.those(End::Ran),
            "carried_over": outcome.those(End::CarriedOver),
            "up_to_date": outcome.those(End::UpToDate),
            "failed": outcome.those(End::Failed),
            "skipped": outcome.those(End::Skipped),
            "same_bytes": outcome.same_bytes,
            "stay_valid": outcome.stay_valid,
            "interrupted": outcome.interrupted,
            "fetched": pulled.brought,
            "seconds": seconds,
            "report": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        }));
    } else {
        summarize(&outcome, seconds, &files, out);
        if outcome.interrupted {
            say_what_is_left(&project, &needed, out)?;
        }
        if let Place::Slurm { .. } = request.executor
            && !outcome.is_complete()
        {
            let jobs = jobs::of(&project, &project.assess(&needed)?)?.len();
            if jobs > 0 {
                out.remark(&format!(
                    "{} of Slurm left running; the same command goes on with what is left, --cancel ends it",
                    counted(jobs, "job")
                ));
            }
        }
    }
    let waits = arguments.cluster.detach && outcome.those(End::Failed).is_empty();
    Ok(match outcome.interrupted {
        true => ExitCode::from(INTERRUPTED),
        false if outcome.is_complete() || waits => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What came from elsewhere, and where more may come from.
#[derive(Default)]
struct Fetching {
    remote: Option<Arc<Remote>>,
    pulled: Pulled,
}

/// Brings what is missing here and there elsewhere, before anything runs.
fn fetch(
    arguments: &Arguments,
    project: &Project,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<Fetching> {
    let address = arguments.elsewhere.address()?;
    let Some(address) = address.filter(|_| !arguments.dry_run) else {
        return Ok(Fetching::default());
    };
    let graph = &project.graph;
    let forced = BTreeSet::from_iter(graph.matching(&arguments.force)?);
    let mut wanted = graph.wanted(&arguments.targets)?;
    wanted.extend(&forced);
    let mut fetching = Fetching::default();
    let remote = &mut fetching.remote;
    let meter = Meter::new("fetched", out.is_quiet() || arguments.json);
    let request = Pull {
        needed: &graph.needed(&wanted),
        forced: &forced,
        snapshots: false,
        watch: &|bytes| meter.add(bytes),
    };
    let pulled = pull(project, &request, &mut || {
        interrupts.listen()?;
        let opened = open(&address, &interrupts.transfers)?;
        *remote = Some(opened.clone());
        Ok(opened)
    });
    meter.close();
    fetching.pulled = pulled?;
    if !arguments.json {
        show_pulled(&fetching.pulled, &address, out);
    }
    Ok(fetching)
}

/// Refuses to replay where there is no training.
fn expect_training(project: &Project, needed: &[bool]) -> Result<(), Invalid> {
    let steps = project.graph.steps().iter().zip(needed);
    let mut needed = steps.filter_map(|(step, needed)| needed.then_some(step));
    match needed.any(|step| step.params.kind() == "train") {
        true => Ok(()),
        false => Err(Invalid::new(
            "--replay is for trainings, and what is asked for needs none".to_owned(),
        )),
    }
}

/// What an interrupted run leaves to the next one.
fn say_what_is_left(project: &Project, needed: &[bool], out: &mut Out) -> Result<()> {
    let forecast = project.forecast(&project.assess(needed)?, false)?;
    let left = forecast_in_words(&forecast);
    out.remark(&format!(
        "interrupted, {left}; run the same command again to go on"
    ));
    for (step, outlook) in project.graph.steps().iter().zip(&forecast.steps) {
        if let Some((done, all)) = outlook.kept {
            let step = &step.name;
            out.remark(&format!(
                "  {step} has a checkpoint after iteration {done} of {all}"
            ));
        }
    }
    Ok(())
}

/// The end of a run for people: counts, where the report lies, and the table itself.
fn summarize(outcome: &Outcome, seconds: f64, files: &[PathBuf], out: &mut Out) {
    let ends = [
        (End::Ran, "ran"),
        (End::CarriedOver, "carried over"),
        (End::UpToDate, "up to date"),
        (End::Failed, "failed"),
        (End::Skipped, "skipped"),
    ];
    let counts = ends.map(|(end, word)| (outcome.those(end).len(), word));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if let Some(line) = cutoff(outcome) {
        out.remark(&line);
    }
    out.remark(&format!("{} in {seconds:.1} s", counts.join(", ")));
    if files.is_empty() || out.is_quiet() {
        return;
    }
    if !outcome.is_complete() {
        out.remark("the report says what it lacks:");
    }
    for file in files {
        out.remark(&format!("  {}", file.display()));
    }
    let table = files.iter().find(|file| file.ends_with(TABLE));
    if let Some(Ok(table)) = table.map(std::fs::read_to_string) {
        out.remark(&format!("\n{}", table.trim_end()));
    }
}

/// What running again to the same bytes has saved.
fn cutoff(outcome: &Outcome) -> Option<String> {
    if outcome.same_bytes.is_empty() {
        return None;
    }
    let again = shortened_list(&outcome.same_bytes, 1);
    let valid = outcome.stay_valid;
    let stay = match valid {
        1 => "step stays",
        _ => "steps stay",
    };
    Some(format!(
        "{again} ran again, same bytes: {valid} {stay} valid"
    ))
}
