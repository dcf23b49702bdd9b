//! `pipeline.ron`, read and checked once: what is trained on what, and how.
//!
//! A [`Pipeline`] holds a file in which every profile makes sense; [`Pipeline::experiment`] gives
//! one profile with all overrides applied. Unaware of steps' files, keys and the store.

mod check;
mod claim;
mod complaint;
mod distinct;
mod file;
mod locate;
mod quantity;
mod resolve;
mod statement;
mod text;
mod tolerance;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Invalid;
use download::Source;
use nn::architecture::Architecture;
use nn::recipe::Recipe;

use claim::Written;
pub use claim::{Applies, Claim, Claims};
pub use file::{PublishedError, PublishedRow, Source as Citation};
pub use quantity::{Metric, Quantity};
pub use statement::{Mean, Relation, Rounded, Statement};

/// A pipeline file of which every profile was checked.
#[derive(Debug)]
pub struct Pipeline {
    experiments: Vec<Experiment>,
    default_profile: String,
    claims: Vec<Written>,
    significance: f64,
}

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

/// Where the images come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The first of these that can be had.
    Archives(Vec<Source>),
    /// Numbers of training and test images, and the seed.
    Generated { train: u32, test: u32, seed: u64 },
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

/// One panel of the figure; `models` are names of [`Experiment::models`].
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    pub models: Vec<String>,
}

impl Pipeline {
    /// Reads and checks a pipeline file.
    ///
    /// # Errors
    /// If it cannot be read, is no regular file or longer than 1 MiB; an [`Invalid`] with file, line
    /// and column if it is wrong.
    pub fn load(path: &Path) -> Result<Pipeline> {
        let text = Pipeline::text(path)?;
        Ok(Pipeline::parse(&text, &path.display().to_string())?)
    }

    /// The text of a pipeline file, which need not make sense, byte for byte.
    ///
    /// # Errors
    /// An [`Invalid`] if it cannot be read, is no regular file, longer than 1 MiB or not in UTF-8.
    pub fn text(path: &Path) -> Result<String, Invalid> {
        let text = text::of_file(path).with_context(|| {
            format!(
                "cannot read the pipeline file {}; name another with --pipeline",
                path.display()
            )
        });
        // A pipeline file that is not there is wrong usage, like one that is wrong.
        text.map_err(|error| Invalid::new(format!("{error:#}")))
    }

    /// Checks the text of a pipeline file; `name` stands before line and column in errors.
    ///
    /// # Errors
    /// If the text is not RON, has unknown fields or wrong types, or any profile makes no sense.
    pub fn parse(text: &str, name: &str) -> Result<Pipeline, Invalid> {
        // Editors on Windows put it in front; it is no part of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: file::File = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(text)
            .map_err(|error| {
                complaint::repeated(name, text)
                    .unwrap_or_else(|| complaint::syntax(name, text, &error))
            })?;
        check::check(file).map_err(|wrong| wrong.into_invalid(name, text))
    }

    /// The profiles' names, in alphabetical order.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.experiments
            .iter()
            .map(|experiment| experiment.profile.as_str())
    }

    /// What is claimed about a profile's models: published results by model first, then the list of
    /// claims in the order of the file.
    pub fn claims(&self, experiment: &Experiment) -> Claims {
        claim::about(&self.claims, experiment)
    }

    /// The level of significance of verdicts.
    pub fn significance(&self) -> f64 {
        self.significance
    }

    /// The experiment of a profile, or of the default one.
    ///
    /// # Errors
    /// If there is no such profile.
    pub fn experiment(&self, profile: Option<&str>) -> Result<&Experiment, Invalid> {
        let name = profile.unwrap_or(&self.default_profile);
        self.experiments
            .iter()
            .find(|experiment| experiment.profile == name)
            .ok_or_else(|| Invalid::unknown("profile", name, self.profiles()))
    }
}

#[cfg(test)]
mod tests;
