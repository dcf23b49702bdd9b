//! Runs what must run, as much at once as allowed, in an order that the graph permits.
//!
//! Unaware of how a step is computed and of how its result gets into the store.

mod begin;
mod elsewhere;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};

use anyhow::{Context as _, Error, Result, bail};

use super::event::Event;
use super::executor::{Executor, Stopped};
use super::job::{Ended, Job};
use super::message::Message;
use super::options::Options;
use super::outcome::{End, Outcome};
use super::phase::{Done, Phase, Phases, Work};
use super::stop::Stop;
use crate::plan::{Assessment, Carriable, Plan, Planner, Reason, State, StepId};
use crate::steps::Environment;
use remote_store::AT_ONCE;
use step::Progress;
use store::key::Digest;
use store::{self, Claimed, Entry, Lookup};

/// What a plan is carried out with.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub planner: Planner<'a>,
    /// Steps that run although they are up to date.
    pub forced: &'a BTreeSet<StepId>,
    pub executor: &'a dyn Executor,
    pub options: &'a Options,
    pub stop: &'a Stop,
}

impl Run<'_> {
    /// Carries out a plan: runs what must run, and then what its results make necessary.
    ///
    /// A step that fails is an [`Event`] and part of the [`Outcome`], not an error.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn carry_out(&self, plan: Plan, emit: &mut dyn FnMut(Event)) -> Result<Outcome> {
        let (sender, messages) = channel();
        self.stop.goes_to(&sender);
        let mut scheduler = Scheduler {
            run: *self,
            consumers: Vec::new(),
            phases: Phases::new(plan.len()),
            sender,
            listed: BTreeSet::new(),
            asking: 0,
            failed: false,
            stopped: false,
            emit,
        };
        if scheduler.begin(plan)? {
            self.planner.store.prepare()?;
            scheduler.consumers = self.planner.graph.consumers();
            thread::scope(|scope| {
                let result = scheduler.drive(scope, &messages);
                if result.is_err() {
                    // The scope waits for its threads, and they for their processes.
                    self.executor.stop();
                }
                result
            })?;
        } else {
            self.planner.store.tidy();
        }
        let Scheduler {
            phases, consumers, ..
        } = &scheduler;
        let graph = self.planner.graph;
        Ok(Outcome::of(graph, phases, consumers, scheduler.stopped))
    }
}

/// A run under way.
struct Scheduler<'a> {
    run: Run<'a>,
    consumers: Vec<Vec<StepId>>,
    phases: Phases,
    /// For the threads of the run.
    sender: Sender<Message>,
    /// Kinds whose listings the store has been given.
    listed: BTreeSet<&'static str>,
    /// Number of steps whose results a store elsewhere is asked for.
    asking: usize,
    failed: bool,
    stopped: bool,
    emit: &'a mut dyn FnMut(Event),
}

