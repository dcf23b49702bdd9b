//! Runs what must run, as much at once as allowed, in an order that the graph permits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::Instant;

use anyhow::{Context as _, Error, Result, bail};
use rayon::prelude::*;

use super::event::{Event, Outcome};
use super::executor::{Executor, Finished, Stopped};
use super::job::{Job, host};
use super::task::Task;
use crate::plan::{Assessment, Bases, Graph, Inputs, MANY, Reason, State, StepId, assess_step};
use crate::steps::Environment;
use step::Progress;
use store::key::Digest;
use store::{self, Claim, Claimed, Entry, Lookup, Store, TrainingProgress, Watched};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Steps at once, at least 1.
    pub jobs: usize,
    /// Cores to divide among them.
    pub cores: usize,
    /// Go on with independent steps after a failure.
    pub keep_going: bool,
    /// Results on these bases count; what is missing is added on the first.
    pub bases: Arc<Bases>,
    /// The device, exactly (`tch:cuda:0`).
    pub device: String,
    pub mirrors: Vec<PathBuf>,
    /// Seconds between two checkpoints of a training.
    pub checkpoint_seconds: f64,
}

/// Asks a run to stop; may be used from any thread.
#[derive(Clone, Debug)]
pub struct Stop(Sender<Message>);

impl Stop {
    /// Asks all running steps to end in good order, and the second time ends them at once; the run
    /// then ends as interrupted.
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
    /// This many producers have no result yet.
    Waiting(usize),
    /// Must run as soon as a place is free.
    Ready(Box<Work>),
    /// Another process computes it.
    Elsewhere,
    Running(Box<Job>),
    Done(Done),
    Failed,
    Skipped,
}

/// A step that has its result.
#[derive(Clone, Debug)]
struct Done {
    entry: Arc<Entry>,
    /// Whether this run made it.
    ran: bool,
    /// Whether it was made again with the same bytes as before.
    same_bytes: bool,
}

/// A computation that is decided on.
#[derive(Clone, Debug)]
struct Work {
    key: Digest,
    reasons: Vec<Reason>,
}

/// Carries out a plan: runs what must run, and then what its results make necessary.
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
    plan: Vec<Option<Assessment>>,
    forced: &[bool],
    store: &Store,
    executor: &dyn Executor,
    options: &Options,
    messages: Messages,
    emit: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let mut run = Run {
        graph,
        consumers: Vec::new(),
        forced,
        store,
        options,
        phases: Vec::new(),
        ready: BTreeSet::new(),
        running: 0,
        elsewhere: 0,
        listed: BTreeSet::new(),
        failed: false,
        stopped: false,
        emit,
    };
    if run.begin(plan)? {
        store.prepare()?;
        run.consumers = graph.consumers();
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
    } else {
        store.tidy();
    }
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
    consumers: Vec<Vec<StepId>>,
    forced: &'a [bool],
    store: &'a Store,
    options: &'a Options,
    phases: Vec<Phase>,
    /// The steps that are [`Phase::Ready`].
    ready: BTreeSet<StepId>,
    /// Number of steps that are [`Phase::Running`].
    running: usize,
    /// Number of steps that are [`Phase::Elsewhere`].
    elsewhere: usize,
    /// Kinds whose listings the store has been given.
    listed: BTreeSet<&'static str>,
    failed: bool,
    stopped: bool,
    emit: &'a mut dyn FnMut(Event),
}

impl<'a> Run<'a> {
    /// Takes over the plan; returns whether there is anything to run.
    fn begin(&mut self, plan: Vec<Option<Assessment>>) -> Result<bool> {
        self.phases.resize_with(plan.len(), || Phase::Unneeded);
        let graph = self.graph;
        self.show_all(&plan)?;
        if self.store.is_paranoid() {
            // Nothing is computed from them, so nobody else would see that they are gone.
            for (step, _) in graph
                .steps()
                .iter()
                .zip(&plan)
                .filter(|(_, plan)| plan.is_some())
            {
                self.keep_listings(step.params.kind())?;
            }
        }
        for (id, assessment) in graph.ids().zip(plan) {
            let Some(Assessment { state, key }) = assessment else {
                continue;
            };
            match (state, key) {
                (State::UpToDate(entry), _) => self.use_result(id, entry),
                (State::MustRun(reasons) | State::MayRun(reasons), Some(key)) => {
                    self.set(id, Phase::Ready(Box::new(Work { key, reasons })));
                }
                (_, None) => {
                    let producers = graph.producers(id).into_iter();
                    let left = producers.filter(|producer| self.made(*producer).is_none());
                    let left = left.count();
                    self.set(id, Phase::Waiting(left));
                }
            }
        }
        Ok(self
            .phases
            .iter()
            .any(|phase| matches!(phase, Phase::Ready(_) | Phase::Waiting(_))))
    }

