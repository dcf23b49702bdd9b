//! What the commands say of jobs of a cluster.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::view::duration;
use crate::plan::{Assessment, Plan};
use crate::project::Project;
use crate::run::slurm::{Answers, Client, Queued, Ticket, in_words};
use step::Progress;
use store::key::Digest;

/// A step's job.
#[derive(Debug)]
pub struct Job {
    ticket: Ticket,
    /// What the queue shows of it; nothing if it is not there.
    queued: Option<Queued>,
    /// How many wait before it.
    before: Option<usize>,
    /// Why the queue could not be read.
    away: Option<String>,
    /// How far it is by its own account.
    progress: Option<Progress>,
}

/// The jobs of a plan's steps, by the steps' keys.
///
/// # Errors
/// If a ticket cannot be read.
pub fn of(project: &Project, plan: &Plan) -> Result<BTreeMap<Digest, Job>> {
    let mut jobs = BTreeMap::new();
    let open = plan.iter().flatten();
    for assessment in open.filter(|assessment| assessment.result().is_none()) {
        let Assessment { key: Some(key), .. } = assessment else {
            continue;
        };
        let folder = project.store.work_path(key);
        if let Some(ticket) = Ticket::read(&folder)? {
            let job = Job {
                progress: Answers::progress(&folder),
                ticket,
                queued: None,
                before: None,
                away: None,
            };
            jobs.insert(*key, job);
        }
    }
    if jobs.is_empty() {
        return Ok(jobs);
    }
    match Client.queue() {
        Ok(mut queue) => {
            for job in jobs.values_mut() {
                job.queued = queue.remove(&(job.ticket.batch.clone(), job.ticket.index));
            }
        }
        Err(error) => {
            for job in jobs.values_mut() {
                job.away = Some(format!("{error:#}"));
            }
        }
    }
    let waits = |job: &Job| {
        let queued = job.queued.as_ref();
        queued.is_some_and(|queued| queued.state == "PENDING")
    };
    if jobs.values().any(waits) {
        let positions = Client.positions().unwrap_or_default();
        for job in jobs.values_mut().filter(|job| waits(job)) {
            let name = job
                .queued
                .as_ref()
                .map(|it| format!("{}_{}", it.number, job.ticket.index));
            job.before = name.and_then(|name| positions.get(&name).copied());
        }
    }
    Ok(jobs)
}

impl Job {
    /// For people.
    pub fn in_words(&self) -> String {
        let job = self.ticket.job();
        let job = job.map_or_else(|| "a job".to_owned(), |job| format!("job {job}"));
        match (&self.queued, &self.away) {
            (_, Some(away)) => format!("{job} of Slurm, of which nothing is known now: {away}"),
            (None, None) => format!("{job} of Slurm is over; its result is read by the next run"),
            (Some(queued), None) => {
                let mut words = in_words(&self.ticket, queued);
                match self.before {
                    Some(0) => words += ", next in its partition",
                    Some(before) => words += &format!(", {before} before it in its partition"),
                    None => {}
                }
                if let Some(Progress::Training {
                    iteration,
                    iterations,
                    seconds_left,
                    ..
                }) = self.progress
                {
                    let left = duration(seconds_left);
                    words += &format!(", iteration {iteration} of {iterations}, {left} left");
                }
                if queued.state == "PENDING" && !matches!(&*queued.start, "" | "N/A") {
                    words += &format!(", expected at {}", queued.start);
                }
                words
            }
        }
    }

    /// Whether it computes right now.
    pub fn runs(&self) -> bool {
        let queued = self.queued.as_ref();
        queued.is_some_and(|queued| queued.state == "RUNNING")
    }

    /// For programs.
    pub fn record(&self) -> Value {
        let queued = self.queued.as_ref();
        json!({
            "executor": "slurm",
            "job": self.ticket.job(),
            "state": queued.map(|it| &it.state),
            "nodes": queued.map(|it| &it.nodes),
            "reason": queued.map(|it| &it.reason),
            "time_left": queued.map(|it| &it.time_left),
            "start": queued.map(|it| &it.start),
            "before": self.before,
            "unknown": self.away,
            "progress": self.progress,
        })
    }
}
