//! A store with made-up results of all steps of the tiny pipeline and the report of it, for tests that
//! are about neither trainings nor processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::publish;
use crate::pipeline::{Experiment, Pipeline};
use crate::plan::{Bases, Graph, Inputs, StepId};
use crate::run::Outcome;
use nn::device::Backend;
use records::{ClassErrors, Dataset, Evaluation, Metrics};
use serde::Serialize;
use store::key::Digest;
use store::{CarriedOver, Claimed, Entry, Manifest, RunRecord, ShownStretch, Store};
use summary::SeedResult;
use table::{ResultRow, Results};

pub const TINY: &str = include_str!("../../tests/pipelines/tiny.ron");

/// A project in a folder of its own.
pub struct Project {
    pub folder: TempDir,
    pub text: String,
    pub experiment: Experiment,
    pub graph: Graph,
    pub store: Store,
    pub results: Vec<Option<Arc<Entry>>>,
}

impl Project {
    /// All steps have results, made at this hour, and there is no report yet.
    pub fn new(text: &str, hour: u32) -> Project {
        let folder = testing::folder();
        let pipeline = Pipeline::parse(text, "pipeline.ron").unwrap();
        let experiment = pipeline.experiment(None).unwrap().clone();
        Project::of(folder, text, experiment, hour)
    }

