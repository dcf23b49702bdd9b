//! Whether the run is to end, for threads that wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::run::executor::Stopped;

/// Set once; wakes whoever waits.
#[derive(Debug, Default)]
pub struct Ending {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    pub fn set(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Waits so long.
    ///
    /// # Errors
    /// [`Stopped::Left`] as soon as the run is to end.
    pub fn wait(&self, time: Duration) -> Result<(), Stopped> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), time, |set| !*set);
        match *waited.unwrap_or_else(PoisonError::into_inner).0 {
            true => Err(Stopped::Left),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
