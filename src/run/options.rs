//! What a run may take and what it is to do about failures and replays.

use std::sync::Arc;

use remote_store::Remote;

use crate::steps::Environment;

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Steps at once, at least 1.
    pub jobs: usize,
    /// Cores to divide among them.
    pub cores: usize,
    /// Go on with independent steps after a failure.
    pub keep_going: bool,
    /// Whether a training that must run only because of code is replayed first.
    pub replay: bool,
    /// Where a result is looked for before it is computed.
    pub remote: Option<Arc<Remote>>,
    /// What all steps are told beside their parameters; each gets its own sources.
    pub environment: Environment,
}
