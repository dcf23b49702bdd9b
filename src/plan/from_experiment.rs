//! The graph of an experiment: download → preprocess → train → evaluate and responses → aggregate → plots
//! and table, each step with its parameters.
//!
//! Unaware of what is done about the steps.

use std::borrow::Cow;

use super::graph::{Graph, Input, Step, StepId};
use crate::error::Invalid;
use crate::pipeline::{Experiment, Hole, Model, Origin, PublishedError};
use crate::steps::Params;
use download::{Generated, Source};
use nn::architecture::Shortcut;

impl Graph {
    /// The steps of an experiment. Its holes are no steps, and no input of what follows.
    ///
    /// # Errors
    /// As [`Graph::new`]; a pipeline file that was checked gives no such steps.
    pub fn of(experiment: &Experiment) -> Result<Graph, Invalid> {
        let mut steps = Steps(Vec::new());
        let download = steps.add_download(experiment);
        let preprocess = steps.add_preprocess(experiment, download);
        let mut runs = Vec::new();
        for model in &experiment.models {
            for (seed, hole) in experiment.seeds_of(&model.name) {
                if hole != Some(Hole::Untrained) {
                    runs.push(steps.add_run(model, seed, hole.is_none(), preprocess));
                }
            }
        }
        let aggregate = steps.add_aggregate(experiment, &runs);
        steps.add_fig6(experiment, &runs);
        steps.add_fig7(experiment, &runs);
        steps.add_table(experiment, preprocess, aggregate);
        Graph::new(steps.0)
    }
}

/// One training with what is measured of it.
struct Run<'e> {
    model: &'e str,
    /// `resnet20/seed0`
    name: String,
    train: StepId,
    measured: Option<Measurements>,
}

/// What is measured of a training's final weights.
struct Measurements {
    evaluate: StepId,
    responses: StepId,
}

/// The steps so far.
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, name: impl Into<String>, params: Params, inputs: Vec<Input>) -> StepId {
        let id = u32::try_from(self.0.len()).expect("a graph has fewer than 2³² steps");
        self.0.push(Step {
            name: name.into(),
            params,
            inputs,
            sources: Vec::new(),
        });
        StepId::new(id)
    }

    fn add_download(&mut self, experiment: &Experiment) -> StepId {
        let (params, sources) = match &experiment.data.origin {
            Origin::Archives(sources) => {
                let wanted = sources.iter().map(Source::id).collect();
                (download::Params::Archives(wanted), sources.clone())
            }
            &Origin::Generated { train, test, seed } => {
                let generated = Generated { train, test, seed };
                (download::Params::Generated(generated), Vec::new())
            }
        };
        let id = self.add("download", Params::Download(params), Vec::new());
        self.0[id.index()].sources = sources;
        id
    }

    fn add_preprocess(&mut self, experiment: &Experiment, download: StepId) -> StepId {
        let params = preprocess::Params {
            validation: experiment.data.validation,
            split_seed: experiment.data.split_seed,
        };
        let inputs = same_names(download, &["archive"]);
        self.add("preprocess", Params::Preprocess(params), inputs)
    }

    fn add_run<'e>(
        &mut self,
        model: &'e Model,
        seed: u64,
        evaluated: bool,
        preprocess: StepId,
    ) -> Run<'e> {
        let name = format!("{}/seed{seed}", model.name);
        let params = train::Params {
            architecture: model.architecture.clone(),
            seed,
            recipe: model.recipe.clone(),
        };
        let inputs = [
            "train.bin",
            "validation.bin",
            "test.bin",
            "statistics.json",
            "classes.json",
        ];
        let inputs = same_names(preprocess, &inputs);
        let train = self.add(format!("train/{name}"), Params::Train(params), inputs);
        let measured = evaluated.then(|| {
            let architecture = model.architecture.clone();
            let params = Params::Evaluate(evaluate::Params { architecture });
            let inputs = ["test.bin", "statistics.json", "classes.json"];
            let mut inputs = same_names(preprocess, &inputs);
            inputs.extend(same_names(train, &["weights.safetensors"]));
            let evaluate = self.add(format!("evaluate/{name}"), params, inputs);

            let architecture = model.architecture.clone();
            let params = Params::Responses(responses::Params { architecture });
            let mut inputs = same_names(preprocess, &["test.bin", "statistics.json"]);
            inputs.extend(same_names(train, &["weights.safetensors"]));
            let responses = self.add(format!("responses/{name}"), params, inputs);
            Measurements {
                evaluate,
                responses,
            }
        });
        Run {
            model: &model.name,
            name,
            train,
            measured,
        }
    }

    fn add_aggregate(&mut self, experiment: &Experiment, runs: &[Run]) -> StepId {
        let models = experiment.models.iter().map(|model| aggregate::ModelRuns {
            model: model.name.clone(),
            seeds: seeds_with(experiment, model, |hole| hole.is_none()),
        });
        let params = aggregate::Params {
            runs: models.filter(|runs| !runs.seeds.is_empty()).collect(),
        };
        let mut inputs = Vec::new();
        for run in runs {
            if let Some(measured) = &run.measured {
                let name = format!("evaluation/{}", run.name);
                inputs.push(input(name, measured.evaluate, "evaluation.json"));
                let name = format!("responses/{}", run.name);
                inputs.push(input(name, measured.responses, "responses.json"));
                let name = format!("training/{}", run.name);
                inputs.push(input(name, run.train, "training.json"));
            }
        }
        self.add("aggregate", Params::Aggregate(params), inputs)
    }

    fn add_fig6(&mut self, experiment: &Experiment, runs: &[Run]) {
        let models = &experiment.models;
        let panels = experiment.panels.iter().map(|panel| {
            // A panel names its models in their order.
            let shown = models
                .iter()
                .filter(|model| panel.models.contains(&model.name));
            let curves = shown.map(|model| {
                let seeds = seeds_with(experiment, model, |hole| hole != Some(Hole::Untrained));
                curve(experiment, model, seeds)
            });
            plot::Panel {
                title: panel.title.clone(),
                curves: curves.filter(|curve| !curve.seeds.is_empty()).collect(),
            }
        });
        let iterations = models.iter().map(|model| model.recipe.schedule.iterations);
        let params = plot::ErrorCurves {
            panels: panels.collect(),
            iterations: iterations.max().unwrap_or(0),
            note: caveat(experiment, |hole| hole == Some(Hole::Untrained), "training"),
        };
        let panels = &experiment.panels;
        let is_shown = |model: &str| {
            panels
                .iter()
                .any(|panel| panel.models.iter().any(|name| name == model))
        };
        let shown = runs.iter().filter(|run| is_shown(run.model));
        let inputs = shown.map(|run| {
            let name = format!("metrics/{}", run.name);
            input(name, run.train, "metrics.jsonl")
        });
        let params = Params::Plot(plot::Params::Fig6(params));
        self.add("plot/fig6", params, inputs.collect());
    }

    fn add_fig7(&mut self, experiment: &Experiment, runs: &[Run]) {
        let curves = experiment.models.iter().map(|model| {
            let seeds = seeds_with(experiment, model, |hole| hole.is_none());
            plot::ResponseCurve {
                curve: curve(experiment, model, seeds),
                residual: model.architecture.shortcut != Shortcut::None,
            }
        });
        let params = plot::ResponseCurves {
            curves: curves
                .filter(|shown| !shown.curve.seeds.is_empty())
                .collect(),
            note: caveat(experiment, |hole| hole.is_some(), "training or evaluation"),
        };
        let inputs = runs.iter().filter_map(|run| {
            let name = format!("responses/{}", run.name);
            Some(input(
                name,
                run.measured.as_ref()?.responses,
                "responses.json",
            ))
        });
        let params = Params::Plot(plot::Params::Fig7(params));
        self.add("plot/fig7", params, inputs.collect());
    }

    fn add_table(&mut self, experiment: &Experiment, preprocess: StepId, aggregate: StepId) {
        let rows = experiment.models.iter().map(|model| table::Row {
            model: model.name.clone(),
            label: model.label.clone(),
            he: model.published.he.as_ref().map(published),
            reproduction: model.published.s.as_ref().map(published),
            missing: seeds_with(experiment, model, |hole| hole.is_some()),
        });
        let params = table::Params {
            rows: rows.collect(),
            profile: experiment.profile.clone(),
            caveats: experiment.caveats.clone(),
            sources: table::Sources {
                he: experiment.published.he,
                reproduction: experiment.published.s,
            },
        };
        let mut inputs = same_names(aggregate, &["summary.json"]);
        inputs.extend(same_names(preprocess, &["dataset.json"]));
        self.add("table", Params::Table(params), inputs);
    }
}

