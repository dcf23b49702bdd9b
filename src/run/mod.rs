//! Brings steps up to date: decides step by step what must run, starts it in a process of its own,
//! and commits what it made. Only this process writes to the store.
//!
//! Unaware of what steps do and of the terminal; it tells what happens as [`Event`]s.

mod ask;
mod child;
mod event;
mod executor;
mod gpus;
mod job;
mod machine;
mod message;
mod once;
mod options;
mod outcome;
mod phase;
pub mod replay;
mod scheduler;
pub mod slurm;
mod stop;
mod task;

pub use child::{Signals, run_task};
pub use event::Event;
pub use executor::{Executor, LocalProcesses, Stopped};
pub use gpus::Gpus;
pub use machine::{cpu, host};
pub use once::{Computed, compute};
pub use options::Options;
pub use outcome::{End, Outcome};
pub use scheduler::Run;
pub use stop::Stop;
pub use task::{Finished, Task};

#[cfg(test)]
mod tests;
