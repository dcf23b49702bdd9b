//! Runs what must run, as much at once as allowed, in an order that the graph permits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use super::event::{Event, Outcome};
use super::executor::{Executor, Finished};
use super::task::Task;
use crate::key::{Digest, KeyInputs};
use crate::plan::{Assessment, Backends, Graph, History, Reason, State, StepId, assess_step};
use crate::steps::{Environment, Progress};
use crate::store::{self, Claim, Claimed, Lookup, Manifest, RunRecord, Store};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Steps at once, at least 1.
    pub jobs: usize,
    /// Cores to divide among them.
    pub cores: usize,
    /// Go on with independent steps after a failure.
    pub keep_going: bool,
    /// Results of these backends count; the chosen one computes.
    pub backends: Backends,
    /// The device, exactly (`tch:cuda:0`).
    pub device: String,
    pub mirrors: Vec<String>,
}

/// Asks a run to stop; may be used from any thread.
#[derive(Clone, Debug)]
pub struct Stop(Sender<Message>);

impl Stop {
    /// Stops all running steps; the run then ends as interrupted.
    pub fn request(&self) {
        // A run that is over needs no stopping.
        let _ = self.0.send(Message::Stop);
    }
}

/// A way to stop a run, and what the run needs to be stoppable.
pub fn stop_channel() -> (Stop, Messages) {
    let (sender, receiver) = channel();
    (Stop(sender.clone()), Messages { sender, receiver })
}

/// The run's end of [`stop_channel`].
#[derive(Debug)]
pub struct Messages {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
}

#[derive(Debug)]
enum Message {
    Progress(StepId, Progress),
    Ended(StepId, Result<Finished>),
    /// Another process that computed the step is done or dead.
    Released(StepId, Result<()>),
    Stop,
}

/// Where a step is in its life.
#[derive(Debug)]
enum Phase {
    /// Not needed for the targets.
    Unneeded,
    /// Some producer has no result yet.
    Waiting,
    /// Must run as soon as a place is free.
    Ready(Box<Work>),
    /// Another process computes it.
    Elsewhere,
    Running(Box<Job>),
    /// Has a result; `ran` if this run made it.
    Done {
        manifest: Box<Manifest>,
        ran: bool,
    },
    Failed,
    Skipped,
}

/// A computation that is decided on.
#[derive(Clone, Debug)]
struct Work {
    key: Digest,
    key_inputs: KeyInputs,
    reasons: Vec<Reason>,
}

/// A computation under way.
#[derive(Debug)]
struct Job {
    work: Work,
    claim: Claim,
    started_at: jiff::Timestamp,
    started: Instant,
    threads: usize,
}

/// Brings all needed steps up to date.
///
/// A step that fails is an [`Event`] and part of the [`Outcome`], not an error.
///
/// # Errors
/// If the store cannot be read or written.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different thing, named at the only call"
)]
pub fn reproduce(
    graph: &Graph,
    needed: &[bool],
    forced: &[bool],
    store: &Store,
    executor: &dyn Executor,
    options: &Options,
    messages: Messages,
    emit: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    store.prepare()?;
    let phases = needed
        .iter()
        .map(|&needed| {
            if needed {
                Phase::Waiting
            } else {
                Phase::Unneeded
            }
        })
        .collect();
    let mut run = Run {
        graph,
        forced,
        store,
        options,
        phases,
        failed: false,
        stopped: false,
        emit,
    };
    thread::scope(|scope| {
        let hands = Hands {
            scope,
            executor,
            sender: messages.sender,
        };
        let result = run.drive(&hands, &messages.receiver);
        if result.is_err() {
            // The scope waits for its threads, and they for their processes.
            executor.stop();
        }
        result
    })?;
    store.save_stats()?;
    Ok(run.outcome())
}

/// What it takes to start something in the background.
struct Hands<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    executor: &'env dyn Executor,
    sender: Sender<Message>,
}

