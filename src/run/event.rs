//! What happens during a run, as data: the command line shows it, programs read it.

use std::path::PathBuf;

use serde::Serialize;

use crate::plan::Reason;
use step::Progress;
use store::key::Digest;

/// Something that happened to a step.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Its result is there already.
    UpToDate {
        step: String,
        summary: String,
    },
    Started {
        step: String,
        reasons: Vec<Reason>,
        threads: usize,
    },
    /// Another process computes it; its result will be used.
    Elsewhere {
        step: String,
    },
    Progress {
        step: String,
        progress: Progress,
    },
    Finished {
        step: String,
        summary: String,
        seconds: f64,
        /// Whether its newest earlier result had the same bytes; absent if there was none.
        same_bytes: Option<bool>,
    },
    /// A replay has shown that an earlier result is today's as well.
    CarriedOver {
        step: String,
        summary: String,
        /// The key of the result that was carried over.
        from: Digest,
        /// How many were computed again.
        iterations: u64,
        seconds: f64,
    },
    Failed {
        step: String,
        cause: String,
        #[serde(serialize_with = "store::displayed")]
        log: PathBuf,
    },
    /// It did not run because of another step, or of an interruption.
    Skipped {
        step: String,
        because: String,
    },
}
