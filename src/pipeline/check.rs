//! From the file as written to experiments that make sense: every value in its range, every name
//! known, every override applied. Each complaint names the place of the value it is about.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::file::{self, File};
use super::locate::Segment;
use super::{Data, Experiment, Model, Origin, Panel, Pipeline, Wrong};
use crate::error::nearest;
use crate::nn::augment::Augmentation;
use crate::nn::fit::Recipe;
use crate::nn::resnet::{Architecture, Shortcut};
use crate::nn::schedule::{Schedule, WarmUp};
use crate::steps::count::grouped;

type Checked<T> = Result<T, Wrong>;

/// The deepest network that is allowed: 6 × 1000 + 2 layers; ResNet-1202 has n = 200.
const DEEPEST: u32 = 1000;

macro_rules! path {
    ($($segment:expr),*) => { [$(Segment::from($segment)),*] };
}

/// Checks the whole file, every profile in it included.
pub(super) fn check(file: File) -> Checked<Pipeline> {
    check_recipe(&file.recipe, &path!["recipe"])?;
    for (name, warm_up) in &file.warm_ups {
        check_warm_up(warm_up, &path!["warm_ups", name.as_str()])?;
    }
    for name in file.panels.keys() {
        let models = &file.panels[name].models;
        check_names(
            "model",
            models,
            &path!["panels", name.as_str(), "models"],
            file.models.keys(),
        )?;
    }
    check_name(
        "data set",
        &file.published.data,
        &path!["published", "data"],
        file.data.keys(),
    )?;
    for (name, row) in &file.published.results {
        let place = path!["published", "results", name.as_str()];
        check_name("model", name, &place, file.models.keys())?;
        check_published(row, &place)?;
    }
    for (name, data) in &file.data {
        check_data(data, &path!["data", name.as_str()])?;
    }
    for (name, model) in &file.models {
        check_file_name(name, &path!["models", name.as_str()])?;
        architecture(model, &path!["models", name.as_str()])?;
    }
    let experiments = file
        .profiles
        .iter()
        .map(|(name, profile)| experiment(&file, name, profile))
        .collect::<Checked<Vec<_>>>()?;
    check_name(
        "profile",
        &file.default_profile,
        &path!["default_profile"],
        file.profiles.keys(),
    )?;
    Ok(Pipeline {
        experiments,
        default_profile: file.default_profile,
    })
}

/// One profile with its overrides applied.
fn experiment(file: &File, name: &str, profile: &file::Profile) -> Checked<Experiment> {
    let place = path!["profiles", name];
    let at = |field: &str| [&place[..], &path![field]].concat();
    check_file_name(name, &place)?;

    let data_name = profile.data.as_ref().unwrap_or(&file.published.data);
    check_name("data set", data_name, &at("data"), file.data.keys())?;
    if profile.models.is_empty() {
        return wrong(
            &at("models"),
            "a profile trains at least one model, found none",
        );
    }
    check_names("model", &profile.models, &at("models"), file.models.keys())?;
    let (seeds, seeds_at) = match &profile.seeds {
        Some(seeds) => (seeds, at("seeds")),
        None => (&file.seeds, path!["seeds"].to_vec()),
    };
    if seeds.is_empty() {
        return wrong(&seeds_at, "a profile has at least one seed, found none");
    }
    check_distinct("seed", seeds.iter(), &seeds_at)?;

    let recipe = apply(&file.recipe, &profile.recipe);
    check_recipe(&recipe, &at("recipe"))?;
    let shorten = profile.shorten.unwrap_or(1);
    if shorten == 0 || shorten > recipe.iterations {
        return wrong(
            &at("shorten"),
            format!(
                "expected a divisor from 1 to {} (the iterations), found {shorten}",
                recipe.iterations
            ),
        );
    }
    let data = data(data_name, &file.data[data_name]);
    if let Origin::Generated { train, .. } = data.origin
        && recipe.batch_size > train - data.validation
    {
        return wrong(
            &at("recipe"),
            format!(
                "a batch of {} is larger than the {} training images",
                recipe.batch_size,
                train - data.validation
            ),
        );
    }
    let models = profile
        .models
        .iter()
        .map(|name| model(file, name, &recipe, shorten))
        .collect::<Checked<Vec<_>>>()?;
    let (figure, figure_at) = match &profile.figure {
        Some(figure) => (figure, at("figure")),
        None => (&file.figure, path!["figure"].to_vec()),
    };
    check_names("panel", figure, &figure_at, file.panels.keys())?;
    let panels: Vec<Panel> = figure
        .iter()
        .map(|name| panel(&file.panels[name], &profile.models))
        .filter(|panel| !panel.models.is_empty())
        .collect();
    if panels.is_empty() {
        return wrong(
            &figure_at,
            "no panel of the figure shows any of the profile's models",
        );
    }
    Ok(Experiment {
        profile: name.to_owned(),
        caveats: caveats(file, &data, &recipe, shorten),
        data,
        models,
        seeds: seeds.clone(),
        panels,
    })
}

