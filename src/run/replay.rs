//! Whether today's code computes the same as a kept training: stretches of it once more, from its
//! snapshots, held against its trace and its results.
//!
//! Unaware of the graph, of why that is asked, and of the terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Error, Result, anyhow};

use super::executor::{Executor, Stopped};
use super::task::Task;
use nn::checkpoint;
use nn::trace::{Stretch, Trace};
use records::Metrics;
use step::Progress;
use store::key::Digest;
use store::{Output, ShownStretch};

/// A kept training, as far as it takes to compute parts of it again.
#[derive(Debug)]
pub struct Kept {
    params: train::Params,
    trace: Trace,
    metrics: Vec<Metrics>,
    outputs: BTreeMap<String, Digest>,
    /// By the iteration that they are of; those that are there.
    snapshots: BTreeMap<u64, PathBuf>,
}

/// How stretches came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// As they were recorded, every one.
    Same(Vec<ShownStretch>),
    /// Where not, and how.
    Different(String),
}

/// How far numbers are from each other: the largest difference of a tensor's norm, as a share of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// Of today's numbers from the recorded ones.
    pub recorded: f64,
    /// Of two runs of today.
    pub runs: f64,
}

/// What stretches are computed with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The whole training, as it would run today.
    pub task: &'a Task,
    pub executor: &'a dyn Executor,
    /// What is there of a replay that was interrupted is used.
    pub folder: &'a Path,
    pub log: &'a Path,
    /// At once.
    pub processes: usize,
    /// To divide among them.
    pub threads: usize,
}

impl Kept {
    /// Finds a training's trace and snapshots. `find` says where a content lies that is what its digest
    /// says.
    ///
    /// # Errors
    /// If the training has no trace, or it is not there, is no trace or lacks something.
    pub fn find(
        params: &train::Params,
        outputs: &BTreeMap<String, Digest>,
        evidence: &BTreeMap<String, Output>,
        find: &dyn Fn(&Digest) -> Result<Option<PathBuf>>,
    ) -> Result<Kept> {
        let read = |name: &str| -> Result<Vec<u8>> {
            let digest = outputs
                .get(name)
                .with_context(|| format!("the training has left no {name}"))?;
            let path = find(digest)?.with_context(|| format!("its {name} is not there"))?;
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match Digest::of(&bytes) == *digest {
                true => Ok(bytes),
                false => Err(anyhow!("its {name} is damaged: {}", path.display())),
            }
        };
        let trace = Trace::parse(&read("trace.json")?)?;
        trace.expect_complete(&params.recipe)?;
        let metrics = parse_metrics(&read("metrics.jsonl")?)?;
        let mut snapshots = BTreeMap::new();
        for &iteration in &trace.snapshots {
            if let Some(snapshot) = evidence.get(&checkpoint::snapshot(iteration))
                && let Some(path) = find(&snapshot.digest)?
            {
                snapshots.insert(iteration, path);
            }
        }
        Ok(Kept {
            params: params.clone(),
            trace,
            metrics,
            outputs: outputs.clone(),
            snapshots,
        })
    }

    /// The windows behind the beginning and behind each snapshot.
    pub fn windows(&self) -> Vec<Stretch> {
        self.trace.windows(&self.params.recipe)
    }

    /// The whole training in stretches from one snapshot to the next.
    pub fn segments(&self) -> Vec<Stretch> {
        self.trace.segments(&self.params.recipe)
    }

