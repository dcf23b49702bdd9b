//! Signals that ask a verification to end: it ends by itself, at the next place where it can, so that what
//! it has unpacked or computed anew is removed by whoever made it. Unaware of what is being verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::cli::signals;
use crate::run::{Executor as _, LocalProcesses};

/// Whether the command is to end.
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether the first signal ends the process at once.
    at_once: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on the first signal ends the command in good order, the second one its steps at once,
    /// the third one this process, which then leaves behind what it has written.
    ///
    /// # Errors
    /// If signals cannot be listened for.
    pub fn listen(executor: &Arc<LocalProcesses>) -> Result<Interrupt> {
        let interrupt = Interrupt {
            asked: Arc::default(),
            at_once: Arc::default(),
        };
        let Interrupt { asked, at_once } = interrupt.clone();
        let executor = executor.clone();
        signals::listen(move |before| {
            asked.store(true, Ordering::SeqCst);
            let goes_on = before < 2 && !at_once.load(Ordering::SeqCst);
            match before {
                _ if !goes_on => {}
                0 => executor.stop(),
                _ => executor.kill(),
            }
            goes_on
        })?;
        Ok(interrupt)
    }

    /// Set by the first signal.
    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on the first signal ends the process at once: there is nothing left to be removed. Returns
    /// whether none has come before.
    pub fn end_at_once(&self) -> bool {
        // Whichever of the two comes first, the other one sees it.
        self.at_once.store(true, Ordering::SeqCst);
        !self.is_asked()
    }
}
