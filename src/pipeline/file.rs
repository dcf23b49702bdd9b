//! `pipeline.ron` as it is written: plain data, every field named in the file, nothing checked
//! beyond types. [`super::Pipeline`] is what the rest of the program sees.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::recipe::{Recipe, RecipeOverride};
use super::tolerance::Tolerance;
use nn::schedule::WarmUp;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub data: BTreeMap<String, Data>,
    pub models: BTreeMap<String, Model>,
    pub recipe: Recipe,
    #[serde(default)]
    pub warm_ups: BTreeMap<String, WarmUp>,
    pub seeds: Vec<u64>,
    pub panels: BTreeMap<String, Panel>,
    pub figure: Vec<String>,
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    pub published: Published,
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// Level of significance of verdicts.
    pub significance: Option<f64>,
    pub profiles: BTreeMap<String, Profile>,
    pub default_profile: String,
    /// Whether trainings are replayed and carried over where only code changed.
    #[serde(default)]
    pub replay: bool,
}

/// One data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub from: Origin,
    /// Training images held out for validation. Does not apply to an archive of image folders with a
    /// folder `val/` (or `valid/`, `validation/`): those images are the validation set then.
    pub validation: u32,
    /// Seed of the draw of the held-out images.
    #[serde(default)]
    pub split_seed: u64,
}

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Origin {
    /// The first of these that can be had.
    #[serde(rename = "archives")]
    Archives(Vec<download::Source>),
    /// Made by the download step itself: numbers of training and test images, and the seed.
    #[serde(rename = "generated")]
    Generated { train: u32, test: u32, seed: u64 },
}

/// One network, and what is its own in the recipe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub n: u32,
    pub shortcut: String,
    pub warm_up: Option<String>,
    /// How figures and tables call it; by default `ResNet-20` or `Plain-20`.
    pub label: Option<String>,
}

/// One panel of the figure; `models` are names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    pub models: Vec<String>,
}

/// The published numbers and the data that they were measured on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The data set; also what a profile trains on unless it names another.
    pub data: String,
    pub iterations: u64,
    #[serde(default)]
    pub results: BTreeMap<String, PublishedRow>,
}

/// Where published numbers stand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub cite: String,
    pub url: String,
    /// Means that differ from this source's by less are the same for practical purposes.
    pub within: Option<Tolerance>,
}

/// A published statement.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is claimed, as [`super::Assertion`] reads it.
    pub says: String,
    /// The name of a source.
    pub source: String,
    /// Where it stands there (`Table 6`).
    pub at: Option<String>,
    /// As of the source, for this claim alone.
    pub within: Option<Tolerance>,
    /// Why it is wrong: results are expected to refute it.
    pub disputed: Option<String>,
    /// It is about these profiles, whatever they train on and for how long; by default about each
    /// whose numbers can be compared with the published ones.
    pub profiles: Option<Vec<String>>,
}

/// Final test errors of one model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishedRow {
    /// He et al. 2015.
    pub he: Option<PublishedError>,
    /// nabla0001/resnet.
    pub s: Option<PublishedError>,
}

/// A published test error, in percent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedError {
    pub mean: f64,
    pub std: Option<f64>,
    pub runs: Option<u32>,
    pub note: Option<String>,
    /// Where it stands in its source (`Table 6`).
    pub at: Option<String>,
    /// Standard uncertainty of reading it off a figure.
    pub read_off: Option<Tolerance>,
    /// As of the source, for this number alone.
    pub within: Option<Tolerance>,
    /// The model that was in truth measured, where it is another one.
    pub with: Option<String>,
}

/// What one profile trains, and on what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub data: Option<String>,
    pub models: Vec<String>,
    pub seeds: Option<Vec<u64>>,
    /// Divides every number of iterations.
    pub shorten: Option<u64>,
    #[serde(default)]
    pub recipe: RecipeOverride,
    pub figure: Option<Vec<String>>,
    /// Whether claims that this profile cannot be held to, because it differs from what was published, are
    /// left out. Else they are undecided.
    #[serde(default)]
    pub own_claims_only: bool,
}
