//! Trains one network with one seed. The work is done in `nn`; this maps files to it and back.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use cifar::Images;
use nn::checkpoint::{self, Checkpoints};
use nn::device::{BURN_VERSION, Backend};
use nn::fit::{self, Data, InterruptedTraining, Observation, TrainEnv, TrainEvent, Trained, fit};
use nn::fit::{TwoRuns, two_runs};
use nn::trace::Stretch;
use nn::weights;
use records::{Metrics, Statistics, Training};
use step::{Context, Interrupted, Progress};

/// What a training depends on beside its input files.
pub use nn::fit::TrainConfig as Params;

/// The files that [`run`] writes.
pub const OUTPUTS: &[&str] = &[
    "metrics.jsonl",
    "weights.safetensors",
    "training.json",
    "trace.json",
];

/// The folder in the scratch folder where snapshots wait for the end of the training.
const SNAPSHOTS: &str = "snapshots";

/// The file in the scratch folder with the evaluations so far, a line of `metrics.jsonl` each, for those who
/// watch. A training that goes on from a checkpoint repeats those that came after it; the last line may be cut
/// off.
pub const SO_FAR: &str = "so-far.jsonl";

/// The file, among the evidence and in the scratch folder, that says of a training on a GPU whether the device
/// computes the same twice: a list of [`TwoRuns`], one for each kind of device that it was computed on.
pub const TWO_RUNS: &str = "two-runs.json";

/// Trains on a device, with a checkpoint in the scratch folder every so often, and returns one line for
/// people. Snapshots are left as evidence, and [`TWO_RUNS`].
///
/// Inputs: `train.bin`, `validation.bin` (may be empty), `test.bin`, `statistics.json` and
/// `classes.json` (the ten names, for the header of the weights).
///
/// # Errors
/// [`Interrupted`] if it was asked to stop. If an input is missing or not as expected, the device
/// is not usable, training diverges, or an output cannot be written.
pub fn run(
    params: &Params,
    backend: Backend,
    checkpoint_every: Duration,
    context: &mut Context,
) -> Result<String> {
    let inputs = Inputs::read(context)?;
    let snapshots = context.scratch.join(SNAPSHOTS);
    create_folder(&snapshots)?;
    let checkpoints = Checkpoints {
        folder: context.scratch.clone(),
        every: checkpoint_every,
        snapshots: Some(snapshots.clone()),
    };
    let so_far = context.scratch.join(SO_FAR);
    let progress = &mut *context.progress;
    let data = inputs.data();
    let mut env = TrainEnv {
        backend,
        checkpoints: Some(&checkpoints),
        stop: context.stop,
        observe: &mut |event| match event {
            TrainEvent::Note(note) => progress(Progress::Note(note)),
            TrainEvent::Progress(seen) => progress(progress_of(seen)),
            // No training fails because nobody can watch it.
            TrainEvent::Metrics(metrics) => drop(append(&so_far, &metrics)),
        },
    };
    // The tests hold CPUs to the same bytes.
    if !backend.is_cpu() {
        let measured = measure(&context.scratch.join(TWO_RUNS), params, data, &mut env);
        let measured = measured.map_err(interrupted)?;
        write(&context.evidence, TWO_RUNS, line(&measured)?)?;
    }
    let trained = fit(params, data, &mut env).map_err(interrupted)?;
    // Copied, not moved: should the result not be added, the next run goes on from here.
    for &iteration in &trained.trace.snapshots {
        let name = checkpoint::snapshot(iteration);
        let kept = snapshots.join(&name);
        let bytes = fs::read(&kept).with_context(|| format!("cannot read {}", kept.display()))?;
        write(&context.evidence, &name, bytes)?;
    }
    let files = Files::of(params, &trained, data, backend)?;
    files.write(&context.output)?;
    let last = &files.training.last;
    Ok(format!(
        "test error {:.2} %, train error {:.2} % after {} iterations",
        last.test_error, last.train_error, last.iteration
    ))
}

