//! `fig6 verify`: whether published numbers still hold, for people, for programs and for CI.

mod github;
mod interrupt;
mod junit;
mod level;
mod summary;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use console::style;
use serde_json::json;

use interrupt::Interrupt;

use super::out::Out;
use super::{INTERRUPTED, Project, Where};
use crate::bundle::{Contents, unpack};
use crate::error::Invalid;
use crate::key::Digest;
use crate::nn::draw::Draw;
use crate::pipeline::{Claims, Pipeline};
use crate::plan::Graph;
use crate::report::provenance::{self, Statement, Unusable};
use crate::run::{self, Executor, LocalProcesses, Stopped};
use crate::steps::table::Results;
use crate::store::{Store, write_whole};
use crate::verify::again::{Setting, again};
use crate::verify::integrity::integrity;
use crate::verify::prose::{self, Document, Reports};
use crate::verify::{Check, Level, Status, as_reported, claims, lock, overall};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Verify this bundle (see `fig6 bundle`) instead of a report and the artifacts of this folder.
    #[arg(value_name = "BUNDLE", conflicts_with_all = ["profile", "pipeline", "reports"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// How deep to look; each level includes those before it [default: claims, or only documents where
    /// --docs is given].
    #[arg(long, value_enum)]
    level: Option<Depth>,
    /// Run this step again in a fresh store and compare (may be repeated; the first parts of a name
    /// mean all such steps).
    #[arg(long, value_name = "STEP")]
    rebuild: Vec<String>,
    /// Run so many steps again, drawn at random.
    #[arg(long, value_name = "K")]
    sample: Option<usize>,
    /// Draw the sample with this seed, to repeat it [default: a new one each time].
    #[arg(long, value_name = "N", requires = "sample")]
    sample_seed: Option<u64>,
    /// Percentage points by which a test error may differ where bytes cannot be the same: on another
    /// backend or processor, or one that is not deterministic [default: 0.1 for evaluations, 1 for
    /// trainings].
    #[arg(long, value_name = "POINTS", value_parser = points)]
    within: Option<f64>,
    /// Hold the numbers that are bound in this document against the results (may be repeated).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    docs: Vec<PathBuf>,
    /// Bring the numbers in the documents up to date.
    #[arg(long, requires = "docs")]
    write: bool,
    /// Look here first for archives: a folder or a URL (may be repeated; also FIG6_MIRROR).
    #[arg(long, value_name = "DIR|URL", env = "FIG6_MIRROR")]
    mirror: Vec<String>,
    /// The folder of reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// Also write the checks as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also append a summary in Markdown (for GitHub: "$GITHUB_STEP_SUMMARY").
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Also print annotations as GitHub's runners read them.
    #[arg(long, conflicts_with = "json")]
    github: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Name also what passed.
    #[arg(long, short)]
    verbose: bool,
}

/// [`Level`] for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Depth {
    Lock,
    Integrity,
    Claims,
    Evaluate,
    Execute,
}

impl From<Depth> for Level {
    fn from(depth: Depth) -> Level {
        match depth {
            Depth::Lock => Level::Lock,
            Depth::Integrity => Level::Integrity,
            Depth::Claims => Level::Claims,
            Depth::Evaluate => Level::Evaluate,
            Depth::Execute => Level::Execute,
        }
    }
}

