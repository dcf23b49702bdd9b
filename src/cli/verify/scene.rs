//! What is verified, a report in its folder or a bundle, and the checks of each level on it.
//!
//! Unaware of how checks are shown, and of documents.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::arguments::Arguments;
use super::interrupt::Interrupt;
use crate::bundle::{Contents, unpack};
use crate::cli::Where;
use crate::cli::environment::mirrors;
use crate::cli::out::Out;
use crate::cli::terminal::{Paint, paint};
use crate::error::Invalid;
use crate::pipeline::{Claims, Pipeline};
use crate::plan::Graph;
use crate::project::Project;
use crate::report::files;
use crate::report::provenance::Statement;
use crate::run::{self, Executor};
use crate::verify::again::{Setting, again};
use crate::verify::integrity::integrity;
use crate::verify::lock::lock;
use crate::verify::replay::{Segments, replay, stretches};
use crate::verify::{Check, Level, Status, claims, unusable};
use random::Draw;
use store::Store;
use table::Results;

/// The file of a report that its numbers are in.
const RESULTS: &str = "results.json";

/// What is verified.
pub struct Scene {
    pub project: Project,
    pub claims: Claims,
    significance: f64,
    /// The folder of the report.
    report: PathBuf,
    pub reports: PathBuf,
    /// Reads everything, unlike that of the project.
    store: Store,
    /// Where what a bundle leaves out may lie.
    other_store: Option<Store>,
    pub bundle: Option<Contents>,
    /// The steps of which the report was made.
    pub graph: Graph,
    /// What the sample was drawn with.
    pub sample_seed: Cell<Option<u64>>,
    interrupt: Interrupt,
}

impl Scene {
    /// A report and artifacts in folders.
    pub fn of(place: &Where, reports: &Path, interrupt: &Interrupt) -> Result<Scene> {
        let project = place.open()?;
        let pipeline = Pipeline::load(&place.pipeline)?;
        let report = reports.join(&project.experiment.profile);
        let graph = match Statement::read(&report) {
            Ok(statement) => Graph::of(&statement.as_reported(&project.experiment))?,
            // Each level says what is wrong with it.
            Err(_) => Graph::of(&project.experiment)?,
        };
        Ok(Scene {
            claims: pipeline.claims(&project.experiment),
            significance: pipeline.significance(),
            report,
            reports: reports.to_owned(),
            store: Store::at(&place.artifacts, true),
            other_store: None,
            bundle: None,
            graph,
            sample_seed: Cell::new(None),
            interrupt: interrupt.clone(),
            project,
        })
    }

    /// A bundle, unpacked into a folder.
    pub fn of_bundle(
        bundle: &Path,
        folder: &Path,
        arguments: &Arguments,
        interrupt: &Interrupt,
    ) -> Result<Scene> {
        let contents = unpack(bundle, folder, interrupt.flag())?;
        let place = Where {
            profile: Some(contents.profile.clone()),
            pipeline: folder.join("pipeline.ron"),
            artifacts: folder.join("artifacts"),
            device: arguments.place.device.clone(),
            paranoid: true,
        };
        let scene = Scene::of(&place, &folder.join("reports"), interrupt)?;
        Ok(Scene {
            other_store: Some(Store::at(&arguments.place.artifacts, true)),
            bundle: Some(contents),
            ..scene
        })
    }

    /// The checks of a level.
    pub fn check(
        &self,
        level: Level,
        arguments: &Arguments,
        executor: &dyn Executor,
        out: &mut Out,
    ) -> Result<Vec<Check>> {
        match level {
            Level::Lock => return Ok(lock(&self.project.experiment, &self.report)),
            Level::Claims => return Ok(self.judged()),
            Level::Documents => return Ok(Vec::new()),
            Level::Integrity | Level::Evaluate | Level::Replay | Level::Execute => {}
        }
        let statement = match Statement::read(&self.report) {
            Ok(statement) => statement,
            Err(error) => return Ok(vec![unusable(level, &self.report, &error)]),
        };
        if level == Level::Integrity {
            let (graph, store, report) = (&self.graph, &self.store, &self.report);
            let (bundle, stop) = (self.bundle.as_ref(), self.interrupt.flag());
            let checks = integrity(&statement, graph, store, report, bundle, stop);
            return Ok(checks);
        }
        let steps = match level {
            Level::Evaluate => {
                let kinds = ["evaluate", "responses"];
                kinds
                    .iter()
                    .flat_map(|kind| of_kind(kind, &statement))
                    .collect()
            }
            Level::Replay => of_kind("train", &statement),
            _ => self.to_execute(arguments, &statement)?,
        };
        self.again(level, &steps, &statement, arguments, executor, out)
    }

    /// Verdicts on the claims, by the numbers of the report.
    fn judged(&self) -> Vec<Check> {
        let experiment = &self.project.experiment;
        let (status, what) = match results(&self.report) {
            Ok(Some(results)) => {
                return claims::checks(&self.claims, experiment, &results, self.significance);
            }
            Ok(None) => {
                let report = self.report.display();
                (Status::Undecided, format!("there are none in {report}"))
            }
            Err(error) => (Status::Failed, format!("{error:#}")),
        };
        let message = format!(
            "{what}; run `fig6 reproduce --profile {}`",
            experiment.profile
        );
        vec![Check::new(Level::Claims, RESULTS, status, message)]
    }

