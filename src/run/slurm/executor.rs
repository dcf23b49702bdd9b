//! Runs steps that compute as jobs of Slurm, and all others here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail};

use super::answers::{Answers, Last};
use super::client::{Away, Client, Ended, Queue, Queued};
use super::lease::Lease;
use super::script::script;
use super::settings::Settings;
use super::ticket::{Ticket, write_atomically};
use super::verdict::{self, Next};
use crate::run::executor::{Executor, LocalProcesses, Stopped};
use crate::run::task::{Finished, Task};
use step::Progress;
use store::key::Digest;
use walkdir::WalkDir;

/// Seconds between two looks at the queue where nobody says otherwise.
const POLL_SECONDS: f64 = 5.0;

/// How long steps that become ready together are waited for, to be submitted together.
const GATHER: Duration = Duration::from_millis(200);

/// Jobs in one submission: less than what Slurm allows unless it is told otherwise.
const LARGEST: usize = 500;

/// Looks at the queue without a job, one after the other, before it counts as gone: file systems and Slurm
/// itself may be late.
const LOOKS: u32 = 3;

/// Jobs of Slurm, and processes on this machine for what computes little.
#[derive(Debug)]
pub struct Slurm {
    client: Client,
    settings: Settings,
    local: LocalProcesses,
    /// The program as all nodes see it, and its digest.
    program: (PathBuf, Digest),
    /// Whether nothing is waited for once it is submitted.
    detached: bool,
    lease: Lease,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether nothing is waited for any more; jobs go on.
    ending: bool,
    /// Steps that are to be submitted, with their options.
    orders: Vec<Order>,
    /// Whether a thread submits.
    submitting: bool,
    /// What became of orders, by their folders.
    answers: BTreeMap<PathBuf, Result<Ticket, String>>,
    queue: Queue,
    /// How often the queue was read, and when that began the last time.
    looks: u64,
    looked: Option<Instant>,
    /// Whether a thread reads it.
    looking: bool,
    /// Why it could not be read the last time.
    away: Option<String>,
}

/// A step to be submitted.
#[derive(Clone, Debug)]
struct Order {
    step: String,
    folder: PathBuf,
    options: Vec<String>,
    ticket: Ticket,
}

/// How late a file system may show what a job has written.
const LATEST: Duration = Duration::from_secs(60);

/// What a look at the queue shows of a job.
enum Seen {
    Queued(Queued),
    /// It is not there, as it was not in so many looks before.
    Missing(u32),
}