impl<'a> Scheduler<'a> {
    fn drive<'s>(&mut self, scope: &'s Scope<'s, '_>, messages: &Receiver<Message>) -> Result<()>
    where
        'a: 's,
    {
        loop {
            while !self.ending()
                && self.phases.running() < self.run.options.jobs
                && self.asking < AT_ONCE
            {
                let Some((id, work)) = self.phases.next_ready() else {
                    break;
                };
                if self.ask_remote(scope, id) {
                    continue;
                }
                match self.start(id, work) {
                    Ok(Some(job)) => {
                        let (executor, sender) = (self.run.executor, self.sender.clone());
                        let store = self.run.planner.store;
                        scope.spawn(move || {
                            let mut report =
                                |progress| drop(sender.send(Message::Progress(id, progress)));
                            let ended = job.run(store, executor, &mut report);
                            sender.send(Message::Ended(job, ended))
                        });
                    }
                    Ok(None) => {}
                    Err(error) => self.fail(id, &error),
                }
                self.follow(id);
            }
            // Nobody waits for others' work once the run is to end.
            if self.phases.running() == 0 && (self.phases.elsewhere() == 0 || self.ending()) {
                break;
            }
            match messages.recv().context("a step's thread vanished")? {
                Message::Progress(id, progress) => {
                    let step = self.name(id);
                    (self.emit)(Event::Progress { step, progress });
                }
                Message::Ended(job, ended) => self.end(&job, ended),
                Message::Released(id, released) => {
                    let assessed = released.and_then(|()| self.assess(id));
                    self.settle(id, assessed);
                }
                Message::Asked(id, notes) => {
                    self.was_asked(id, notes);
                }
                Message::Stop if self.stopped => self.run.executor.kill(),
                Message::Stop => {
                    self.stopped = true;
                    self.run.executor.stop();
                }
            }
        }
        if let Some(remote) = self.run.options.remote.as_ref().filter(|_| self.ending()) {
            // The scope waits for those who ask it.
            remote.stop();
        }
        self.skip_the_rest();
        Ok(())
    }

    /// Whether nothing new may start.
    fn ending(&self) -> bool {
        self.stopped || (self.failed && !self.run.options.keep_going)
    }

    /// Draws the consequences of a step's end for those that wait for it, and so on.
    fn follow(&mut self, ended: StepId) {
        let mut ends = vec![ended];
        while let Some(ended) = ends.pop() {
            let has_result = match self.phases.of(ended) {
                Phase::Done(_) => true,
                Phase::Failed | Phase::Skipped => false,
                _ => continue,
            };
            for id in self.consumers[ended.index()].clone() {
                match *self.phases.of(id) {
                    Phase::Waiting(_) if !has_result => {
                        self.skip(id, format!("{} has no result", self.name(ended)));
                    }
                    Phase::Waiting(left) if left > 1 || self.stopped => {
                        self.phases.set(id, Phase::Waiting(left - 1));
                    }
                    Phase::Waiting(_) => {
                        if let Err(error) = self.assess(id) {
                            self.fail(id, &error);
                        }
                    }
                    _ => continue,
                }
                ends.push(id);
            }
        }
    }

    /// Decides about a step all of whose producers have their results.
    fn assess(&mut self, id: StepId) -> Result<()> {
        let Planner { store, .. } = self.run.planner;
        let _lock = store.share()?;
        let made = |producer: StepId| self.phases.result(producer);
        let forced = self.run.forced.contains(&id);
        let Assessment {
            state,
            key,
            carriable,
        } = self.run.planner.assess_step(id, forced, &made)?;
        match (state, key) {
            (State::UpToDate(entry), _) => {
                store.rely_on(&[entry.key])?;
                self.show(id, &entry);
                self.use_result(id, entry);
            }
            (State::MustRun(reasons) | State::MayRun(reasons), Some(key)) => {
                self.ready(id, key, reasons, carriable);
            }
            (_, None) => bail!(
                "{}: its producers lack an output that it reads",
                self.name(id)
            ),
        }
        Ok(())
    }

    /// Decides that a step runs.
    fn ready(
        &mut self,
        id: StepId,
        key: Digest,
        reasons: Vec<Reason>,
        carriable: Option<Carriable>,
    ) {
        let replayed = carriable.filter(|_| self.run.options.replay);
        let work = Work {
            key,
            reasons,
            replayed,
            turn: self.run.planner.graph.step(id).params.turn(),
        };
        self.phases.set(id, Phase::Ready(work));
    }

    /// Takes a result that is there already.
    fn use_result(&mut self, id: StepId, entry: Arc<Entry>) {
        let step = self.name(id);
        let summary = entry.summary.clone();
        (self.emit)(Event::UpToDate { step, summary });
        let done = Done {
            entry,
            end: End::UpToDate,
            same_bytes: false,
        };
        self.phases.set(id, Phase::Done(done));
    }

    /// Begins a step, unless it is done or under way elsewhere.
    fn start(&mut self, id: StepId, work: Work) -> Result<Option<Box<Job>>> {
        let step = self.name(id);
        let Planner { graph, store, .. } = self.run.planner;
        let _lock = store.share()?;
        store.rely_on(&[work.key])?;
        let claim = match store.claim(&work.key)? {
            Claimed::Ours(claim) => claim,
            Claimed::Busy(lock) => {
                let sender = self.sender.clone();
                // Not in the scope: a run that is to end does not wait for other processes.
                thread::spawn(move || sender.send(Message::Released(id, store::wait(&lock))));
                (self.emit)(Event::Elsewhere { step });
                self.phases.set(id, Phase::Elsewhere);
                return Ok(None);
            }
        };
        // Between the assessment and the claim another process may have finished the work.
        if !self.run.forced.contains(&id)
            && let Lookup::Found(entry) = store.lookup(&work.key)?
        {
            self.show(id, &entry);
            self.use_result(id, entry);
            return Ok(None);
        }
        let options = self.run.options;
        let environment = Environment {
            sources: graph.step(id).sources.clone(),
            ..options.environment.clone()
        };
        let reasons = work.reasons.clone();
        let made = |producer: StepId| self.phases.result(producer);
        let (planner, executor) = (self.run.planner, self.run.executor);
        let mut job = Job::begin(planner, id, work, claim, &made, environment, executor)?;
        let others = self.phases.running() + self.phases.ready() - 1;
        let share = |of: usize| (of / others.clamp(1, options.jobs)).max(1);
        (job.threads, job.processes) = (share(options.cores), share(options.jobs));
        self.phases.set(id, Phase::Running);
        (self.emit)(Event::Started {
            step,
            reasons,
            threads: job.threads,
        });
        Ok(Some(Box::new(job)))
    }

    /// Makes the readable view show a result. Where that fails nothing is lost but the view.
    fn show(&mut self, id: StepId, entry: &Entry) {
        let step = self.name(id);
        if let Err(error) = self.run.planner.store.show(&step, entry) {
            let progress = Progress::Note(format!("{error:#}"));
            (self.emit)(Event::Progress { step, progress });
        }
    }

    /// Commits or buries what a step's process left.
    fn end(&mut self, job: &Job, ended: Result<Ended>) {
        let id = job.id;
        if let Err(error) = &ended
            && let Some(stopped) = error.downcast_ref::<Stopped>()
        {
            return self.skip(id, stopped.to_string());
        }
        let added = ended.and_then(|ended| self.add(job, ended));
        let added = added.or_else(|error| self.added_elsewhere(job).map_err(|_| error));
        // If its inputs are not what they should be, that is the cause.
        let added = added.map_err(|error| {
            let intact = job.expect_intact(self.run.planner.store);
            intact.err().unwrap_or(error)
        });
        self.settle(id, added);
    }

    /// Notes that a step has failed, if it has, and draws the consequences of its end.
    fn settle(&mut self, id: StepId, result: Result<()>) {
        if let Err(error) = result {
            self.fail(id, &error);
        }
        self.follow(id);
    }

    /// Adds what a step has left to the store, and shows it.
    fn add(&mut self, job: &Job, ended: Ended) -> Result<()> {
        let Planner { graph, store, .. } = self.run.planner;
        let step = graph.step(job.id);
        let _lock = store.share()?;
        self.keep_listings(step.params.kind())?;
        let name = step.name.clone();
        // Not the manifest's time: a forced step keeps its earlier result's record.
        let seconds = job.seconds();
        let (entry, end, same_bytes, event) = match ended {
            Ended::Computed(finished) => {
                let (entry, same_bytes) = job.commit(finished, store)?;
                let event = Event::Finished {
                    step: name,
                    summary: entry.summary.clone(),
                    seconds,
                    same_bytes,
                };
                (entry, End::Ran, same_bytes == Some(true), event)
            }
            Ended::Shown(from, stretches) => {
                let iterations = stretches.iter().map(|it| it.to - it.from).sum();
                let entry = job.carry_over(&from, stretches, store)?;
                let event = Event::CarriedOver {
                    step: name,
                    summary: entry.summary.clone(),
                    from: from.key,
                    iterations,
                    seconds,
                };
                (entry, End::CarriedOver, false, event)
            }
        };
        self.show(job.id, &entry);
        (self.emit)(event);
        let done = Done {
            entry,
            end,
            same_bytes,
        };
        self.phases.set(job.id, Phase::Done(done));
        Ok(())
    }

    fn fail(&mut self, id: StepId, error: &Error) {
        self.failed = true;
        let step = self.name(id);
        (self.emit)(Event::Failed {
            cause: format!("{error:#}"),
            log: self.run.planner.store.newest_log(&step),
            step,
        });
        self.phases.set(id, Phase::Failed);
    }

    /// Keeps what the digests of this kind's code and crates stand for.
    fn keep_listings(&mut self, kind: &'static str) -> Result<()> {
        if self.listed.insert(kind) {
            for listing in self.run.planner.bases.listings_of(kind) {
                self.run.planner.store.keep_listing(listing)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, id: StepId, because: String) {
        let step = self.name(id);
        (self.emit)(Event::Skipped { step, because });
        self.phases.set(id, Phase::Skipped);
    }

    /// Marks every step that was never reached as skipped.
    fn skip_the_rest(&mut self) {
        let because = match (self.stopped, self.failed) {
            (true, _) => "interrupted",
            (false, true) => "another step failed",
            (false, false) => "it needs what a job goes on with",
        };
        for id in self.run.planner.graph.ids() {
            if let Phase::Waiting(_) | Phase::Ready(_) | Phase::Elsewhere = self.phases.of(id) {
                self.skip(id, because.to_owned());
            }
        }
    }

    fn name(&self, id: StepId) -> String {
        self.run.planner.graph.step(id).name.clone()
    }
}
