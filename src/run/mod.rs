//! Brings steps up to date: decides step by step what must run, starts it in a process of its own,
//! and commits what it made. Only this process writes to the store.
//!
//! Unaware of what steps do and of the terminal; it tells what happens as [`Event`]s.

mod child;
mod event;
mod executor;
mod job;
mod once;
mod scheduler;
mod task;

pub use child::{Signals, run_task};
pub use event::{Event, Outcome};
pub use executor::{Executor, Finished, LocalProcesses, Stopped};
pub use job::{cpu, host};
pub use once::{Computed, compute};
pub use scheduler::{Messages, Options, Stop, reproduce, stop_channel};
pub use task::Task;

#[cfg(test)]
mod tests;