fn input(name: impl Into<Cow<'static, str>>, producer: StepId, output: &'static str) -> Input {
    Input {
        name: name.into(),
        producer,
        output,
    }
}

/// Inputs that are called as their producer calls them.
fn same_names(producer: StepId, outputs: &[&'static str]) -> Vec<Input> {
    let outputs = outputs.iter();
    outputs
        .map(|&output| input(output, producer, output))
        .collect()
}

/// A model's curve over these seeds, which says how many it lacks.
fn curve(experiment: &Experiment, model: &Model, seeds: Vec<u64>) -> plot::Curve {
    let (some, all) = (seeds.len(), experiment.seeds.len());
    let label = &model.label;
    plot::Curve {
        model: model.name.clone(),
        label: match some < all {
            true => format!("{label} ({some} of {all})"),
            false => label.clone(),
        },
        layers: model.architecture.layers(),
        seeds,
    }
}

/// The experiment's caveats, and the seeds that lack what a figure shows, as sentences for the figure.
fn caveat(
    experiment: &Experiment,
    lacks: impl Fn(Option<Hole>) -> bool + Copy,
    failed: &str,
) -> Option<String> {
    let mut sentences = Vec::new();
    if !experiment.caveats.is_empty() {
        let caveats = experiment.caveats.join("; ");
        sentences.push(format!(
            "Not comparable with the published figure: {caveats}."
        ));
    }
    let holes = experiment.models.iter().filter_map(|model| {
        let seeds = seeds_with(experiment, model, lacks);
        let word = match seeds.len() {
            0 => return None,
            1 => "seed",
            _ => "seeds",
        };
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        Some(format!("{} ({word} {})", model.label, seeds.join(", ")))
    });
    let holes: Vec<String> = holes.collect();
    if !holes.is_empty() {
        let holes = holes.join("; ");
        sentences.push(format!("Missing, because {failed} failed: {holes}."));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The seeds of a model that lack, or do not lack, something.
fn seeds_with(
    experiment: &Experiment,
    model: &Model,
    wanted: impl Fn(Option<Hole>) -> bool,
) -> Vec<u64> {
    let seeds = experiment.seeds_of(&model.name);
    let seeds = seeds.filter(|(_, hole)| wanted(*hole));
    seeds.map(|(seed, _)| seed).collect()
}

fn published(error: &PublishedError) -> table::Published {
    table::Published {
        mean: error.mean,
        std: error.std,
        runs: error.runs,
        note: error.note.clone(),
    }
}
