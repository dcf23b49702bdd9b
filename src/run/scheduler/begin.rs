//! How a run begins: with what the plan says of each step.

use anyhow::Result;
use rayon::prelude::*;

use super::Scheduler;
use crate::plan::{Assessment, MANY, Plan, Planner, State, StepId};
use crate::run::phase::Phase;

impl Scheduler<'_> {
    /// Takes over the plan; returns whether there is anything to run.
    pub fn begin(&mut self, plan: Plan) -> Result<bool> {
        let Planner { graph, store, .. } = self.run.planner;
        self.show_all(&plan)?;
        if store.is_paranoid() {
            // Nothing is computed from them, so nobody else would see that they are gone.
            for (step, assessment) in graph.steps().iter().zip(&plan) {
                if assessment.is_some() {
                    self.keep_listings(step.params.kind())?;
                }
            }
        }
        let mut any = false;
        for (id, assessment) in graph.ids().zip(plan) {
            let Some(Assessment {
                state,
                key,
                carriable,
            }) = assessment
            else {
                continue;
            };
            any |= !matches!(state, State::UpToDate(_));
            match (state, key) {
                (State::UpToDate(entry), _) => self.use_result(id, entry),
                (State::MustRun(reasons) | State::MayRun(reasons), Some(key)) => {
                    self.ready(id, key, reasons, carriable);
                }
                (_, None) => {
                    let producers = graph.producers(id).into_iter();
                    let left = producers.filter(|&id| self.phases.result(id).is_none());
                    let left = left.count();
                    self.phases.set(id, Phase::Waiting(left));
                }
            }
        }
        Ok(any)
    }

    /// Makes the readable views show all results that are used as they are.
    fn show_all(&self, plan: &Plan) -> Result<()> {
        let Planner { graph, store, .. } = self.run.planner;
        let _lock = store.share()?;
        let show = |(id, assessment): (StepId, &Option<Assessment>)| {
            let entry = assessment.as_ref().and_then(Assessment::result);
            entry.map_or(Ok(()), |entry| store.show(&graph.step(id).name, entry))
        };
        let steps: Vec<_> = graph.ids().zip(plan).collect();
        match steps.len() {
            MANY.. => steps.into_par_iter().try_for_each(show),
            _ => steps.into_iter().try_for_each(show),
        }
    }
}
