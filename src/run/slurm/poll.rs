//! The queue as it was seen last. One thread looks for all that wait.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Client, Queue, Queued};
use super::ending::Ending;
use super::ticket::Ticket;
use crate::run::executor::Stopped;

/// Looks at the queue every so often.
#[derive(Debug)]
pub struct QueuePoll {
    every: Duration,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// How often it was looked, and when that began the last time.
    looks: u64,
    began: Option<Instant>,
    /// Whether a thread looks now.
    looking: bool,
    queue: Queue,
    /// Why the queue could not be read.
    away: Option<String>,
}

/// What a look shows of a job.
#[derive(Debug)]
pub enum Seen {
    Queued(Queued),
    Missing,
    /// The controller is away; jobs go on without it.
    Away(String),
}

impl QueuePoll {
    pub fn new(every: Duration) -> QueuePoll {
        QueuePoll {
            every,
            last: Mutex::default(),
        }
    }

    pub fn every(&self) -> Duration {
        self.every
    }

    /// Waits for the next look that begins from now on; returns what it shows of a job.
    ///
    /// # Errors
    /// [`Stopped::Left`] as soon as the run is to end.
    pub fn look(&self, client: Client, ending: &Ending, ticket: &Ticket) -> Result<Seen, Stopped> {
        let before = {
            let last = self.last();
            // A look under way may have begun before the job was submitted.
            last.looks + u64::from(last.looking)
        };
        loop {
            let pause = {
                let mut last = self.last();
                if last.looks > before {
                    return Ok(last.of(ticket));
                }
                let now = Instant::now();
                let due = last.began.map_or(now, |began| began + self.every);
                if due <= now && !last.looking {
                    last.looking = true;
                    last.began = Some(now);
                    drop(last);
                    let queue = client.queue();
                    self.last().note(queue);
                    continue;
                }
                // Whoever looks now is done soon.
                due.saturating_duration_since(now).clamp(SHORT, self.every)
            };
            ending.wait(pause)?;
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two questions whether another thread has looked.
const SHORT: Duration = Duration::from_millis(20);

impl Last {
    fn note(&mut self, queue: anyhow::Result<Queue>) {
        self.looking = false;
        self.looks += 1;
        self.away = None;
        match queue {
            Ok(queue) => self.queue = queue,
            Err(error) => self.away = Some(format!("{error:#}")),
        }
    }

    fn of(&self, ticket: &Ticket) -> Seen {
        let job = (ticket.batch.clone(), ticket.index);
        match (&self.away, self.queue.get(&job)) {
            (Some(why), _) => Seen::Away(why.clone()),
            (None, Some(queued)) => Seen::Queued(queued.clone()),
            (None, None) => Seen::Missing,
        }
    }
}