/// Percentage points in an option.
fn points(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("expected percentage points, from 0 to 100".to_owned()),
    }
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let levels = levels(arguments);
    if let Some(bundle) = arguments.bundle.as_ref().filter(|bundle| !bundle.is_file()) {
        let what = format!(
            "{} is no file; expected what `fig6 bundle` writes",
            bundle.display()
        );
        return Err(Invalid::new(what).into());
    }
    let executor = Arc::new(LocalProcesses::new()?);
    // Before anything is written that would have to be removed.
    let interrupt = Interrupt::listen(&executor)?;
    let unpacked = tempfile::tempdir().context("cannot create a temporary folder")?;
    let scene = match &arguments.bundle {
        Some(bundle) => match Scene::of_bundle(bundle, unpacked.path(), arguments, &interrupt) {
            Ok(scene) => scene,
            Err(_) if interrupt.is_asked() => return Ok(ExitCode::from(INTERRUPTED)),
            // Whatever the bundle should be evidence of, it is none.
            Err(error) if !error.is::<Invalid>() => {
                let name = bundle.display().to_string();
                let message = format!("{error:#}");
                let check = Check::new(Level::Integrity, name, Status::Failed, message);
                if !arguments.json {
                    show(Level::Integrity, std::slice::from_ref(&check), true, out)?;
                }
                report(arguments, "bundle", &[check], None, 0, out)?;
                return Ok(exit_code(Status::Failed));
            }
            Err(error) => return Err(error),
        },
        None => Scene::of(&arguments.place, &arguments.reports, &interrupt)?,
    };
    // Wrong usage is said before anything takes long.
    scene.graph.matching(&arguments.rebuild)?;
    let mut checks = Vec::new();
    for level in Level::RISING {
        if !levels.contains(&level) {
            continue;
        }
        let found = match scene.check(level, arguments, &*executor, out) {
            Err(error) if error.is::<Stopped>() => return Ok(ExitCode::from(INTERRUPTED)),
            // What a level has left out would look as if it had not to be there.
            _ if interrupt.is_asked() => return Ok(ExitCode::from(INTERRUPTED)),
            found => found?,
        };
        if !arguments.json {
            show(level, &found, arguments.verbose, out)?;
        }
        checks.extend(found);
    }
    if !arguments.docs.is_empty() {
        let found = documents(arguments, &scene)?;
        if !arguments.json {
            show(Level::Documents, &found, arguments.verbose, out)?;
        }
        checks.extend(found);
    }
    if let Some(bundle) = scene.bundle.as_ref().filter(|_| !arguments.json) {
        let files = bundle.left_out.len();
        let bytes: u64 = bundle.left_out.iter().map(|output| output.bytes).sum();
        out.line(&format!(
            "not checked, because the bundle leaves the images out: {files} files, {bytes} bytes"
        ))?;
    }
    let profile = &scene.project.experiment.profile;
    let elsewhere = scene.claims.elsewhere;
    report(
        arguments,
        profile,
        &checks,
        scene.sample_seed.get(),
        elsewhere,
        out,
    )?;
    Ok(exit_code(overall(&checks)))
}

/// The levels that were asked for.
fn levels(arguments: &Arguments) -> BTreeSet<Level> {
    let again = !arguments.rebuild.is_empty() || arguments.sample.is_some();
    let deepest = match arguments.level {
        Some(depth) => Some(Level::from(depth)),
        None if again || arguments.docs.is_empty() => Some(Level::Claims),
        None => None,
    };
    let levels = Level::RISING.into_iter();
    // Steps that are named are run again, however deep the rest goes.
    let wanted = |level: &Level| {
        deepest.is_some_and(|deepest| *level <= deepest) || (again && *level == Level::Execute)
    };
    levels.filter(wanted).collect()
}

/// What is verified.
struct Scene {
    project: &'static Project,
    claims: Claims,
    significance: f64,
    /// The folder of the report.
    report: PathBuf,
    reports: PathBuf,
    /// Reads everything, unlike that of the project.
    store: Store,
    /// Where what a bundle leaves out may lie.
    other_store: Option<Store>,
    bundle: Option<Contents>,
    /// The steps of which the report was made.
    graph: Graph,
    /// What the sample was drawn with.
    sample_seed: Cell<Option<u64>>,
    interrupt: Interrupt,
}