    /// As [`Project::new`], of an experiment that may have holes.
    pub fn of(folder: TempDir, text: &str, experiment: Experiment, hour: u32) -> Project {
        let graph = Graph::of(&experiment).unwrap();
        let store = Store::at(&folder.path().join("artifacts"), false);
        store.prepare().unwrap();
        fs::write(folder.path().join("pipeline.ron"), text).unwrap();
        let results = fill(&graph, &store, hour);
        Project {
            folder,
            text: text.to_owned(),
            experiment,
            graph,
            store,
            results,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn report(&self) -> PathBuf {
        self.path("reports").join(&self.experiment.profile)
    }

    /// As after a replay has shown that a result of other code holds, or as before.
    pub fn carry_over(&mut self, name: &str, is_carried_over: bool) {
        let mut steps = self.graph.steps().iter();
        let place = steps.position(|step| step.name == name).unwrap();
        let key = self.results[place].as_ref().unwrap().key;
        let mut manifest = self.store.expect_manifest(&key).unwrap();
        let mut original_inputs = manifest.key_inputs.clone();
        let basis = Arc::make_mut(&mut original_inputs.basis);
        basis.code.insert("nn".to_owned(), Digest::of(b"earlier"));
        manifest.carried_over = is_carried_over.then(|| CarriedOver {
            original: original_inputs.key(),
            original_inputs,
            shown: "2026-07-07T07:07:07.000Z".to_owned(),
            seconds: 7.25,
            host: "host77".to_owned(),
            cpu: "another".to_owned(),
            stretches: [(0, 2), (2, 4)]
                .map(|(from, to)| ShownStretch {
                    from,
                    to,
                    state: format!("state{to}"),
                })
                .into(),
        });
        let Ok(Claimed::Ours(claim)) = self.store.claim(&key) else {
            panic!("{name} cannot be claimed");
        };
        self.store.begin(&claim, name).unwrap();
        self.results[place] = Some(self.store.commit(&claim, &manifest).unwrap());
    }

    /// As after a run that has found or made all these results.
    pub fn publish_with(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut outcome = Outcome {
            results: self.results.clone(),
            ..Outcome::default()
        };
        for (step, result) in self.graph.steps().iter().zip(&mut outcome.results) {
            *result = result.take().filter(|_| wanted(&step.name));
        }
        let (experiment, graph) = (&self.experiment, &self.graph);
        publish(
            experiment,
            &self.text,
            graph,
            &outcome,
            &self.store,
            &self.report(),
        )
        .unwrap()
    }

    pub fn publish(&self) -> Vec<PathBuf> {
        self.publish_with(|_| true)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.report().join(name)).unwrap()
    }
}

/// Adds a made-up result of each step.
fn fill(graph: &Graph, store: &Store, hour: u32) -> Vec<Option<Arc<Entry>>> {
    let bases = Bases::only(&Backend::ALL[0]);
    let mut made: BTreeMap<StepId, Arc<Entry>> = BTreeMap::new();
    for id in graph.ids() {
        let step = graph.step(id);
        let inputs = Inputs::of(step, &|producer| Some(&*made[&producer])).owned();
        let key_inputs = bases.key_inputs(&step.params, inputs, None);
        let key = key_inputs.key();
        let Ok(Claimed::Ours(claim)) = store.claim(&key) else {
            panic!("{} cannot be claimed", step.name);
        };
        store.begin(&claim, &step.name).unwrap();
        for output in step.params.outputs() {
            fs::write(claim.output().join(output), content(&step.name, output)).unwrap();
        }
        if step.params.kind() == "train" {
            let state = format!("state of {}", step.name);
            fs::write(claim.evidence().join("10"), state).unwrap();
        }
        for text in bases.listings_of(step.params.kind()) {
            store.keep_listing(text).unwrap();
        }
        let manifest = Manifest {
            step: step.name.clone(),
            key,
            key_inputs,
            outputs: claim.collect(step.params.outputs()).unwrap(),
            evidence: claim.collect_evidence().unwrap(),
            summary: "made up".to_owned(),
            run: RunRecord {
                started: format!("2026-01-01T{hour:02}:00:00.000Z"),
                seconds: 61.5,
                work_seconds: 60.0,
                amount: 1.0,
                threads: 1,
                because: Vec::new(),
                host: format!("host{hour}"),
                cpu: "any".to_owned(),
                fig6: "0".to_owned(),
                log: None,
            },
            carried_over: None,
        };
        made.insert(id, store.commit(&claim, &manifest).unwrap());
    }
    made.into_values().map(Some).collect()
}

fn content(step: &str, output: &str) -> String {
    match output {
        "dataset.json" => format!(
            "{{\"archive_sha256\":\"{}\",\"train\":50,\"validation\":10,\"test\":20}}",
            "5".repeat(64)
        ),
        "metrics.jsonl" => metrics(step),
        "evaluation.json" => in_json(&evaluation()),
        "results.json" => in_json(&results()),
        "fig6.svg" | "fig7.svg" => "<svg><title>12.34</title></svg>\n".to_owned(),
        _ => format!("{output} of {step}: 12.34\n"),
    }
}

fn in_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// Two lines that no other training has.
fn metrics(step: &str) -> String {
    let lines = [2, 4].map(|iteration| Metrics {
        iteration,
        epoch: 0,
        learning_rate: 0.1,
        train_loss: 1.0 / (iteration as f64 + step.len() as f64),
        train_error: 12.34,
        validation_error: Some(f64::from(step.bytes().map(u32::from).sum::<u32>())),
        test_error: 12.5,
    });
    let lines = lines.map(|line| serde_json::to_string(&line).unwrap() + "\n");
    lines.concat()
}

fn evaluation() -> Evaluation {
    Evaluation {
        images: 8,
        errors: 1,
        test_error: 12.5,
        classes: vec![ClassErrors {
            class: "cat".to_owned(),
            images: 8,
            errors: 1,
            test_error: Some(12.5),
        }],
        confusion: vec![vec![7, 1]],
    }
}

fn results() -> Results {
    let of_seed = |seed| SeedResult {
        seed,
        test_error: 12.5,
        train_error: 12.34,
        response: 0.75,
    };
    let row = |model: &str| ResultRow {
        model: model.to_owned(),
        label: model.to_owned(),
        layers: 8,
        parameters: 75_290,
        multiply_adds: 1,
        iterations: 4,
        backends: vec!["any".to_owned()],
        test_error: summary::spread(&[12.5, 12.5]).unwrap(),
        train_error: summary::spread(&[12.34, 12.34]).unwrap(),
        response: summary::spread(&[0.75, 0.75]).unwrap(),
        runs: [0, 1].map(of_seed).into(),
        he: None,
        reproduction: None,
        difference_to_he: None,
        difference_to_reproduction: None,
    };
    Results {
        profile: "tiny".to_owned(),
        comparable: true,
        caveats: Vec::new(),
        dataset: Dataset {
            archive_sha256: "5".repeat(64),
            train: 50,
            validation: 10,
            test: 20,
        },
        rows: ["plain8", "resnet8"].map(row).into(),
        missing: Vec::new(),
    }
}

/// Changes a file that may be read-only.
pub fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}