impl Slurm {
    /// Submits with these settings. The program is copied below `root`, the folder of artifacts, so that jobs
    /// run the program that submitted them also after another build. A `detached` run waits for no job.
    ///
    /// # Errors
    /// If Slurm's commands are not there or refuse, or the program cannot be copied.
    pub fn new(settings: Settings, root: &Path, detached: bool) -> Result<Slurm> {
        let client = Client;
        match client.queue() {
            Err(error) if !error.is::<Away>() => return Err(error.context("cannot use Slurm")),
            _ => {}
        }
        Ok(Slurm {
            client,
            settings,
            local: LocalProcesses::new()?,
            program: keep_program(root)?,
            detached,
            lease: Lease::take(root)?,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is made by one assignment; a panic in between leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.settings.poll_seconds.unwrap_or(POLL_SECONDS))
    }

    /// Submits a step, together with others that are ready at the same time.
    fn submit(&self, order: Order, report: &mut dyn FnMut(Progress)) -> Result<Ticket> {
        let folder = order.folder.clone();
        let mut state = self.state();
        state.orders.push(order);
        loop {
            if let Some(answer) = state.answers.remove(&folder) {
                return answer.map_err(Error::msg);
            }
            if state.ending {
                state.orders.retain(|order| order.folder != folder);
                if !state.submitting {
                    return Err(Stopped::Left.into());
                }
            }
            if state.submitting || state.orders.is_empty() {
                state = self.wait(state, self.poll());
                continue;
            }
            state.submitting = true;
            state = self.wait(state, GATHER);
            let orders = std::mem::take(&mut state.orders);
            drop(state);
            let answers = self.submit_all(orders, report);
            state = self.state();
            state.answers.extend(answers);
            state.submitting = false;
            self.changed.notify_all();
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Submits orders: those with the same options together.
    fn submit_all(
        &self,
        orders: Vec<Order>,
        report: &mut dyn FnMut(Progress),
    ) -> BTreeMap<PathBuf, Result<Ticket, String>> {
        let mut alike: BTreeMap<Vec<String>, Vec<Order>> = BTreeMap::new();
        for order in orders {
            alike.entry(order.options.clone()).or_default().push(order);
        }
        let mut answers = BTreeMap::new();
        for (options, orders) in alike {
            for orders in orders.chunks(LARGEST) {
                let submitted = self.submit_batch(&options, orders, report);
                for (index, order) in orders.iter().enumerate() {
                    let answer = match &submitted {
                        Ok((batch, number)) => Ok(Ticket {
                            batch: batch.clone(),
                            index,
                            number: *number,
                            ..order.ticket.clone()
                        }),
                        Err(error) => Err(format!(
                            "sbatch refused {}{}: {error:#}",
                            order.step,
                            match &*options {
                                [] => String::new(),
                                options => format!(" with {}", options.join(" ")),
                            }
                        )),
                    };
                    answers.insert(order.folder.clone(), answer);
                }
            }
        }
        answers
    }

    /// Submits steps with the same options; returns the submission's name and Slurm's number of it.
    fn submit_batch(
        &self,
        options: &[String],
        orders: &[Order],
        report: &mut dyn FnMut(Progress),
    ) -> Result<(String, Option<u64>)> {
        let batch = name_of_batch(orders);
        let ticket = |index: usize, number| Ticket {
            batch: batch.clone(),
            index,
            number,
            ..orders[index].ticket.clone()
        };
        for (index, order) in orders.iter().enumerate() {
            Answers::begin(&order.folder)?;
            ticket(index, None).write(&order.folder)?;
        }
        let folders: Vec<PathBuf> = orders.iter().map(|order| order.folder.clone()).collect();
        let script = script(&batch, &self.program.0, &folders)?;
        let mut pause = Duration::from_secs(1);
        let number = loop {
            match self.client.submit(&batch, orders.len(), options, &script) {
                Ok(number) => break number,
                Err(error) if error.is::<Away>() => {
                    report(Progress::Note(format!("waiting for Slurm: {error:#}")));
                }
                Err(error) => {
                    for order in orders {
                        Ticket::withdraw(&order.folder)?;
                    }
                    return Err(error);
                }
            }
            let state = self.wait(self.state(), pause);
            if state.ending {
                // It may have been submitted all the same; a later run will see.
                return Ok((batch, None));
            }
            drop(state);
            pause = (pause * 2).min(Duration::from_secs(60));
            // The answer may be what was lost.
            if let Ok(queue) = self.client.queue()
                && let Some(queued) = queue.get(&(batch.clone(), 0))
            {
                break queued.number;
            }
        };
        for (index, order) in orders.iter().enumerate() {
            ticket(index, Some(number)).write(&order.folder)?;
        }
        Ok((batch, Some(number)))
    }

    /// Waits for the next look at the queue; returns what it shows of a job. One thread looks for all.
    fn look(&self, ticket: &Ticket, missing: u32) -> Result<Seen> {
        let mut state = self.state();
        let before = state.looks;
        loop {
            if state.ending {
                return Err(Stopped::Left.into());
            }
            if self.lease.is_lost() {
                bail!("fig6 on another machine has taken over this folder of artifacts");
            }
            if state.looks > before {
                let job = (ticket.batch.clone(), ticket.index);
                return Ok(match state.queue.get(&job) {
                    Some(queued) => Seen::Queued(queued.clone()),
                    None => Seen::Missing(missing + 1),
                });
            }
            let due = state.looked.map(|looked| looked + self.poll());
            let now = Instant::now();
            match due.filter(|due| *due > now) {
                Some(due) => state = self.wait(state, due - now),
                None if state.looking => state = self.wait(state, self.poll()),
                None => {
                    state.looking = true;
                    state.looked = Some(now);
                    drop(state);
                    let queue = self.client.queue();
                    state = self.state();
                    state.looking = false;
                    match queue {
                        Ok(queue) => {
                            state.queue = queue;
                            state.looks += 1;
                            state.away = None;
                        }
                        // The controller may be away for a while; jobs go on without it.
                        Err(error) => state.away = Some(format!("{error:#}")),
                    }
                    self.changed.notify_all();
                }
            }
        }
    }

    /// Follows a job to the end of its step.
    fn follow(
        &self,
        task: &Task,
        folder: &Path,
        mut ticket: Ticket,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let mut answers = Answers::of(folder);
        let mut missing = 0;
        let mut said = String::new();
        loop {
            answers.read(report)?;
            match answers.last.take() {
                Some(Last::Finished(finished)) => return Ok(finished),
                Some(Last::Failed(cause)) => bail!("{cause}"),
                // It is queued again, or its end says why not.
                Some(Last::Interrupted) | None => {}
            }
            if self.detached {
                return Err(Stopped::Left.into());
            }
            match self.look(&ticket, missing)? {
                Seen::Queued(queued) => {
                    missing = 0;
                    if ticket.number.is_none() {
                        ticket.number = Some(queued.number);
                        ticket.write(folder)?;
                    }
                    let now = in_words(&ticket, &queued);
                    if now != said {
                        report(Progress::Note(now.clone()));
                        said = now;
                    }
                    if is_stuck(&queued) {
                        let job = format!("{}_{}", queued.number, ticket.index);
                        self.client.cancel(&[job])?;
                        let ended = Ended {
                            state: "BOOT_FAIL".to_owned(),
                            ..Ended::default()
                        };
                        ticket = self.after(&ended, task, folder, ticket, report)?;
                    }
                }
                Seen::Missing(looks) if looks < LOOKS => missing = looks,
                Seen::Missing(_) => {
                    // Its last words may have come since.
                    answers.read(report)?;
                    if answers.has_ended() {
                        continue;
                    }
                    ticket = match Ticket::read(folder)? {
                        Some(own) if own.word() == ticket.word() => {
                            let ended = self.end_of(&ticket)?;
                            if ended.has_answered() && self.hear(&mut answers, report)? {
                                continue;
                            }
                            self.after(&ended, task, folder, ticket, report)?
                        }
                        // Another process, which did not see this one's, has submitted the step as well.
                        Some(others) => others,
                        None => {
                            bail!("its job was cancelled, or another process has read its result")
                        }
                    };
                    (answers, missing, said) = (Answers::of(folder), 0, String::new());
                }
            }
        }
    }

    /// How a job ended that is gone, as far as Slurm knows; nothing of one that was perhaps never submitted.
    fn end_of(&self, ticket: &Ticket) -> Result<Ended> {
        let Some(job) = ticket.job() else {
            return Ok(Ended::default());
        };
        loop {
            match self.client.ended(&job) {
                Err(error) if error.is::<Away>() => {
                    let state = self.wait(self.state(), self.poll());
                    if state.ending {
                        return Err(Stopped::Left.into());
                    }
                }
                ended => return ended,
            }
        }
    }

    /// Waits for the last words of a job that has said how it ended, which a network's file system may show
    /// late; returns whether they came.
    fn hear(&self, answers: &mut Answers, report: &mut dyn FnMut(Progress)) -> Result<bool> {
        let until = Instant::now() + LATEST;
        while !answers.has_ended() && Instant::now() < until {
            let state = self.wait(self.state(), self.poll());
            if state.ending {
                return Err(Stopped::Left.into());
            }
            drop(state);
            answers.read(report)?;
        }
        Ok(answers.has_ended())
    }

    /// Submits a step once more whose job has come to such an end, if that may help.
    fn after(
        &self,
        ended: &Ended,
        task: &Task,
        folder: &Path,
        mut ticket: Ticket,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Ticket> {
        let job = ticket
            .job()
            .unwrap_or_else(|| "without a number".to_owned());
        let kept = task.params.kept(&folder.join("scratch"));
        let kept = kept.map_or(0, |(done, _)| done);
        let pauses = task.params.kind() == "train" && task.replay.is_empty();
        match verdict::next(&job, ended, &ticket.troubles, kept, pauses) {
            Next::Fail(cause) => bail!("{cause}"),
            Next::Again(trouble) => {
                report(Progress::Note(format!("{}; submitted again", trouble.what)));
                ticket.troubles.push(trouble);
                self.begin(task, folder, ticket, report)
            }
        }
    }

    /// Submits a step, away from nodes on which it failed before.
    fn begin(
        &self,
        task: &Task,
        folder: &Path,
        ticket: Ticket,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Ticket> {
        let mut options = self.settings.of(&task.step)?;
        let avoided = verdict::avoided(&ticket.troubles);
        if !avoided.is_empty() {
            options.push(format!("--exclude={}", avoided.join(",")));
        }
        let order = Order {
            step: task.step.clone(),
            folder: folder.to_owned(),
            options,
            ticket: Ticket {
                number: None,
                program: self.program.1,
                ..ticket
            },
        };
        self.submit(order, report)
    }
}

impl Executor for Slurm {
    fn run(
        &self,
        folder: &Path,
        log: &Path,
        threads: usize,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let task = Task::read(folder)?;
        if !task.params.is_numeric() {
            return self.local.run(folder, log, threads, report);
        }
        let ticket = match Ticket::read(folder)? {
            Some(ticket) => ticket,
            None => {
                let ticket = Ticket {
                    batch: String::new(),
                    index: 0,
                    number: None,
                    program: self.program.1,
                    troubles: Vec::new(),
                };
                self.begin(&task, folder, ticket, report)?
            }
        };
        let mut followed = self.follow(&task, folder, ticket, report);
        if let Ok(finished) = &mut followed {
            // A place in the queue is no work.
            finished.seconds = Some(finished.work_seconds);
        }
        match &followed {
            Err(error) if error.is::<Stopped>() => {}
            // With its ticket goes whatever might still run.
            _ => Ticket::withdraw(folder)?,
        }
        followed
    }

    fn is_at_work(&self, folder: &Path) -> Result<bool> {
        Ok(Ticket::read(folder)?.is_some())
    }

    fn stop(&self) {
        self.local.stop();
        self.state().ending = true;
        self.changed.notify_all();
    }

    /// Jobs are left even so: [`cancel`] ends them.
    fn kill(&self) {
        self.local.kill();
        self.stop();
    }
}

/// Cancels all jobs whose tickets lie below a folder; returns how many there were.
///
/// # Errors
/// If a ticket cannot be read or removed, or Slurm cannot be reached.
pub fn cancel(below: &Path) -> Result<usize> {
    let mut tickets = Vec::new();
    for entry in WalkDir::new(below).into_iter().filter_map(Result::ok) {
        if entry.file_name() == store::JOB
            && let Some(folder) = entry.path().parent()
            && let Some(ticket) = Ticket::read(folder)?
        {
            tickets.push((folder.to_owned(), ticket));
        }
    }
    if tickets.is_empty() {
        return Ok(0);
    }
    let queue = Client.queue()?;
    let mut jobs = Vec::new();
    for (folder, ticket) in &tickets {
        let queued = queue.get(&(ticket.batch.clone(), ticket.index));
        jobs.extend(queued.map(|queued| format!("{}_{}", queued.number, ticket.index)));
        Ticket::withdraw(folder)?;
    }
    Client.cancel(&jobs)?;
    Ok(tickets.len())
}

/// What the queue says of a job, for people.
pub fn in_words(ticket: &Ticket, queued: &Queued) -> String {
    let Queued {
        number,
        state,
        nodes,
        reason,
        time_left,
        ..
    } = queued;
    let job = format!("job {number}_{}", ticket.index);
    match &**state {
        "PENDING" => format!("{job} waits ({reason})"),
        "RUNNING" => format!("{job} runs on {nodes}, time limit in {time_left}"),
        other => format!("{job} is {}", other.to_lowercase()),
    }
}

/// Whether Slurm keeps a job back for good, because it could not be started.
fn is_stuck(queued: &Queued) -> bool {
    queued.state == "PENDING" && queued.reason.contains("launch failed requeued held")
}

/// A name that no other submission has.
fn name_of_batch(orders: &[Order]) -> String {
    let mut text = format!("{} {:?}", std::process::id(), std::time::SystemTime::now());
    for order in orders {
        text += &order.folder.to_string_lossy();
    }
    Digest::of(text.as_bytes()).to_string()[..16].to_owned()
}

/// Copies this program to where the nodes see it, unless it is there; returns its path and digest.
fn keep_program(root: &Path) -> Result<(PathBuf, Digest)> {
    let program = Path::new("/proc/self/exe");
    let program = match program.exists() {
        true => program.to_owned(),
        false => std::env::current_exe().context("cannot find out the path of fig6 itself")?,
    };
    let digest = Digest::of_file(&program).context("cannot read the program itself")?;
    let folder = std::path::absolute(root.join("programs"))
        .with_context(|| format!("cannot use the path {}", root.display()))?;
    let kept = folder.join(format!("fig6-{}", digest.short()));
    if Digest::of_file(&kept).ok() != Some(digest) {
        let content = fs::read(&program).context("cannot read the program itself")?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        write_atomically(&kept, 0o755, &content)?;
    }
    Ok((kept, digest))
}
