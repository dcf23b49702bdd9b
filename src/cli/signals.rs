//! Signals that ask a command to end: SIGINT, SIGTERM, SIGHUP.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator;

use crate::run::Signals;

/// The exit code of a command that a signal ended.
pub const INTERRUPTED: u8 = 130;

/// The signals that ask a command to end, but for those that were ignored when it started: `nohup` is
/// obeyed.
fn heeded_signals() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let mut signals = vec![SIGINT, SIGTERM, SIGHUP];
    signals.retain(|signal| ignored >> (signal - 1) & 1 == 0);
    signals
}

/// From now on each signal only calls `heed`, with the number of those before it; once that returns
/// `false`, the process ends.
///
/// # Errors
/// If signals cannot be listened for.
pub fn listen(mut heed: impl FnMut(usize) -> bool + Send + 'static) -> Result<()> {
    let signals = iterator::Signals::new(heeded_signals());
    let mut signals = signals.context("cannot listen for signals")?;
    std::thread::spawn(move || {
        for (before, _) in signals.forever().enumerate() {
            if !heed(before) {
                std::process::exit(INTERRUPTED.into());
            }
        }
    });
    Ok(())
}

/// What is set by the signal with which a cluster announces the end of a job's time.
///
/// # Errors
/// If signals cannot be listened for.
pub fn pause() -> Result<Arc<AtomicBool>> {
    let pause = Arc::default();
    let registered = signal_hook::flag::register(SIGUSR2, Arc::clone(&pause));
    registered.context("cannot listen for signals")?;
    Ok(pause)
}

/// What signals that ask this process to end mean to it: at first that it ends at once.
pub fn conditional() -> Result<Signals> {
    let signals = Signals::default();
    for signal in heeded_signals() {
        let at_once = signals.at_once.clone();
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED.into(), at_once)
            .and_then(|_| signal_hook::flag::register(signal, signals.stop.clone()))
            .context("cannot listen for signals")?;
    }
    Ok(signals)
}