/// Whether the device computes the same twice, with what `path` has of devices that the training was on before.
fn measure(path: &Path, params: &Params, data: Data, env: &mut TrainEnv) -> Result<Vec<TwoRuns>> {
    let known = fs::read(path).ok();
    let known = known.and_then(|text| serde_json::from_slice(&text).ok());
    let mut measured: Vec<TwoRuns> = known.unwrap_or_default();
    let device = env.backend.identity()?;
    if !measured.iter().any(|runs| runs.device == device) {
        let runs = two_runs(params, data, env)?;
        let how = match runs.are_equal() {
            true => "gave the same bytes".to_owned(),
            false => format!("differed by {:.1e}", runs.distance),
        };
        let note = format!("two runs of {} iterations on {device} {how}", runs.steps);
        (env.observe)(TrainEvent::Note(note));
        measured.push(runs);
        let written = fs::write(path, line(&measured)?);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(measured)
}

/// Computes stretches of a training again, each from the snapshot at its beginning or from the first draw,
/// and returns one line for people. Each leaves a folder in the scratch folder, which is there once it
/// is whole, and is not computed again then: `trace.json` and `metrics.jsonl` as the training would have
/// left them there and, at its end, all of [`OUTPUTS`].
///
/// Inputs: as [`run`].
///
/// # Errors
/// As [`run`]; if a snapshot is damaged or of another training.
pub fn replay(
    params: &Params,
    backend: Backend,
    stretches: &[(Stretch, Option<PathBuf>)],
    context: &mut Context,
) -> Result<String> {
    let inputs = Inputs::read(context)?;
    let data = inputs.data();
    let lengths = stretches
        .iter()
        .map(|(stretch, _)| stretch.to - stretch.from);
    let total = lengths.sum();
    let mut before = 0;
    for (stretch, snapshot) in stretches {
        let folder = context.scratch.join(replayed(stretch));
        if !folder.exists() {
            let progress = &mut *context.progress;
            let env = &mut TrainEnv {
                backend,
                checkpoints: None,
                stop: context.stop,
                observe: &mut |event| match event {
                    TrainEvent::Note(note) => progress(Progress::Note(note)),
                    TrainEvent::Progress(seen) => progress(Progress::Items {
                        what: ITERATIONS.to_owned(),
                        done: before + seen.iteration.saturating_sub(stretch.from),
                        total,
                    }),
                    TrainEvent::Metrics(_) => {}
                },
            };
            let again = fit::replay(params, data, *stretch, snapshot.as_deref(), env);
            let again = again.map_err(interrupted)?;
            let partial = folder.with_extension("partial");
            create_folder(&partial)?;
            match &again.trained {
                Some(trained) => Files::of(params, trained, data, backend)?.write(&partial)?,
                None => {
                    write(&partial, "metrics.jsonl", lines(&again.metrics)?)?;
                    write(&partial, "trace.json", line(&again.trace)?)?;
                }
            }
            fs::rename(&partial, &folder)
                .with_context(|| format!("cannot write {}", folder.display()))?;
        }
        before += stretch.to - stretch.from;
        context.report(Progress::Items {
            what: ITERATIONS.to_owned(),
            done: before,
            total,
        });
    }
    Ok(format!("{total} iterations replayed"))
}

/// What progress of a replay counts.
const ITERATIONS: &str = "iterations replayed";

/// The name of the folder that [`replay`] leaves of a stretch.
pub fn replayed(stretch: &Stretch) -> String {
    let kind = if stretch.evaluated {
        "segment"
    } else {
        "window"
    };
    format!("{kind}-{}-{}", stretch.from, stretch.to)
}

/// What a training reads.
struct Inputs {
    train: Images,
    validation: Images,
    test: Images,
    statistics: Statistics,
    classes: Vec<String>,
}

impl Inputs {
    fn read(context: &Context) -> Result<Inputs> {
        Ok(Inputs {
            train: Images::read(context.input("train.bin")?)?,
            validation: Images::read(context.input("validation.bin")?)?,
            test: Images::read(context.input("test.bin")?)?,
            statistics: context.read_json("statistics.json")?,
            classes: context.read_json("classes.json")?,
        })
    }

    fn data(&self) -> Data<'_> {
        Data {
            train: &self.train,
            validation: &self.validation,
            test: &self.test,
            statistics: &self.statistics,
            classes: &self.classes,
        }
    }
}

/// Says of a training that was asked to stop that the step was.
fn interrupted(error: anyhow::Error) -> anyhow::Error {
    match error.is::<InterruptedTraining>() {
        true => error.context(Interrupted),
        false => error,
    }
}

/// What a finished training leaves, as contents of the files in [`OUTPUTS`].
pub struct Files {
    pub metrics: String,
    pub weights: Vec<u8>,
    pub training: Training,
    pub trace: String,
}

impl Files {
    /// Of a training on these images.
    ///
    /// # Errors
    /// If the weights cannot be read back from the device, or nothing was measured.
    pub fn of(params: &Params, trained: &Trained, data: Data, backend: Backend) -> Result<Files> {
        let last = trained.metrics.last().context("training left no metrics")?;
        Ok(Files {
            metrics: lines(&trained.metrics)?,
            trace: line(&trained.trace)?,
            weights: weights::to_bytes(&params.architecture, &data.trained_on(), &trained.network)?,
            training: Training {
                layers: params.architecture.layers(),
                parameters: params.architecture.parameters(),
                multiply_adds: params.architecture.multiply_adds(),
                seed: params.seed,
                images: data.train.len() as u64,
                iterations: params.recipe.schedule.iterations,
                backend: format!("{} {BURN_VERSION}", backend.name()),
                last: last.clone(),
            },
        })
    }
}

impl Files {
    fn write(&self, folder: &Path) -> Result<()> {
        write(folder, "metrics.jsonl", &self.metrics)?;
        write(folder, "weights.safetensors", &self.weights)?;
        let training = serde_json::to_string_pretty(&self.training)?;
        write(folder, "training.json", training + "\n")?;
        write(folder, "trace.json", &self.trace)
    }
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn append(path: &Path, metrics: &Metrics) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    Ok(file.write_all(line(metrics)?.as_bytes())?)
}

fn create_folder(folder: &Path) -> Result<()> {
    let created = fs::create_dir_all(folder);
    created.with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// A value as one line of JSON.
fn line(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// Values as one line of JSON each.
fn lines(values: &[impl Serialize]) -> Result<String> {
    values.iter().map(line).collect()
}

/// What a training reports, for whoever runs the step.
pub fn progress_of(seen: Observation) -> Progress {
    Progress::Training {
        iteration: seen.iteration,
        iterations: seen.iterations,
        images_per_second: seen.images_per_second,
        seconds_left: seen.seconds_left,
        loss: seen.loss,
        train_error: seen.train_error,
        test_error: seen.test_error,
    }
}
