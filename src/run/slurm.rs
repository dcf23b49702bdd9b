//! Steps as jobs of a cluster that Slurm schedules.
//!
//! ```text
//!  fig6 reproduce                    Slurm                      a node
//!  task.json, job.json ──sbatch──►   the queue  ──starts──►     fig6 exec --ticket …
//!        ▲                             │                          │
//!        │◄──────squeue, every few s───┘        answers, log, checkpoints, outputs
//!        └──────────────────── the working folder ◄───────────────┘
//! ```
//!
//! A job has no parent: it goes on when the process that submitted it ends, and a later one finds it by
//! the ticket in the working folder, `job.json`. Each submission has a ticket of its own, which is written
//! before; a job whose ticket is no longer there ends by itself. So a key is computed by one job at most,
//! also where a submission's answer was lost. Processes on two login nodes need not see each other's locks;
//! a [`lease`] keeps them apart.
//!
//! Slurm's signal before the time limit makes a training write a checkpoint and ask to be queued again; the
//! same job then goes on from there. What Slurm ends in another way is submitted again, as long as it gets
//! on ([`verdict`]).
//!
//! Only `sbatch`, `squeue`, `scontrol` and `scancel` are needed; `sacct` is asked where it is there.

mod answers;
mod client;
mod ending;
mod executor;
mod job;
mod lease;
mod poll;
mod program;
mod script;
mod settings;
mod submit;
mod ticket;
mod verdict;

pub use answers::Answers;
pub use client::{Client, Queued};
pub use executor::{Slurm, cancel, in_words};
pub use job::run_job;
pub use settings::Settings;
pub use ticket::Ticket;
