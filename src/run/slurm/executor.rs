//! Runs steps that compute as jobs of Slurm, and all others here.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::answers::{Answers, Last};
use super::client::{Away, Client, Ended, Queued};
use super::ending::Ending;
use super::lease::Lease;
use super::poll::{QueuePoll, Seen};
use super::program::keep_program;
use super::settings::Settings;
use super::submit::{Order, Setting, Submitter};
use super::ticket::Ticket;
use super::verdict::{self, Next};
use crate::run::executor::{Executor, LocalProcesses, Stopped};
use crate::run::task::{Finished, Task};
use step::Progress;
use store::key::Digest;
use walkdir::WalkDir;

/// Seconds between two looks at the queue where nobody says otherwise.
const POLL_SECONDS: f64 = 5.0;

/// Looks at the queue without a job, one after the other, before it counts as gone: file systems and Slurm
/// itself may be late.
const LOOKS: u32 = 3;

/// Looks at a folder without a ticket before its step counts as given up: another process may be about to
/// add its result.
const LOOKS_WITHOUT_TICKET: u32 = 15;

/// How late a file system may show what a job has written.
const LATEST: Duration = Duration::from_secs(60);

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
    ending: Ending,
    poll: QueuePoll,
    submitter: Submitter,
}

impl Slurm {
    /// Submits with these settings. The program is copied below `root`, the folder of artifacts, so that jobs
    /// run the program that submitted them also after another build. A `detached` run waits for no job.
    ///
    /// # Errors
    /// If Slurm's commands are not there or refuse, the program cannot be copied, or a process on another
    /// machine submits jobs for the same folder.
    pub fn new(settings: Settings, root: &Path, detached: bool) -> Result<Slurm> {
        let client = Client;
        match client.queue() {
            Err(error) if !error.is::<Away>() => return Err(error.context("cannot use Slurm")),
            _ => {}
        }
        let every = settings.poll_seconds.unwrap_or(POLL_SECONDS);
        Ok(Slurm {
            client,
            settings,
            local: LocalProcesses::new()?,
            lease: Lease::take(root)?,
            program: keep_program(root)?,
            detached,
            ending: Ending::default(),
            poll: QueuePoll::new(Duration::from_secs_f64(every)),
            submitter: Submitter::default(),
        })
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
        let mut say = |now: String, report: &mut dyn FnMut(Progress)| {
            if now != said {
                report(Progress::Note(now.clone()));
                said = now;
            }
        };
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
            ensure!(
                !self.lease.is_lost(),
                "fig6 on another machine has taken over this folder of artifacts"
            );
            let queued = match self.poll.look(self.client, &self.ending, &ticket)? {
                Seen::Queued(queued) => Some(queued),
                Seen::Missing => None,
                Seen::Away(why) => {
                    say(format!("Slurm does not answer: {why}"), report);
                    continue;
                }
            };
            if let Some(queued) = queued {
                missing = 0;
                if ticket.number.is_none() {
                    ticket.number = Some(queued.number);
                    ticket.write(folder)?;
                }
                say(in_words(&ticket, &queued), report);
                if is_stuck(&queued) {
                    let job = format!("{}_{}", queued.number, ticket.index);
                    self.client.cancel(&[job])?;
                    let ended = Ended {
                        state: "BOOT_FAIL".to_owned(),
                        ..Ended::default()
                    };
                    ticket = self.after(&ended, task, folder, ticket, report)?;
                }
                continue;
            }
            missing += 1;
            // Its last words may have come since.
            answers.read(report)?;
            if missing < LOOKS || answers.has_ended() {
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
                None if missing < LOOKS_WITHOUT_TICKET && Task::read(folder).is_ok() => continue,
                None => bail!("its job was cancelled, or another process has read its result"),
            };
            (answers, missing) = (Answers::of(folder), 0);
        }
    }

    /// How a job ended that is gone, as far as Slurm knows; nothing of one that was perhaps never submitted.
    fn end_of(&self, ticket: &Ticket) -> Result<Ended> {
        let Some(job) = ticket.job() else {
            return Ok(Ended::default());
        };
        loop {
            match self.client.ended(&job) {
                Err(error) if error.is::<Away>() => self.ending.wait(self.poll.every())?,
                ended => return ended,
            }
        }
    }

    /// Waits for the last words of a job that has said how it ended, which a network's file system may show
    /// late; returns whether they came.
    fn hear(&self, answers: &mut Answers, report: &mut dyn FnMut(Progress)) -> Result<bool> {
        let until = Instant::now() + LATEST;
        while !answers.has_ended() && Instant::now() < until {
            self.ending.wait(self.poll.every())?;
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
        let setting = Setting {
            client: self.client,
            program: &self.program.0,
            ending: &self.ending,
        };
        self.submitter.submit(order, setting, report)
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
        if let Err(error) = &followed
            && !error.is::<Stopped>()
        {
            // With its ticket goes whatever might still run. That of a finished job stays until its result is
            // added: who comes after a kill between the two finds it.
            Ticket::withdraw(folder)?;
        }
        followed
    }

    fn is_at_work(&self, folder: &Path) -> Result<bool> {
        if Ticket::read(folder)?.is_none() {
            return Ok(false);
        }
        let mut answers = Answers::of(folder);
        answers.read(&mut |_| {})?;
        if !matches!(answers.last, Some(Last::Finished(_))) {
            return Ok(true);
        }
        // What was taken away since is to be computed again.
        let outputs = Task::read(folder)?.params.outputs();
        let out = folder.join("out");
        Ok(outputs.iter().all(|name| out.join(name).exists()))
    }

    fn stop(&self) {
        self.local.stop();
        self.ending.set();
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
