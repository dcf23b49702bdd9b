//! How each step stands, as the page lists it: done with a result, under way, or why it is still to be
//! done.
//!
//! Unaware of the page around the list.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::page::{InputLine, Standing, StepLine};
use crate::plan::{Assessment, Forecast, Inputs, Outlook, Plan, State, StepId};
use crate::project::Project;
use store::key::{Basis, Digest};
use store::{Entry, Running};

/// Reasons that are spelt out; more are only counted.
const REASONS_SHOWN: usize = 3;

/// Writes the lines of steps, and remembers what the results are made of.
#[derive(Debug, Default)]
pub struct Lines {
    /// What each result is made of, by its key.
    known: BTreeMap<Digest, Arc<Basis>>,
}

impl Lines {
    /// A line for each step of the plan, and the bases that the lines name.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub fn of(
        &mut self,
        project: &Project,
        plan: &Plan,
        forecast: &Forecast,
    ) -> Result<(Vec<StepLine>, Vec<Arc<Basis>>)> {
        let mut bases: Vec<Arc<Basis>> = Vec::new();
        let mut lines = Vec::new();
        for (id, outlook) in project.graph.ids().zip(&forecast.steps) {
            let Some(assessment) = &plan[id.index()] else {
                continue;
            };
            let basis = self.basis(project, id, assessment)?;
            let place = bases.iter().position(|known| *known == basis);
            let place = place.unwrap_or_else(|| {
                bases.push(basis);
                bases.len() - 1
            });
            lines.push(StepLine {
                basis: Some(place),
                ..line(project, id, plan, assessment, outlook)
            });
        }
        Ok((lines, bases))
    }

    /// What a step's result is made of or, while there is none, what it would be made of.
    fn basis(
        &mut self,
        project: &Project,
        id: StepId,
        assessment: &Assessment,
    ) -> Result<Arc<Basis>> {
        let Some(entry) = assessment.result() else {
            let params = &project.graph.step(id).params;
            let inputs = BTreeMap::new();
            return Ok(project.bases.key_inputs(params, inputs, None).basis);
        };
        if let Some(known) = self.known.get(&entry.key) {
            return Ok(known.clone());
        }
        let basis = project.store.expect_manifest(&entry.key)?.key_inputs.basis;
        self.known.insert(entry.key, basis.clone());
        Ok(basis)
    }
}

/// A step's line, but for its basis.
fn line(
    project: &Project,
    id: StepId,
    plan: &Plan,
    assessment: &Assessment,
    outlook: &Outlook,
) -> StepLine {
    let step = project.graph.step(id);
    let made = |producer: StepId| -> Option<&Entry> {
        plan[producer.index()]
            .as_ref()?
            .result()
            .map(|entry| &**entry)
    };
    let known = Inputs::of(step, &made).known;
    let inputs = step.inputs.iter().map(|input| {
        let line = InputLine {
            from: project.graph.step(input.producer).name.clone(),
            output: input.output.to_owned(),
            content: known.get(&*input.name).copied(),
        };
        (input.name.to_string(), line)
    });
    let (standing, said) = standing(assessment, outlook);
    let training = outlook
        .running
        .as_ref()
        .and_then(|running| running.training);
    StepLine {
        step: step.name.clone(),
        kind: step.params.kind().to_owned(),
        standing,
        said,
        seconds: assessment.result().map(|entry| entry.seconds),
        progress: training.map(|training| (training.iteration, training.iterations)),
        key: assessment.key,
        basis: None,
        parameters: step.params.to_json(),
        inputs: inputs.collect(),
        outputs: step
            .params
            .outputs()
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
    }
}

/// How a step stands, and what is to be said of it.
fn standing(assessment: &Assessment, outlook: &Outlook) -> (Standing, String) {
    if let Some(running) = &outlook.running {
        return (Standing::Running, running_in_words(running));
    }
    let (standing, mut said) = match &assessment.state {
        State::UpToDate(entry) if entry.carried_over => {
            (Standing::CarriedOver, entry.summary.clone())
        }
        State::UpToDate(entry) => (Standing::UpToDate, entry.summary.clone()),
        State::MustRun(reasons) => (Standing::MustRun, list(reasons)),
        State::MayRun(reasons) => (Standing::MayRun, list(reasons)),
    };
    if let Some((done, all)) = outlook.kept {
        said += &format!("; has a checkpoint after iteration {done} of {all}");
    }
    (standing, said)
}

/// The first of several reasons; the others are only counted.
fn list<T: ToString>(reasons: &[T]) -> String {
    let shown = reasons.iter().take(REASONS_SHOWN).map(T::to_string);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match reasons.len().saturating_sub(REASONS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Who computes a step, how long that will take, and how a training fares.
fn running_in_words(running: &Running) -> String {
    let Running { process, host, .. } = running;
    let mut words = format!("process {process} on {host}");
    if let Some(training) = &running.training {
        words += &format!(", about {} left", duration(training.seconds_left));
        if let Some(test_error) = training.test_error {
            words += &format!(", test error {test_error:.2} %");
        }
    }
    words
}

/// A time in words, to two digits or so.
fn duration(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{:.0} s", seconds.max(1.0)),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_what_a_reader_needs() {
        for (seconds, words) in [
            (0.0, "1 s"),
            (99.4, "99 s"),
            (100.0, "2 min"),
            (3600.0, "60 min"),
            (7200.0, "2 h"),
            (200_000.0, "2 days"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn of_many_reasons_the_first_are_said() {
        assert_eq!(list(&["a", "b", "c"]), "a, b, c");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