    /// The iterations after which the training has left snapshots that are not there.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        let left = self.trace.snapshots.iter().copied();
        left.filter(|at| !self.snapshots.contains_key(at))
    }

    /// Whether the learning rates that today's schedule gives are those that were used.
    fn same_learning_rates(&self) -> Option<String> {
        self.trace.other_learning_rates(&self.params.recipe)
    }

    /// Computes stretches again and compares them.
    ///
    /// # Errors
    /// [`Stopped`] if everything is to end. If a snapshot is not there any more, or a process fails: then
    /// nothing is shown.
    pub fn replay(
        &self,
        stretches: &[Stretch],
        setting: &Setting,
        report: &(dyn Fn(Progress) + Sync),
    ) -> Result<Verdict> {
        if let Some(what) = self.same_learning_rates() {
            return Ok(Verdict::Different(what));
        }
        let done = compute(&self.to_do(stretches)?, setting, report)?;
        let mut shown = Vec::new();
        for stretch in stretches {
            let folder = done.join(train::replayed(stretch));
            if let Some(what) = self.difference(stretch, &folder)? {
                return Ok(Verdict::Different(format!("{stretch}: {what}")));
            }
            shown.push(ShownStretch {
                from: stretch.from,
                to: stretch.to,
                state: self.trace.states[&stretch.to].clone(),
            });
        }
        Ok(Verdict::Same(shown))
    }

    /// How far the numbers of stretches are from the record, and how far they come out from run to run: for a
    /// backend that is not bit-exact. What [`Kept::replay`] has computed with this setting is used; the second
    /// run is made in `again`. Nothing if the learning rates are others, which no rounding explains.
    ///
    /// # Errors
    /// As [`Kept::replay`].
    pub fn distance(
        &self,
        stretches: &[Stretch],
        setting: &Setting,
        again: &Path,
    ) -> Result<Option<Distance>> {
        if self.same_learning_rates().is_some() {
            return Ok(None);
        }
        let to_do = self.to_do(stretches)?;
        let silent = |_| {};
        let first = compute(&to_do, setting, &silent)?;
        let elsewhere = Setting {
            folder: again,
            ..*setting
        };
        let second = compute(&to_do, &elsewhere, &silent)?;
        let mut distance = Distance::default();
        for stretch in stretches {
            let read = |folder: &Path| -> Result<Trace> {
                let path = folder.join(train::replayed(stretch)).join("trace.json");
                let text = fs::read(&path);
                Trace::parse(&text.with_context(|| format!("cannot read {}", path.display()))?)
            };
            let (first, second) = (read(&first)?, read(&second)?);
            let Distance { recorded, runs } = &mut distance;
            *recorded = recorded.max(apart(stretch, &self.trace, &first));
            *runs = runs.max(apart(stretch, &first, &second));
        }
        Ok(Some(distance))
    }

    /// Stretches with their snapshots.
    fn to_do(&self, stretches: &[Stretch]) -> Result<Vec<ToDo>> {
        let to_do = stretches.iter().map(|stretch| {
            let snapshot = match stretch.from {
                0 => None,
                from => Some(self.snapshots.get(&from).with_context(|| {
                    format!("its snapshot after iteration {from} is not there any more")
                })?),
            };
            Ok((*stretch, snapshot.map(|path| path.clone().into())))
        });
        to_do.collect()
    }

    /// How a stretch has come out other than it was recorded, if it has.
    fn difference(&self, stretch: &Stretch, folder: &Path) -> Result<Option<String>> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let today = Trace::parse(&read("trace.json")?)?;
        let from = stretch.from;
        if from > 0 && today.states.get(&from) != self.trace.states.get(&from) {
            return Ok(Some(format!(
                "its snapshot after iteration {from} is another state than the trace says"
            )));
        }
        if let Some(what) = self.trace.difference(stretch, &today) {
            return Ok(Some(what));
        }
        if stretch.evaluated {
            let today = parse_metrics(&read("metrics.jsonl")?)?;
            let lines = |all: &[Metrics]| -> BTreeMap<u64, Metrics> {
                let lines = all.iter().map(|line| (line.iteration, line.clone()));
                lines
                    .filter(|(at, _)| (stretch.from + 1..=stretch.to).contains(at))
                    .collect()
            };
            let (recorded, today) = (lines(&self.metrics), lines(&today));
            let mut iterations = recorded.keys().chain(today.keys());
            if let Some(at) = iterations.find(|at| recorded.get(at) != today.get(at)) {
                return Ok(Some(format!("other metrics after iteration {at}")));
            }
        }
        if stretch.to < self.params.recipe.schedule.iterations {
            return Ok(None);
        }
        if let Some(what) = other_files(self.outputs.keys(), train::OUTPUTS) {
            return Ok(Some(what));
        }
        for (name, digest) in &self.outputs {
            if Digest::of(&read(name)?) != *digest {
                return Ok(Some(format!("the same numbers, but other bytes in {name}")));
            }
        }
        Ok(None)
    }
}

/// The first file that only one of two trainings leaves, if there is one.
fn other_files<'a>(
    recorded: impl Iterator<Item = &'a String>,
    today: &[&'a str],
) -> Option<String> {
    let recorded: BTreeSet<&str> = recorded.map(String::as_str).collect();
    let today: BTreeSet<&str> = today.iter().copied().collect();
    let name = recorded.symmetric_difference(&today).next()?;
    Some(match today.contains(name) {
        true => format!("the same numbers, and {name}, which was not left"),
        false => format!("the same numbers, but no {name}"),
    })
}

/// The largest difference of a norm in a stretch, as a share of it; infinite where one trace has a norm that
/// the other lacks.
fn apart(stretch: &Stretch, one: &Trace, other: &Trace) -> f64 {
    if one.tensors != other.tensors {
        return f64::INFINITY;
    }
    let share = |(one, other): (&f64, &f64)| match one == other {
        true => 0.0,
        false => (one - other).abs() / one.abs().max(other.abs()),
    };
    let norms = one.norms.range(stretch.from + 1..=stretch.to);
    let largest = norms.map(|(at, norms)| match other.norms.get(at) {
        Some(others) => norms.iter().zip(others).map(share).fold(0.0, f64::max),
        None => f64::INFINITY,
    });
    largest.fold(0.0, f64::max)
}

fn parse_metrics(text: &[u8]) -> Result<Vec<Metrics>> {
    let lines = text.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).context("metrics.jsonl has a line that is none"))
        .collect()
}

