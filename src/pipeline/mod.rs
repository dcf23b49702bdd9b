//! `pipeline.ron`, read and checked once: what is trained on what, and how.
//!
//! A [`Pipeline`] holds a file in which every profile makes sense; [`Pipeline::experiment`] gives
//! one profile with all overrides applied. Unaware of steps' files, keys and the store.

mod check;
mod claim;
mod distinct;
mod file;
mod locate;
mod resolve;
mod statement;
mod tolerance;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::error::{Invalid, nearest};
use crate::nn::recipe::Recipe;
use crate::nn::resnet::Architecture;
use crate::steps::download::Source;

use claim::Written;
pub use claim::{Applies, Claim, Claims};
pub use file::{PublishedError, PublishedRow, Source as Citation};
use locate::Segment;
pub use statement::{Mean, Relation, Rounded, Statement};

/// Longest pipeline file, in bytes: a hundred times ours. What is read takes half a megabyte and 60
/// bytes for each of the file's own, so that memory is bounded for any file.
const LONGEST: u64 = 1 << 20;

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
    /// Why these numbers cannot be compared with the published ones; empty if they can.
    pub caveats: Vec<String>,
    /// Where something has failed, by model and seed: the report is made without, and says so.
    pub holes: BTreeMap<String, BTreeMap<u64, Hole>>,
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

    /// The text of a pipeline file, which need not make sense.
    ///
    /// # Errors
    /// An [`Invalid`] if it cannot be read, is no regular file or longer than 1 MiB.
    pub fn text(path: &Path) -> Result<String, Invalid> {
        let text = text_of(path).with_context(|| {
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
        let place = |path: &[Segment]| place_of(name, text, path);
        let file: file::File = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(text)
            .map_err(|error| {
                repeated(name, text).unwrap_or_else(|| syntax_error(name, text, &error))
            })?;
        check::check(file).map_err(|wrong| {
            let first = wrong
                .first
                .map_or_else(String::new, |first| format!(", first at {}", place(&first)));
            Invalid::new(format!("{}: {}{first}", place(&wrong.path), wrong.message))
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

/// A file's text.
fn text_of(path: &Path) -> Result<String> {
    // Before it is opened, which would wait for someone to write into a pipe.
    ensure!(
        path.metadata()?.is_file(),
        "it is no regular file but a folder, a pipe or a device"
    );
    let mut text = String::new();
    // One byte more than allowed, whatever the file says of its length.
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)?;
    ensure!(
        text.len() as u64 <= LONGEST,
        "it has more than {LONGEST} bytes: expected a pipeline"
    );
    Ok(text)
}

/// An error of RON itself, with the place, the offending text and the nearest known name.
fn syntax_error(name: &str, text: &str, error: &ron::error::SpannedError) -> Invalid {
    use ron::error::Error;

    let place = skip_space(text, error.span.start);
    let hint = match &error.code {
        Error::NoSuchStructField {
            expected, found, ..
        }
        | Error::NoSuchEnumVariant {
            expected, found, ..
        } => nearest(found, expected.iter().copied())
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default(),
        _ => found_at(text, place)
            .map(|token| format!(", found `{token}`"))
            .unwrap_or_default(),
    };
    Invalid::new(format!(
        "{name}:{}:{}: {}{hint}",
        place.line, place.col, error.code
    ))
}

/// RON reports where it stood before it skipped the space in front of a value; this is where the
/// value itself begins, if that is on the same line.
fn skip_space(text: &str, mut position: ron::error::Position) -> ron::error::Position {
    let line = text
        .lines()
        .nth(position.line.saturating_sub(1))
        .unwrap_or_default();
    let rest = line.chars().skip(position.col.saturating_sub(1));
    let space = rest.take_while(|c| c.is_whitespace()).count();
    if position.col.saturating_sub(1) + space < line.chars().count() {
        position.col += space;
    }
    position
}

/// The text that stands at a position, up to the next delimiter.
fn found_at(text: &str, position: ron::error::Position) -> Option<&str> {
    let line = text.lines().nth(position.line.checked_sub(1)?)?;
    let start = line.char_indices().nth(position.col.checked_sub(1)?)?.0;
    let token = line[start..]
        .split([',', ')', ']', '}', '\n'])
        .next()?
        .trim();
    (!token.is_empty()).then_some(token)
}

/// A name that stands twice in one map, with both places, if that is what is wrong.
fn repeated(name: &str, text: &str) -> Option<Invalid> {
    let (path, second) = distinct::repeated(text)?;
    let repeated = path.last()?;
    let (first, second) = (place_of(name, text, &path), at(name, second));
    Some(Invalid::new(format!(
        "{second}: {repeated} stands here twice, first at {first}"
    )))
}

/// File, line and column of the value at a path.
fn place_of(name: &str, text: &str, path: &[Segment]) -> String {
    let found = locate::locate(text, path);
    found.map_or_else(|| name.to_owned(), |found| at(name, found))
}

/// File, line and column.
fn at(name: &str, position: ron::error::Position) -> String {
    format!("{name}:{}:{}", position.line, position.col)
}

/// Something in the file that cannot be, and where.
#[derive(Debug)]
struct Wrong {
    path: Vec<Segment>,
    message: String,
    /// Where the value stands that this one repeats.
    first: Option<Vec<Segment>>,
}

#[cfg(test)]
mod tests;
