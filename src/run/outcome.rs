//! How a run ended, step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::phase::{Done, Phase, Phases};
use crate::plan::{Graph, StepId};
use store::Entry;

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The steps that were needed, in the order of the graph.
    pub ends: Vec<(String, End)>,
    pub interrupted: bool,
    /// Steps that ran again and made the same bytes as before.
    pub same_bytes: Vec<String>,
    /// How many steps did not have to run although something that they depend on did.
    pub stay_valid: usize,
    /// What was used or made, for each step of the graph in its order; empty for two runs joined, whose
    /// graphs differ.
    pub results: Vec<Option<Arc<Entry>>>,
}

/// How a step has ended, the more telling later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Skipped,
    UpToDate,
    /// A replay has shown that an earlier result is today's as well.
    CarriedOver,
    Ran,
    Failed,
}

impl Outcome {
    /// How a run ended that left the steps in these phases.
    pub(super) fn of(
        graph: &Graph,
        phases: &Phases,
        consumers: &[Vec<StepId>],
        interrupted: bool,
    ) -> Outcome {
        let mut outcome = Outcome {
            interrupted,
            ..Outcome::default()
        };
        // Whether something that a step depends on ran.
        let mut behind = vec![false; graph.steps().len()];
        for id in graph.ids() {
            let name = || graph.step(id).name.clone();
            let (end, done) = match phases.of(id) {
                Phase::Unneeded => (None, None),
                Phase::Done(done) => (Some(done.end), Some(done)),
                Phase::Failed => (Some(End::Failed), None),
                _ => (Some(End::Skipped), None),
            };
            outcome.ends.extend(end.map(|end| (name(), end)));
            outcome.results.push(done.map(|done| done.entry.clone()));
            let Some(&Done {
                end, same_bytes, ..
            }) = done
            else {
                continue;
            };
            let ran = end == End::Ran;
            outcome.same_bytes.extend(same_bytes.then(name));
            let is_behind = behind[id.index()];
            outcome.stay_valid += usize::from(is_behind && !ran);
            if ran || is_behind {
                for consumer in consumers.get(id.index()).into_iter().flatten() {
                    behind[consumer.index()] = true;
                }
            }
        }
        outcome
    }

    /// The steps that ended like this.
    pub fn those(&self, end: End) -> Vec<&str> {
        let those = self.ends.iter().filter(|(_, other)| *other == end);
        those.map(|(step, _)| step.as_str()).collect()
    }

    /// Whether every step that was needed has a result.
    pub fn is_complete(&self) -> bool {
        let mut ends = self.ends.iter();
        !ends.any(|(_, end)| matches!(end, End::Failed | End::Skipped))
    }

    /// How the run ended, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            _ if self.interrupted => "interrupted",
            _ if !self.those(End::Failed).is_empty() => "failed",
            _ => "done",
        }
    }

    /// With what a further run, of some of the same steps, has brought.
    #[must_use]
    pub fn completed_by(mut self, further: Outcome) -> Outcome {
        let ends: BTreeMap<String, End> = further.ends.into_iter().collect();
        for (step, end) in &mut self.ends {
            // What the first run made is up to date in the second.
            *end = ends.get(step).map_or(*end, |&other| other.max(*end));
        }
        self.interrupted |= further.interrupted;
        self.same_bytes.extend(further.same_bytes);
        self.stay_valid += further.stay_valid;
        self.results.clear();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_run_gives_steps_their_last_end_and_keeps_their_order() {
        let ends = |ends: &[(&str, End)]| {
            let ends = ends.iter().map(|&(step, end)| (step.to_owned(), end));
            Outcome {
                ends: ends.collect(),
                ..Outcome::default()
            }
        };
        let first = ends(&[
            ("download", End::UpToDate),
            ("train/plain8/seed0", End::Failed),
            ("evaluate/plain8/seed0", End::Skipped),
            ("train/resnet8/seed0", End::Ran),
            ("aggregate", End::Skipped),
            ("plot/fig6", End::Ran),
            ("table", End::Skipped),
        ]);
        let further = ends(&[
            ("download", End::UpToDate),
            ("train/resnet8/seed0", End::UpToDate),
            ("aggregate", End::Ran),
            ("table", End::Ran),
            ("plot/fig6", End::Ran),
        ]);
        let all = first.completed_by(further);
        let expected = ["train/resnet8/seed0", "aggregate", "plot/fig6", "table"];
        assert_eq!(all.those(End::Ran), expected);
        assert_eq!(all.those(End::UpToDate), ["download"]);
        assert_eq!(all.those(End::Failed), ["train/plain8/seed0"]);
        assert_eq!(all.those(End::Skipped), ["evaluate/plain8/seed0"]);
    }
}
