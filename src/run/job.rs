//! A computation under way: how it begins in its working folder, and how its result is added to the
//! store, compared with an earlier one where there is one, and with a record of when, where and why it ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use super::executor::{Executor, Stopped};
use super::machine::{cpu, host};
use super::phase::Work;
use super::replay::{self, Kept, Verdict};
use super::task::{Finished, Task};
use crate::plan::{Carriable, Inputs, Planner, Reason, StepId};
use crate::steps::{Environment, Params};
use step::Progress;
use store::key::Digest;
use store::{
    CarriedOver, Claim, Entry, Lookup, Manifest, Output, RunRecord, ShownStretch, Store,
    TrainingProgress, Watched,
};

/// How a computation has ended well.
#[derive(Debug)]
pub enum Ended {
    /// The outputs are written.
    Computed(Finished),
    /// A replay has shown, by these stretches, that this earlier result is today's as well.
    Shown(Arc<Manifest>, Vec<ShownStretch>),
}

/// A computation under way.
#[derive(Debug)]
pub struct Job {
    pub id: StepId,
    task: Task,
    /// The inputs as they looked before the step read them.
    inputs: Watched,
    reasons: Vec<Reason>,
    replayed: Option<Carriable>,
    claim: Claim,
    started_at: jiff::Timestamp,
    started: Instant,
    pub threads: usize,
    /// Processes at once, for a replay.
    pub processes: usize,
}