    /// Makes the readable views show all results that are used as they are.
    fn show_all(&self, plan: &[Option<Assessment>]) -> Result<()> {
        let (graph, store) = (self.graph, self.store);
        let _lock = store.share()?;
        let show = |(id, assessment): (StepId, &Option<Assessment>)| {
            let entry = assessment.as_ref().and_then(Assessment::result);
            entry.map_or(Ok(()), |entry| store.show(&graph.step(id).name, entry))
        };
        let steps: Vec<_> = graph.ids().zip(plan).collect();
        match steps.len() {
            MANY.. => steps.into_par_iter().try_for_each(show),
            _ => steps.into_iter().try_for_each(show),
        }
    }

    fn drive(&mut self, hands: &Hands<'_, 'a>, messages: &Receiver<Message>) -> Result<()> {
        loop {
            self.start_ready(hands)?;
            // Nobody waits for others' work once the run is to end.
            if self.running == 0 && (self.elsewhere == 0 || self.ending()) {
                break;
            }
            match messages.recv().context("a step's thread vanished")? {
                Message::Progress(id, progress) => {
                    self.announce(id, &progress);
                    let step = self.name(id);
                    (self.emit)(Event::Progress { step, progress });
                }
                Message::Ended(id, ended) => self.end(id, ended),
                Message::Released(id, released) => {
                    match released {
                        Ok(()) => self.assess(id),
                        Err(error) => self.fail(id, &error),
                    }
                    self.follow(id);
                }
                Message::Stop if self.stopped => hands.executor.kill(),
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

    /// Draws the consequences of a step's end for those that wait for it, and so on.
    fn follow(&mut self, ended: StepId) {
        let mut ends = vec![ended];
        while let Some(ended) = ends.pop() {
            let has_result = match self.phases[ended.index()] {
                Phase::Done(_) => true,
                Phase::Failed | Phase::Skipped => false,
                _ => continue,
            };
            for id in self.consumers[ended.index()].clone() {
                match self.phases[id.index()] {
                    Phase::Waiting(_) if !has_result => {
                        self.skip(id, format!("{} has no result", self.name(ended)));
                    }
                    Phase::Waiting(left) if left > 1 || self.stopped => {
                        self.set(id, Phase::Waiting(left - 1));
                    }
                    Phase::Waiting(_) => self.assess(id),
                    _ => continue,
                }
                ends.push(id);
            }
        }
    }

    /// Decides about a step all of whose producers have their results; where that cannot be done, it has
    /// failed.
    fn assess(&mut self, id: StepId) {
        if let Err(error) = self.try_to_assess(id) {
            self.fail(id, &error);
        }
    }

    fn try_to_assess(&mut self, id: StepId) -> Result<()> {
        let _lock = self.store.share()?;
        let made = |producer: StepId| self.made(producer);
        let forced = self.forced[id.index()];
        let Assessment { state, key } = assess_step(
            self.graph,
            id,
            forced,
            &made,
            &self.options.bases,
            self.store,
        )?;
        match (state, key) {
            (State::UpToDate(entry), _) => {
                self.store.rely_on(&[entry.key])?;
                self.show(id, &entry);
                self.use_result(id, entry);
            }
            (State::MustRun(reasons) | State::MayRun(reasons), Some(key)) => {
                self.set(id, Phase::Ready(Box::new(Work { key, reasons })));
            }
            (_, None) => bail!(
                "{}: its producers lack an output that it reads",
                self.name(id)
            ),
        }
        Ok(())
    }

    /// The result of a step that has one.
    fn made(&self, id: StepId) -> Option<&Entry> {
        match &self.phases[id.index()] {
            Phase::Done(done) => Some(&done.entry),
            _ => None,
        }
    }

    /// Takes a result that is there already.
    fn use_result(&mut self, id: StepId, entry: Arc<Entry>) {
        (self.emit)(Event::UpToDate {
            step: self.graph.step(id).name.clone(),
            summary: entry.summary.clone(),
        });
        self.set(
            id,
            Phase::Done(Done {
                entry,
                ran: false,
                same_bytes: false,
            }),
        );
    }

    /// Starts as many ready steps as there are free places.
    fn start_ready(&mut self, hands: &Hands<'_, 'a>) -> Result<()> {
        while !self.ending() && self.running < self.options.jobs {
            let Some(&id) = self.ready.first() else {
                break;
            };
            let Phase::Ready(work) = self.take(id) else {
                bail!("{} is not ready", self.name(id));
            };
            self.start(id, *work, hands);
        }
        Ok(())
    }

    /// Starts a step, unless it is done or under way elsewhere; where that cannot be done, it has failed.
    fn start(&mut self, id: StepId, work: Work, hands: &Hands<'_, 'a>) {
        if let Err(error) = self.try_to_start(id, work, hands) {
            self.fail(id, &error);
        }
        self.follow(id);
    }

    fn try_to_start(&mut self, id: StepId, work: Work, hands: &Hands<'_, 'a>) -> Result<()> {
        let Work { key, reasons } = work;
        let step = self.name(id);
        let _lock = self.store.share()?;
        self.store.rely_on(&[key])?;
        let claim = match self.store.claim(&key)? {
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
            && let Lookup::Found(entry) = self.store.lookup(&key)?
        {
            self.show(id, &entry);
            self.use_result(id, entry);
            return Ok(());
        }
        let (task, inputs) = self.prepare(id, key, &claim)?;
        let waiting = self.running + self.ready.len();
        let threads = (self.options.cores / waiting.clamp(1, self.options.jobs)).max(1);
        // The step's process may run elsewhere.
        let folder = absolute(claim.folder())?;
        let log = absolute(&claim.log())?;
        let (executor, sender) = (hands.executor, hands.sender.clone());
        hands.scope.spawn(move || {
            let mut report = |progress| drop(sender.send(Message::Progress(id, progress)));
            let ended = executor.run(&folder, &log, threads, &mut report);
            sender.send(Message::Ended(id, ended))
        });
        (self.emit)(Event::Started {
            step,
            reasons: reasons.clone(),
            threads,
        });
        let job = Job {
            key,
            key_inputs: task.key_inputs,
            inputs,
            reasons,
            claim,
            started_at: jiff::Timestamp::now(),
            started: Instant::now(),
            threads,
        };
        self.set(id, Phase::Running(Box::new(job)));
        Ok(())
    }

    /// Makes the readable view show a result. Where that fails nothing is lost but the view.
    fn show(&mut self, id: StepId, entry: &Entry) {
        let step = self.name(id);
        if let Err(error) = self.store.show(&step, entry) {
            let progress = Progress::Note(format!("{error:#}"));
            (self.emit)(Event::Progress { step, progress });
        }
    }

    /// Prepares the working folder of a claimed step; gives its task, and its inputs as they look now.
    fn prepare(&self, id: StepId, key: Digest, claim: &Claim) -> Result<(Task, Watched)> {
        self.store.begin(claim, &self.graph.step(id).name)?;
        claim.announce(&host());
        let task = self.task(id, key)?;
        let inputs = self.store.watch(&task.key_inputs.inputs)?;
        task.write(claim.folder())?;
        Ok((task, inputs))
    }

    fn task(&self, id: StepId, key: Digest) -> Result<Task> {
        let step = self.graph.step(id);
        let made = |producer: StepId| self.made(producer);
        let inputs = Inputs::of(step, &made).owned();
        let mut paths = BTreeMap::new();
        for (name, digest) in &inputs {
            let path = absolute(&self.store.object_path(digest))?;
            paths.insert(name.clone(), path.into());
        }
        Ok(Task {
            step: step.name.clone(),
            key,
            params: step.params.clone(),
            inputs: paths,
            key_inputs: self.options.bases.key_inputs(&step.params, inputs, None),
            environment: Environment {
                mirrors: self
                    .options
                    .mirrors
                    .iter()
                    .cloned()
                    .map(Into::into)
                    .collect(),
                sources: step.sources.clone(),
                device: self.options.device.clone(),
                checkpoint_seconds: self.options.checkpoint_seconds,
            },
        })
    }

    /// Commits or buries what a step's process left.
    fn end(&mut self, id: StepId, ended: Result<Finished>) {
        let Phase::Running(job) = self.take(id) else {
            return;
        };
        if matches!(&ended, Err(error) if error.is::<Stopped>()) {
            self.skip(id, "interrupted".to_owned());
            return;
        }
        match self.add(id, &job, ended) {
            Ok((entry, same_bytes)) => {
                let step = self.name(id);
                (self.emit)(Event::Finished {
                    step,
                    summary: entry.summary.clone(),
                    // Not the manifest's time: a forced step keeps its earlier result's record.
                    seconds: job.started.elapsed().as_secs_f64(),
                    same_bytes,
                });
                self.set(
                    id,
                    Phase::Done(Done {
                        entry,
                        ran: true,
                        same_bytes: same_bytes == Some(true),
                    }),
                );
            }
            Err(error) => {
                // If its inputs are not what they should be, that is the cause.
                let intact = self.store.expect_intact(&job.inputs);
                self.fail(id, &intact.err().unwrap_or(error));
            }
        }
        self.follow(id);
    }

    /// Adds what a step has left to the store, and shows it.
    fn add(
        &mut self,
        id: StepId,
        job: &Job,
        ended: Result<Finished>,
    ) -> Result<(Arc<Entry>, Option<bool>)> {
        let finished = ended?;
        let _lock = self.store.share()?;
        let (entry, same_bytes) = self.commit(id, job, finished)?;
        self.show(id, &entry);
        Ok((entry, same_bytes))
    }

    /// Tells those who ask for the status how far a training is.
    fn announce(&self, id: StepId, progress: &Progress) {
        if let Phase::Running(job) = &self.phases[id.index()]
            && let Progress::Training {
                iteration,
                iterations,
                seconds_left,
                ..
            } = *progress
        {
            job.claim.announce_progress(TrainingProgress {
                iteration,
                iterations,
                seconds_left,
            });
        }
    }

    fn fail(&mut self, id: StepId, error: &Error) {
        self.failed = true;
        let step = self.name(id);
        let log = self.log(&step);
        (self.emit)(Event::Failed {
            step,
            cause: format!("{error:#}"),
            log,
        });
        self.set(id, Phase::Failed);
    }

    /// Adds a result to the store; also says whether the step's newest earlier result had the same
    /// bytes.
    fn commit(
        &mut self,
        id: StepId,
        job: &Job,
        finished: Finished,
    ) -> Result<(Arc<Entry>, Option<bool>)> {
        let step = self.graph.step(id);
        self.keep_listings(step.params.kind())?;
        job.commit(step, finished, self.store)
    }

    /// Keeps what the digests of this kind's code and crates stand for.
    fn keep_listings(&mut self, kind: &'static str) -> Result<()> {
        if self.listed.insert(kind) {
            for listing in self.options.bases.listings_of(kind) {
                self.store.keep_listing(listing)?;
            }
        }
        Ok(())
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
            if let Phase::Waiting(_) | Phase::Ready(_) | Phase::Elsewhere = self.phases[id.index()]
            {
                self.skip(id, because.to_owned());
            }
        }
    }

    fn outcome(self) -> Outcome {
        let mut outcome = Outcome {
            interrupted: self.stopped,
            same_bytes: self.same_bytes(),
            stay_valid: self.stay_valid(),
            ..Outcome::default()
        };
        for (step, phase) in self.graph.steps().iter().zip(self.phases) {
            let list = match &phase {
                Phase::Done(Done { ran: true, .. }) => &mut outcome.ran,
                Phase::Done(Done { ran: false, .. }) => &mut outcome.up_to_date,
                Phase::Failed => &mut outcome.failed,
                Phase::Unneeded => {
                    outcome.results.push(None);
                    continue;
                }
                _ => &mut outcome.skipped,
            };
            list.push(step.name.clone());
            outcome.results.push(match phase {
                Phase::Done(done) => Some(done.entry),
                _ => None,
            });
        }
        outcome
    }

    /// Steps that ran again and made the same bytes.
    fn same_bytes(&self) -> Vec<String> {
        let same =
            |id: &StepId| matches!(&self.phases[id.index()], Phase::Done(done) if done.same_bytes);
        self.graph
            .ids()
            .filter(same)
            .map(|id| self.name(id))
            .collect()
    }

    /// How many steps did not run although something that they depend on did.
    fn stay_valid(&self) -> usize {
        let mut behind = vec![false; self.phases.len()];
        let mut valid = 0;
        for id in self.graph.ids() {
            let Phase::Done(Done { ran, .. }) = self.phases[id.index()] else {
                continue;
            };
            valid += usize::from(behind[id.index()] && !ran);
            if ran || behind[id.index()] {
                for consumer in self.consumers.get(id.index()).into_iter().flatten() {
                    behind[consumer.index()] = true;
                }
            }
        }
        valid
    }

    /// Every change of phase goes through here.
    fn set(&mut self, id: StepId, phase: Phase) {
        self.take(id);
        match phase {
            Phase::Ready(_) => drop(self.ready.insert(id)),
            Phase::Running(_) => self.running += 1,
            Phase::Elsewhere => self.elsewhere += 1,
            _ => {}
        }
        self.phases[id.index()] = phase;
    }

    /// Takes a step out of the phase that it is in.
    fn take(&mut self, id: StepId) -> Phase {
        let phase = std::mem::replace(&mut self.phases[id.index()], Phase::Waiting(0));
        match phase {
            Phase::Ready(_) => drop(self.ready.remove(&id)),
            Phase::Running(_) => self.running -= 1,
            Phase::Elsewhere => self.elsewhere -= 1,
            _ => {}
        }
        phase
    }

    fn name(&self, id: StepId) -> String {
        self.graph.step(id).name.clone()
    }

    fn log(&self, step: &str) -> PathBuf {
        self.store.newest_log(step)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use the path {}", path.display()))
}
