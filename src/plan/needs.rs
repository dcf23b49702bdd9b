//! Which results are of use: to a plan that is about to be carried out, or to a graph at all, whatever
//! device it will be asked to compute on. What a store must not lose.

use std::collections::BTreeSet;

use anyhow::Result;

use super::assess::{Assessment, assess};
use super::graph::{Graph, Step};
use super::keys::Bases;
use nn::device::Backend;
use store::Store;
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

/// Results that a plan uses, and those that it may use.
///
/// # Errors
/// If the store cannot be read.
pub fn in_use(
    graph: &Graph,
    plan: &[Option<Assessment>],
    bases: &Bases,
    store: &Store,
) -> Result<InUse> {
    let mut used = InUse::default();
    for (step, assessment) in graph.steps().iter().zip(plan) {
        let Some(assessment) = assessment else {
            continue;
        };
        match (assessment.result(), assessment.key) {
            (Some(entry), _) => used.keys.push(entry.key),
            (None, Some(key)) => used.keys.push(key),
            (None, None) => used.perhaps.extend(may_do(step, bases, store)?),
        }
    }
    Ok(used)
}

/// Keys of all results that steps of this graph may use under today's code: those that are up to date,
/// and those that differ in nothing but inputs that cannot be told as long as their producers lack a
/// result. `anywhere` counts results of every backend.
///
/// # Errors
/// If the store cannot be read.
pub fn usable(graph: &Graph, anywhere: &Bases, store: &Store) -> Result<BTreeSet<Digest>> {
    let all = vec![true; graph.steps().len()];
    let none = vec![false; all.len()];
    let plan = assess(graph, &all, &none, anywhere, store)?;
    let InUse { keys, perhaps } = in_use(graph, &plan, anywhere, store)?;
    let mut keys: BTreeSet<Digest> = keys.into_iter().chain(perhaps).collect();
    // What `--device` may ask for is kept if it is there; what might do is a matter of the first plan.
    for backend in Backend::ALL {
        for bases in [Bases::only(&backend), Bases::any(&backend)] {
            let plan = assess(graph, &all, &none, &bases, store)?;
            let results = plan.iter().flatten().filter_map(Assessment::result);
            keys.extend(results.map(|entry| entry.key));
        }
    }
    Ok(keys)
}

/// Keys of earlier results that differ in nothing but their inputs.
fn may_do(step: &Step, bases: &Bases, store: &Store) -> Result<Vec<Digest>> {
    let mut keys = Vec::new();
    for settings in bases.settings(&step.params) {
        let settings = Digest::from_bytes(*settings.finalize().as_bytes());
        for manifest in store.with_settings(&settings)? {
            keys.push(manifest?.key);
        }
    }
    Ok(keys)
}
