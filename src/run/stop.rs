//! Asking runs to stop, from any thread.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::message::Message;

/// Asks runs to stop, one after the other; clones ask the same ones.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    /// How often.
    times: u32,
    /// The run that is under way.
    run: Option<Sender<Message>>,
}

impl Stop {
    /// Asks all running steps to end in good order, and the second time ends them at once; the run that
    /// is under way, and any later one, then ends as interrupted. Returns how often this was asked.
    pub fn request(&self) -> u32 {
        let mut asked = self.lock();
        asked.times += 1;
        if let Some(run) = &asked.run {
            // A run that is over needs no stopping.
            let _ = run.send(Message::Stop);
        }
        asked.times
    }

    /// From now on requests go to this run, and the earlier ones as well.
    pub(super) fn goes_to(&self, run: &Sender<Message>) {
        let mut asked = self.lock();
        if asked.times > 0 {
            let _ = run.send(Message::Stop);
        }
        asked.run = Some(run.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // A panic elsewhere leaves it as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
