//! The queue as it was seen last. One thread looks for all that wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Last {
    /// How often it was looked, and when that began the last time.
    looks: u64,
    began: Option<Instant>,
    /// Whether the queue is read now.
    reading: bool,
    /// Whether a thread waits to look or looks, and the others for it.
    has_looker: bool,
    /// Whether the run is to end.
    ended: bool,
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
            changed: Condvar::new(),
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
        let mut last = self.last();
        // A look under way may have begun before the job was submitted.
        let before = last.looks + u64::from(last.reading);
        while last.looks <= before {
            if last.ended {
                return Err(Stopped::Left);
            }
            if last.has_looker {
                let changed = self.changed.wait(last);
                last = changed.unwrap_or_else(PoisonError::into_inner);
            } else {
                last.has_looker = true;
                let due = last.began.map(|began| began + self.every);
                drop(last);
                let pause = due.map(|due| due.saturating_duration_since(Instant::now()));
                let waited = ending.wait(pause.unwrap_or_default());
                last = self.last();
                match waited {
                    Ok(()) => {
                        (last.reading, last.began) = (true, Some(Instant::now()));
                        drop(last);
                        let queue = client.queue();
                        last = self.last();
                        last.note(queue);
                    }
                    Err(_) => last.ended = true,
                }
                self.changed.notify_all();
            }
        }
        Ok(last.of(ticket))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn note(&mut self, queue: anyhow::Result<Queue>) {
        (self.reading, self.has_looker) = (false, false);
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
