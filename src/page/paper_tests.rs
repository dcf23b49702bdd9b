//! The page of the profile `paper`, with made-up results: how large it is.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::pipeline::{Experiment, Pipeline};
use crate::plan::{Bases, Graph};
use crate::steps::Params;
use cifar::CLASS_NAMES;
use nn::device::Backend;
use random::Draw;
use records::{ClassErrors, Dataset, Evaluation, LayerResponse, Metrics, Responses, parse_metrics};
use store::key::Digest;
use summary::{SeedResult, spread};
use table::{Published, ResultRow, Results};

/// What the made-up errors scatter around.
fn error(experiment: &Experiment, model: &str) -> f64 {
    let mut models = experiment.models.iter();
    let row = &models.find(|it| it.name == model).unwrap().published;
    row.he.as_ref().map_or(10.0, |he| he.mean)
}

/// Errors fall where the learning rate does; like all errors on 10,000 images they have two decimals.
fn metrics(experiment: &Experiment, model: &str, seed: u64) -> Vec<Metrics> {
    let mut draw = Draw::at(model, &[seed]);
    let last = error(experiment, model);
    let lines = (1..=64_u32).map(|line| {
        let rest = match line {
            ..32 => 12.0 + 60.0 / f64::from(line),
            32..48 => 1.0 + 4.0 / f64::from(line - 30),
            _ => 0.0,
        };
        let mut near = |value: f64, images: f64| {
            let noise = draw.uniform() / 2.0;
            (value + noise) / 100.0 * images
        };
        let percent = |errors: f64, images: f64| errors.floor() * 100.0 / images;
        Metrics {
            iteration: 1000 * u64::from(line),
            epoch: 2 * u64::from(line),
            learning_rate: 0.1,
            train_loss: near(rest, 128_000.0) / 128_001.7,
            train_error: percent(near(last / 3.0 + rest, 128_000.0), 128_000.0),
            validation_error: Some(percent(near(last + rest, 5_000.0), 5_000.0)),
            test_error: percent(near(last + rest, 10_000.0), 10_000.0),
        }
    });
    lines.collect()
}

fn evaluation(metrics: &[Metrics]) -> Evaluation {
    let test_error = metrics.last().unwrap().test_error;
    let wrong = (test_error * 10.0).round() as u64 / 9;
    let row =
        |class: u64| (0..10).map(move |it| if it == class { 1000 - 9 * wrong } else { wrong });
    Evaluation {
        images: 10_000,
        errors: 90 * wrong,
        test_error,
        classes: CLASS_NAMES
            .map(|class| ClassErrors {
                class: class.to_owned(),
                images: 1000,
                errors: 9 * wrong,
                test_error: Some(9.0 * wrong as f64 / 10.0),
            })
            .into(),
        confusion: (0..10).map(|class| row(class).collect()).collect(),
    }
}

/// Of each layer of the model that a name names.
fn responses(experiment: &Experiment, name: &str) -> Responses {
    let model = name.split('/').nth(1).unwrap();
    let mut models = experiment.models.iter();
    let model = models.find(|known| known.name == model).unwrap();
    let layers = 1..model.architecture.layers();
    let layers = layers.map(|layer| LayerResponse {
        layer: format!("bn{layer}"),
        std: 1.0 / f64::from(layer),
    });
    Responses {
        images: 10_000,
        layers: layers.collect(),
    }
}

fn results(experiment: &Experiment) -> Results {
    let rows = experiment.models.iter().map(|model| {
        let runs = experiment.seeds.iter().map(|&seed| {
            let last = metrics(experiment, &model.name, seed).pop().unwrap();
            SeedResult {
                seed,
                test_error: last.test_error,
                train_error: last.train_error,
                response: 1.0 + last.test_error / 100.0,
            }
        });
        let runs: Vec<SeedResult> = runs.collect();
        let over = |error: fn(&SeedResult) -> f64| {
            spread(&runs.iter().map(error).collect::<Vec<_>>()).unwrap()
        };
        let published = |error: &crate::pipeline::PublishedError| Published {
            mean: error.mean,
            std: error.std,
            runs: error.runs,
            note: error.note.clone(),
        };
        ResultRow {
            model: model.name.clone(),
            label: model.label.clone(),
            layers: model.architecture.layers(),
            parameters: model.architecture.parameters(),
            multiply_adds: model.architecture.multiply_adds(),
            iterations: 64_000,
            backends: vec!["tch:cuda 0.22.1".to_owned()],
            test_error: over(|run| run.test_error),
            train_error: over(|run| run.train_error),
            response: over(|run| run.response),
            runs,
            he: model.published.he.as_ref().map(published),
            reproduction: model.published.s.as_ref().map(published),
            difference_to_he: None,
            difference_to_reproduction: None,
        }
    });
    Results {
        profile: experiment.profile.clone(),
        comparable: true,
        caveats: Vec::new(),
        dataset: Dataset {
            archive_sha256: "c".repeat(64),
            train: 45_000,
            validation: 5_000,
            test: 10_000,
        },
        rows: rows.collect(),
        missing: Vec::new(),
    }
}

