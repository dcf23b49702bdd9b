//! What happens during a run, as data: the command line shows it, programs read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::plan::{Graph, Reason};
use step::Progress;
use store::Entry;

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
        #[serde(serialize_with = "store::displayed")]
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
    /// What was used or made, for each step of the graph in its order; empty for two runs joined, whose
    /// graphs differ.
    #[serde(skip)]
    pub results: Vec<Option<Arc<Entry>>>,
}

impl Outcome {
    /// How the run ended, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            _ if self.interrupted => "interrupted",
            _ if !self.failed.is_empty() => "failed",
            _ => "done",
        }
    }

    /// With what a further run, of a part of the steps of this graph, has brought.
    #[must_use]
    pub fn completed_by(self, further: Outcome, graph: &Graph) -> Outcome {
        let mut ends: BTreeMap<String, End> = BTreeMap::new();
        let mut all = Outcome {
            interrupted: self.interrupted || further.interrupted,
            stay_valid: self.stay_valid + further.stay_valid,
            ..Outcome::default()
        };
        for outcome in [self, further] {
            let lists = [
                (outcome.skipped, End::Skipped),
                (outcome.up_to_date, End::UpToDate),
                (outcome.ran, End::Ran),
                (outcome.failed, End::Failed),
            ];
            for (list, end) in lists {
                for step in list {
                    // What the first run made is up to date in the second.
                    let known = ends.entry(step).or_insert(end);
                    *known = (*known).max(end);
                }
            }
            all.same_bytes.extend(outcome.same_bytes);
        }
        for step in graph.steps() {
            let list = match ends.get(&step.name) {
                Some(End::Skipped) => &mut all.skipped,
                Some(End::UpToDate) => &mut all.up_to_date,
                Some(End::Ran) => &mut all.ran,
                Some(End::Failed) => &mut all.failed,
                None => continue,
            };
            list.push(step.name.clone());
        }
        all
    }
}

/// How a step has ended, the more telling later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Skipped,
    UpToDate,
    Ran,
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    #[test]
    fn a_further_run_moves_steps_to_their_last_list_in_the_graphs_order() {
        let pipeline = include_str!("../../tests/pipelines/tiny.ron");
        let pipeline = Pipeline::parse(pipeline, "tiny.ron").unwrap();
        let graph = Graph::of(pipeline.experiment(None).unwrap()).unwrap();
        let list = |steps: &[&str]| steps.iter().map(|&step| step.to_owned()).collect();
        let first = Outcome {
            ran: list(&["train/resnet8/seed0", "plot/fig6"]),
            up_to_date: list(&["download"]),
            failed: list(&["train/plain8/seed0"]),
            skipped: list(&["evaluate/plain8/seed0", "aggregate", "table"]),
            ..Outcome::default()
        };
        let further = Outcome {
            ran: list(&["aggregate", "table", "plot/fig6"]),
            up_to_date: list(&["download", "train/resnet8/seed0"]),
            ..Outcome::default()
        };
        let all = first.completed_by(further, &graph);
        let expected = ["train/resnet8/seed0", "aggregate", "plot/fig6", "table"];
        assert_eq!(all.ran, expected);
        assert_eq!(all.up_to_date, ["download"]);
        assert_eq!(all.failed, ["train/plain8/seed0"]);
        assert_eq!(all.skipped, ["evaluate/plain8/seed0"]);
    }
}
