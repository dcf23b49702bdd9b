//! A training under way, as a file: weights and running statistics, momentum, and everything else
//! that decides how it goes on. Restored, it continues to the same bytes as if it had never
//! stopped.
//!
//! A checkpoint is a safetensors file: the network's tensors under their usual names, the
//! optimiser's as `momentum.<name>`, the rest as metadata, with a digest over all of it. It is
//! written beside its final name, flushed and renamed, and the one before it is kept, so that
//! there is a whole one at every moment. Unaware of the training loop and of steps.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finite::ensure_finite;
use super::schedule::WarmUpState;
use super::tally::Tally;
use super::trace::Trace;
use super::trained_on::TrainedOn;
use super::weights::{self, State};
use records::Metrics;

/// First part of the names of the optimiser's tensors.
pub const MOMENTUM: &str = "momentum.";
/// The metadata's entry that marks a checkpoint.
pub const FORMAT: &str = "fig6-checkpoint";
/// The layout of the metadata; another one is not read.
const VERSION: &str = "2";
/// What the names of checkpoints and of snapshots begin with.
const CHECKPOINT: &str = "checkpoint-";
const SNAPSHOT: &str = "snapshot-";
/// What a checkpoint is called while it is written.
const PARTIAL: &str = "checkpoint.partial";
/// The extension of one that cannot be used.
const UNUSABLE: &str = "unusable";
/// No training counts further; beyond, sums could overflow.
const MOST: u64 = 1 << 52;
/// How many files are kept: the newest, and one for the case that it is damaged.
const KEPT: usize = 2;

/// Where a training keeps its checkpoints, and how often it writes one.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// A folder that is there.
    pub folder: PathBuf,
    /// Time between two of them; zero for one after every iteration.
    pub every: Duration,
    /// A folder that is there, for the snapshots that stay with the result, if they are wanted.
    pub snapshots: Option<PathBuf>,
}

/// A training after a number of iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What is trained, with what: see [`super::fit::identity`].
    pub identity: Value,
    pub progress: TrainProgress,
    /// For whoever evaluates it; no part of what goes on.
    pub trained_on: TrainedOn,
    /// Weights and running statistics.
    pub weights: State,
    /// Momentum buffers by the parameters' names, flattened.
    pub momentum_buffers: State,
}

/// How far a training is, tensors aside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainProgress {
    /// Optimizer steps done.
    pub iteration: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    pub warm_up: WarmUpState,
    /// Images since the last line of metrics.
    pub window: Tally,
    pub metrics: Vec<Metrics>,
    pub trace: Trace,
}

impl Checkpoints {
    /// The newest whole checkpoint or snapshot of the training with this identity behind which all
    /// snapshots are whole: where one is damaged, what follows it is computed again. `note` is told of each
    /// newer file that cannot be used, and why; it is renamed to `….unusable`, out of the way of those to
    /// come.
    ///
    /// # Errors
    /// If a folder cannot be read, or a file not be renamed.
    pub fn newest(
        &self,
        identity: &Value,
        note: &mut dyn FnMut(String),
    ) -> Result<Option<Checkpoint>> {
        let mut candidates = list(&self.folder)?;
        if let Some(folder) = &self.snapshots {
            candidates.extend(snapshots(folder)?);
            candidates.sort_by_key(|(iteration, _)| Reverse(*iteration));
        }
        for (_, path) in candidates {
            let found = Checkpoint::read(&path).and_then(|found| found.of(identity));
            match found.and_then(|found| self.with_snapshots(found)) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => {
                    note(format!("checkpoint {} skipped: {error:#}", path.display()));
                    let aside = path.with_extension(UNUSABLE);
                    fs::rename(&path, &aside)
                        .with_context(|| format!("cannot set {} aside", path.display()))?;
                }
            }
        }
        Ok(None)
    }

    /// The checkpoint, if all snapshots that were taken before it are there and whole.
    fn with_snapshots(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        let Some(folder) = &self.snapshots else {
            return Ok(checkpoint);
        };
        let trace = &checkpoint.progress.trace;
        for &iteration in &trace.snapshots {
            let snapshot = Checkpoint::read(&folder.join(snapshot(iteration)));
            let snapshot = snapshot.with_context(|| {
                format!("the snapshot after iteration {iteration} is not whole")
            })?;
            ensure!(
                trace.states.get(&iteration) == Some(&snapshot.state_digest()),
                "the snapshot after iteration {iteration} is of another training"
            );
        }
        Ok(checkpoint)
    }

    /// Keeps a snapshot for the result, if they are wanted.
    ///
    /// # Errors
    /// As [`Checkpoints::write`].
    pub fn keep(&self, snapshot: &Checkpoint) -> Result<()> {
        match &self.snapshots {
            Some(folder) => snapshot.write(SNAPSHOT, folder),
            None => Ok(()),
        }
    }

    /// Adds a checkpoint, and removes all but the newest [`KEPT`]. All that are there must be older.
    ///
    /// # Errors
    /// [`super::finite::NotFinite`] if it holds a number that is not finite; if the file cannot be written. The
    /// older ones are then untouched.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.write(CHECKPOINT, &self.folder)?;
        for (_, old) in list(&self.folder)?.into_iter().skip(KEPT) {
            fs::remove_file(&old)
                .with_context(|| format!("cannot remove the old checkpoint {}", old.display()))?;
        }
        Ok(())
    }
}

