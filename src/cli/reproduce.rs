//! `fig6 reproduce`: the main job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use signal_hook::iterator::Signals;

use super::out::Out;
use super::view::{View, forecast_in_words, shortened_list};
use super::{INTERRUPTED, Project, Where, environment, heeded_signals, inspect, needed};
use crate::pipeline::{Experiment, Hole};
use crate::plan::{self, Graph};
use crate::report;
use crate::run::{self, Event, LocalProcesses, Messages, Options, Outcome, Stop};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Steps to bring up to date, by name or by its first parts (`train/resnet20`); all by default.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// Steps at once, dividing the cores among them; by default one per core, or one on a GPU.
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    jobs: Option<std::num::NonZeroUsize>,
    /// Say what would run, and why, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Run this step again and compare with its earlier result (may be repeated).
    #[arg(long, value_name = "STEP")]
    force: Vec<String>,
    /// Go on with independent steps after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Look here first for archives: a folder, a URL, or the archive itself (may be repeated; also FIG6_MIRROR).
    #[arg(long, value_name = "DIR|URL")]
    mirror: Vec<PathBuf>,
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
    let checkpoint_seconds = environment::checkpoint_seconds(arguments.checkpoint_every)?;
    let project = arguments.place.open()?;
    let mut wanted = needed(&project.graph, &arguments.targets)?;
    let mut forced = vec![false; wanted.len()];
    for id in project.graph.matching(&arguments.force)? {
        forced[id.index()] = true;
        for (wanted, also) in wanted.iter_mut().zip(project.graph.needed(&[id])) {
            *wanted |= also;
        }
    }
    let lock = project.store.share()?;
    let plan = project.assess(&wanted, &forced)?;
    if arguments.dry_run {
        inspect::show(project, &plan, true, arguments.json, out)?;
        return Ok(ExitCode::SUCCESS);
    }

    let folder = arguments.reports.join(&project.experiment.profile);
    let idle = plan
        .iter()
        .flatten()
        .all(|assessment| assessment.result().is_some());
    if !idle {
        report::prepare(&folder)?;
        let used = plan::in_use(&project.graph, &plan, &project.bases, &project.store)?;
        let profile = &project.experiment.profile;
        project.store.begin_run(profile, used.keys)?;
        project.store.may_rely_on(used.perhaps)?;
        if !arguments.json {
            out.remark(&forecast_in_words(&project.forecast(&plan, false)?));
        }
    }
    // A run that has something to do relies on its list from here on; one that has not is soon over.
    let lock = idle.then_some(lock);
    // Counting cores means reading files; a run that finds nothing to do spares that.
    let cores = match idle {
        true => 1,
        false => cores()?,
    };
    let options = options(arguments, checkpoint_seconds, project, cores);
    let stops = Stops::default();
    if !idle {
        stops.listen()?;
    }
    let mut view = View::new(out.is_quiet(), arguments.json);
    // A further run finds up to date what the first one has shown.
    let mut shown = BTreeSet::new();
    let mut carry_out = |graph: &Graph, plan, forced: &[bool]| {
        run::reproduce(
            graph,
            plan,
            forced,
            &project.store,
            &LocalProcesses::new()?,
            &options,
            stops.messages(),
            &mut |event| {
                // A second run finds up to date what the first one has shown.
                let (Event::UpToDate { step, .. } | Event::Finished { step, .. }) = &event else {
                    return view.show(&event, out);
                };
                if shown.insert(step.clone()) {
                    view.show(&event, out);
                }
            },
        )
    };
    let mut outcome = carry_out(&project.graph, plan, &forced)?;
    let publish = |experiment: &Experiment, graph: &Graph, outcome: &Outcome| {
        let (pipeline, store) = (&project.pipeline, &project.store);
        report::publish(experiment, pipeline, graph, outcome, store, &folder)
    };
    let mut files = publish(&project.experiment, &project.graph, &outcome);
    let rest = arguments
        .keep_going
        .then(|| without_failed(project, &outcome));
    if let Some(rest) = rest.flatten() {
        let graph = Graph::of(&rest)?;
        let names = project.graph.steps().iter().zip(&wanted);
        let names: BTreeSet<&str> = names
            .filter_map(|(step, wanted)| wanted.then_some(step.name.as_str()))
            .collect();
        let steps = graph.steps().iter();
        let wanted: Vec<bool> = steps.map(|step| names.contains(&*step.name)).collect();
        let none = vec![false; wanted.len()];
        let lock = project.store.share()?;
        let plan = plan::assess(&graph, &wanted, &none, &project.bases, &project.store)?;
        let used = plan::in_use(&graph, &plan, &project.bases, &project.store)?;
        project.store.rely_on(&used.keys)?;
        project.store.may_rely_on(used.perhaps)?;
        drop(lock);
        let second = carry_out(&graph, plan, &none)?;
        files = files.and_then(|_| publish(&rest, &graph, &second));
        outcome = outcome.completed_by(second, &project.graph);
    }
    view.close();
    project.save_index();
    // Where this fails the run counts as one that was killed, which is no reason to call it failed.
    let _ = project.store.end_run(outcome.word());
    drop(lock);
    let files = files?;
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        out.json_line(&json!({
            "event": "done",
            "ran": outcome.ran,
            "up_to_date": outcome.up_to_date,
            "failed": outcome.failed,
            "skipped": outcome.skipped,
            "same_bytes": outcome.same_bytes,
            "stay_valid": outcome.stay_valid,
            "interrupted": outcome.interrupted,
            "seconds": seconds,
            "report": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        }));
    } else {
        summarize(&outcome, seconds, &files, out);
        if outcome.interrupted {
            say_what_is_left(project, &wanted, out)?;
        }
    }
    Ok(exit_code(&outcome))
}

