//! `pipeline.ron`, read and checked once: what is trained on what, and how.
//!
//! A [`Pipeline`] holds a file in which every profile makes sense; [`Pipeline::experiment`] gives
//! one profile with all overrides applied. Unaware of steps' files, keys and the store.

mod assertion;
mod check;
mod claim;
mod complaint;
mod experiment;
mod file;
mod names;
mod place;
mod quantity;
mod recipe;
mod resolve;
mod text;
mod tolerance;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Invalid;

pub use assertion::{Assertion, PublishedMean, Relation, Rounded};
use claim::Written;
pub use claim::{Applies, Claim, Claims};
use complaint::Checked;
pub use experiment::{Data, Experiment, Hole, Model, PublishedBy};
pub use file::{Origin, Panel, PublishedError, PublishedRow, Source as Citation};
use place::Place;
pub use quantity::{Metric, Quantity};

/// A pipeline file of which every profile was checked.
#[derive(Debug)]
pub struct Pipeline {
    experiments: Vec<Experiment>,
    default_profile: String,
    claims: Vec<Written>,
    significance: f64,
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
                "cannot read the pipeline file {}; `fig6 init` writes one, --pipeline names another",
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
        if let Some(repeated) = complaint::repeated(name, text) {
            return Err(repeated);
        }
        let file: file::File = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(text)
            .map_err(|error| complaint::syntax(name, text, &error))?;
        Pipeline::of(file).map_err(|wrong| wrong.into_invalid(name, text))
    }

    fn of(file: file::File) -> Checked<Pipeline> {
        check::check(&file)?;
        let experiments = file
            .profiles
            .iter()
            .map(|(name, profile)| resolve::experiment(&file, name, profile))
            .collect::<Checked<_>>()?;
        let claims = claim::all(&file)?;
        let default = &file.default_profile;
        names::known(
            "profile",
            default,
            &Place::of("default_profile"),
            &file.profiles,
        )?;
        Ok(Pipeline {
            experiments,
            claims,
            significance: file.significance.unwrap_or(claim::SIGNIFICANCE),
            default_profile: file.default_profile,
        })
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
