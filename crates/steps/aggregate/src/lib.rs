//! Brings the seeds of each model together: mean, spread and range of the final errors.
//!
//! Unaware of how the results are shown and of what others published.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use records::{Evaluation, Responses, Training};
use step::Context;
use summary::spread;
use summary::{ModelSummary, SeedResult, Spread, Summary};

/// What is brought together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The models, in the order in which they are to be shown.
    pub runs: Vec<ModelRuns>,
}

/// One model and the seeds that it was trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRuns {
    pub model: String,
    pub seeds: Vec<u64>,
}

/// The files that the step writes.
pub const OUTPUTS: &[&str] = &["summary.json"];

/// Reads `evaluation/<model>/seed<k>`, `responses/<model>/seed<k>` and `training/<model>/seed<k>` of every
/// run and writes `summary.json`, a [`Summary`].
///
/// # Errors
/// If an input is missing or malformed, a model has no seeds, or the trainings of one model
/// differ in the network or in their length, so that a mean over them would mean nothing.
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
    let models = params
        .runs
        .iter()
        .map(|runs| summarize(runs, context))
        .collect::<Result<Vec<_>>>()?;
    let trainings: usize = params.runs.iter().map(|runs| runs.seeds.len()).sum();
    let message = format!("models: {}, trainings: {trainings}", models.len());
    context.write_json("summary.json", &Summary { models })?;
    Ok(message)
}

fn summarize(runs: &ModelRuns, context: &Context) -> Result<ModelSummary> {
    let model = &runs.model;
    let mut trainings: Vec<(u64, Training)> = Vec::with_capacity(runs.seeds.len());
    let mut results = Vec::with_capacity(runs.seeds.len());
    for &seed in &runs.seeds {
        let training: Training = context.read_json(&format!("training/{model}/seed{seed}"))?;
        let evaluation: Evaluation =
            context.read_json(&format!("evaluation/{model}/seed{seed}"))?;
        let responses: Responses = context.read_json(&format!("responses/{model}/seed{seed}"))?;
        let response = responses.mean();
        if let Some((first_seed, first)) = trainings.first() {
            must_match(model, (*first_seed, first), (seed, &training))?;
        }
        results.push(SeedResult {
            seed,
            test_error: evaluation.test_error,
            train_error: training.last.train_error,
            response: response
                .with_context(|| format!("responses/{model}/seed{seed} has no layers"))?,
        });
        trainings.push((seed, training));
    }
    let (_, first) = trainings
        .first()
        .with_context(|| format!("model {model} has no seeds; give it at least one"))?;
    let mut backends: Vec<String> = trainings
        .iter()
        .map(|(_, training)| training.backend.clone())
        .collect();
    backends.sort();
    backends.dedup();
    Ok(ModelSummary {
        model: model.clone(),
        layers: first.layers,
        parameters: first.parameters,
        multiply_adds: first.multiply_adds,
        iterations: first.iterations,
        backends,
        test_error: over(&results, |run| run.test_error)?,
        train_error: over(&results, |run| run.train_error)?,
        response: over(&results, |run| run.response)?,
        runs: results,
    })
}

fn over(results: &[SeedResult], value: impl Fn(&SeedResult) -> f64) -> Result<Spread> {
    let sample: Vec<f64> = results.iter().map(value).collect();
    spread(&sample).context("an error or a response is no finite number")
}

