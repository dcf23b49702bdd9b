//! What holds for the file whatever the profile: every value in its range, every name known. Each
//! complaint names the place of the value that it is about.

use std::collections::BTreeMap;

use super::complaint::{Checked, Wrong, out_of_range, within, wrong};
use super::file::{Data, File, Model, Origin, PublishedError};
use super::names;
use super::place::Place;
use nn::architecture::{Architecture, MAX_N};

/// Longest label, in letters: in the figure it needs room beside the curves.
const LONGEST_LABEL: usize = 60;

/// Checks all of the file but claims and profiles.
pub fn check(file: &File) -> Checked<()> {
    check_keys(file)?;
    file.recipe.check(&Place::of("recipe"))?;
    for (name, warm_up) in &file.warm_ups {
        let place = Place::of("warm_ups").at(&**name);
        file.recipe.check_with(warm_up, &place)?;
    }
    for (name, panel) in &file.panels {
        let place = Place::of("panels").at(&**name);
        names::text("a title", &panel.title, &place.at("title"))?;
        names::all_known("model", &panel.models, &place.at("models"), &file.models)?;
    }
    let published = Place::of("published");
    let data = &file.published.data;
    names::known("data set", data, &published.at("data"), &file.data)?;
    for (name, row) in &file.published.results {
        let place = published.at("results").at(&**name);
        names::known("model", name, &place, &file.models)?;
        for (column, error) in [("he", &row.he), ("s", &row.s)] {
            if let Some(error) = error {
                check_published(error, &place.at(column))?;
            }
        }
    }
    for (name, data) in &file.data {
        check_data(data, &Place::of("data").at(&**name))?;
    }
    for (name, model) in &file.models {
        architecture(model, &Place::of("models").at(&**name))?;
    }
    check_labels(file)
}

/// The names that the file gives to its parts.
fn check_keys(file: &File) -> Checked<()> {
    for name in file.models.keys() {
        names::file_name(name, &Place::of("models").at(&**name))?;
    }
    let data = file.data.keys().map(|name| ("data", name));
    let warm_ups = file.warm_ups.keys().map(|name| ("warm_ups", name));
    let panels = file.panels.keys().map(|name| ("panels", name));
    let sources = file.sources.keys().map(|name| ("sources", name));
    for (field, name) in data.chain(warm_ups).chain(panels).chain(sources) {
        names::text("a name", name, &Place::of(field).at(&**name))?;
    }
    Ok(())
}

/// Labels tell models apart, in figures and in tables. Those that models get by themselves are compared
/// within a profile only.
fn check_labels(file: &File) -> Checked<()> {
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for (name, model) in &file.models {
        let Some(label) = &model.label else { continue };
        let place = Place::of("models").at(&**name).at("label");
        names::text("a label", label, &place)?;
        if label.chars().count() > LONGEST_LABEL {
            let expected = format!("expected a label of at most {LONGEST_LABEL} letters");
            return wrong(&place, format!("{expected}, found {label:?}"));
        }
        if let Some(first) = seen.insert(label, place.clone()) {
            return Err(Wrong {
                first: Some(first),
                ..Wrong::new(&place, format!("label {label:?} stands here twice"))
            });
        }
    }
    Ok(())
}

/// The network of a model.
pub fn architecture(model: &Model, place: &Place) -> Checked<Architecture> {
    if !(1..=MAX_N).contains(&model.n) {
        let expected = format!("expected n from 1 to {MAX_N}");
        return out_of_range(&place.at("n"), expected, model.n);
    }
    let shortcut = model.shortcut.parse();
    let shortcut =
        shortcut.or_else(|error: anyhow::Error| wrong(&place.at("shortcut"), error.to_string()))?;
    Ok(Architecture {
        n: model.n,
        shortcut,
    })
}

fn check_data(data: &Data, place: &Place) -> Checked<()> {
    let from = place.at("from");
    match &data.from {
        Origin::Generated { train, test, .. } => {
            for (field, count) in [("train", *train), ("test", *test)] {
                if !(10..=1_000_000).contains(&count) {
                    return out_of_range(&from.at(field), "expected 10 to 1000000 images", count);
                }
            }
            if data.validation >= *train {
                let expected = format!("expected fewer than the {train} training images");
                return out_of_range(&place.at("validation"), expected, data.validation);
            }
        }
        Origin::Archives(sources) => {
            if sources.is_empty() {
                return wrong(&from, "expected at least one archive, found none");
            }
            for (index, source) in sources.iter().enumerate() {
                check_source(source, &from.at(0).at(index))?;
            }
        }
    }
    Ok(())
}

fn check_source(source: &download::Source, place: &Place) -> Checked<()> {
    let schemes = ["https://", "http://", "file://"];
    if !schemes.iter().any(|scheme| source.url.starts_with(scheme)) {
        let expected = "expected an https, http or file URL";
        return wrong(
            &place.at("url"),
            format!("{expected}, found {:?}", source.url),
        );
    }
    if source.bytes == 0 {
        return out_of_range(
            &place.at("bytes"),
            "expected the archive's size in bytes",
            0,
        );
    }
    let digest = &source.sha256;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() != 64 || !digest.bytes().all(is_digit) {
        let expected = "expected 64 lower-case hexadecimal digits";
        return wrong(&place.at("sha256"), format!("{expected}, found {digest:?}"));
    }
    Ok(())
}

fn check_published(error: &PublishedError, place: &Place) -> Checked<()> {
    for (field, text) in [("note", &error.note), ("at", &error.at)] {
        if let Some(text) = text {
            names::text("a text", text, &place.at(field))?;
        }
    }
    let mean = error.mean;
    let fits = (0.0..=100.0).contains(&mean);
    within(&place.at("mean"), mean, fits, "a percentage from 0 to 100")?;
    if let Some(std) = error.std {
        within(&place.at("std"), std, std >= 0.0, "at least 0")?;
    }
    match error.runs {
        Some(0) => out_of_range(&place.at("runs"), "expected at least 1 run", 0),
        _ => Ok(()),
    }
}
