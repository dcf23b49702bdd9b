//! Every value in its range, every name known. Each complaint names the place of the value that it
//! is about.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::complaint::Wrong;
use super::file::{self, File};
use super::locate::{Segment, place};
use super::resolve::experiment;
use super::{Pipeline, claim, text};
use crate::error::nearest;
use nn::architecture::{Architecture, Shortcut};
use nn::schedule::WarmUp;

/// A value, or what is wrong and where.
pub(super) type Checked<T> = Result<T, Wrong>;

/// The deepest network that is allowed: 6 × 1000 + 2 layers; ResNet-1202 has n = 200.
const DEEPEST: u32 = 1000;

/// Longest label, in letters: in the figure it needs room beside the curves.
const LONGEST_LABEL: usize = 60;

/// Checks the whole file, every profile in it included.
pub(super) fn check(file: File) -> Checked<Pipeline> {
    check_keys(&file)?;
    check_recipe(&file.recipe, &place!["recipe"])?;
    for (name, warm_up) in &file.warm_ups {
        check_warm_up(warm_up, &place!["warm_ups", name.as_str()])?;
    }
    for (name, panel) in &file.panels {
        let models = &panel.models;
        text::check(
            "a title",
            &panel.title,
            &place!["panels", name.as_str(), "title"],
        )?;
        check_names(
            "model",
            models,
            &place!["panels", name.as_str(), "models"],
            file.models.keys(),
        )?;
    }
    check_name(
        "data set",
        &file.published.data,
        &place!["published", "data"],
        file.data.keys(),
    )?;
    for (name, row) in &file.published.results {
        let place = place!["published", "results", name.as_str()];
        check_name("model", name, &place, file.models.keys())?;
        check_published(row, &place)?;
    }
    for (name, data) in &file.data {
        check_data(data, &place!["data", name.as_str()])?;
    }
    for (name, model) in &file.models {
        architecture(model, &place!["models", name.as_str()])?;
    }
    check_labels(&file)?;
    let experiments = file
        .profiles
        .iter()
        .map(|(name, profile)| experiment(&file, name, profile))
        .collect::<Checked<Vec<_>>>()?;
    let claims = claim::check(&file)?;
    check_name(
        "profile",
        &file.default_profile,
        &place!["default_profile"],
        file.profiles.keys(),
    )?;
    Ok(Pipeline {
        experiments,
        claims,
        significance: file.significance.unwrap_or(claim::SIGNIFICANCE),
        default_profile: file.default_profile,
    })
}

/// The names that the file gives to its parts.
fn check_keys(file: &File) -> Checked<()> {
    for name in file.models.keys() {
        check_file_name(name, &place!["models", name.as_str()])?;
    }
    for (field, names) in [
        ("data", file.data.keys().collect::<Vec<_>>()),
        ("warm_ups", file.warm_ups.keys().collect()),
        ("panels", file.panels.keys().collect()),
        ("sources", file.sources.keys().collect()),
    ] {
        for name in names {
            text::check("a name", name, &place![field, name.as_str()])?;
        }
    }
    Ok(())
}

/// Labels tell models apart, in figures and in tables. Those that models get by themselves are compared
/// within a profile only.
fn check_labels(file: &File) -> Checked<()> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, model) in &file.models {
        let Some(label) = &model.label else { continue };
        let place = |name: &str| place!["models", name, "label"].to_vec();
        text::check("a label", label, &place(name))?;
        if label.chars().count() > LONGEST_LABEL {
            let expected = format!("expected a label of at most {LONGEST_LABEL} letters");
            return wrong(&place(name), format!("{expected}, found {label:?}"));
        }
        if let Some(other) = seen.insert(label, name) {
            return Err(Wrong {
                path: place(name),
                message: format!("label {label:?} stands here twice"),
                found: None,
                first: Some(place(other)),
            });
        }
    }
    Ok(())
}

pub(super) fn architecture(model: &file::Model, place: &[Segment]) -> Checked<Architecture> {
    let at = |field: &str| [place, &place![field]].concat();
    if !(1..=DEEPEST).contains(&model.n) {
        return out_of_range(&at("n"), format!("expected n from 1 to {DEEPEST}"), model.n);
    }
    let name: StrDeserializer<ValueError> = model.shortcut.as_str().into_deserializer();
    let shortcut = Shortcut::deserialize(name).map_err(|error| Wrong {
        path: at("shortcut"),
        message: error.to_string(),
        found: None,
        first: None,
    })?;
    Ok(Architecture {
        n: model.n,
        shortcut,
    })
}

