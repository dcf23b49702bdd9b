//! What happens during a run, as data: the command line shows it, programs read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::plan::Reason;
use crate::steps::Progress;
use crate::store::Entry;

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
    Failed {
        step: String,
        cause: String,
        log: PathBuf,
    },
    /// It did not run because of another step, or of an interruption.
    Skipped {
        step: String,
        because: String,
    },
}

/// How a run ended. Steps are in the order of the graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    pub ran: Vec<String>,
    pub up_to_date: Vec<String>,
    pub failed: Vec<String>,
    pub skipped: Vec<String>,
    #[serde(skip)]
    pub interrupted: bool,
    /// Steps that ran again and made the same bytes as before.
    pub same_bytes: Vec<String>,
    /// How many steps did not have to run although something that they depend on did.
    pub stay_valid: usize,
    /// The results that are for people to read, by the step's name.
    #[serde(skip)]
    pub reported: BTreeMap<String, Arc<Entry>>,
}

impl Outcome {
    /// Adds what a further run, of a part of the same steps, has brought.
    pub fn complete(&mut self, further: Outcome) {
        let dealt_with = |step: &String| {
            let lists = [&further.ran, &further.up_to_date, &further.failed];
            lists.iter().any(|list| list.contains(step))
        };
        self.skipped.retain(|step| !dealt_with(step));
        let Outcome {
            ran,
            up_to_date,
            failed,
            ..
        } = self;
        let known =
            |step: &String, lists: [&Vec<String>; 2]| lists.iter().any(|list| list.contains(step));
        let new = further.up_to_date.iter();
        let new: Vec<String> = new
            .filter(|step| !known(step, [ran, up_to_date]))
            .cloned()
            .collect();
        up_to_date.extend(new);
        ran.extend(further.ran);
        failed.extend(further.failed);
        self.same_bytes.extend(further.same_bytes);
        self.stay_valid += further.stay_valid;
        self.interrupted |= further.interrupted;
        self.reported.extend(further.reported);
    }
}
