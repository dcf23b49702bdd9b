//! What the threads of a run tell its scheduler.

use anyhow::Result;

use super::job::{Ended, Job};
use crate::plan::StepId;
use step::Progress;

#[derive(Debug)]
pub enum Message {
    Progress(StepId, Progress),
    Ended(Box<Job>, Result<Ended>),
    /// Another process that computed the step is done or dead.
    Released(StepId, Result<()>),
    /// A store elsewhere was asked for the step's result: what is to be said about it.
    Asked(StepId, Vec<String>),
    Stop,
}