struct Run<'a> {
    graph: &'a Graph,
    forced: &'a [bool],
    store: &'a Store,
    options: &'a Options,
    phases: Vec<Phase>,
    failed: bool,
    stopped: bool,
    emit: &'a mut dyn FnMut(Event),
}

impl<'a> Run<'a> {
    fn drive(&mut self, hands: &Hands<'_, 'a>, messages: &Receiver<Message>) -> Result<()> {
        loop {
            self.advance()?;
            self.start_ready(hands)?;
            let busy = self.phases.iter().any(|phase| match phase {
                Phase::Running(_) => true,
                // Nobody waits for others' work once the run is to end.
                Phase::Elsewhere => !self.ending(),
                _ => false,
            });
            if !busy {
                break;
            }
            match messages.recv().context("a step's thread vanished")? {
                Message::Progress(id, progress) => {
                    let step = self.name(id);
                    (self.emit)(Event::Progress { step, progress });
                }
                Message::Ended(id, ended) => self.end(id, ended)?,
                Message::Released(id, released) => {
                    released?;
                    self.set(id, Phase::Waiting);
                }
                Message::Stop => {
                    self.stopped = true;
                    hands.executor.stop();
                }
            }
        }
        self.skip_the_rest();
        Ok(())
    }

    /// Whether nothing new may start.
    fn ending(&self) -> bool {
        self.stopped || (self.failed && !self.options.keep_going)
    }

    /// Assesses every waiting step whose producers have ended.
    fn advance(&mut self) -> Result<()> {
        for id in self.graph.ids() {
            if !matches!(self.phases[id.index()], Phase::Waiting) || self.stopped {
                continue;
            }
            let producers = self
                .graph
                .step(id)
                .inputs
                .iter()
                .map(|input| input.producer);
            let mut missing = None;
            let mut all_done = true;
            for producer in producers {
                match self.phases[producer.index()] {
                    Phase::Done { .. } => {}
                    Phase::Failed | Phase::Skipped => missing = Some(producer),
                    _ => all_done = false,
                }
            }
            if let Some(producer) = missing {
                self.skip(id, format!("{} has no result", self.name(producer)));
            } else if all_done {
                self.assess(id)?;
            }
        }
        Ok(())
    }

    fn assess(&mut self, id: StepId) -> Result<()> {
        let made = |producer: StepId| match &self.phases[producer.index()] {
            Phase::Done { manifest, .. } => Some(&**manifest),
            _ => None,
        };
        let forced = self.forced[id.index()];
        let history: &dyn History = self.store;
        let Assessment { state, key } = assess_step(
            self.graph,
            id,
            forced,
            &made,
            &self.options.backends,
            history,
        )?;
        match (state, key) {
            (State::UpToDate(manifest), _) => self.use_result(id, manifest),
            (State::MustRun(reasons) | State::MayRun(reasons), Some((key, key_inputs))) => {
                self.set(
                    id,
                    Phase::Ready(Box::new(Work {
                        key,
                        key_inputs,
                        reasons,
                    })),
                );
                Ok(())
            }
            (_, None) => bail!(
                "{}: its producers lack an output that it reads",
                self.name(id)
            ),
        }
    }

    /// Takes a result that is there already.
    fn use_result(&mut self, id: StepId, manifest: Box<Manifest>) -> Result<()> {
        let step = self.name(id);
        self.store.show(&step, &manifest)?;
        (self.emit)(Event::UpToDate {
            step,
            summary: manifest.summary.clone(),
        });
        self.set(
            id,
            Phase::Done {
                manifest,
                ran: false,
            },
        );
        Ok(())
    }

