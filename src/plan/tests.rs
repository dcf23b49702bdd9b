use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::pipeline::Pipeline;
use crate::steps::Params;
use nn::device::Backend;
use store::{Claimed, Manifest, RunRecord, Store};

const TINY: &str = include_str!("../../tests/pipelines/tiny.ron");

fn graph() -> Graph {
    let pipeline = Pipeline::parse(TINY, "tiny.ron").unwrap();
    Graph::of(pipeline.experiment(None).unwrap()).unwrap()
}

fn id(graph: &Graph, name: &str) -> StepId {
    graph.ids().find(|&id| graph.step(id).name == name).unwrap()
}

/// Assesses all steps.
fn states(graph: &Graph, bases: &Bases, store: &Store) -> Vec<State> {
    states_in("tiny", graph, bases, store)
}

fn states_in(profile: &str, graph: &Graph, bases: &Bases, store: &Store) -> Vec<State> {
    let planner = Planner {
        graph,
        bases,
        store,
        profile,
    };
    let all = vec![true; graph.steps().len()];
    let assessments = planner.assess(&all, &BTreeSet::new()).unwrap();
    assessments
        .into_iter()
        .map(|assessment| assessment.unwrap().state)
        .collect()
}

/// Adds made-up results of the steps that are not up to date on these bases, as `host` would.
fn fill(graph: &Graph, names: &[&str], bases: &Bases, store: &Store, host: &str) {
    for name in names {
        let states = states(graph, bases, store);
        let id = id(graph, name);
        let made = |producer: StepId| match &states[producer.index()] {
            State::UpToDate(entry) => Some(&**entry),
            _ => None,
        };
        let step = graph.step(id);
        let key_inputs = bases.key_inputs(&step.params, Inputs::of(step, &made).owned(), None);
        let key = key_inputs.key();
        let Claimed::Ours(claim) = store.claim(&key).unwrap() else {
            panic!("{name} is claimed");
        };
        store.begin(&claim, name).unwrap();
        for output in step.params.outputs() {
            fs::write(claim.output().join(output), format!("{output} of {name}")).unwrap();
        }
        let manifest = Manifest {
            step: (*name).to_owned(),
            key,
            key_inputs,
            outputs: claim.collect(step.params.outputs()).unwrap(),
            evidence: Default::default(),
            summary: "made up".into(),
            run: RunRecord {
                started: "2026-01-01T00:00:00Z".into(),
                seconds: 3.0,
                work_seconds: 3.0,
                amount: step.params.amount(),
                threads: 2,
                because: Vec::new(),
                host: host.into(),
                cpu: "any".into(),
                fig6: "0".into(),
                log: None,
            },
            carried_over: None,
        };
        store.commit(&claim, &manifest).unwrap();
        store
            .show(name, &store.lookup(&key).map(found).unwrap())
            .unwrap();
    }
}

