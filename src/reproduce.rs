//! Brings a project's steps and its report up to date. Where a training has failed and the rest was to
//! go on, a second pass makes the report without it.
//!
//! Unaware of the terminal and of signals: tells what happens as events, and is asked to stop.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::pipeline::{Experiment, Hole};
use crate::plan::{Graph, Plan, StepId};
use crate::project::Project;
use crate::report;
use crate::run::slurm::{Settings, Slurm};
use crate::run::{End, Event, Executor, Gpus, LocalProcesses, Options, Outcome, Run, Stop};
use crate::steps::Environment;
use nn::device::{self, Backend};
use remote_store::Remote;
use store::Lock;

/// Steps at once on a cluster where nobody says otherwise.
const JOBS_OF_A_CLUSTER: usize = 1000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Steps to bring up to date, by name or by its first parts; all if there are none.
    pub targets: Vec<String>,
    /// Steps to run although they are up to date.
    pub forced: Vec<String>,
    /// Steps at once; by default one per core, or as many as GPUs compute at once.
    pub jobs: Option<NonZeroUsize>,
    pub keep_going: bool,
    /// Whether trainings that must run only because of code, packages or compiler are replayed first, and
    /// carried over where that shows the same.
    pub replay: bool,
    /// Where a download looks first.
    pub mirrors: Vec<PathBuf>,
    /// Seconds between two checkpoints of a training.
    pub checkpoint_seconds: f64,
    /// Where a result is looked for before it is computed.
    pub remote: Option<Arc<Remote>>,
    /// The folder of reports.
    pub reports: PathBuf,
    pub executor: Place,
    /// Whether all GPUs of the device's kind are meant.
    pub all_gpus: bool,
    /// Steps at once on each GPU.
    pub steps_per_gpu: NonZeroUsize,
}

/// Where steps that compute run.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this machine.
    Here,
    /// As jobs of Slurm; a `detached` run submits what is ready and waits for none of them.
    Slurm { settings: Settings, detached: bool },
}

/// What a request comes to, before anything runs.
pub struct Reproduction<'a> {
    project: &'a Project,
    request: &'a Request,
    /// Whether each step is needed.
    pub needed: Vec<bool>,
    forced: BTreeSet<StepId>,
    /// What is to be done about each step.
    pub plan: Plan,
    /// Held until what the plan relies on is listed.
    lock: Lock,
}

/// How it ended.
pub struct Reproduced {
    pub outcome: Outcome,
    /// The report's files, in the order of the graph.
    pub files: Vec<PathBuf>,
}

impl<'a> Reproduction<'a> {
    /// Finds out what must run.
    ///
    /// # Errors
    /// [`crate::error::Invalid`] if a target matches no step; if the store cannot be read.
    pub fn plan(project: &'a Project, request: &'a Request) -> Result<Reproduction<'a>> {
        let graph = &project.graph;
        let forced = BTreeSet::from_iter(graph.matching(&request.forced)?);
        let mut wanted = graph.wanted(&request.targets)?;
        wanted.extend(&forced);
        let needed = graph.needed(&wanted);
        let lock = project.store.share()?;
        let plan = project.planner().assess(&needed, &forced)?;
        Ok(Reproduction {
            project,
            request,
            needed,
            forced,
            plan,
            lock,
        })
    }

    /// Whether there is nothing to run.
    pub fn is_idle(&self) -> bool {
        let mut steps = self.plan.iter().flatten();
        steps.all(|assessment| assessment.result().is_some())
    }

    /// Runs what must run, and writes the report.
    ///
    /// A step that fails is an [`Event`] and part of the [`Outcome`], not an error.
    ///
    /// # Errors
    /// If the store cannot be read or written, or the report cannot be written.
    pub fn run(self, stop: &Stop, emit: &mut dyn FnMut(Event)) -> Result<Reproduced> {
        let idle = self.is_idle();
        let (project, request) = (self.project, self.request);
        let (experiment, store) = (&project.experiment, &project.store);
        let folder = request.reports.join(&experiment.profile);
        if !idle {
            report::prepare(&folder)?;
            let used = project.planner().in_use(&self.plan)?;
            store.begin_run(&experiment.profile, used.keys)?;
            store.may_rely_on(used.perhaps)?;
        }
        // A run that has something to do relies on its list from here on; one that has not is soon over.
        let lock = idle.then_some(self.lock);
        let options = options(project, request, idle)?;
        let executor = executor(project, request, idle)?;
        // A second run finds up to date what the first one has shown.
        let mut shown = BTreeSet::new();
        let mut pass = |experiment: &Experiment, graph: &Graph, plan, forced: &BTreeSet<StepId>| {
            let run = Run {
                planner: project.planner_of(graph),
                forced,
                executor: &*executor,
                options: &options,
                stop,
            };
            let outcome = run.carry_out(plan, &mut |event| match &event {
                Event::UpToDate { step, .. } | Event::Finished { step, .. }
                    if !shown.insert(step.clone()) => {}
                _ => emit(event),
            })?;
            let pipeline = &project.pipeline;
            let files = report::publish(experiment, pipeline, graph, &outcome, store, &folder);
            anyhow::Ok((outcome, files))
        };
        let (mut outcome, mut files) = pass(experiment, &project.graph, self.plan, &self.forced)?;
        let rest = without_failed(experiment, &outcome).filter(|_| request.keep_going);
        if let Some(rest) = rest {
            let graph = Graph::of(&rest)?;
            let planner = project.planner_of(&graph);
            let names = project.graph.steps().iter().zip(&self.needed);
            let names = names.filter_map(|(step, needed)| needed.then_some(&*step.name));
            let names: BTreeSet<&str> = names.collect();
            let steps = graph.steps().iter();
            let needed: Vec<bool> = steps.map(|step| names.contains(&*step.name)).collect();
            let none = BTreeSet::new();
            let lock = store.share()?;
            let plan = planner.assess(&needed, &none)?;
            let used = planner.in_use(&plan)?;
            store.rely_on(&used.keys)?;
            store.may_rely_on(used.perhaps)?;
            drop(lock);
            let (second, published) = pass(&rest, &graph, plan, &none)?;
            files = files.and(published);
            outcome = outcome.completed_by(second);
        }
        project.save_index();
        // Where this fails the run counts as one that was killed, which is no reason to call it failed.
        let _ = store.end_run(outcome.word());
        drop(lock);
        Ok(Reproduced {
            outcome,
            files: files?,
        })
    }
}