fn data(name: &str, data: &file::Data) -> Data {
    Data {
        name: name.to_owned(),
        origin: match &data.from {
            file::Origin::Archives(sources) => Origin::Archives(sources.clone()),
            &file::Origin::Generated { train, test, seed } => {
                Origin::Generated { train, test, seed }
            }
        },
        validation: data.validation,
        split_seed: data.split_seed,
    }
}

fn model(file: &File, name: &str, recipe: &file::Recipe, shorten: u64) -> Checked<Model> {
    let place = path!["models", name];
    let model = &file.models[name];
    let architecture = architecture(model, &place)?;
    let warm_up = match &model.warm_up {
        None => WarmUp::None,
        Some(name) => {
            let at = [&place[..], &path!["warm_up"]].concat();
            check_name("warm-up", name, &at, file.warm_ups.keys())?;
            shortened(&file.warm_ups[name], shorten)
        }
    };
    let family = match architecture.shortcut {
        Shortcut::None => "Plain",
        _ => "ResNet",
    };
    Ok(Model {
        name: name.to_owned(),
        label: model
            .label
            .clone()
            .unwrap_or_else(|| format!("{family}-{}", architecture.layers())),
        recipe: Recipe {
            batch_size: recipe.batch_size,
            momentum: recipe.momentum,
            weight_decay: recipe.weight_decay,
            augmentation: Augmentation {
                pad: recipe.pad,
                flip: recipe.flip,
            },
            schedule: Schedule {
                learning_rate: recipe.learning_rate,
                milestones: recipe
                    .divide_at
                    .iter()
                    .map(|at| at.div_ceil(shorten))
                    .collect(),
                factor: recipe.divide_by,
                iterations: recipe.iterations.div_ceil(shorten),
                warm_up,
            },
            evaluate_every: recipe.evaluate_every,
        },
        architecture,
        published: file
            .published
            .results
            .get(name)
            .cloned()
            .unwrap_or_default(),
    })
}

fn architecture(model: &file::Model, place: &[Segment]) -> Checked<Architecture> {
    let at = |field: &str| [place, &path![field]].concat();
    if !(1..=DEEPEST).contains(&model.n) {
        return wrong(
            &at("n"),
            format!("expected n from 1 to {DEEPEST}, found {}", model.n),
        );
    }
    let name: StrDeserializer<ValueError> = model.shortcut.as_str().into_deserializer();
    let shortcut = Shortcut::deserialize(name).map_err(|error| Wrong {
        path: at("shortcut"),
        message: error.to_string(),
    })?;
    Ok(Architecture {
        n: model.n,
        shortcut,
    })
}

/// A panel with those of its models that are trained, in the profile's order.
fn panel(panel: &file::Panel, trained: &[String]) -> Panel {
    Panel {
        title: panel.title.clone(),
        models: trained
            .iter()
            .filter(|name| panel.models.contains(name))
            .cloned()
            .collect(),
    }
}

fn shortened(warm_up: &WarmUp, shorten: u64) -> WarmUp {
    match warm_up.clone() {
        WarmUp::Iterations {
            learning_rate,
            iterations,
            slip,
        } => WarmUp::Iterations {
            learning_rate,
            iterations: iterations.div_ceil(shorten),
            slip,
        },
        other => other,
    }
}

fn apply(base: &file::Recipe, change: &file::RecipeOverride) -> file::Recipe {
    file::Recipe {
        batch_size: change.batch_size.unwrap_or(base.batch_size),
        learning_rate: change.learning_rate.unwrap_or(base.learning_rate),
        divide_at: change.divide_at.as_ref().unwrap_or(&base.divide_at).clone(),
        divide_by: change.divide_by.unwrap_or(base.divide_by),
        iterations: change.iterations.unwrap_or(base.iterations),
        momentum: change.momentum.unwrap_or(base.momentum),
        weight_decay: change.weight_decay.unwrap_or(base.weight_decay),
        pad: change.pad.unwrap_or(base.pad),
        flip: change.flip.unwrap_or(base.flip),
        evaluate_every: change.evaluate_every.unwrap_or(base.evaluate_every),
    }
}

