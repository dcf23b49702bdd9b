//! Random graphs, randomly edited and damaged, against a model that knows no hashes and no store:
//! the steps that run are exactly those that the model says, after every edit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use proptest::prelude::*;
use serde_json::json;
use testing::amount;

use super::task::Task;
use super::{End, Event, Executor, Finished, Options, Outcome, Run, Stop};
use crate::plan::{Bases, Graph, Input, Plan, Planner, State, Step, StepId};
use crate::steps::{Environment, Params};
use nn::architecture::{Architecture, Shortcut};
use step::Progress;
use store::Store;
use store::key::{Basis, Digest, SCHEMA};

const KINDS: [&str; 4] = ["download", "preprocess", "evaluate", "aggregate"];

/// A step as the model sees it.
#[derive(Clone, Debug)]
struct Node {
    kind: usize,
    /// The parameter that is edited.
    value: u32,
    /// Steps before this one that it reads from, and which of their outputs.
    reads: BTreeSet<(usize, usize)>,
}

impl Node {
    fn params(&self, place: usize) -> Params {
        // The place makes the parameters of all steps different, as they are in an experiment.
        let (place, value) = (place as u32, self.value);
        match self.kind {
            0 => Params::Download(download::Params::Generated(download::Generated {
                train: value,
                test: place,
                seed: 0,
            })),
            1 => Params::Preprocess(preprocess::Params {
                validation: value,
                split_seed: place.into(),
            }),
            2 => Params::Evaluate(evaluate::Params {
                architecture: Architecture {
                    n: 1 + 10 * place + value,
                    shortcut: Shortcut::None,
                },
            }),
            _ => Params::Aggregate(aggregate::Params {
                runs: vec![aggregate::ModelRuns {
                    model: value.to_string(),
                    seeds: vec![place.into()],
                }],
            }),
        }
    }
}

/// Everything that a result depends on.
#[derive(Clone, Debug)]
struct World {
    nodes: Vec<Node>,
    /// Version of the code of each kind.
    code: [u32; 4],
}

impl World {
    fn graph(&self) -> Graph {
        let steps = self.nodes.iter().enumerate().map(|(place, node)| Step {
            name: name(place),
            params: node.params(place),
            inputs: node
                .reads
                .iter()
                .map(|&(producer, output)| Input {
                    name: format!("{producer}/{output}").into(),
                    producer: StepId::new(producer as u32),
                    output: self.output(producer, output),
                })
                .collect(),
            sources: Vec::new(),
        });
        Graph::new(steps.collect()).unwrap()
    }

    fn output(&self, place: usize, output: usize) -> &'static str {
        let outputs = self.nodes[place].params(place).outputs();
        outputs[output % outputs.len()]
    }

    fn bases(&self) -> Bases {
        Bases::of(KINDS.iter().zip(self.code).map(|(kind, version)| Basis {
            schema: SCHEMA,
            kind: (*kind).to_owned(),
            code: BTreeMap::from([("code".to_owned(), code(version))]),
            crates: BTreeMap::new(),
            numeric: None,
        }))
    }

    /// What each step would compute: all that it depends on, in full, and its outputs.
    fn results(&self) -> Vec<(String, BTreeMap<&'static str, String>)> {
        let mut results: Vec<(String, BTreeMap<&'static str, String>)> = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            let inputs: BTreeMap<String, String> = node
                .reads
                .iter()
                .map(|&(producer, output)| {
                    let content = &results[producer].1[self.output(producer, output)];
                    (format!("{producer}/{output}"), content.clone())
                })
                .collect();
            let params = node.params(place);
            let depends = depends(&params, &code(self.code[node.kind]), &inputs);
            let outputs = params.outputs().iter();
            let outputs = outputs.map(|&output| (output, content(output, &depends)));
            let outputs = outputs.collect();
            results.push((depends, outputs));
        }
        results
    }
}

fn name(place: usize) -> String {
    format!("step{place}")
}

fn code(version: u32) -> Digest {
    Digest::of(&version.to_le_bytes())
}

fn depends(params: &Params, code: &Digest, inputs: &BTreeMap<String, String>) -> String {
    json!([params, code, inputs]).to_string()
}

/// An output: one of two contents, so that other inputs often make the same bytes.
fn content(output: &str, depends: &str) -> String {
    let parity = Digest::of(format!("{output} {depends}").as_bytes()).as_bytes()[0] % 2;
    format!("{output} {parity}")
}