    /// The steps to run again: those that were named, a sample, or all.
    fn to_execute(&self, arguments: &Arguments, statement: &Statement) -> Result<Vec<String>> {
        let graph = &self.graph;
        let mut steps: BTreeSet<String> = BTreeSet::new();
        for id in graph.matching(&arguments.rebuild)? {
            steps.insert(graph.step(id).name.clone());
        }
        let all = statement.internal().steps.iter();
        let all: Vec<String> = all.map(|step| step.step.clone()).collect();
        if let Some(size) = arguments.sample {
            let seed = self.seed(arguments);
            let order = Draw::at("verify sample", &[seed]).permutation(all.len());
            let drawn = order.into_iter().take(size);
            steps.extend(drawn.map(|place| all[place].clone()));
        }
        if arguments.rebuild.is_empty() && arguments.sample.is_none() {
            return Ok(all);
        }
        // In the order of the graph; what the report was made without comes last.
        let mut ordered: Vec<String> = all.into_iter().filter(|step| steps.remove(step)).collect();
        ordered.extend(steps);
        Ok(ordered)
    }

    /// What is drawn at random is drawn with this.
    fn seed(&self, arguments: &Arguments) -> u64 {
        let known = self.sample_seed.get().or(arguments.sample_seed);
        let seed = known.unwrap_or_else(new_seed);
        self.sample_seed.set(Some(seed));
        seed
    }

    /// Makes sure that every training has as many stretches between snapshots as are to be drawn.
    ///
    /// # Errors
    /// If one has fewer.
    pub fn expect_segments(&self, arguments: &Arguments, executor: &dyn Executor) -> Result<()> {
        let (Some(count), Ok(statement)) = (arguments.segments, Statement::read(&self.report))
        else {
            return Ok(());
        };
        let folder = tempfile::env::temp_dir();
        let setting = self.setting(&statement, &folder, arguments, executor);
        for training in of_kind("train", &statement) {
            if let Some(all) = stretches(&training, &setting).filter(|&all| all < count.get()) {
                let what = format!(
                    "--segments {count} is more than there are: {training} has {all} stretches between snapshots"
                );
                return Err(Invalid::new(what).into());
            }
        }
        Ok(())
    }

    fn setting<'a>(
        &'a self,
        statement: &'a Statement,
        folder: &'a Path,
        arguments: &Arguments,
        executor: &'a dyn Executor,
    ) -> Setting<'a> {
        let stores = std::iter::once(&self.store).chain(&self.other_store);
        Setting {
            statement,
            graph: &self.graph,
            stores: stores.collect(),
            folder,
            backend: self.project.backend,
            mirrors: mirrors(&arguments.mirror),
            executor,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            tolerance: arguments.within,
            cpu: run::cpu(),
            is_bundle: self.bundle.is_some(),
        }
    }

    /// Runs steps again, or parts of them, several at once, and compares.
    fn again(
        &self,
        level: Level,
        steps: &[String],
        statement: &Statement,
        arguments: &Arguments,
        executor: &dyn Executor,
        out: &mut Out,
    ) -> Result<Vec<Check>> {
        if steps.is_empty() {
            let message = "there is no step to run again";
            return Ok(vec![Check::new(level, "steps", Status::Undecided, message)]);
        }
        let folder = tempfile::env::temp_dir();
        let mut setting = self.setting(statement, &folder, arguments, executor);
        // Those on a GPU would only wait for each other.
        let at_once = match setting.backend.is_cpu() {
            true => steps.len().min(setting.threads),
            false => 1,
        };
        setting.threads /= at_once;
        let segments = arguments.segments.map(|count| Segments {
            count: count.get(),
            seed: self.seed(arguments),
        });
        let out = Mutex::new(out);
        let check = |step: &String| {
            if !arguments.json {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                out.remark(&format!("  {} {step}", paint(Paint::Dim, "running")));
            }
            match level {
                Level::Replay => replay(step, segments, &setting),
                _ => again(level, step, &setting, &mut |_, _| {}),
            }
        };
        let pool = ThreadPoolBuilder::new().num_threads(at_once).build();
        let pool = pool.context("no threads to run steps at once")?;
        pool.install(|| steps.par_iter().map(check).collect())
    }
}

/// The numbers of the report in this folder, if it has any.
fn results(report: &Path) -> Result<Option<Results>> {
    let Some(bytes) = files::read_if_there(report, RESULTS)? else {
        return Ok(None);
    };
    let results = serde_json::from_slice(&bytes);
    let path = report.join(RESULTS);
    results.with_context(|| format!("{} is not what fig6 writes", path.display()))
}

/// The names of the steps of a kind that the report was made of.
fn of_kind(kind: &str, statement: &Statement) -> Vec<String> {
    let steps = statement.internal().steps.iter();
    let steps = steps.filter(|step| step.kind == kind);
    steps.map(|step| step.step.clone()).collect()
}

/// A number that nobody can foresee, from the system's randomness; as large as programs that read JSON
/// hold exactly.
fn new_seed() -> u64 {
    RandomState::new().hash_one(0) >> 11
}