/// A stretch with the snapshot at its beginning.
type ToDo = (Stretch, Option<crate::any_path::AnyPath>);

/// Computes those stretches that are not there yet, several at once; returns the folder that has them all.
fn compute(
    stretches: &[ToDo],
    setting: &Setting,
    report: &(dyn Fn(Progress) + Sync),
) -> Result<PathBuf> {
    let done = setting.folder.join("done");
    create(&done)?;
    // What processes left that were killed.
    let folders = |index: usize| setting.folder.join(format!("process-{index}"));
    let mut index = 0;
    while folders(index).exists() {
        gather(&folders(index), &done)?;
        index += 1;
    }
    let is_open = |(stretch, _): &&ToDo| !done.join(train::replayed(stretch)).exists();
    let open: Vec<ToDo> = stretches.iter().filter(is_open).cloned().collect();
    let processes = setting.processes.clamp(1, open.len().max(1));
    let threads = (setting.threads / processes).max(1);
    let total: u64 = open.iter().map(|(it, _)| it.to - it.from).sum();
    let counts = Mutex::new(vec![0; processes]);
    let run = |process: usize| -> Result<()> {
        let folder = folders(process);
        for part in ["out", "evidence", "scratch"] {
            create(&folder.join(part))?;
        }
        let own = open.iter().skip(process).step_by(processes);
        let task = Task {
            replay: own.cloned().collect(),
            ..setting.task.clone()
        };
        task.write(&folder)?;
        let mut progress = |progress| match progress {
            Progress::Items { what, done, .. } => {
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                counts[process] = done;
                let done = counts.iter().sum();
                report(Progress::Items { what, done, total });
            }
            other => report(other),
        };
        setting
            .executor
            .run(&folder, setting.log, threads, &mut progress)?;
        gather(&folder, &done)
    };
    if !open.is_empty() {
        let ends: Vec<Result<()>> = std::thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = (0..processes)
                .map(|process| scope.spawn(move || run(process)))
                .collect();
            let vanished = |_| Err(anyhow!("a thread of the replay vanished"));
            let ends = threads.into_iter().map(|thread| thread.join());
            ends.map(|end| end.unwrap_or_else(vanished)).collect()
        });
        let mut failed: Vec<Error> = ends.into_iter().filter_map(Result::err).collect();
        // The interruption is no failure, but what the others say of it may look like one.
        let stopped = failed.iter().position(|error| error.is::<Stopped>());
        if let Some(at) = stopped {
            return Err(failed.swap_remove(at));
        }
        if let Some(error) = failed.into_iter().next() {
            return Err(error);
        }
    }
    Ok(done)
}

/// Moves finished stretches of a process to where all are, and its folder out of the way.
fn gather(folder: &Path, done: &Path) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder.join("scratch"));
    for entry in entries.into_iter().flatten() {
        let entry = entry.with_context(cannot)?;
        let (name, path) = (entry.file_name(), entry.path());
        if path.extension().is_none() {
            let to = done.join(name);
            fs::rename(&path, &to).with_context(|| format!("cannot move {}", path.display()))?;
        }
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_as_far_apart_as_the_norm_that_differs_most() {
        let trace = |norms: &[(u64, [f64; 2])]| Trace {
            tensors: vec!["a".to_owned(), "b".to_owned()],
            norms: norms
                .iter()
                .map(|(at, norms)| (*at, norms.to_vec()))
                .collect(),
            ..Trace::default()
        };
        let stretch = Stretch {
            from: 3,
            to: 6,
            evaluated: false,
        };
        let one = trace(&[(3, [9.0, 9.0]), (4, [1.0, 0.0]), (6, [2.0, 4.0])]);
        assert_eq!(apart(&stretch, &one, &one), 0.0);
        // What is before the stretch does not count.
        let near = trace(&[(3, [1.0, 1.0]), (4, [1.0, 0.0]), (6, [2.0, 5.0])]);
        assert_eq!(apart(&stretch, &one, &near), 0.2);
        assert_eq!(
            apart(&stretch, &one, &trace(&[(4, [1.0, 0.0])])),
            f64::INFINITY
        );
        let mut others = one.clone();
        others.tensors.pop();
        assert_eq!(apart(&stretch, &one, &others), f64::INFINITY);
    }

    #[test]
    fn a_file_more_and_a_file_less_make_another_training() {
        let said = |recorded: &[&str], today: &[&str]| {
            let recorded: Vec<String> = recorded.iter().map(|name| name.to_string()).collect();
            other_files(recorded.iter(), today)
        };
        assert_eq!(said(&["a", "b"], &["b", "a"]), None);
        let more = "the same numbers, and b, which was not left";
        assert_eq!(said(&["a"], &["a", "b"]).unwrap(), more);
        assert_eq!(
            said(&["a", "b"], &["a"]).unwrap(),
            "the same numbers, but no b"
        );
    }
}
