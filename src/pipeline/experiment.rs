//! One profile of the file with everything resolved: what the graph is made of.
//!
//! Unaware of how the file writes it.

use std::collections::BTreeMap;

use super::file::{Origin, Panel, PublishedRow};
use nn::architecture::Architecture;
use nn::recipe::Recipe;

/// One profile, fully resolved: everything that the graph is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    pub profile: String,
    pub data: Data,
    /// In the order in which tables show them.
    pub models: Vec<Model>,
    pub seeds: Vec<u64>,
    pub panels: Vec<Panel>,
    /// Whose numbers the file has, for whichever models.
    pub published: PublishedBy,
    /// Why these numbers cannot be compared with the published ones; empty if they can.
    pub caveats: Vec<String>,
    /// Whether claims that this profile cannot be held to are left out.
    pub own_claims_only: bool,
    /// Whether trainings are replayed and carried over where only code changed.
    pub replay: bool,
    /// Where something has failed, by model and seed: the report is made without, and says so.
    pub holes: BTreeMap<String, BTreeMap<u64, Hole>>,
}

/// Who has published results, according to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedBy {
    /// He et al. 2015.
    pub he: bool,
    /// nabla0001/resnet.
    pub s: bool,
}

/// What a model lacks for a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Its training has failed, so there is nothing.
    Untrained,
    /// Only its evaluation has failed.
    Unevaluated,
}

impl Experiment {
    /// What a model lacks for a seed, if anything.
    pub fn hole(&self, model: &str, seed: u64) -> Option<Hole> {
        self.holes.get(model)?.get(&seed).copied()
    }

    /// A model's seeds with what each of them lacks, if anything.
    pub fn seeds_of(&self, model: &str) -> impl Iterator<Item = (u64, Option<Hole>)> {
        self.seeds
            .iter()
            .map(move |&seed| (seed, self.hole(model, seed)))
    }
}

/// The images.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub name: String,
    pub origin: Origin,
    /// Images of the training split held out for validation.
    pub validation: u32,
    pub split_seed: u64,
}

/// One network with its recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub name: String,
    /// As figures and tables call it (`ResNet-20`).
    pub label: String,
    pub architecture: Architecture,
    pub recipe: Recipe,
    pub published: PublishedRow,
}