/// Why the numbers of this profile cannot be compared with the published ones.
fn caveats(file: &File, data: &Data, recipe: &file::Recipe, shorten: u64) -> Vec<String> {
    let mut caveats = Vec::new();
    if matches!(data.origin, Origin::Generated { .. }) {
        caveats.push("the images are generated".to_owned());
    } else if data.name != file.published.data {
        caveats.push(format!(
            "the data is {}, not {}",
            data.name, file.published.data
        ));
    }
    let iterations = recipe.iterations.div_ceil(shorten);
    if iterations != file.published.iterations {
        caveats.push(format!(
            "{} of {} iterations",
            grouped(iterations),
            grouped(file.published.iterations)
        ));
    }
    let mut differs = |what: &str, here: f64, there: f64| {
        if here != there {
            caveats.push(format!("{what} {here} instead of {there}"));
        }
    };
    differs(
        "batch size",
        recipe.batch_size.into(),
        file.recipe.batch_size.into(),
    );
    differs(
        "learning rate",
        recipe.learning_rate,
        file.recipe.learning_rate,
    );
    differs("momentum", recipe.momentum, file.recipe.momentum);
    differs(
        "weight decay",
        recipe.weight_decay,
        file.recipe.weight_decay,
    );
    if (recipe.pad, recipe.flip) != (file.recipe.pad, file.recipe.flip) {
        caveats.push("another augmentation".to_owned());
    }
    if (&recipe.divide_at, recipe.divide_by) != (&file.recipe.divide_at, file.recipe.divide_by) {
        caveats.push("another schedule".to_owned());
    }
    caveats
}

fn check_recipe(recipe: &file::Recipe, place: &[Segment]) -> Checked<()> {
    let at = |field: &str| [place, &path![field]].concat();
    let positive = |field: &str, value: u64| match value {
        0 => wrong(&at(field), "expected at least 1, found 0"),
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
        return wrong(
            &at("pad"),
            format!("expected at most 16 pixels, found {}", recipe.pad),
        );
    }
    for (index, pair) in recipe.divide_at.windows(2).enumerate() {
        if pair[0] >= pair[1] {
            let place = [&at("divide_at")[..], &path![index + 1]].concat();
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
        let place = [&at("divide_at")[..], &path![index]].concat();
        let (found, last) = (recipe.divide_at[index], recipe.iterations);
        return wrong(
            &place,
            format!("expected an iteration from 1 to below {last}, found {found}"),
        );
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
    let from = [place, &path!["from"]].concat();
    match &data.from {
        file::Origin::Generated { train, test, .. } => {
            let at = |field: &str| [&from[..], &path![field]].concat();
            for (field, count) in [("train", *train), ("test", *test)] {
                if !(10..=1_000_000).contains(&count) {
                    return wrong(
                        &at(field),
                        format!("expected 10 to 1000000 images, found {count}"),
                    );
                }
            }
            if data.validation >= *train {
                let place = [place, &path!["validation"]].concat();
                return wrong(
                    &place,
                    format!(
                        "expected fewer than the {train} training images, found {}",
                        data.validation
                    ),
                );
            }
            Ok(())
        }
        file::Origin::Archives(sources) => {
            if sources.is_empty() {
                return wrong(&from, "expected at least one archive, found none");
            }
            for (index, source) in sources.iter().enumerate() {
                let at = |field: &str| [&from[..], &path![0, index, field]].concat();
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
                    return wrong(
                        &at("bytes"),
                        "expected the archive's size in bytes, found 0",
                    );
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
        let place = [place, &path![column]].concat();
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
            return wrong(
                &[&place[..], &path!["runs"]].concat(),
                "expected at least 1 run, found 0",
            );
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
    wrong(
        &[place, &path![field]].concat(),
        format!("expected {expected}, found {value}"),
    )
}

/// Names of models and profiles become parts of paths.
fn check_file_name(name: &str, place: &[Segment]) -> Checked<()> {
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

fn check_name<'a>(
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

fn check_names<'a>(
    what: &str,
    names: &[String],
    place: &[Segment],
    known: impl Iterator<Item = &'a String> + Clone,
) -> Checked<()> {
    for (index, name) in names.iter().enumerate() {
        check_name(what, name, &[place, &path![index]].concat(), known.clone())?;
    }
    check_distinct(what, names.iter(), place)
}

fn check_distinct<T: Ord + std::fmt::Debug>(
    what: &str,
    values: impl Iterator<Item = T>,
    place: &[Segment],
) -> Checked<()> {
    let mut seen = BTreeSet::new();
    for (index, value) in values.enumerate() {
        let text = format!("{value:?}");
        if !seen.insert(value) {
            return wrong(
                &[place, &path![index]].concat(),
                format!("{what} {text} stands here twice"),
            );
        }
    }
    Ok(())
}

fn wrong<T>(path: &[Segment], message: impl Into<String>) -> Checked<T> {
    Err(Wrong {
        path: path.to_vec(),
        message: message.into(),
    })
}
