//! Signals that ask a verification to end: it ends by itself, at the next place where it can, so that what
//! it has unpacked or computed anew is removed by whoever made it. Unaware of what is being verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use signal_hook::iterator::Signals;

use crate::cli::{INTERRUPTED, heeded_signals};
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
        let mut signals = Signals::new(heeded_signals()).context("cannot listen for signals")?;
        let interrupt = Interrupt {
            asked: Arc::default(),
            at_once: Arc::default(),
        };
        let Interrupt { asked, at_once } = interrupt.clone();
        let executor = executor.clone();
        std::thread::spawn(move || {
            for (before, _) in signals.forever().enumerate() {
                asked.store(true, Ordering::SeqCst);
                if before > 1 || at_once.load(Ordering::SeqCst) {
                    std::process::exit(INTERRUPTED.into());
                }
                match before {
                    0 => executor.stop(),
                    _ => executor.kill(),
                }
            }
        });
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