fn must_match(
    model: &str,
    (first_seed, first): (u64, &Training),
    (seed, training): (u64, &Training),
) -> Result<()> {
    let pairs = [
        (
            "layers",
            u64::from(first.layers),
            u64::from(training.layers),
        ),
        ("parameters", first.parameters, training.parameters),
        ("multiply-adds", first.multiply_adds, training.multiply_adds),
        ("iterations", first.iterations, training.iterations),
    ];
    for (what, expected, found) in pairs {
        ensure!(
            expected == found,
            "the trainings of {model} differ: seed {first_seed} has {expected} {what}, \
             seed {seed} has {found}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use records::{LayerResponse, Metrics};
    use step::Progress;

    fn training(seed: u64) -> Training {
        Training {
            layers: 20,
            parameters: 269_722,
            multiply_adds: 40_551_040,
            seed,
            images: 45_000,
            iterations: 64_000,
            backend: "flex 0.22.1".into(),
            last: Metrics {
                iteration: 64_000,
                epoch: 181,
                learning_rate: 0.001,
                train_loss: 0.03,
                train_error: 0.5 + seed as f64,
                validation_error: Some(8.0),
                test_error: 8.5,
            },
        }
    }

    fn evaluation(test_error: f64) -> Evaluation {
        Evaluation {
            images: 10_000,
            errors: (test_error * 100.0) as u64,
            test_error,
            classes: vec![],
            confusion: vec![],
        }
    }

    /// Two layers whose mean response is given.
    fn responses(mean: f64) -> Responses {
        let layers = [("bn1", mean + 0.5), ("layer1.0.bn1", mean - 0.5)];
        let layers = layers.map(|(layer, std)| LayerResponse {
            layer: layer.into(),
            std,
        });
        Responses {
            images: 10_000,
            layers: layers.into(),
        }
    }

    /// Runs the step on trainings and evaluations of the seeds 0, 1, … of one model.
    fn aggregate(runs: &[(Training, f64)], seeds: &[u64]) -> Result<(String, Summary)> {
        let folder = testing::folder();
        let mut inputs = std::collections::BTreeMap::new();
        let mut place = |name: String, text: String| {
            let path = folder.path().join(name.replace('/', "-"));
            fs::write(&path, text).unwrap();
            inputs.insert(name, path);
        };
        for (seed, (training, test_error)) in runs.iter().enumerate() {
            let json = serde_json::to_string(training).unwrap();
            place(format!("training/resnet20/seed{seed}"), json);
            let json = serde_json::to_string(&evaluation(*test_error)).unwrap();
            place(format!("evaluation/resnet20/seed{seed}"), json);
            let json = serde_json::to_string(&responses(*test_error / 10.0)).unwrap();
            place(format!("responses/resnet20/seed{seed}"), json);
        }
        let output = folder.path().join("out");
        fs::create_dir(&output).unwrap();
        let params = Params {
            runs: vec![ModelRuns {
                model: "resnet20".into(),
                seeds: seeds.to_vec(),
            }],
        };
        let mut context = Context {
            inputs,
            output: output.clone(),
            evidence: folder.path().to_owned(),
            scratch: folder.path().to_owned(),
            stop: &std::sync::atomic::AtomicBool::new(false),
            progress: &mut |_: Progress| {},
        };
        let message = run(&params, &mut context)?;
        Ok((message, read(&output.join("summary.json"))))
    }

    fn read(path: &Path) -> Summary {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn the_summary_holds_every_seed_and_the_moments_over_them() {
        let mut other = training(1);
        other.backend = "tch 0.22.1".into();
        let (message, summary) = aggregate(&[(other, 8.75), (training(0), 8.25)], &[0, 1]).unwrap();
        assert_eq!(message, "models: 1, trainings: 2");
        let model = &summary.models[0];
        assert_eq!(model.model, "resnet20");
        assert_eq!((model.layers, model.parameters), (20, 269_722));
        assert_eq!(
            (model.iterations, model.multiply_adds),
            (64_000, 40_551_040)
        );
        assert_eq!(model.backends, ["flex 0.22.1", "tch 0.22.1"]);
        assert_eq!(model.runs[0].seed, 0);
        assert_eq!(model.runs[0].test_error, 8.75);
        assert_eq!(model.test_error.mean, 8.5);
        // Two values: |a − b| / √2.
        assert!((model.test_error.std.unwrap() - 0.5 / 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((model.train_error.min, model.train_error.max), (0.5, 1.5));
        assert_eq!((model.response.min, model.response.max), (0.825, 0.875));
    }

    #[test]
    fn a_backend_that_trained_several_seeds_is_named_once() {
        let runs = [(training(0), 8.0), (training(1), 8.0)];
        let (_, summary) = aggregate(&runs, &[0, 1]).unwrap();
        assert_eq!(summary.models[0].backends, ["flex 0.22.1"]);
    }

    #[test]
    fn one_seed_has_no_standard_deviation() {
        let (_, summary) = aggregate(&[(training(0), 8.75)], &[0]).unwrap();
        assert_eq!(summary.models[0].test_error.std, None);
    }

    #[test]
    fn trainings_of_one_model_that_differ_are_refused() {
        type Change = (&'static str, fn(&mut Training));
        let changes: [Change; 3] = [
            ("layers", |training| training.layers = 32),
            ("parameters", |training| training.parameters = 272_474),
            ("iterations", |training| training.iterations = 32_000),
        ];
        for (what, change) in changes {
            let mut other = training(1);
            change(&mut other);
            let error = aggregate(&[(training(0), 8.0), (other, 8.0)], &[0, 1]).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(what) && text.contains("resnet20"), "{text}");
        }
    }

    #[test]
    fn a_model_without_seeds_is_refused() {
        let error = aggregate(&[], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("resnet20 has no seeds"));
    }

    #[test]
    fn a_missing_seed_is_an_error_that_names_the_input() {
        let error = aggregate(&[(training(0), 8.0)], &[0, 3]).unwrap_err();
        assert!(format!("{error:#}").contains("training/resnet20/seed3"));
    }
}