impl Scene {
    /// A report and artifacts in folders.
    fn of(place: &Where, reports: &Path, interrupt: &Interrupt) -> Result<Scene> {
        let project = place.open()?;
        let pipeline = Pipeline::load(&place.pipeline)?;
        let report = reports.join(&project.experiment.profile);
        let graph = match Statement::read(&report) {
            Ok(statement) => Graph::of(&as_reported(&project.experiment, &statement))?,
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
    fn of_bundle(
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
    fn check(
        &self,
        level: Level,
        arguments: &Arguments,
        executor: &dyn Executor,
        out: &mut Out,
    ) -> Result<Vec<Check>> {
        match level {
            Level::Lock => Ok(self.lock()),
            Level::Claims => Ok(self.judged()),
            Level::Integrity => Ok(self.with_statement(level, |statement| {
                let (store, report) = (&self.store, &self.report);
                let (bundle, stop) = (self.bundle.as_ref(), self.interrupt.flag());
                integrity(statement, &self.graph, store, report, bundle, stop)
            })),
            Level::Evaluate | Level::Execute => {
                let statement = match Statement::read(&self.report) {
                    Ok(statement) => statement,
                    Err(error) => return Ok(vec![unusable(level, &self.report, &error)]),
                };
                let steps = match level {
                    Level::Evaluate => {
                        let steps = statement.internal().steps.iter();
                        let steps = steps.filter(|step| step.kind == "evaluate");
                        steps.map(|step| step.step.clone()).collect()
                    }
                    _ => self.to_execute(arguments, &statement)?,
                };
                self.again(level, &steps, &statement, arguments, executor, out)
            }
            Level::Documents => Ok(Vec::new()),
        }
    }

    /// Checks that need the report's provenance, or that it cannot be used.
    fn with_statement(
        &self,
        level: Level,
        checks: impl FnOnce(&Statement) -> Vec<Check>,
    ) -> Vec<Check> {
        match Statement::read(&self.report) {
            Ok(statement) => checks(&statement),
            Err(error) => vec![unusable(level, &self.report, &error)],
        }
    }

    fn lock(&self) -> Vec<Check> {
        lock(&self.project.experiment, &self.report)
    }

    /// Verdicts on the claims, by the numbers of the report.
    fn judged(&self) -> Vec<Check> {
        let path = self.report.join("results.json");
        match results(&path) {
            Ok(results) => {
                let experiment = &self.project.experiment;
                claims::checks(&self.claims, experiment, &results, self.significance)
            }
            Err(error) => {
                let profile = &self.project.experiment.profile;
                let message = format!("{error:#}; run `fig6 reproduce --profile {profile}`");
                let status = if path.exists() {
                    Status::Failed
                } else {
                    Status::Undecided
                };
                vec![Check::new(Level::Claims, "results.json", status, message)]
            }
        }
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
            let seed = arguments.sample_seed.unwrap_or_else(new_seed);
            self.sample_seed.set(Some(seed));
            let order = Draw::at("verify sample", &[seed]).permutation(all.len());
            let drawn = order.into_iter().take(size);
            steps.extend(drawn.map(|place| all[place].clone()));
        }
        let named = !arguments.rebuild.is_empty() || arguments.sample.is_some();
        // In the order of the graph.
        Ok(all
            .into_iter()
            .filter(|step| !named || steps.remove(step))
            .collect::<Vec<_>>()
            .into_iter()
            .chain(steps.clone())
            .collect())
    }

    /// Runs steps again and compares.
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
        let folder = std::env::temp_dir();
        let setting = Setting {
            statement,
            graph: &self.graph,
            stores: std::iter::once(&self.store)
                .chain(&self.other_store)
                .collect(),
            folder: &folder,
            backend: self.project.backend,
            mirrors: arguments.mirror.clone(),
            executor,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            tolerance: arguments.within,
            cpu: run::cpu(),
        };
        let mut checks = Vec::new();
        for step in steps {
            if !arguments.json {
                out.remark(&format!("  {} {step}", style("running").dim()));
            }
            checks.push(again(level, step, &setting, &mut |_, _| {})?);
        }
        Ok(checks)
    }
}

/// A report whose provenance cannot be used.
fn unusable(level: Level, report: &Path, error: &Unusable) -> Check {
    let name = format!("{}/provenance.json", report.display());
    let status = match error {
        Unusable::Absent | Unusable::OtherVersion(_) => Status::Undecided,
        Unusable::Wrong(_) => Status::Failed,
    };
    let profile = report.file_name().unwrap_or_default().display();
    let message = format!("{error}; `fig6 reproduce --profile {profile}` writes it");
    Check::new(level, name, status, message)
}

/// The numbers of a report.
fn results(path: &Path) -> Result<Results> {
    let bytes = provenance::read(path)?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not what fig6 writes", path.display()))
}

/// Something that is another one each time.
fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs() << 20) & 0xffff_ffff
}

/// One level for people: what it looks at, how it ended, and what is to be seen to.
fn show(level: Level, checks: &[Check], verbose: bool, out: &mut Out) -> Result<()> {
    out.line(&format!(
        "{} {}: {}",
        word(overall(checks)),
        style(level.name()).bold(),
        level.looks_at()
    ))?;
    let spoken =
        |check: &&Check| verbose || check.status != Status::Passed || check.level == Level::Claims;
    for check in checks.iter().filter(spoken) {
        out.line(&format!("  {} {}", word(check.status), check.name))?;
        out.line(&format!("     {}", check.message))?;
    }
    let hidden = checks.iter().filter(|check| !spoken(check)).count();
    if hidden > 0 {
        out.line(&format!("  {hidden} passed"))?;
    }
    Ok(())
}

fn word(status: Status) -> console::StyledObject<&'static str> {
    match status {
        Status::Passed => style("ok").green(),
        Status::Undecided => style("??").yellow().bold(),
        Status::Failed => style("NO").red().bold(),
    }
}

/// 0 if all passed, 1 if something failed, 3 if something could not be decided.
fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(match status {
        Status::Passed => 0,
        Status::Failed => 1,
        Status::Undecided => 3,
    })
}