    /// Starts as many ready steps as there are free places.
    fn start_ready(&mut self, hands: &Hands<'_, 'a>) -> Result<()> {
        for id in self.graph.ids() {
            let running = self.count(|phase| matches!(phase, Phase::Running(_)));
            if self.ending() || running >= self.options.jobs {
                break;
            }
            if let Phase::Ready(work) = &self.phases[id.index()] {
                let work = Work::clone(work);
                self.start(id, work, running, hands)?;
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        id: StepId,
        work: Work,
        running: usize,
        hands: &Hands<'_, 'a>,
    ) -> Result<()> {
        let step = self.name(id);
        let claim = match self.store.claim(&work.key, &step)? {
            Claimed::Ours(claim) => claim,
            Claimed::Busy(lock) => {
                let sender = hands.sender.clone();
                // Not in the scope: a run that is to end does not wait for other processes.
                thread::spawn(move || sender.send(Message::Released(id, store::wait(&lock))));
                (self.emit)(Event::Elsewhere { step });
                self.set(id, Phase::Elsewhere);
                return Ok(());
            }
        };
        // Between the assessment and the claim another process may have finished the work.
        if !self.forced[id.index()]
            && let Lookup::Found(manifest) = self.store.lookup(&work.key)?
        {
            return self.use_result(id, manifest);
        }
        let task = self.task(id, &work)?;
        task.write(claim.folder())?;
        let ready = self.count(|phase| matches!(phase, Phase::Ready(_)));
        let threads = (self.options.cores / (running + ready).clamp(1, self.options.jobs)).max(1);
        let (folder, log) = (claim.folder().to_owned(), self.store.log_path(&work.key));
        let (executor, sender) = (hands.executor, hands.sender.clone());
        hands.scope.spawn(move || {
            let mut report = |progress| drop(sender.send(Message::Progress(id, progress)));
            let ended = executor.run(&folder, &log, threads, &mut report);
            sender.send(Message::Ended(id, ended))
        });
        (self.emit)(Event::Started {
            step,
            reasons: work.reasons.clone(),
            threads,
        });
        let job = Job {
            work,
            claim,
            started_at: jiff::Timestamp::now(),
            started: Instant::now(),
            threads,
        };
        self.set(id, Phase::Running(Box::new(job)));
        Ok(())
    }

    fn task(&self, id: StepId, work: &Work) -> Result<Task> {
        let step = self.graph.step(id);
        let mut inputs = BTreeMap::new();
        for (name, digest) in &work.key_inputs.inputs {
            inputs.insert(name.clone(), self.store.object_path(digest));
        }
        Ok(Task {
            step: step.name.clone(),
            key: work.key,
            key_inputs: work.key_inputs.clone(),
            params: step.params.clone(),
            inputs,
            environment: Environment {
                mirrors: self.options.mirrors.clone(),
                sources: step.sources.clone(),
                device: self.options.device.clone(),
            },
        })
    }

    /// Commits or buries what a step's process left.
    fn end(&mut self, id: StepId, ended: Result<Finished>) -> Result<()> {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Waiting);
        let Phase::Running(job) = phase else {
            bail!("{} ended without running", self.name(id));
        };
        let step = self.name(id);
        if self.stopped && ended.is_err() {
            self.skip(id, "interrupted".to_owned());
            return Ok(());
        }
        match ended.and_then(|finished| self.commit(id, &job, finished)) {
            Ok((manifest, same_bytes)) => {
                self.store.show(&step, &manifest)?;
                (self.emit)(Event::Finished {
                    step,
                    summary: manifest.summary.clone(),
                    // Not the manifest's time: a forced step keeps its earlier result's record.
                    seconds: job.started.elapsed().as_secs_f64(),
                    same_bytes,
                });
                self.set(
                    id,
                    Phase::Done {
                        manifest: Box::new(manifest),
                        ran: true,
                    },
                );
            }
            Err(error) => {
                self.failed = true;
                let log = self.log(&step);
                (self.emit)(Event::Failed {
                    step,
                    cause: format!("{error:#}"),
                    log,
                });
                self.set(id, Phase::Failed);
            }
        }
        Ok(())
    }

    /// Adds a result to the store; also says whether the step's newest earlier result had the same
    /// bytes.
    fn commit(
        &self,
        id: StepId,
        job: &Job,
        finished: Finished,
    ) -> Result<(Manifest, Option<bool>)> {
        let step = self.graph.step(id);
        let outputs = job.claim.collect(step.params.outputs())?;
        let earlier = self.store.newest(&step.name);
        if let Lookup::Found(earlier) = self.store.lookup(&job.work.key)? {
            // Only a forced step runs although its result is there: then to be compared.
            let differing = differing(&earlier, &outputs);
            if !differing.is_empty() {
                return Err(anyhow!(
                    "not deterministic: {} came out with other bytes than in the result of {}, which is kept; \
                     the new outputs lie in {} until the step runs again",
                    differing.join(", "),
                    earlier.run.started,
                    job.claim.output().display()
                ));
            }
            self.store.discard(&job.claim)?;
            return Ok((*earlier, Some(true)));
        }
        let manifest = Manifest {
            step: step.name.clone(),
            key: job.work.key,
            key_inputs: job.work.key_inputs.clone(),
            outputs,
            summary: finished.summary,
            run: RunRecord {
                started: job.started_at.to_string(),
                seconds: job.started.elapsed().as_secs_f64(),
                work_seconds: finished.work_seconds,
                threads: job.threads,
                host: host(),
                cpu: cpu(),
                fig6: env!("CARGO_PKG_VERSION").to_owned(),
            },
        };
        self.store.commit(&job.claim, &manifest)?;
        let same_bytes = earlier.map(|earlier| earlier.outputs == manifest.outputs);
        Ok((manifest, same_bytes))
    }

    fn skip(&mut self, id: StepId, because: String) {
        let step = self.name(id);
        (self.emit)(Event::Skipped { step, because });
        self.set(id, Phase::Skipped);
    }

    /// What is neither done nor failed at the end was not come to.
    fn skip_the_rest(&mut self) {
        let because = if self.stopped {
            "interrupted"
        } else {
            "another step failed"
        };
        for id in self.graph.ids() {
            if let Phase::Waiting | Phase::Ready(_) | Phase::Elsewhere = self.phases[id.index()] {
                self.skip(id, because.to_owned());
            }
        }
    }

    fn outcome(self) -> Outcome {
        let mut outcome = Outcome {
            interrupted: self.stopped,
            ..Outcome::default()
        };
        for (step, phase) in self.graph.steps().iter().zip(self.phases) {
            let list = match &phase {
                Phase::Done { ran: true, .. } => &mut outcome.ran,
                Phase::Done { ran: false, .. } => &mut outcome.up_to_date,
                Phase::Failed => &mut outcome.failed,
                Phase::Unneeded => continue,
                _ => &mut outcome.skipped,
            };
            list.push(step.name.clone());
            if let Phase::Done { manifest, .. } = phase {
                outcome.results.insert(step.name.clone(), *manifest);
            }
        }
        outcome
    }

    /// Every change of phase goes through here.
    fn set(&mut self, id: StepId, phase: Phase) {
        self.phases[id.index()] = phase;
    }

    fn count(&self, is: impl Fn(&Phase) -> bool) -> usize {
        self.phases.iter().filter(|phase| is(phase)).count()
    }

    fn name(&self, id: StepId) -> String {
        self.graph.step(id).name.clone()
    }

    fn log(&self, step: &str) -> PathBuf {
        self.store.newest_log(step)
    }
}

/// Names of the outputs that differ from an earlier result's.
fn differing(earlier: &Manifest, outputs: &BTreeMap<String, store::Output>) -> Vec<String> {
    outputs
        .iter()
        .filter(|(name, output)| earlier.outputs.get(*name) != Some(output))
        .map(|(name, _)| name.clone())
        .collect()
}

/// This machine's name, for the record.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// This machine's processor, for the record.
fn cpu() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(
            || std::env::consts::ARCH.to_owned(),
            |(_, name)| name.to_owned(),
        )
}
