//! The graph of an experiment: download → preprocess → train → evaluate → aggregate → plot and table,
//! each step with its parameters.
//!
//! Unaware of what is done about the steps.

use std::borrow::Cow;

use super::graph::{Graph, Input, Step, StepId};
use crate::error::Invalid;
use crate::pipeline::{Experiment, Hole, Model, Origin, PublishedError};
use crate::steps::Params;
use download::{Generated, Source};

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
        steps.add_plot(experiment, &runs);
        steps.add_table(experiment, preprocess, aggregate);
        Graph::new(steps.0)
    }
}

/// One training with its evaluation.
struct Run<'e> {
    model: &'e str,
    /// `resnet20/seed0`
    name: String,
    train: StepId,
    evaluate: Option<StepId>,
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
        let evaluate = evaluated.then(|| {
            let params = evaluate::Params {
                architecture: model.architecture.clone(),
            };
            let inputs = ["test.bin", "statistics.json", "classes.json"];
            let mut inputs = same_names(preprocess, &inputs);
            inputs.extend(same_names(train, &["weights.safetensors"]));
            self.add(format!("evaluate/{name}"), Params::Evaluate(params), inputs)
        });
        Run {
            model: &model.name,
            name,
            train,
            evaluate,
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
            if let Some(evaluate) = run.evaluate {
                let name = format!("evaluation/{}", run.name);
                inputs.push(input(name, evaluate, "evaluation.json"));
                let name = format!("training/{}", run.name);
                inputs.push(input(name, run.train, "training.json"));
            }
        }
        self.add("aggregate", Params::Aggregate(params), inputs)
    }

    fn add_plot(&mut self, experiment: &Experiment, runs: &[Run]) {
        let models = &experiment.models;
        let panels = experiment.panels.iter().map(|panel| {
            // A panel names its models in their order.
            let shown = models
                .iter()
                .filter(|model| panel.models.contains(&model.name));
            let curves = shown.map(|model| curve(experiment, model));
            plot::Panel {
                title: panel.title.clone(),
                curves: curves.filter(|curve| !curve.seeds.is_empty()).collect(),
            }
        });
        let iterations = models.iter().map(|model| model.recipe.schedule.iterations);
        let params = plot::Params {
            panels: panels.collect(),
            iterations: iterations.max().unwrap_or(0),
            note: caveat(experiment),
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
        self.add("plot/fig6", Params::Plot(params), inputs.collect());
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

/// A model's curve, which says how many seeds it lacks.
fn curve(experiment: &Experiment, model: &Model) -> plot::Curve {
    let seeds = seeds_with(experiment, model, |hole| hole != Some(Hole::Untrained));
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

/// The experiment's caveats as sentences for the figure.
fn caveat(experiment: &Experiment) -> Option<String> {
    let mut sentences = Vec::new();
    if !experiment.caveats.is_empty() {
        let caveats = experiment.caveats.join("; ");
        sentences.push(format!(
            "Not comparable with the published figure: {caveats}."
        ));
    }
    let holes = experiment.models.iter().filter_map(|model| {
        let seeds = seeds_with(experiment, model, |hole| hole == Some(Hole::Untrained));
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
        sentences.push(format!("Missing, because training failed: {holes}."));
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