/// Computes steps in this process.
struct Pure;

/// Computes steps in this process, and something else each time.
struct Fickle(AtomicU32);

impl Executor for Fickle {
    fn run(
        &self,
        folder: &Path,
        log: &Path,
        threads: usize,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let finished = Pure.run(folder, log, threads, report)?;
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_string();
        fs::write(folder.join("out/dataset.json"), count)?;
        Ok(finished)
    }

    fn is_at_work(&self, _folder: &Path) -> Result<bool> {
        Ok(false)
    }

    fn stop(&self) {}

    fn kill(&self) {}
}

impl Executor for Pure {
    fn run(
        &self,
        folder: &Path,
        _: &Path,
        _: usize,
        _: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let task = Task::read(folder)?;
        let mut inputs = BTreeMap::new();
        for (name, path) in &task.inputs {
            inputs.insert(name.clone(), fs::read_to_string(&path.0)?);
        }
        let depends = depends(&task.params, &task.key_inputs.basis.code["code"], &inputs);
        for output in task.params.outputs() {
            fs::write(folder.join("out").join(output), content(output, &depends))?;
        }
        Ok(Finished {
            summary: "computed".to_owned(),
            work_seconds: 0.0,
            host: String::new(),
            cpu: String::new(),
            threads: 1,
            seconds: None,
        })
    }

    fn is_at_work(&self, _folder: &Path) -> Result<bool> {
        Ok(false)
    }

    fn stop(&self) {}

    fn kill(&self) {}
}

/// Something that happens between two runs; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Edit {
    Value(usize, u32),
    Code(usize, u32),
    /// Reads an output of an earlier step, or no longer.
    Read(usize, usize, usize),
    Add(usize),
    /// Deletes, cuts or alters an output's content.
    Damage(usize, usize, u8),
    /// Deletes, cuts or alters a step's manifest.
    Forget(usize, u8),
    /// Loses the index, tears it, or gives every object a new time stamp.
    Index(u8),
    /// Runs a step again although it is up to date.
    Force(usize),
}

/// What becomes of the index after a run.
#[derive(Clone, Copy, Debug)]
enum Index {
    /// Saved at once: files that changed just now are not remembered.
    Saved,
    /// Saved when all files have lain there for a while.
    Settled,
    /// Not saved, as if the process had been killed.
    Lost,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (any::<usize>(), 0..3_u32).prop_map(|(step, value)| Edit::Value(step, value)),
        2 => (0..4_usize, 0..3_u32).prop_map(|(kind, version)| Edit::Code(kind, version)),
        2 => any::<(usize, usize, usize)>().prop_map(|(step, producer, output)| Edit::Read(step, producer, output)),
        1 => (0..4_usize).prop_map(Edit::Add),
        1 => any::<(usize, usize, u8)>().prop_map(|(step, output, how)| Edit::Damage(step, output, how)),
        1 => any::<(usize, u8)>().prop_map(|(step, how)| Edit::Forget(step, how)),
        1 => any::<u8>().prop_map(Edit::Index),
        1 => any::<usize>().prop_map(Edit::Force),
    ]
}

fn index() -> impl Strategy<Value = Index> {
    prop_oneof![2 => Just(Index::Saved), 1 => Just(Index::Settled), 1 => Just(Index::Lost)]
}

fn world() -> impl Strategy<Value = World> {
    let node = (
        0..4_usize,
        0..3_u32,
        prop::collection::vec(any::<(usize, usize)>(), 0..4),
    );
    prop::collection::vec(node, 2..9).prop_map(|nodes| {
        let mut world = World {
            nodes: Vec::new(),
            code: [0; 4],
        };
        for (place, (kind, value, reads)) in nodes.into_iter().enumerate() {
            let reads = reads.into_iter().filter(|_| place > 0);
            world.nodes.push(Node {
                kind,
                value,
                reads: reads
                    .map(|(producer, output)| (producer % place.max(1), output % 7))
                    .collect(),
            });
        }
        world
    })
}

/// What the model believes the store holds.
#[derive(Default)]
struct Model {
    /// Everything that was ever computed and is not lost, by all that it depends on, and the
    /// contents of its outputs.
    computed: BTreeMap<String, BTreeSet<String>>,
    /// Contents that are there and whole.
    contents: BTreeSet<String>,
}