/// What an interrupted run leaves to the next one.
fn say_what_is_left(project: &Project, wanted: &[bool], out: &mut Out) -> Result<()> {
    let plan = project.assess(wanted, &vec![false; wanted.len()])?;
    let forecast = project.forecast(&plan, false)?;
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

fn cores() -> Result<usize> {
    let cores = std::thread::available_parallelism();
    cores.map(usize::from).context("cannot count the cores")
}

fn options(
    arguments: &Arguments,
    checkpoint_seconds: f64,
    project: &Project,
    cores: usize,
) -> Options {
    let default_jobs = if project.backend.is_cpu() { cores } else { 1 };
    Options {
        jobs: arguments
            .jobs
            .map_or(default_jobs, std::num::NonZeroUsize::get),
        cores,
        keep_going: arguments.keep_going,
        bases: project.bases.clone(),
        device: project.backend.to_string(),
        mirrors: environment::mirrors(&arguments.mirror),
        checkpoint_seconds,
    }
}

/// The experiment without the trainings and evaluations that have failed, for a report that says what
/// it lacks; nothing if none failed, or all.
fn without_failed(project: &Project, outcome: &Outcome) -> Option<Experiment> {
    let failed: BTreeSet<&str> = outcome.failed.iter().map(String::as_str).collect();
    let mut rest = project.experiment.clone();
    for model in &project.experiment.models {
        for &seed in &project.experiment.seeds {
            let has_failed = |kind| failed.contains(&*format!("{kind}/{}/seed{seed}", model.name));
            let hole = match (has_failed("train"), has_failed("evaluate")) {
                (true, _) => Hole::Untrained,
                (_, true) => Hole::Unevaluated,
                _ => continue,
            };
            let holes = rest.holes.entry(model.name.clone()).or_default();
            holes.insert(seed, hole);
        }
    }
    let holes: usize = rest.holes.values().map(BTreeMap::len).sum();
    let runs = rest.models.len() * rest.seeds.len();
    ((1..runs).contains(&holes) && !outcome.interrupted).then_some(rest)
}

/// Passes signals on to the run that is under way.
#[derive(Clone, Default)]
struct Stops(Arc<Mutex<Stopping>>);

#[derive(Default)]
struct Stopping {
    run: Option<Stop>,
    /// How often the user asked to stop.
    asked: u32,
}

impl Stops {
    fn state(&self) -> MutexGuard<'_, Stopping> {
        // A panic elsewhere leaves it as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a new run needs to be stopped from now on, and if it was asked for already.
    fn messages(&self) -> Messages {
        let (stop, messages) = run::stop_channel();
        let mut state = self.state();
        if state.asked > 0 {
            stop.request();
        }
        state.run = Some(stop);
        messages
    }

    /// From now on the first signal stops the run in good order, the second one ends its steps at
    /// once, the third one this process.
    fn listen(&self) -> Result<()> {
        let mut signals = Signals::new(heeded_signals()).context("cannot listen for signals")?;
        let stops = self.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                let mut state = stops.state();
                state.asked += 1;
                if state.asked > 2 {
                    std::process::exit(INTERRUPTED.into());
                }
                if let Some(stop) = &state.run {
                    stop.request();
                }
            }
        });
        Ok(())
    }
}

/// The end of a run for people: counts, where the report lies, and the table itself.
fn summarize(outcome: &Outcome, seconds: f64, files: &[PathBuf], out: &mut Out) {
    let counts = [
        (outcome.ran.len(), "ran"),
        (outcome.up_to_date.len(), "up to date"),
        (outcome.failed.len(), "failed"),
        (outcome.skipped.len(), "skipped"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if let Some(line) = cutoff(outcome) {
        out.remark(&line);
    }
    out.remark(&format!("{} in {seconds:.1} s", counts.join(", ")));
    let complete = outcome.failed.is_empty() && outcome.skipped.is_empty();
    if files.is_empty() || out.is_quiet() {
        return;
    }
    if !complete {
        out.remark("the report says what it lacks:");
    }
    for file in files {
        out.remark(&format!("  {}", file.display()));
    }
    let table = files.iter().find(|file| file.ends_with("results.md"));
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
    let stay = if valid == 1 {
        "step stays"
    } else {
        "steps stay"
    };
    Some(format!(
        "{again} ran again, same bytes: {valid} {stay} valid"
    ))
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome {
            interrupted: true, ..
        } => ExitCode::from(INTERRUPTED),
        Outcome {
            failed, skipped, ..
        } if failed.is_empty() && skipped.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