fn steps(graph: &Graph) -> (Vec<StepLine>, Vec<std::sync::Arc<store::key::Basis>>) {
    let bases = Bases::only(&Backend::ALL[0]);
    let mut all = Vec::new();
    let steps = graph.steps().iter().map(|step| {
        let content = |name: &str| Digest::of(format!("{} {name}", step.name).as_bytes());
        let names = step.inputs.iter().map(|input| input.name.to_string());
        let contents: BTreeMap<String, Digest> =
            names.map(|it| (it.clone(), content(&it))).collect();
        let key_inputs = bases.key_inputs(&step.params, contents.clone(), None);
        let place = all.iter().position(|known| *known == key_inputs.basis);
        let basis = place.unwrap_or_else(|| {
            all.push(key_inputs.basis.clone());
            all.len() - 1
        });
        let inputs = step.inputs.iter().map(|input| {
            let line = InputLine {
                from: graph.step(input.producer).name.clone(),
                output: input.output.to_owned(),
                content: contents.get(&*input.name).copied(),
            };
            (input.name.to_string(), line)
        });
        StepLine {
            step: step.name.clone(),
            kind: step.params.kind().to_owned(),
            standing: Standing::UpToDate,
            said: "test error 6.61 %, train error 0.12 % after 64,000 iterations".to_owned(),
            seconds: Some(4321.5),
            progress: None,
            key: Some(key_inputs.key()),
            basis: Some(basis),
            parameters: key_inputs.parameters.text().to_owned(),
            inputs: inputs.collect(),
            outputs: step
                .params
                .outputs()
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    });
    let steps = steps.collect();
    (steps, all)
}

#[test]
fn the_page_of_all_of_the_paper_is_smaller_than_a_megabyte() {
    let pipeline = include_str!("../../pipeline.ron");
    let pipeline = Pipeline::parse(pipeline, "pipeline.ron").unwrap();
    let experiment = pipeline.experiment(Some("paper")).unwrap();
    let graph = Graph::of(experiment).unwrap();
    let run = |step: &str| {
        let mut parts = step.split('/').skip(1);
        let model = parts.next().unwrap();
        metrics(
            experiment,
            model,
            parts.next().unwrap()[4..].parse().unwrap(),
        )
    };
    let as_lines = |metrics: &[Metrics]| {
        let lines = metrics
            .iter()
            .map(|line| serde_json::to_string(line).unwrap() + "\n");
        lines.collect::<String>()
    };
    let read = |step: &str, output: &str| {
        Ok(Some(match output {
            "metrics.jsonl" => as_lines(&run(step)).into_bytes(),
            "evaluation.json" => serde_json::to_vec(&evaluation(&run(step)))?,
            "results.json" => serde_json::to_vec(&results(experiment))?,
            _ => {
                let step = graph.step(graph.named(step)?);
                let metrics = |name: &str| parse_metrics(&as_lines(&run(name)), Path::new(name));
                match &step.params {
                    Params::Plot(plot::Params::Fig6(curves)) => {
                        plot::error_curves(curves, metrics)?.into_bytes()
                    }
                    Params::Plot(plot::Params::Fig7(curves)) => {
                        plot::response_curves(curves, |name| Ok(responses(experiment, name)))?
                            .into_bytes()
                    }
                    _ => return Ok(None),
                }
            }
        }))
    };
    let subject = Subject {
        experiment,
        claims: &pipeline.claims(experiment),
        significance: pipeline.significance(),
    };
    let (steps, bases) = steps(&graph);
    let data = subject.gather(steps, bases, &read).unwrap();
    assert_eq!(data.runs.len(), 45);
    assert!(data.runs.iter().all(|run| run.curve.iteration.len() == 64));
    let page = render(&data, None).unwrap();
    // For benches/page, which looks at it.
    if let Some(folder) = std::env::var_os("FIG6_KEEP_PAGE") {
        let folder = Path::new(&folder);
        std::fs::write(folder.join("report.html"), &page).unwrap();
        let results = serde_json::to_string_pretty(&data.results).unwrap();
        std::fs::write(folder.join("results.json"), results).unwrap();
    }
    assert!(page.len() <= 1 << 20, "{} bytes", page.len());
}