impl Model {
    /// The steps that run, in order.
    fn run(&mut self, world: &World, forced: &BTreeSet<usize>) -> Vec<String> {
        let mut ran = Vec::new();
        for (place, (depends, outputs)) in world.results().into_iter().enumerate() {
            let usable = self
                .computed
                .get(&depends)
                .is_some_and(|contents| contents.is_subset(&self.contents));
            if !usable || forced.contains(&place) {
                ran.push(name(place));
                let contents: BTreeSet<String> = outputs.into_values().collect();
                self.contents.extend(contents.clone());
                self.computed.insert(depends, contents);
            }
        }
        ran
    }
}

fn damage(path: &Path, how: u8) {
    let mut bytes = fs::read(path).unwrap();
    match how % 3 {
        0 => return fs::remove_file(path).unwrap(),
        1 => bytes.truncate(bytes.len() / 2),
        _ => bytes[how as usize % 8] ^= 1,
    }
    // Objects are read-only; another file under the name is damage as well.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn apply(edit: &Edit, world: &mut World, model: &mut Model, folder: &Path) {
    let count = world.nodes.len();
    match *edit {
        Edit::Value(step, value) => world.nodes[step % count].value = value,
        Edit::Code(kind, version) => world.code[kind] = version,
        Edit::Read(step, producer, output) => {
            let step = step % count;
            if step > 0 {
                let read = (producer % step, output % 7);
                let reads = &mut world.nodes[step].reads;
                if !reads.remove(&read) {
                    reads.insert(read);
                }
            }
        }
        Edit::Add(kind) => {
            let reads = BTreeSet::from([(count - 1, 0)]);
            world.nodes.push(Node {
                kind,
                value: 0,
                reads,
            });
        }
        Edit::Damage(step, output, how) => {
            let output = world.output(step % count, output);
            let link = folder.join("by-step").join(name(step % count)).join(output);
            if let Ok(object) = fs::canonicalize(link) {
                // Damage to what is damaged already might put it right.
                if model.contents.remove(&fs::read_to_string(&object).unwrap()) {
                    damage(&object, how);
                }
            }
        }
        Edit::Forget(step, how) => {
            let link = folder
                .join("by-step")
                .join(name(step % count))
                .join("manifest.json");
            if let Ok(manifest) = fs::canonicalize(link) {
                let text = fs::read_to_string(&manifest).unwrap();
                // The model finds the result by what it depends on, as the manifest tells it.
                let Ok(file) = serde_json::from_str::<serde_json::Value>(&text) else {
                    return;
                };
                damage(&manifest, how);
                let inputs = &file["manifest"]["key_inputs"];
                model.computed.retain(|depends, _| {
                    let depends: serde_json::Value = serde_json::from_str(depends).unwrap();
                    let hashed: BTreeMap<String, String> = depends[2]
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(name, content)| {
                            let content = content.as_str().unwrap();
                            (name.clone(), Digest::of(content.as_bytes()).to_string())
                        })
                        .collect();
                    let same = depends[0]["parameters"] == inputs["parameters"]
                        && depends[0]["kind"] == inputs["basis"]["kind"]
                        && depends[1] == inputs["basis"]["code"]["code"]
                        && json!(hashed) == inputs["inputs"];
                    !same
                });
            }
        }
        Edit::Force(_) => {}
        Edit::Index(how) => {
            let index = folder.join("index");
            match how % 4 {
                0 => drop(fs::remove_file(index)),
                1 => fs::write(index, "torn").unwrap(),
                2 => {
                    let mut bytes = fs::read(&index).unwrap_or_default();
                    if let Some(byte) = bytes.last_mut() {
                        *byte ^= 1;
                    }
                    fs::write(index, bytes).unwrap();
                }
                _ => {
                    for object in walkdir::WalkDir::new(folder.join("objects"))
                        .into_iter()
                        .flatten()
                    {
                        if object.file_type().is_file() {
                            let content = fs::read(object.path()).unwrap();
                            fs::remove_file(object.path()).unwrap();
                            fs::write(object.path(), content).unwrap();
                        }
                    }
                }
            }
        }
    }
}

/// Plans everything.
fn plan(world: &World, forced: &BTreeSet<StepId>, store: &Store) -> Plan {
    let (graph, bases) = (world.graph(), world.bases());
    let planner = Planner {
        graph: &graph,
        bases: &bases,
        store,
        profile: "tiny",
    };
    let all = vec![true; graph.steps().len()];
    planner.assess(&all, forced).unwrap()
}