impl Job {
    /// Prepares the working folder of a claimed step, given the results of its producers.
    ///
    /// # Errors
    /// If the folder cannot be written, or an input is not there.
    pub fn begin<'a>(
        planner: Planner,
        id: StepId,
        work: Work,
        claim: Claim,
        made: &dyn Fn(StepId) -> Option<&'a Entry>,
        environment: Environment,
        executor: &dyn Executor,
    ) -> Result<Job> {
        let Work {
            key,
            reasons,
            replayed,
            turn: _,
        } = work;
        let (step, store) = (planner.graph.step(id), planner.store);
        match executor.is_at_work(claim.folder())? {
            true => store.go_on(&claim, &step.name)?,
            false => store.begin(&claim, &step.name)?,
        }
        claim.announce(&host());
        let inputs = Inputs::of(step, made).owned();
        let mut paths = BTreeMap::new();
        for (name, digest) in &inputs {
            let path = absolute(&store.object_path(digest))?;
            paths.insert(name.clone(), path.into());
        }
        let task = Task {
            step: step.name.clone(),
            key,
            params: step.params.clone(),
            inputs: paths,
            key_inputs: planner.bases.key_inputs(&step.params, inputs, None),
            environment,
            replay: Vec::new(),
        };
        let inputs = store.watch(&task.key_inputs.inputs)?;
        task.write(claim.folder())?;
        Ok(Job {
            id,
            task,
            inputs,
            reasons,
            replayed,
            claim,
            started_at: jiff::Timestamp::now(),
            started: Instant::now(),
            threads: 1,
            processes: 1,
        })
    }

    /// Has the step computed, and passes on its progress; where an earlier training may hold, that is
    /// replayed first.
    ///
    /// # Errors
    /// As [`Executor::run`].
    pub fn run(
        &self,
        store: &Store,
        executor: &dyn Executor,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Ended> {
        // The step's process may run elsewhere.
        let folder = absolute(self.claim.folder())?;
        let log = absolute(&self.claim.log())?;
        if let Some(earlier) = &self.replayed {
            let from = &earlier.manifest;
            let replayed = match &earlier.unusable {
                Some(what) => Err(anyhow!("{what}")),
                None => self.replay(from, store, executor, &log, report),
            };
            let because = match replayed {
                Ok(Verdict::Same(stretches)) => {
                    return Ok(Ended::Shown(from.clone(), stretches));
                }
                Ok(Verdict::Different(what)) => what,
                Err(error) if error.is::<Stopped>() => return Err(error),
                Err(error) => format!("nothing could be shown: {error:#}"),
            };
            let note = format!("not carried over, so it is trained again: {because}");
            report(Progress::Note(note));
        }
        let finished = executor.run(&folder, &log, self.threads, &mut |progress| {
            self.announce(&progress);
            report(progress);
        });
        finished.map(Ended::Computed)
    }

    /// Replays an earlier training of the same parameters and inputs.
    fn replay(
        &self,
        from: &Manifest,
        store: &Store,
        executor: &dyn Executor,
        log: &Path,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Verdict> {
        let Params::Train(params) = &self.task.params else {
            bail!("only a training is replayed");
        };
        let outputs = from.outputs.iter();
        let outputs = outputs.map(|(name, output)| (name.clone(), output.digest));
        let find = |digest: &Digest| {
            store
                .object(digest)?
                .map(|path| absolute(&path))
                .transpose()
        };
        let kept = Kept::find(params, &outputs.collect(), &from.evidence, &find)?;
        let scratch = absolute(&self.claim.scratch())?;
        let setting = replay::Setting {
            task: &self.task,
            executor,
            folder: &scratch.join(format!("replay-{}", from.key.short())),
            log,
            processes: self.processes,
            threads: self.threads,
        };
        let report = Mutex::new(report);
        let report = |progress| {
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report(progress);
        };
        kept.replay(&kept.windows(), &setting, &report)
    }

    /// Tells those who ask for the status how far a training is.
    fn announce(&self, progress: &Progress) {
        if let Progress::Training {
            iteration,
            iterations,
            seconds_left,
            test_error,
            ..
        } = *progress
        {
            self.claim.announce_progress(TrainingProgress {
                iteration,
                iterations,
                seconds_left,
                test_error,
            });
        }
    }

    /// The key that it computes.
    pub fn key(&self) -> Digest {
        self.task.key
    }

    /// Whether its working folder is still there.
    pub fn has_folder(&self) -> bool {
        self.claim.folder().exists()
    }

    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Refuses inputs that are not what they should be.
    ///
    /// # Errors
    /// If one is damaged, with its name.
    pub fn expect_intact(&self, store: &Store) -> Result<()> {
        store.expect_intact(&self.inputs)
    }

    /// Adds the result to the store; also says whether the step's newest earlier result had the same
    /// bytes.
    ///
    /// # Errors
    /// If an output is missing, an input was written to meanwhile, the store cannot be written, or there
    /// is a result under this key already and it has other bytes.
    pub fn commit(&self, finished: Finished, store: &Store) -> Result<(Arc<Entry>, Option<bool>)> {
        let Task {
            step, params, key, ..
        } = &self.task;
        let outputs = self.claim.collect(params.outputs())?;
        store.expect_unchanged(&self.inputs)?;
        // For a remark only, which is no reason to lose the result.
        let earlier = store.newest(step).unwrap_or_default();
        if let Lookup::Found(earlier) = store.lookup(key)? {
            // A forced step, or one whose lost output another step has made meanwhile: to be compared.
            let differing = differing(&earlier, &outputs);
            if !differing.is_empty() {
                return Err(anyhow!(
                    "not deterministic: {} came out with other bytes than in the result of {}, which is kept; \
                     the new outputs lie in {}",
                    differing.join(", "),
                    earlier.started,
                    store.keep_aside(&self.claim)?.display()
                ));
            }
            store.restore_evidence(&self.claim)?;
            store.discard(&self.claim)?;
            return Ok((earlier, Some(true)));
        }
        let manifest = Manifest {
            step: step.clone(),
            key: *key,
            key_inputs: self.task.key_inputs.clone(),
            outputs,
            evidence: self.claim.collect_evidence()?,
            summary: finished.summary,
            run: RunRecord {
                started: format!("{:.3}", self.started_at),
                seconds: finished.seconds.unwrap_or_else(|| self.seconds()),
                work_seconds: finished.work_seconds,
                amount: params.amount(),
                threads: finished.threads,
                because: self.reasons.iter().map(ToString::to_string).collect(),
                host: finished.host,
                cpu: finished.cpu,
                fig6: env!("CARGO_PKG_VERSION").to_owned(),
                log: Some(self.claim.collect_log()?),
            },
            carried_over: None,
        };
        let entry = store.commit(&self.claim, &manifest)?;
        let same_bytes = earlier.map(|earlier| earlier.outputs == entry.outputs);
        Ok((entry, same_bytes))
    }
}

impl Job {
    /// Adds an earlier result under this key, with what has shown that it holds.
    ///
    /// # Errors
    /// If an input was written to meanwhile, or the store cannot be written.
    pub fn carry_over(
        &self,
        from: &Manifest,
        stretches: Vec<ShownStretch>,
        store: &Store,
    ) -> Result<Arc<Entry>> {
        store.expect_unchanged(&self.inputs)?;
        // What was carried over before is shown by its original run, not by a chain of replays.
        let (original, original_inputs) = match &from.carried_over {
            Some(before) => (before.original, before.original_inputs.clone()),
            None => (from.key, from.key_inputs.clone()),
        };
        let manifest = Manifest {
            step: self.task.step.clone(),
            key: self.task.key,
            key_inputs: self.task.key_inputs.clone(),
            carried_over: Some(CarriedOver {
                original,
                original_inputs,
                shown: format!("{:.3}", self.started_at),
                seconds: self.seconds(),
                host: host(),
                cpu: cpu(),
                stretches,
            }),
            ..from.clone()
        };
        store.commit(&self.claim, &manifest)
    }
}

/// Names of the outputs that differ from an earlier result's.
fn differing(earlier: &Entry, outputs: &BTreeMap<String, Output>) -> Vec<String> {
    let outputs = outputs.iter();
    let differing = outputs.filter(|(name, output)| earlier.outputs.get(*name) != Some(output));
    differing.map(|(name, _)| name.clone()).collect()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use the path {}", path.display()))
}
