//! What the threads of a run tell its scheduler.

use anyhow::Result;

use super::job::Job;
use super::task::Finished;
use crate::plan::StepId;
use step::Progress;

#[derive(Debug)]
pub enum Message {
    Progress(StepId, Progress),
    Ended(Box<Job>, Result<Finished>),
    /// Another process that computed the step is done or dead.
    Released(StepId, Result<()>),
    Stop,
}