/// Carries a plan out, one step at a time.
fn carry_out(
    world: &World,
    plan: Plan,
    forced: &BTreeSet<StepId>,
    store: &Store,
    executor: &dyn Executor,
    emit: &mut dyn FnMut(Event),
) -> Outcome {
    let (graph, bases) = (world.graph(), world.bases());
    let run = Run {
        planner: Planner {
            graph: &graph,
            bases: &bases,
            store,
            profile: "tiny",
        },
        forced,
        executor,
        options: &Options {
            jobs: 1,
            cores: 1,
            replay: false,
            remote: None,
            keep_going: false,
            environment: Environment {
                device: "flex".to_owned(),
                ..Environment::default()
            },
        },
        stop: &Stop::default(),
    };
    run.carry_out(plan, emit).unwrap()
}

/// Plans and runs everything; gives what must and may run, and what happened.
fn run(
    world: &World,
    forced: &BTreeSet<usize>,
    index: Index,
    executor: &dyn Executor,
    folder: &Path,
) -> (Vec<String>, Vec<String>, Outcome) {
    let store = Store::at(folder, false);
    let forced = forced.iter().map(|&place| StepId::new(place as u32));
    let forced = forced.collect();
    let plan = plan(world, &forced, &store);
    let (mut must, mut may) = (Vec::new(), Vec::new());
    for (step, assessment) in world.graph().steps().iter().zip(&plan) {
        match assessment.as_ref().unwrap().state {
            State::UpToDate(_) => {}
            State::MustRun(_) => must.push(step.name.clone()),
            State::MayRun(_) => may.push(step.name.clone()),
        }
    }
    let outcome = carry_out(world, plan, &forced, &store, executor, &mut |_| {});
    match index {
        Index::Lost => {}
        Index::Saved => store.save_index().unwrap(),
        Index::Settled => {
            std::thread::sleep(std::time::Duration::from_millis(60));
            store.save_index().unwrap();
        }
    }
    (must, may, outcome)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: amount(20, 60, 600), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn exactly_the_steps_run_that_a_naive_model_says(
        world in world(),
        rounds in prop::collection::vec((prop::collection::vec(edit(), 0..3), index()), 1..6),
    ) {
        let folder = testing::folder();
        let folder = folder.path();
        let mut world = world;
        let mut model = Model::default();
        for (edits, index) in std::iter::once((Vec::new(), Index::Settled)).chain(rounds) {
            for edit in &edits {
                apply(edit, &mut world, &mut model, folder);
            }
            // A step whose content another one makes again first does not run after all.
            let lost = edits.iter().any(|edit| matches!(edit, Edit::Damage(..)));
            let forced = edits.iter().filter_map(|edit| match edit {
                Edit::Force(step) => Some(step % world.nodes.len()),
                _ => None,
            });
            let forced = forced.collect();
            let expected = model.run(&world, &forced);
            let (must, may, outcome) = run(&world, &forced, index, &Pure, folder);
            prop_assert_eq!(outcome.those(End::Ran), &expected[..], "after {:?}", edits);
            prop_assert!(outcome.is_complete());
            prop_assert!(lost || must.iter().all(|step| expected.contains(step)), "{must:?} must run");
            let planned = |step: &String| must.contains(step) || may.contains(step);
            prop_assert!(expected.iter().all(planned), "{must:?} must run, {may:?} may, {expected:?} ran");
            for (place, (_, outputs)) in world.results().into_iter().enumerate() {
                for (output, content) in outputs {
                    let path = folder.join("by-step").join(name(place)).join(output);
                    prop_assert_eq!(fs::read_to_string(path).unwrap(), content);
                }
            }
        }
    }
}

/// Steps of the kind preprocess that read from each other in a row.
fn row(length: usize) -> World {
    let nodes = (0..length).map(|place| Node {
        kind: 1,
        value: 0,
        reads: place
            .checked_sub(1)
            .map(|before| (before, 0))
            .into_iter()
            .collect(),
    });
    World {
        nodes: nodes.collect(),
        code: [0; 4],
    }
}

