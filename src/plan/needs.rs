//! Which results are of use: to a plan that is about to be carried out, or to a graph at all, whatever
//! device it will be asked to compute on. What a store must not lose.

use std::collections::BTreeSet;

use anyhow::Result;

use super::assess::{Assessment, Plan, Planner};
use super::keys::Bases;
use nn::device::Backend;
use store::key::Digest;

/// Results that a plan has to do with.
#[derive(Debug, Default)]
pub struct InUse {
    /// Keys of those that it uses or makes.
    pub keys: Vec<Digest>,
    /// Keys of those of steps whose inputs are still to be made: they will be used if these come out as
    /// they were.
    pub perhaps: Vec<Digest>,
}

impl Planner<'_> {
    /// Results that a plan uses, and those that it may use.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn in_use(&self, plan: &Plan) -> Result<InUse> {
        let mut used = InUse::default();
        for (step, assessment) in self.graph.steps().iter().zip(plan) {
            match assessment.as_ref().map(|assessment| assessment.key) {
                None => {}
                Some(Some(key)) => used.keys.push(key),
                Some(None) => {
                    let alike = self.alike(step)?;
                    used.perhaps
                        .extend(alike.iter().map(|manifest| manifest.key));
                }
            }
        }
        Ok(used)
    }

    /// Keys of all results that steps of this graph may use under today's code: those that are up to
    /// date, and those that differ in nothing but inputs that cannot be told as long as their producers
    /// lack a result. The bases are to count results of every backend.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn usable(&self) -> Result<BTreeSet<Digest>> {
        let all = vec![true; self.graph.steps().len()];
        let plan = self.assess(&all, &BTreeSet::new())?;
        let InUse { keys, perhaps } = self.in_use(&plan)?;
        let mut keys: BTreeSet<Digest> = keys.into_iter().chain(perhaps).collect();
        // What `--device` may ask for is kept if it is there; what might do is a matter of the first plan.
        for backend in Backend::ALL {
            for bases in [Bases::only(&backend), Bases::any(&backend)] {
                let planner = Planner {
                    bases: &bases,
                    ..*self
                };
                let plan = planner.assess(&all, &BTreeSet::new())?;
                let results = plan.iter().flatten().filter_map(Assessment::result);
                keys.extend(results.map(|entry| entry.key));
            }
        }
        Ok(keys)
    }
}
