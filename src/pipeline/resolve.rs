//! From a checked file to the experiment of one profile, with all that it overrides applied.

use std::collections::BTreeMap;

use super::check::architecture;
use super::complaint::{Checked, out_of_range, wrong};
use super::experiment::{Data, Experiment, Model, PublishedBy};
use super::file::{File, Origin, Panel, Profile};
use super::names;
use super::place::Place;
use super::recipe::Recipe;
use nn::architecture::Shortcut;
use nn::schedule::WarmUp;
use step::grouped;

/// One profile with its overrides applied.
pub fn experiment(file: &File, name: &str, profile: &Profile) -> Checked<Experiment> {
    let place = Place::of("profiles").at(name);
    names::file_name(name, &place)?;

    let data_name = profile.data.as_ref().unwrap_or(&file.published.data);
    names::known("data set", data_name, &place.at("data"), &file.data)?;
    let models_at = place.at("models");
    if profile.models.is_empty() {
        let expected = "a profile trains at least one model, found none";
        return wrong(&models_at, expected);
    }
    names::all_known("model", &profile.models, &models_at, &file.models)?;
    let (seeds, seeds_at) = match &profile.seeds {
        Some(seeds) => (seeds, place.at("seeds")),
        None => (&file.seeds, Place::of("seeds")),
    };
    if seeds.is_empty() {
        return wrong(&seeds_at, "a profile has at least one seed, found none");
    }
    names::distinct("seed", seeds, &seeds_at)?;

    let recipe = profile.recipe.applied_to(&file.recipe);
    recipe.check(&place.at("recipe"))?;
    let shorten = profile.shorten.unwrap_or(1);
    let shorten_at = place.at("shorten");
    if shorten == 0 || shorten > recipe.iterations {
        let most = recipe.iterations;
        let expected = format!("expected a divisor from 1 to {most} (the iterations)");
        return out_of_range(&shorten_at, expected, shorten);
    }
    let shortened = recipe.training(&WarmUp::None, shorten).check();
    shortened.or_else(|error| wrong(&shorten_at, format!("divided by {shorten}, {error}")))?;
    let data = data(data_name, file);
    if let Origin::Generated { train, .. } = data.origin {
        let (batch, images) = (recipe.batch_size, train - data.validation);
        if batch > images {
            let message = format!("a batch of {batch} is larger than the {images} training images");
            return wrong(&place.at("recipe"), message);
        }
    }
    let models = profile
        .models
        .iter()
        .map(|name| model(file, name, &recipe, shorten))
        .collect::<Checked<Vec<_>>>()?;
    for (index, model) in models.iter().enumerate() {
        let mut before = models[..index].iter();
        if let Some(other) = before.find(|other| other.label == model.label) {
            let message = format!(
                "label {:?} is {}'s and {}'s: give one of them another label",
                model.label, other.name, model.name
            );
            return wrong(&models_at.at(index), message);
        }
    }
    let results = || file.published.results.values();
    Ok(Experiment {
        published: PublishedBy {
            he: results().any(|row| row.he.is_some()),
            s: results().any(|row| row.s.is_some()),
        },
        profile: name.to_owned(),
        caveats: caveats(file, &data, &recipe, shorten),
        own_claims_only: profile.own_claims_only,
        replay: file.replay,
        data,
        models,
        seeds: seeds.clone(),
        panels: panels(file, profile, &place)?,
        holes: BTreeMap::new(),
    })
}

fn data(name: &str, file: &File) -> Data {
    let data = &file.data[name];
    Data {
        name: name.to_owned(),
        origin: data.from.clone(),
        validation: data.validation,
        split_seed: data.split_seed,
    }
}

fn model(file: &File, name: &str, recipe: &Recipe, shorten: u64) -> Checked<Model> {
    let place = Place::of("models").at(name);
    let model = &file.models[name];
    let architecture = architecture(model, &place)?;
    let warm_up = match &model.warm_up {
        None => &WarmUp::None,
        Some(name) => {
            names::known("warm-up", name, &place.at("warm_up"), &file.warm_ups)?;
            &file.warm_ups[name]
        }
    };
    let family = match architecture.shortcut {
        Shortcut::None => "Plain",
        _ => "ResNet",
    };
    let recipe = recipe.training(warm_up, shorten);
    let checked = recipe.check();
    checked.or_else(|error| wrong(&place, format!("with its warm-up, {error}")))?;
    let label = model.label.clone();
    let published = file.published.results.get(name);
    Ok(Model {
        name: name.to_owned(),
        label: label.unwrap_or_else(|| format!("{family}-{}", architecture.layers())),
        recipe,
        architecture,
        published: published.cloned().unwrap_or_default(),
    })
}

/// The figure's panels, each with those of its models that the profile trains, in its order; those
/// without any are left out.
fn panels(file: &File, profile: &Profile, place: &Place) -> Checked<Vec<Panel>> {
    let (figure, place) = match &profile.figure {
        Some(figure) => (figure, place.at("figure")),
        None => (&file.figure, Place::of("figure")),
    };
    names::all_known("panel", figure, &place, &file.panels)?;
    let mut panels: Vec<Panel> = Vec::new();
    for name in figure {
        let Panel { title, models } = &file.panels[name];
        let trained = profile.models.iter().filter(|name| models.contains(name));
        let models: Vec<String> = trained.cloned().collect();
        if models.is_empty() {
            continue;
        }
        if panels.iter().any(|other| other.title == *title) {
            let message = format!("the title {title:?} is that of two panels");
            return wrong(&place, format!("{message}: give one of them another"));
        }
        let title = title.clone();
        panels.push(Panel { title, models });
    }
    if panels.is_empty() {
        let message = "no panel of the figure shows any of the profile's models";
        return wrong(&place, message);
    }
    Ok(panels)
}

/// Why the numbers of this profile cannot be compared with the published ones.
fn caveats(file: &File, data: &Data, recipe: &Recipe, shorten: u64) -> Vec<String> {
    let (base, published) = (&file.recipe, &file.published);
    let mut caveats = Vec::new();
    if matches!(data.origin, Origin::Generated { .. }) {
        caveats.push("the images are generated".to_owned());
    } else if data.name != published.data {
        caveats.push(format!("the data is {}, not {}", data.name, published.data));
    }
    let iterations = recipe.iterations.div_ceil(shorten);
    if iterations != published.iterations {
        let [here, there] = [iterations, published.iterations].map(grouped);
        caveats.push(format!("{here} of {there} iterations"));
    }
    let mut differs = |what: &str, here: f64, there: f64| {
        if here != there {
            caveats.push(format!("{what} {here} instead of {there}"));
        }
    };
    let batches = [recipe.batch_size, base.batch_size].map(f64::from);
    differs("batch size", batches[0], batches[1]);
    differs("learning rate", recipe.learning_rate, base.learning_rate);
    differs("momentum", recipe.momentum, base.momentum);
    differs("weight decay", recipe.weight_decay, base.weight_decay);
    if (recipe.pad, recipe.flip) != (base.pad, base.flip) {
        caveats.push("another augmentation".to_owned());
    }
    if (&recipe.divide_at, recipe.divide_by) != (&base.divide_at, base.divide_by) {
        caveats.push("another schedule".to_owned());
    }
    caveats
}
