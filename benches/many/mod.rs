//! Pipelines of any size, and made-up results of all their steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fig6::plan::{Bases, Graph, Inputs, StepId};
use nn::device::Request;
use rayon::prelude::*;
use store::{Claimed, Entry, Manifest, RunRecord, Store};

/// What a report reads of the steps that it rests on.
fn content(step: &str, output: &str) -> String {
    let text = match output {
        "dataset.json" => r#"{"archive_sha256":"0","train":50,"validation":10,"test":20}"#,
        "metrics.jsonl" => {
            r#"{"iteration":4,"epoch":0,"learning_rate":0.1,"train_loss":1.0,"train_error":12.5,"validation_error":null,"test_error":12.5}"#
        }
        "evaluation.json" => {
            r#"{"images":8,"errors":1,"test_error":12.5,"classes":[],"confusion":[]}"#
        }
        "results.json" => {
            r#"{"profile":"tiny","comparable":true,"caveats":[],"dataset":{"archive_sha256":"0","train":50,"validation":10,"test":20},"rows":[],"missing":[]}"#
        }
        "fig6.svg" | "fig7.svg" => "<svg></svg>",
        other => return format!("{other} of {step}"),
    };
    format!("{text}\n")
}

/// One model, trained with this many seeds.
pub fn pipeline(seeds: usize) -> String {
    let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
    let tiny = include_str!("../../tests/pipelines/tiny.ron");
    tiny.replace("seeds: [0, 1]", &format!("seeds: [{}]", seeds.join(", ")))
        .replace(
            "models: [\"plain8\", \"resnet8\"])",
            "models: [\"resnet8\"])",
        )
}

/// Fills a store with made-up results of all steps, as if they had run.
pub fn fill(graph: &Graph, folder: &Path) {
    let backend = Request::Auto.resolve().expect("there is a device");
    let bases = Bases::any(&backend);
    let store = Store::at(folder, false);
    store.prepare().expect("the folder can be written");
    let mut made: BTreeMap<StepId, std::sync::Arc<Entry>> = BTreeMap::new();
    for level in graph.levels() {
        let entries: Vec<_> = level
            .par_iter()
            .map(|&id| {
                let step = graph.step(id);
                let inputs = Inputs::of(step, &|producer| Some(&*made[&producer])).owned();
                let key_inputs = bases.key_inputs(&step.params, inputs, None);
                let key = key_inputs.key();
                let Ok(Claimed::Ours(claim)) = store.claim(&key) else {
                    panic!("{} cannot be claimed", step.name);
                };
                store
                    .begin(&claim, &step.name)
                    .expect("the folder can be written");
                for output in step.params.outputs() {
                    let content = content(&step.name, output);
                    fs::write(claim.output().join(output), content)
                        .expect("outputs can be written");
                }
                let manifest = Manifest {
                    step: step.name.clone(),
                    key,
                    key_inputs,
                    outputs: claim
                        .collect(step.params.outputs())
                        .expect("the outputs are there"),
                    evidence: Default::default(),
                    summary: "made up".to_owned(),
                    run: RunRecord {
                        started: "2026-01-01T00:00:00Z".to_owned(),
                        seconds: 1.0,
                        work_seconds: 1.0,
                        amount: 1.0,
                        threads: 1,
                        because: Vec::new(),
                        host: "here".to_owned(),
                        cpu: "any".to_owned(),
                        fig6: "0".to_owned(),
                        log: None,
                    },
                    carried_over: None,
                };
                let entry = store
                    .commit(&claim, &manifest)
                    .expect("results can be added");
                store.show(&step.name, &entry).expect("links can be made");
                (id, entry)
            })
            .collect();
        made.extend(entries);
    }
}
