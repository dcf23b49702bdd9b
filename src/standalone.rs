//! One training by itself, in a folder of its own: what a single run of the experiment is without
//! a pipeline and a store. The work is the steps' own: the same images, the same split, the same
//! training, evaluation and curve.
//!
//! ```text
//! <folder>/
//!   experiment.json          what is trained, with what; written first
//!   checkpoint-….safetensors while it goes on
//!   metrics.jsonl, weights.safetensors, training.json, evaluation.json, curve.svg
//! ```
//!
//! `training.json` is written last: where it is, the experiment is finished. [`Weights`] are read from
//! any file, to be exported or to give an [`Answer`] to [`TestImages`]. Unaware of arguments and of the terminal.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Invalid;
use crate::fingerprint;
use nn::architecture::Shortcut;
use nn::checkpoint::{self, Checkpoints};
use nn::device::Backend;
use nn::fit::{self, TrainEnv, TrainEvent, fit};
use records::{Evaluation, Metrics, Training};
use store::key::Digest;
use store::{is_folder, write_by};
use train::{Files, Params};

mod answer;
mod classes;
mod images;
mod normalisation;
mod weights;

pub use answer::{Answer, are_logits, are_predictions};
pub use classes::{By, Matching};
pub use images::{Prepared, TestImages};
pub use normalisation::{AskedMoments, MomentsFrom, NamedMoments, Normalisation};
pub use weights::{ShortcutFrom, Weights};

const EXPERIMENT: &str = "experiment.json";
const FINISHED: &str = "training.json";
/// What a file is called while it is written.
const PARTIAL: &str = "experiment.partial";
/// All that an experiment writes, checkpoints aside, in the order in which it is removed.
const FILES: [&str; 6] = [
    FINISHED,
    "metrics.jsonl",
    "weights.safetensors",
    "evaluation.json",
    "curve.svg",
    EXPERIMENT,
];

/// What to train, on what, and where to.
#[derive(Clone, Debug)]
pub struct Request {
    /// The experiment's folder.
    pub folder: PathBuf,
    pub params: Params,
    /// An archive or a folder of images.
    pub data: PathBuf,
    /// Training images to hold out; a tenth of them if it is not said.
    pub validation: Option<u32>,
    pub backend: Backend,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
    pub existing: Existing,
}

/// What to do with an experiment that is in the folder already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and say so.
    Refuse,
    /// Go on with it if it is the same.
    Resume,
    /// Start over, whatever it is.
    Replace,
}

/// A finished experiment.
#[derive(Clone, Debug)]
pub struct Finished {
    pub training: Training,
    pub evaluation: Evaluation,
    /// Whether it was finished before.
    pub before: bool,
}

impl Request {
    /// Trains, evaluates, and writes the results; or goes on where it was interrupted.
    ///
    /// # Errors
    /// [`Invalid`] if the request makes no sense or the folder holds something else: nothing is
    /// touched then. [`fit::InterruptedTraining`] once `stop` is set. Otherwise if data cannot be read,
    /// training fails, or a file cannot be written.
    pub fn run(&self, stop: &AtomicBool, observe: &mut dyn FnMut(TrainEvent)) -> Result<Finished> {
        let params = &self.params;
        let invalid = |error: anyhow::Error| Invalid::new(format!("{error:#}"));
        params.architecture.check().map_err(invalid)?;
        let recipe = params.recipe.check();
        recipe.map_err(|error| Invalid::new(error.to_string()))?;
        self.backend.usable()?;
        let prepared = Prepared::read(&self.data, self.validation)?;
        if let Some(remark) = &prepared.remark {
            observe(TrainEvent::Note(remark.clone()));
        }
        let images = prepared.train.len();
        if params.recipe.batch_size as usize > images {
            let said = format!(
                "a batch of {} is larger than the {images} training images",
                params.recipe.batch_size
            );
            return Err(Invalid::new(said).into());
        }
        let identity = fit::identity(params, prepared.data(), self.backend);
        let experiment = json!({
            "fig6": env!("CARGO_PKG_VERSION"),
            "code": code(self.backend).to_string(),
            "identity": identity,
        });

        // Whoever holds the lock decides, and nobody who is at work is disturbed.
        let mut lock = is_folder(&self.folder, "--exp-name")?
            .then(|| self.lock())
            .transpose()?;
        if let Some(finished) = self.admit(&experiment, observe)? {
            return Ok(finished);
        }
        if stop.load(Ordering::Relaxed) {
            let (iteration, kept) = (0, false);
            return Err(fit::InterruptedTraining { iteration, kept }.into());
        }
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create the folder {}", self.folder.display()))?;
        if lock.is_none() {
            lock = Some(self.lock()?);
        }
        if self.existing == Existing::Replace {
            self.clear()?;
        }
        self.write(EXPERIMENT, pretty(&experiment)?)?;

        let checkpoints = Checkpoints {
            folder: self.folder.clone(),
            every: self.checkpoint_every,
            snapshots: None,
        };
        let trained = fit(
            params,
            prepared.data(),
            &mut TrainEnv {
                backend: self.backend,
                checkpoints: Some(&checkpoints),
                stop,
                observe,
            },
        )?;
        let files = Files::of(params, &trained, prepared.data(), self.backend)?;
        // What is all but done is not given up.
        let evaluation = prepared.evaluate(&trained.network, &AtomicBool::new(false))?;
        self.write("metrics.jsonl", &files.metrics)?;
        self.write("weights.safetensors", &files.weights)?;
        self.write("evaluation.json", pretty(&evaluation)?)?;
        self.write("curve.svg", self.curve(&trained.metrics)?)?;
        self.write(FINISHED, pretty(&files.training)?)?;
        checkpoint::clear(&self.folder)?;
        drop(lock);
        Ok(Finished {
            training: files.training,
            evaluation,
            before: false,
        })
    }