#[test]
fn a_forced_step_that_makes_other_bytes_fails_by_name_and_keeps_its_result() {
    let folder = testing::folder();
    let fickle = Fickle(AtomicU32::new(7));
    let (world, none) = (row(2), BTreeSet::new());
    run(&world, &none, Index::Saved, &fickle, folder.path());
    let kept = folder.path().join("by-step/step0/dataset.json");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "7");

    let store = Store::at(folder.path(), false);
    let forced = BTreeSet::from([StepId::new(0)]);
    let plan = plan(&world, &forced, &store);
    let mut causes = Vec::new();
    let outcome = carry_out(&world, plan, &forced, &store, &fickle, &mut |event| {
        if let Event::Failed { cause, .. } = event {
            causes.push(cause);
        }
    });
    assert_eq!(outcome.those(End::Failed), ["step0"]);
    assert!(
        causes[0].starts_with("not deterministic: dataset.json came out"),
        "{causes:?}"
    );
    assert_eq!(fs::read_to_string(&kept).unwrap(), "7");
}

#[test]
fn a_result_of_many_runs_ago_is_still_known_to_do_perhaps() {
    let folder = testing::folder();
    let mut world = row(2);
    let none = BTreeSet::new();
    for value in 0..20 {
        world.nodes[1].value = value;
        run(&world, &none, Index::Saved, &Pure, folder.path());
    }
    // The first step's result is lost, so that the second one's input is still to be made.
    fs::remove_file(fs::canonicalize(folder.path().join("by-step/step0/train.bin")).unwrap())
        .unwrap();
    for (value, certain) in [(0, false), (20, true)] {
        world.nodes[1].value = value;
        let store = Store::at(folder.path(), false);
        let plan = plan(&world, &BTreeSet::new(), &store);
        let second = plan[1].as_ref().unwrap();
        assert_eq!(
            matches!(second.state, State::MustRun(_)),
            certain,
            "{value}"
        );
    }
}

#[test]
fn a_folder_of_links_shows_the_result_that_is_used_whatever_the_index_says() {
    let folder = testing::folder();
    let link = folder.path().join("by-step/step0/manifest.json");
    let mut world = row(1);
    let none = BTreeSet::new();
    run(&world, &none, Index::Settled, &Pure, folder.path());
    let first = fs::read_link(&link).unwrap();
    world.nodes[0].value = 1;
    // As if the process had been killed before it saved the index.
    run(&world, &none, Index::Lost, &Pure, folder.path());
    assert_ne!(fs::read_link(&link).unwrap(), first);
    world.nodes[0].value = 0;
    run(&world, &none, Index::Saved, &Pure, folder.path());
    assert_eq!(fs::read_link(&link).unwrap(), first);
    fs::remove_dir_all(folder.path().join("by-step/step0")).unwrap();
    run(&world, &none, Index::Saved, &Pure, folder.path());
    assert_eq!(fs::read_link(&link).unwrap(), first);
}

#[test]
fn a_known_input_that_differs_makes_a_run_certain_though_another_is_still_to_be_made() {
    let folder = testing::folder();
    let none = BTreeSet::new();
    let mut world = row(2);
    world.nodes[1].reads.clear();
    world.nodes.push(Node {
        kind: 1,
        value: 0,
        reads: BTreeSet::from([(0, 0), (1, 0)]),
    });
    run(&world, &none, Index::Saved, &Pure, folder.path());
    let before = world.results()[0].1["train.bin"].clone();
    while world.results()[0].1["train.bin"] == before {
        world.nodes[0].value += 1;
    }
    // The first step alone runs with its new value, and the second one's result is lost.
    let first = World {
        nodes: world.nodes[..1].to_vec(),
        ..world.clone()
    };
    run(&first, &none, Index::Saved, &Pure, folder.path());
    let results = world.results();
    let mut own = results[1].1.iter();
    let (output, _) = own
        .find(|(output, content)| results[0].1[*output] != **content)
        .unwrap();
    let lost = folder.path().join("by-step/step1").join(output);
    fs::remove_file(fs::canonicalize(lost).unwrap()).unwrap();

    let store = Store::at(folder.path(), false);
    let plan = plan(&world, &BTreeSet::new(), &store);
    let states: Vec<&State> = plan
        .iter()
        .map(|step| &step.as_ref().unwrap().state)
        .collect();
    assert!(matches!(states[0], State::UpToDate(_)));
    assert!(matches!(states[1], State::MustRun(_)));
    let State::MustRun(reasons) = states[2] else {
        panic!("{:?}", states[2]);
    };
    assert!(
        reasons[0].to_string().starts_with("input 0/0: "),
        "{reasons:?}"
    );
}