/// What runs the steps; a run that finds nothing to do asks no cluster.
fn executor(project: &Project, request: &Request, idle: bool) -> Result<Box<dyn Executor>> {
    Ok(match &request.executor {
        Place::Slurm { settings, detached } if !idle => {
            let root = project.store.root();
            Box::new(Slurm::new(settings.clone(), root, *detached)?)
        }
        Place::Here if !idle && !project.backend.is_cpu() => {
            let steps = request.steps_per_gpu.get();
            Box::new(Gpus::new(
                LocalProcesses::new()?,
                &gpus(project, request),
                steps,
            ))
        }
        _ => Box::new(LocalProcesses::new()?),
    })
}

/// The devices that steps compute on, where that is no CPU.
fn gpus(project: &Project, request: &Request) -> Vec<Backend> {
    let of_kind: fn(usize) -> Backend = match project.backend {
        Backend::Cuda(_) if request.all_gpus => Backend::Cuda,
        Backend::TchCuda(_) if request.all_gpus => Backend::TchCuda,
        other => return vec![other],
    };
    let all = (0..).map(of_kind);
    all.take_while(|gpu| device::Request::Exact(*gpu).resolve().is_ok())
        .collect()
}

fn options(project: &Project, request: &Request, idle: bool) -> Result<Options> {
    // Counting cores means reading files; a run that finds nothing to do spares that.
    let cores = match idle {
        true => 1,
        false => std::thread::available_parallelism()
            .context("cannot count the cores")?
            .get(),
    };
    let jobs = match (&request.executor, project.backend.is_cpu()) {
        // The cluster divides its cores itself.
        (Place::Slurm { .. }, _) => JOBS_OF_A_CLUSTER,
        (Place::Here, true) => cores,
        (Place::Here, false) if idle => 1,
        (Place::Here, false) => gpus(project, request).len() * request.steps_per_gpu.get(),
    };
    Ok(Options {
        jobs: request.jobs.map_or(jobs, NonZeroUsize::get),
        cores,
        keep_going: request.keep_going,
        replay: request.replay,
        remote: request.remote.clone(),
        environment: Environment {
            mirrors: request.mirrors.iter().cloned().map(Into::into).collect(),
            sources: Vec::new(),
            device: project.backend.to_string(),
            checkpoint_seconds: request.checkpoint_seconds,
        },
    })
}

/// The experiment without the trainings and evaluations that have failed, for a report that says what
/// it lacks; nothing if none failed, or all.
fn without_failed(experiment: &Experiment, outcome: &Outcome) -> Option<Experiment> {
    let failed = BTreeSet::from_iter(outcome.those(End::Failed));
    let mut rest = experiment.clone();
    let mut holes = 0;
    for model in &experiment.models {
        for &seed in &experiment.seeds {
            let has_failed = |kind| failed.contains(&*format!("{kind}/{}/seed{seed}", model.name));
            let unevaluated = has_failed("evaluate") || has_failed("responses");
            let hole = match (has_failed("train"), unevaluated) {
                (true, _) => Hole::Untrained,
                (_, true) => Hole::Unevaluated,
                _ => continue,
            };
            let of_model = rest.holes.entry(model.name.clone()).or_default();
            of_model.insert(seed, hole);
            holes += 1;
        }
    }
    let runs = rest.models.len() * rest.seeds.len();
    ((1..runs).contains(&holes) && !outcome.interrupted).then_some(rest)
}