/// The end for people, and everything for other programs.
fn report(
    arguments: &Arguments,
    profile: &str,
    checks: &[Check],
    sample_seed: Option<u64>,
    elsewhere: usize,
    out: &mut Out,
) -> Result<()> {
    if let Some(path) = &arguments.junit {
        write_whole(path, junit::report(checks)?.as_bytes())?;
    }
    if let Some(path) = &arguments.summary {
        append(path, &summary::page(checks))?;
    }
    let overall = overall(checks);
    let done: BTreeSet<Level> = checks.iter().map(|check| check.level).collect();
    let not_done = Level::RISING.into_iter();
    let not_done = not_done.filter(|level| !done.contains(level));
    let not_done: Vec<&str> = not_done.map(Level::name).collect();
    if arguments.json {
        let report = json!({
            "profile": profile,
            "status": overall,
            "levels": done,
            "not_checked": not_done,
            "sample_seed": sample_seed,
            "claims_about_others": elsewhere,
            "checks": checks,
        });
        out.line(&serde_json::to_string(&report)?)?;
    } else {
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        out.line(&format!(
            "{} {profile}: {} passed, {} failed, {} undecided or not checkable",
            word(overall),
            count(Status::Passed),
            count(Status::Failed),
            count(Status::Undecided),
        ))?;
        if let Some(seed) = sample_seed {
            out.line(&format!("the sample was drawn with --sample-seed {seed}"))?;
        }
        if elsewhere > 0 && done.contains(&Level::Claims) {
            out.remark(&format!(
                "{elsewhere} claims are about models that this profile does not train, or other profiles"
            ));
        }
        if !not_done.is_empty() {
            out.remark(&format!("not checked: {}", not_done.join(", ")));
        }
    }
    if arguments.github {
        out.result(&github::commands(checks))?;
    }
    Ok(())
}

/// Adds a text to the end of a file, which need not be there.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = File::options().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Numbers in documents, brought up to date first if that is wanted: all documents or none.
fn documents(arguments: &Arguments, scene: &Scene) -> Result<Vec<Check>> {
    let source = Reports {
        folder: scene.reports.clone(),
        profile: scene.project.experiment.profile.clone(),
    };
    let mut checks = Vec::new();
    let mut quoted = BTreeSet::new();
    let mut documents = Vec::new();
    for path in &arguments.docs {
        match Document::read(path) {
            Ok(document) => {
                let marks = document.marks().into_iter().flatten();
                quoted.extend(marks.map(|mark| {
                    let profile = mark.expression.profile;
                    profile.unwrap_or_else(|| source.profile.clone())
                }));
                documents.push(document);
            }
            Err(error) => {
                let name = path.display().to_string();
                let message = format!("{error:#}");
                checks.push(Check::new(Level::Documents, name, Status::Failed, message));
            }
        }
    }
    if arguments.write && checks.is_empty() {
        let texts = documents
            .iter()
            .map(|document| prose::rewrite(document, &source));
        let texts = texts.collect::<Result<Vec<String>>>()?;
        for (document, text) in documents.iter_mut().zip(texts) {
            if text != document.text {
                // A link stays one.
                let path = document.path.canonicalize()?;
                ensure!(
                    !path.metadata()?.permissions().readonly(),
                    "{} may not be written to",
                    path.display()
                );
                write_whole(&path, text.as_bytes())?;
                *document = Document::read(&document.path)?;
            }
        }
    }
    checks.extend(
        quoted
            .iter()
            .map(|profile| as_recorded(&scene.reports.join(profile))),
    );
    checks.extend(
        documents
            .iter()
            .flat_map(|document| prose::check(document, &source)),
    );
    Ok(checks)
}

/// Whether the numbers that documents quote are those that the report's provenance records.
fn as_recorded(report: &Path) -> Check {
    let of = |status, message: String| {
        let name = report.join("results.json").display().to_string();
        Check::new(Level::Documents, name, status, message)
    };
    let statement = match Statement::read(report) {
        Ok(statement) => statement,
        Err(error) => return unusable(Level::Documents, report, &error),
    };
    for name in ["results.json", "results.md"] {
        let bytes = match provenance::read(&report.join(name)) {
            Ok(bytes) => bytes,
            Err(error) => return of(Status::Failed, format!("{error:#}")),
        };
        let mut subjects = statement.subject.iter();
        let recorded = subjects.find(|subject| subject.name == name);
        if recorded.is_none_or(|subject| subject.digest.blake3 != Digest::of(&bytes)) {
            let message = format!("{name} is not what provenance.json records: it was edited");
            return of(Status::Failed, message);
        }
    }
    of(Status::Passed, "is what its provenance records".to_owned())
}