/// The iteration of the newest checkpoint in a folder, by its name; none where there is no
/// checkpoint or no folder.
pub fn newest_iteration(folder: &Path) -> Option<u64> {
    let (iteration, _) = list(folder).ok()?.into_iter().next()?;
    Some(iteration)
}

/// Removes all checkpoints from a folder, and what a killed process has left of one.
///
/// # Errors
/// If the folder cannot be read or a file not be removed.
pub fn clear(folder: &Path) -> Result<()> {
    let mut paths = vec![folder.join(PARTIAL)];
    for extension in ["safetensors", UNUSABLE] {
        paths.extend(
            files(folder, CHECKPOINT, extension)?
                .into_iter()
                .map(|(_, path)| path),
        );
    }
    for path in paths {
        match fs::remove_file(&path) {
            // A folder under such a name is none of ours, and it is in nobody's way.
            Err(error)
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) =>
            {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The checkpoints in a folder, newest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    files(folder, CHECKPOINT, "safetensors")
}

/// The snapshots in a folder, newest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn snapshots(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    files(folder, SNAPSHOT, "safetensors")
}

/// The files `<kind><nine digits or more>.<extension>`, the highest number first.
fn files(folder: &Path, kind: &str, extension: &str) -> Result<Vec<(u64, PathBuf)>> {
    let cannot = || format!("cannot read the folder of checkpoints {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digits = name
            .and_then(|name| name.strip_prefix(kind))
            .and_then(|name| name.strip_suffix(extension)?.strip_suffix('.'))
            .filter(|digits| digits.len() >= 9 && digits.bytes().all(|b| b.is_ascii_digit()));
        if let Some(Ok(iteration)) = digits.map(str::parse) {
            found.push((iteration, path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// What the file of the snapshot after an iteration is called.
pub fn snapshot(iteration: u64) -> String {
    format!("{SNAPSHOT}{iteration:09}.safetensors")
}

impl Checkpoint {
    /// Writes it into a folder, whole or not at all, and for good.
    fn write(&self, kind: &str, folder: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        let iteration = self.progress.iteration;
        let path = folder.join(format!("{kind}{iteration:09}.safetensors"));
        // One process at a time trains here, and what a killed one has left is overwritten.
        let partial = folder.join(PARTIAL);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(folder)?.sync_all()
        };
        write().with_context(|| format!("cannot write the checkpoint {}", path.display()))
    }

    /// All tensors by name: weights, running statistics, momentum buffers.
    pub fn tensors(&self) -> State {
        let mut tensors = self.weights.clone();
        for (name, buffer) in &self.momentum_buffers {
            tensors.insert(format!("{MOMENTUM}{name}"), buffer.clone());
        }
        tensors
    }

    /// BLAKE3 of all that decides how the training goes on, and of what its next line of metrics sums up.
    pub fn state_digest(&self) -> String {
        let TrainProgress {
            iteration,
            learning_rate,
            warm_up,
            window,
            metrics: _,
            trace: _,
        } = &self.progress;
        let rest = serde_json::json!([iteration, learning_rate, warm_up, window]);
        let rest = BTreeMap::from([("progress".to_owned(), rest.to_string())]);
        digest(&self.tensors(), &rest)
    }

    /// Reads a file that [`Checkpoints::write`] has written.
    ///
    /// # Errors
    /// If it cannot be read, is cut short, damaged or altered, or was written by another version.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        // Before it is opened, which would wait for someone to write into a pipe.
        let about = fs::metadata(path).context("cannot read it")?;
        ensure!(about.is_file(), "it is no regular file");
        Checkpoint::from_bytes(&fs::read(path).context("cannot read it")?)
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let tensors = self.tensors();
        ensure_finite(
            &tensors,
            self.progress.iteration,
            self.progress.learning_rate,
        )?;
        let mut metadata = self.trained_on.to_metadata();
        metadata.extend([
            (FORMAT.to_owned(), VERSION.to_owned()),
            ("identity".to_owned(), self.identity.to_string()),
            (
                "progress".to_owned(),
                serde_json::to_string(&self.progress).context("progress has no JSON form")?,
            ),
        ]);
        if let Some(architecture) = self.identity.get("architecture") {
            metadata.insert(weights::ARCHITECTURE.to_owned(), architecture.to_string());
        }
        metadata.insert("digest".to_owned(), digest(&tensors, &metadata));
        weights::file(&tensors, &metadata)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Checkpoint> {
        let (mut tensors, mut metadata) = weights::parse_with_metadata(bytes)?;
        let version = metadata.get(FORMAT);
        let version = version.context("a safetensors file, but no checkpoint of fig6")?;
        ensure!(
            version == VERSION,
            "written by another version of fig6 (layout {version}, expected {VERSION})"
        );
        let said = metadata.remove("digest").unwrap_or_default();
        ensure!(
            said == digest(&tensors, &metadata),
            "damaged: its content is not what its digest says"
        );
        let json = |name: &str| metadata.get(name).map_or("", String::as_str);
        let identity = serde_json::from_str(json("identity")).context("identity")?;
        let progress = serde_json::from_str(json("progress")).context("progress")?;
        let mut momentum_buffers = State::new();
        for (name, tensor) in tensors.split_off(MOMENTUM) {
            match name.strip_prefix(MOMENTUM) {
                Some(name) => momentum_buffers.insert(name.to_owned(), tensor),
                None => tensors.insert(name, tensor),
            };
        }
        let checkpoint = Checkpoint {
            identity,
            progress,
            trained_on: TrainedOn::from_metadata(&metadata),
            weights: tensors,
            momentum_buffers,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Refuses what no training has written, whatever its digest says.
    fn check(&self) -> Result<()> {
        for (name, buffer) in &self.momentum_buffers {
            let weights = self.weights.get(name).map(|tensor| tensor.values.len());
            ensure!(
                weights == Some(buffer.values.len()),
                "altered: its momentum of {name} does not fit its weights"
            );
        }
        let TrainProgress {
            iteration,
            warm_up,
            window,
            ..
        } = &self.progress;
        let largest = warm_up.largest_count().max(*iteration);
        ensure!(
            largest.max(window.images).max(window.errors) <= MOST,
            "altered: it counts further than any training does"
        );
        Ok(())
    }

    /// The checkpoint, if it is one of this training.
    ///
    /// # Errors
    /// If it is not, with the first difference.
    pub fn of(self, identity: &Value) -> Result<Checkpoint> {
        match difference(&self.identity, identity) {
            Some(difference) => bail!("it is of another training: {difference}"),
            None => Ok(self),
        }
    }
}

/// The first place in which two identities differ: `recipe.batch_size is 64 there and 128 here`.
pub fn difference(there: &Value, here: &Value) -> Option<String> {
    let (Value::Object(a), Value::Object(b)) = (there, here) else {
        return (there != here).then(|| format!("{there} there and {here} here"));
    };
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().find_map(|name| {
        let (a, b) = (&a.get(name), &b.get(name));
        let differs = difference(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null))?;
        let nested = matches!((a, b), (Some(Value::Object(_)), Some(Value::Object(_))));
        Some(match nested {
            true => format!("{name}.{differs}"),
            false => format!("{name} is {differs}"),
        })
    })
}

/// The digest of all that a checkpoint holds, in the order of the names.
fn digest(tensors: &State, metadata: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("fig6 2026 checkpoint");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (name, tensor) in tensors {
        add(name.as_bytes());
        for &length in &tensor.shape {
            add(&(length as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        add(&bytes);
    }
    for (name, text) in metadata {
        add(name.as_bytes());
        add(text.as_bytes());
    }
    hasher.finalize().to_string()
}

#[cfg(test)]
mod tests;