    /// Decides about what is in the folder already; gives the results if they are all there.
    fn admit(
        &self,
        experiment: &Value,
        observe: &mut dyn FnMut(TrainEvent),
    ) -> Result<Option<Finished>> {
        let folder = self.folder.display();
        let there = match fs::read_dir(&self.folder) {
            // Where that is all, a process was killed before there was an experiment.
            Ok(mut entries) => {
                entries.any(|entry| entry.map_or(true, |entry| entry.file_name() != *PARTIAL))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(|| format!("cannot read {folder}")),
        };
        if !there {
            return Ok(None);
        }
        let path = self.folder.join(EXPERIMENT);
        let text = read_if_there(&path)?;
        if self.existing == Existing::Replace {
            // What only looks like an experiment's is someone's own.
            let mut names = FILES.into_iter();
            if text.is_none()
                && let Some(name) = names.find(|name| self.folder.join(name).exists())
            {
                bail!(Invalid::new(format!(
                    "{folder} holds {name}, but is no experiment of fig6: nothing was replaced; choose another --exp-name"
                )));
            }
            return Ok(None);
        }
        let Some(text) = text else {
            bail!(Invalid::new(format!(
                "{folder} holds files, but no experiment of fig6: choose another --exp-name, or write there with --force"
            )));
        };
        let there: Value = parse(&path, &text)?;
        let identities = [&there["identity"], &experiment["identity"]];
        if let Some(difference) = checkpoint::difference(identities[0], identities[1]) {
            bail!(Invalid::new(format!(
                "{folder} holds another experiment: {difference}; choose another --exp-name, or replace it with --force"
            )));
        }
        let finished = self.finished()?;
        if self.existing == Existing::Refuse {
            let state = match (&finished, checkpoint::newest_iteration(&self.folder)) {
                (Some(_), _) => "is finished".to_owned(),
                (None, Some(iteration)) => format!("was interrupted after iteration {iteration}"),
                (None, None) => "was interrupted before its first checkpoint".to_owned(),
            };
            bail!(Invalid::new(format!(
                "{folder} holds this experiment already, and it {state}: go on with --resume, or start over with --force"
            )));
        }
        if finished.is_some() {
            // One that was killed at its very end has left them.
            checkpoint::clear(&self.folder)?;
        } else if there["code"] != experiment["code"] {
            observe(TrainEvent::Note(
                "fig6's code for trainings has changed since this experiment began: its result may be neither version's"
                    .to_owned(),
            ));
        }
        Ok(finished)
    }

    /// The results, if the experiment is finished and nothing of them is missing.
    fn finished(&self) -> Result<Option<Finished>> {
        if !FILES.iter().all(|name| self.folder.join(name).exists()) {
            return Ok(None);
        }
        Ok(Some(Finished {
            training: self.read(FINISHED)?,
            evaluation: self.read("evaluation.json")?,
            before: true,
        }))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.folder.join(name);
        parse(&path, &read_if_there(&path)?.unwrap_or_default())
    }

    /// Keeps a second process from training in the same folder.
    fn lock(&self) -> Result<File> {
        let folder = &self.folder;
        let file =
            File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => bail!(Invalid::new(format!(
                "another fig6 is training in {}",
                folder.display()
            ))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", folder.display()))
            }
        }
    }

    /// Removes an experiment's own files and nothing else.
    fn clear(&self) -> Result<()> {
        checkpoint::clear(&self.folder)?;
        for name in FILES {
            let path = self.folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let partial = self.folder.join(PARTIAL);
        write_by(&partial, &self.folder.join(name), content.as_ref())
    }

    /// Training and test error over the iterations, as SVG.
    fn curve(&self, metrics: &[Metrics]) -> Result<String> {
        let architecture = &self.params.architecture;
        let (layers, seed) = (architecture.layers(), self.params.seed);
        let label = match architecture.shortcut {
            Shortcut::None => format!("Plain-{layers}"),
            _ => format!("ResNet-{layers}"),
        };
        let title = format!("{label}, shortcut {}, seed {seed}", architecture.shortcut);
        let curves = vec![plot::Curve {
            model: "this".to_owned(),
            label,
            layers,
            seeds: vec![seed],
        }];
        let figure = plot::ErrorCurves {
            panels: vec![plot::Panel { title, curves }],
            iterations: self.params.recipe.schedule.iterations,
            note: None,
        };
        plot::error_curves(&figure, |_| Ok(metrics.to_vec()))
    }
}

/// A digest of the code and the crates that a training on this backend depends on.
fn code(backend: Backend) -> Digest {
    let own = fingerprint::backend(backend.feature());
    let own = own.map_or([&[][..]; 2], |own| [own.code, own.crates]);
    let parts = [fingerprint::code("train"), fingerprint::crates("train")];
    let parts = parts.into_iter().chain(own).flatten();
    let lines = parts.map(|part| format!("{} {}\n", part.name, part.digest()));
    Digest::of(lines.collect::<String>().as_bytes())
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    // Before it is opened, which would wait for someone to write into a pipe.
    let text = fs::metadata(path).and_then(|about| match about.is_file() {
        true => fs::read_to_string(path).map(Some),
        false => Ok(None),
    });
    match text {
        Ok(None) => bail!("{} is no regular file: remove it", path.display()),
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .with_context(|| format!("{} is damaged; --force starts over", path.display()))
}

fn pretty(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
