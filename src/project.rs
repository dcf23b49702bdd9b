//! An experiment with its graph, the store of its results and what is to compute it: what most
//! commands work on.
//!
//! Unaware of how a user names all this.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::pipeline::Experiment;
use crate::plan::{Bases, Forecast, Graph, Plan, Planner};
use nn::device::Backend;
use store::Store;

/// An experiment and where its results are.
#[derive(Debug)]
pub struct Project {
    /// The text of the pipeline file.
    pub pipeline: String,
    pub experiment: Experiment,
    pub graph: Graph,
    pub store: Store,
    pub backend: Backend,
    /// Results on these bases count.
    pub bases: Bases,
}

impl Project {
    /// What decides about the steps.
    pub fn planner(&self) -> Planner<'_> {
        self.planner_of(&self.graph)
    }

    /// What decides about the steps of another graph.
    pub fn planner_of<'a>(&'a self, graph: &'a Graph) -> Planner<'a> {
        Planner {
            graph,
            bases: &self.bases,
            store: &self.store,
            profile: &self.experiment.profile,
        }
    }

    /// Assesses the needed steps against the store.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn assess(&self, needed: &[bool]) -> Result<Plan> {
        let _lock = self.store.share()?;
        self.planner().assess(needed, &BTreeSet::new())
    }

    /// How long a plan will take; see [`Planner::forecast`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn forecast(&self, plan: &Plan, measure: bool) -> Result<Forecast> {
        self.planner().forecast(plan, self.backend, measure)
    }

    /// Keeps what was learnt on the way, if that can be done: a read-only folder of artifacts is no
    /// reason to fail.
    pub fn save_index(&self) {
        let _ = self.store.save_index();
    }
}