pub(super) fn check_recipe(recipe: &file::Recipe, place: &[Segment]) -> Checked<()> {
    let at = |field: &str| [place, &place![field]].concat();
    let positive = |field: &str, value: u64| match value {
        0 => out_of_range(&at(field), "expected at least 1", 0),
        _ => Ok(()),
    };
    positive("batch_size", recipe.batch_size.into())?;
    positive("iterations", recipe.iterations)?;
    positive("evaluate_every", recipe.evaluate_every)?;
    check_range(
        "learning_rate",
        recipe.learning_rate,
        recipe.learning_rate > 0.0,
        "above 0",
        place,
    )?;
    check_range(
        "divide_by",
        recipe.divide_by,
        recipe.divide_by >= 1.0,
        "at least 1",
        place,
    )?;
    let momentum = recipe.momentum;
    check_range(
        "momentum",
        momentum,
        (0.0..1.0).contains(&momentum),
        "from 0 to below 1",
        place,
    )?;
    check_range(
        "weight_decay",
        recipe.weight_decay,
        recipe.weight_decay >= 0.0,
        "at least 0",
        place,
    )?;
    if recipe.pad > 16 {
        return out_of_range(&at("pad"), "expected at most 16 pixels", recipe.pad);
    }
    for (index, pair) in recipe.divide_at.windows(2).enumerate() {
        if pair[0] >= pair[1] {
            let place = [&at("divide_at")[..], &place![index + 1]].concat();
            return wrong(
                &place,
                format!(
                    "expected ascending iterations, found {} after {}",
                    pair[1], pair[0]
                ),
            );
        }
    }
    if let Some(index) = recipe
        .divide_at
        .iter()
        .position(|&at| at == 0 || at >= recipe.iterations)
    {
        let place = [&at("divide_at")[..], &place![index]].concat();
        let (found, last) = (recipe.divide_at[index], recipe.iterations);
        let expected = format!("expected an iteration from 1 to below {last}");
        return out_of_range(&place, expected, found);
    }
    Ok(())
}

fn check_warm_up(warm_up: &WarmUp, place: &[Segment]) -> Checked<()> {
    let rate = |rate: f64| check_range("learning_rate", rate, rate > 0.0, "above 0", place);
    match *warm_up {
        WarmUp::None => Ok(()),
        WarmUp::UntilError {
            learning_rate,
            train_error,
        } => {
            rate(learning_rate)?;
            let fits = train_error > 0.0 && train_error < 100.0;
            check_range(
                "train_error",
                train_error,
                fits,
                "a percentage between 0 and 100",
                place,
            )
        }
        WarmUp::Iterations { learning_rate, .. } => rate(learning_rate),
    }
}

fn check_data(data: &file::Data, place: &[Segment]) -> Checked<()> {
    let from = [place, &place!["from"]].concat();
    match &data.from {
        file::Origin::Generated { train, test, .. } => {
            let at = |field: &str| [&from[..], &place![field]].concat();
            for (field, count) in [("train", *train), ("test", *test)] {
                if !(10..=1_000_000).contains(&count) {
                    return out_of_range(&at(field), "expected 10 to 1000000 images", count);
                }
            }
            if data.validation >= *train {
                let place = [place, &place!["validation"]].concat();
                let expected = format!("expected fewer than the {train} training images");
                return out_of_range(&place, expected, data.validation);
            }
            Ok(())
        }
        file::Origin::Archives(sources) => {
            if sources.is_empty() {
                return wrong(&from, "expected at least one archive, found none");
            }
            for (index, source) in sources.iter().enumerate() {
                let at = |field: &str| [&from[..], &place![0, index, field]].concat();
                let schemes = ["https://", "http://", "file://"];
                if !schemes.iter().any(|scheme| source.url.starts_with(scheme)) {
                    return wrong(
                        &at("url"),
                        format!(
                            "expected an https, http or file URL, found {:?}",
                            source.url
                        ),
                    );
                }
                if source.bytes == 0 {
                    let expected = "expected the archive's size in bytes";
                    return out_of_range(&at("bytes"), expected, 0);
                }
                let hexadecimal = source
                    .sha256
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if source.sha256.len() != 64 || !hexadecimal {
                    return wrong(
                        &at("sha256"),
                        format!(
                            "expected 64 lower-case hexadecimal digits, found {:?}",
                            source.sha256
                        ),
                    );
                }
            }
            Ok(())
        }
    }
}