fn found(lookup: store::Lookup) -> std::sync::Arc<store::Entry> {
    match lookup {
        store::Lookup::Found(entry) => entry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_backends_result_is_used_unless_a_device_is_named() {
    let folder = testing::folder();
    let store = Store::at(folder.path(), false);
    store.prepare().unwrap();
    let graph = graph();
    let gpu = Bases::only(&Backend::Cuda(0));
    let names = ["download", "preprocess", "train/plain8/seed0"];
    fill(&graph, &names, &gpu, &store, "gpu-machine");
    let train = id(&graph, "train/plain8/seed0").index();

    let States { used, .. } = look(&states(&graph, &Bases::any(&Backend::Flex), &store)[train]);
    assert_eq!(used, Some(("cuda".to_owned(), "gpu-machine".to_owned())));
    let States { used, reasons } =
        look(&states(&graph, &Bases::only(&Backend::Flex), &store)[train]);
    assert_eq!(used, None);
    assert!(
        reasons.contains(&"backend: cuda → flex".to_owned()),
        "{reasons:?}"
    );
    // What is not numeric does not depend on the device.
    assert!(matches!(
        states(&graph, &Bases::only(&Backend::Flex), &store)[1],
        State::UpToDate(_)
    ));
}

/// Backend and host of a result that is used, or the reasons why there is none.
struct States {
    used: Option<(String, String)>,
    reasons: Vec<String>,
}

fn look(state: &State) -> States {
    let used = match state {
        State::UpToDate(entry) => Some((entry.backend.clone().unwrap(), entry.host.clone())),
        _ => None,
    };
    let reasons = state.reasons().iter().map(ToString::to_string).collect();
    States { used, reasons }
}

/// Adds made-up results of all steps of a profile, and the list of the run that made them.
fn run_all(profile: &str, graph: &Graph, folder: &std::path::Path) {
    let store = Store::at(folder, false);
    store.prepare().unwrap();
    let bases = Bases::only(&Backend::Flex);
    let states = states_in(profile, graph, &bases, &store);
    let steps = graph.steps().iter().zip(states);
    let missing = steps.filter(|(_, state)| !matches!(state, State::UpToDate(_)));
    let names: Vec<&str> = missing.map(|(step, _)| &*step.name).collect();
    fill(graph, &names, &bases, &store, "here");
    let used = states_in(profile, graph, &bases, &store);
    let used = used.iter().map(|state| match state {
        State::UpToDate(entry) => entry.key,
        other => panic!("{other:?}"),
    });
    store.begin_run(profile, used).unwrap();
    store.end_run("done").unwrap();
}

#[test]
fn a_profiles_first_run_is_not_compared_with_what_another_profile_has_made() {
    let folder = testing::folder();
    let text = TINY.replace(
        "profiles: {",
        "profiles: { \"one\": (models: [\"plain8\"], seeds: [0], figure: [\"plain\"], recipe: (batch_size: 5)),
            \"same\": (models: [\"plain8\"], seeds: [0], figure: [\"plain\"]),",
    );
    let graph_of = |profile: &str, edit: (&str, &str)| {
        let text = text.replace(edit.0, edit.1);
        let pipeline = Pipeline::parse(&text, "tiny.ron").unwrap();
        Graph::of(pipeline.experiment(Some(profile)).unwrap()).unwrap()
    };
    let as_it_is = ("", "");
    let reasons = |profile: &str, graph: &Graph, backend: Backend, name: &str| {
        let store = Store::at(folder.path(), false);
        let states = states_in(profile, graph, &Bases::only(&backend), &store);
        look(&states[id(graph, name).index()]).reasons
    };
    run_all("tiny", &graph_of("tiny", as_it_is), folder.path());
    let one = graph_of("one", as_it_is);
    for name in ["train/plain8/seed0", "aggregate", "plot/fig6", "table"] {
        let reasons = reasons("one", &one, Backend::Flex, name);
        assert_eq!(reasons, ["no result yet"], "{name}");
    }
    // An edit within a profile is one, and so is in any profile what computes a step.
    let training = |profile, graph: &Graph, backend| {
        let reasons = reasons(profile, graph, backend, "train/plain8/seed0");
        reasons.join(", ")
    };
    let edited = graph_of("tiny", ("momentum: 0.9", "momentum: 0.8"));
    let said = training("tiny", &edited, Backend::Flex);
    assert_eq!(said, "recipe.momentum: 0.9 → 0.8");
    let same = graph_of("same", as_it_is);
    let said = training("same", &same, Backend::Cuda(0));
    assert!(said.contains("backend: flex → cuda"), "{said}");

    run_all("one", &one, folder.path());
    let edited = graph_of("one", ("batch_size: 5", "batch_size: 6"));
    let said = training("one", &edited, Backend::Flex);
    assert_eq!(said, "recipe.batch_size: 5 → 6");
    let edited = graph_of("one", ("batch_size: 5", "batch_size: 10"));
    // What it needs is there: the other profile's is as good.
    assert_eq!(training("one", &edited, Backend::Flex), "");
}

#[test]
fn the_time_of_a_step_is_judged_by_its_own_last_run_and_then_by_its_kind() {
    let folder = testing::folder();
    let store = Store::at(folder.path(), false);
    store.prepare().unwrap();
    let graph = graph();
    let bases = Bases::only(&Backend::Flex);
    let names = ["download", "preprocess", "train/plain8/seed0"];
    fill(&graph, &names, &bases, &store, "here");
    let store = Store::at(folder.path(), false);
    let results = store.all_results().unwrap().iter();
    let estimates = Estimates::of(results.map(|entry| &**entry));
    let seconds = |name: &str, backend: &str, cores: usize| {
        estimates.seconds(graph.step(id(&graph, name)), backend, cores)
    };
    // Three seconds on two threads.
    assert_eq!(seconds("train/plain8/seed0", "flex", 1), Some(6.0));
    assert_eq!(seconds("train/plain8/seed0", "flex", 4), Some(1.5));
    // The other net of eight layers does as many multiply-adds.
    assert_eq!(seconds("train/resnet8/seed1", "flex", 1), Some(6.0));
    assert_eq!(seconds("download", "cuda", 2), Some(3.0));
    assert_eq!(seconds("train/plain8/seed0", "cuda", 1), None);
    assert_eq!(seconds("table", "flex", 1), None);
}

#[test]
fn a_gpus_time_does_not_depend_on_cores() {
    let folder = testing::folder();
    let store = Store::at(folder.path(), false);
    store.prepare().unwrap();
    let graph = graph();
    let names = ["download", "preprocess", "train/plain8/seed0"];
    fill(
        &graph,
        &names,
        &Bases::only(&Backend::Cuda(0)),
        &store,
        "gpu",
    );
    let store = Store::at(folder.path(), false);
    let estimates = Estimates::of(store.all_results().unwrap().iter().map(|entry| &**entry));
    let train = graph.step(id(&graph, "train/plain8/seed0"));
    assert_eq!(estimates.seconds(train, "cuda", 16), Some(3.0));
}

/// A step that reads the given outputs of others.
fn step(name: &str, reads: &[(u32, &'static str)]) -> Step {
    Step {
        name: name.to_owned(),
        params: Params::Preprocess(preprocess::Params {
            validation: 1,
            split_seed: 0,
        }),
        inputs: reads
            .iter()
            .map(|&(producer, output)| Input {
                name: output.into(),
                producer: StepId::new(producer),
                output,
            })
            .collect(),
        sources: Vec::new(),
    }
}

#[test]
fn a_graph_puts_producers_first_and_keeps_the_order_otherwise() {
    let steps = vec![
        step("c", &[(2, "train.bin")]),
        step("a", &[]),
        step("b", &[(1, "test.bin"), (3, "test.bin")]),
        step("d", &[]),
    ];
    let graph = Graph::new(steps).unwrap();
    let names: Vec<&str> = graph
        .steps()
        .iter()
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!(names, ["a", "d", "b", "c"]);
    let reads = |name: &str| {
        let producers = graph.producers(id(&graph, name)).into_iter();
        producers
            .map(|id| graph.step(id).name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!((reads("b"), reads("c")), (vec!["a", "d"], vec!["b"]));
    let levels: Vec<usize> = graph.levels().iter().map(Vec::len).collect();
    assert_eq!(levels, [2, 1, 1]);
}

#[test]
fn a_circle_a_name_twice_and_an_output_of_nobody_are_refused_with_both_names() {
    let refused = |steps: Vec<Step>| Graph::new(steps).unwrap_err().to_string();
    let circle = vec![
        step("a", &[]),
        step("b", &[(0, "test.bin"), (2, "test.bin")]),
        step("c", &[(1, "test.bin")]),
    ];
    assert_eq!(
        refused(circle),
        "steps wait for each other: b reads from c reads from b"
    );
    assert_eq!(
        refused(vec![step("a", &[]), step("b", &[]), step("a", &[])]),
        "two steps are called a: number 1 and number 3"
    );
    assert_eq!(
        refused(vec![step("a", &[]), step("b", &[(0, "fig6.svg")])]),
        "b reads fig6.svg, which a does not write"
    );
    assert_eq!(
        refused(vec![step("a", &[(7, "test.bin")])]),
        "a reads test.bin from no step"
    );
    let graph = graph();
    let plot = graph.step(id(&graph, "plot/fig6")).clone();
    let other = Step {
        name: "plot/other".into(),
        ..plot.clone()
    };
    let without_inputs = |step: Step| Step {
        inputs: Vec::new(),
        ..step
    };
    assert_eq!(
        refused(vec![without_inputs(plot), without_inputs(other)]),
        "two steps write fig6.svg of the report: plot/fig6 and plot/other"
    );
}

#[test]
fn of_trainings_the_longest_begins_first_and_what_takes_little_before_them() {
    let text = include_str!("../../pipeline.ron");
    let pipeline = Pipeline::parse(text, "pipeline.ron").unwrap();
    let graph = Graph::of(pipeline.experiment(Some("core")).unwrap()).unwrap();
    let mut ids: Vec<StepId> = graph.ids().collect();
    ids.sort_by_key(|&id| graph.step(id).params.turn());
    let names = ids.iter().map(|&id| &*graph.step(id).name);
    let trainings: Vec<&str> = names
        .skip_while(|name| !name.starts_with("train/"))
        .collect();
    assert_eq!(trainings.len(), 25, "{trainings:?}");
    assert_eq!(trainings[0], "train/resnet110/seed0");
    assert_eq!(trainings[5], "train/plain56/seed0");
    assert_eq!(trainings[24], "train/resnet20/seed4");
}
