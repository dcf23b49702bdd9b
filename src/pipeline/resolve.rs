//! From a checked file to the experiment of one profile, with all that it overrides applied.

use std::collections::BTreeMap;

use super::check::{
    Checked, architecture, check_distinct, check_file_name, check_name, check_names, check_recipe,
    out_of_range, wrong,
};
use super::file::{self, File};
use super::locate::{Segment, place};
use super::{Data, Experiment, Model, Origin, Panel, PublishedBy};
use nn::architecture::Shortcut;
use nn::augment::Augmentation;
use nn::recipe::Recipe;
use nn::schedule::{LrSchedule, WarmUp};
use step::grouped;

/// One profile with its overrides applied.
pub(super) fn experiment(file: &File, name: &str, profile: &file::Profile) -> Checked<Experiment> {
    let place = place!["profiles", name];
    let at = |field: &str| [&place[..], &place![field]].concat();
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
        None => (&file.seeds, place!["seeds"].to_vec()),
    };
    if seeds.is_empty() {
        return wrong(&seeds_at, "a profile has at least one seed, found none");
    }
    check_distinct("seed", seeds.iter(), &seeds_at)?;

    let recipe = apply(&file.recipe, &profile.recipe);
    check_recipe(&recipe, &at("recipe"))?;
    let shorten = profile.shorten.unwrap_or(1);
    if shorten == 0 || shorten > recipe.iterations {
        let most = recipe.iterations;
        let expected = format!("expected a divisor from 1 to {most} (the iterations)");
        return out_of_range(&at("shorten"), expected, shorten);
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
    for (index, model) in models.iter().enumerate() {
        let mut before = models[..index].iter();
        if let Some(other) = before.find(|other| other.label == model.label) {
            let said = format!(
                "label {:?} is {}'s and {}'s: give one of them another label",
                model.label, other.name, model.name
            );
            return wrong(&[&at("models")[..], &place![index]].concat(), said);
        }
    }
    let (figure, figure_at) = match &profile.figure {
        Some(figure) => (figure, at("figure")),
        None => (&file.figure, place!["figure"].to_vec()),
    };
    check_names("panel", figure, &figure_at, file.panels.keys())?;
    let panels: Vec<Panel> = figure
        .iter()
        .map(|name| panel(&file.panels[name], &profile.models))
        .filter(|panel| !panel.models.is_empty())
        .collect();
    for (index, panel) in panels.iter().enumerate() {
        let mut before = panels[..index].iter();
        if before.any(|other| other.title == panel.title) {
            let said = format!("the title {:?} is that of two panels", panel.title);
            return wrong(&figure_at, format!("{said}: give one of them another"));
        }
    }
    if panels.is_empty() {
        return wrong(
            &figure_at,
            "no panel of the figure shows any of the profile's models",
        );
    }
    let results = || file.published.results.values();
    Ok(Experiment {
        published: PublishedBy {
            he: results().any(|row| row.he.is_some()),
            s: results().any(|row| row.s.is_some()),
        },
        profile: name.to_owned(),
        caveats: caveats(file, &data, &recipe, shorten),
        data,
        models,
        seeds: seeds.clone(),
        panels,
        holes: BTreeMap::new(),
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
    let place = place!["models", name];
    let model = &file.models[name];
    let architecture = architecture(model, &place)?;
    let warm_up = match &model.warm_up {
        None => WarmUp::None,
        Some(name) => {
            let at = [&place[..], &place!["warm_up"]].concat();
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
            schedule: LrSchedule {
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