fn check_published(row: &file::PublishedRow, place: &[Segment]) -> Checked<()> {
    for (column, error) in [("he", &row.he), ("s", &row.s)] {
        let Some(error) = error else { continue };
        let place = [place, &place![column]].concat();
        for (field, text) in [("note", &error.note), ("at", &error.at)] {
            if let Some(text) = text {
                text::check("a text", text, &[&place[..], &place![field]].concat())?;
            }
        }
        let percentage = (0.0..=100.0).contains(&error.mean);
        check_range(
            "mean",
            error.mean,
            percentage,
            "a percentage from 0 to 100",
            &place,
        )?;
        if let Some(std) = error.std {
            check_range("std", std, std >= 0.0, "at least 0", &place)?;
        }
        if error.runs == Some(0) {
            let place = [&place[..], &place!["runs"]].concat();
            return out_of_range(&place, "expected at least 1 run", 0);
        }
    }
    Ok(())
}

fn check_range(
    field: &str,
    value: f64,
    fits: bool,
    expected: &str,
    place: &[Segment],
) -> Checked<()> {
    if fits && value.is_finite() {
        return Ok(());
    }
    let place = [place, &place![field]].concat();
    let kind = match value.is_finite() {
        true => "",
        false => "a finite number ",
    };
    out_of_range(&place, format!("expected {kind}{expected}"), value)
}

/// Names of models and profiles become parts of paths.
pub(super) fn check_file_name(name: &str, place: &[Segment]) -> Checked<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.len() <= 100;
    if fits {
        return Ok(());
    }
    wrong(
        place,
        format!("expected a name of letters, digits, `-`, `_` and `.`, found {name:?}"),
    )
}

pub(super) fn check_name<'a>(
    what: &str,
    name: &str,
    place: &[Segment],
    known: impl Iterator<Item = &'a String> + Clone,
) -> Checked<()> {
    if known.clone().any(|candidate| candidate == name) {
        return Ok(());
    }
    let hint = match nearest(name, known.clone().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known: {}", known.cloned().collect::<Vec<_>>().join(", ")),
    };
    wrong(place, format!("unknown {what} {name:?}; {hint}"))
}

pub(super) fn check_names<'a>(
    what: &str,
    names: &[String],
    place: &[Segment],
    known: impl Iterator<Item = &'a String> + Clone,
) -> Checked<()> {
    for (index, name) in names.iter().enumerate() {
        check_name(what, name, &[place, &place![index]].concat(), known.clone())?;
    }
    check_distinct(what, names.iter(), place)
}

pub(super) fn check_distinct<T: Ord + std::fmt::Debug>(
    what: &str,
    values: impl Iterator<Item = T>,
    place: &[Segment],
) -> Checked<()> {
    let mut seen = BTreeMap::new();
    for (index, value) in values.enumerate() {
        let text = format!("{value:?}");
        if let Some(first) = seen.insert(value, index) {
            return Err(Wrong {
                path: [place, &place![index]].concat(),
                message: format!("{what} {text} stands here twice"),
                found: None,
                first: Some([place, &place![first]].concat()),
            });
        }
    }
    Ok(())
}

pub(super) fn wrong<T>(path: &[Segment], message: impl Into<String>) -> Checked<T> {
    Err(Wrong {
        path: path.to_vec(),
        message: message.into(),
        found: None,
        first: None,
    })
}

/// A number that stands at `path` and is not what was expected.
pub(super) fn out_of_range<T>(
    path: &[Segment],
    expected: impl Into<String>,
    found: impl ToString,
) -> Checked<T> {
    Err(Wrong {
        path: path.to_vec(),
        message: expected.into(),
        found: Some(found.to_string()),
        first: None,
    })
}
