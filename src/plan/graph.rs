//! The steps of an experiment and how they feed each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::error::Invalid;
use crate::pipeline::{Experiment, Hole, Model, Origin};
use crate::steps::Params;
use download::{self, Source};

/// A step's place in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(u32);

impl StepId {
    /// The place with this index.
    pub fn new(index: u32) -> StepId {
        StepId(index)
    }

    /// The place as an index into [`Graph::steps`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step: its name, what it reads and how it is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A path (`train/resnet20/seed0`), unique in the graph.
    pub name: String,
    pub params: Params,
    pub inputs: Vec<Input>,
    /// Where a download finds its archives; no part of its key.
    pub sources: Vec<Source>,
}

/// One file that a step reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// How the reading step calls it.
    pub name: Cow<'static, str>,
    pub producer: StepId,
    /// How the producing step calls it.
    pub output: &'static str,
}

/// Steps in an order in which each comes after those that it reads from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    steps: Vec<Step>,
}

impl Graph {
    /// The steps of an experiment: download → preprocess → train → evaluate → aggregate → plot and
    /// table. Its holes are no steps, and no input of what follows.
    ///
    /// # Errors
    /// As [`Graph::new`]; a pipeline file that was checked gives no such steps.
    pub fn of(experiment: &Experiment) -> Result<Graph, Invalid> {
        let mut graph = Graph::default();
        let download = graph.add_download(experiment);
        let preprocess = graph.add_preprocess(experiment, download);
        let runs: Vec<Run> = experiment
            .models
            .iter()
            .flat_map(|model| {
                let seeds = experiment.seeds_of(&model.name);
                seeds.map(move |(seed, hole)| (model, seed, hole))
            })
            .filter(|(_, _, hole)| *hole != Some(Hole::Untrained))
            .map(|(model, seed, hole)| graph.add_run(model, seed, hole.is_none(), preprocess))
            .collect();
        let aggregate = graph.add_aggregate(experiment, &runs);
        graph.add_plot(experiment, &runs);
        graph.add_table(experiment, preprocess, aggregate);
        Graph::new(graph.steps)
    }

    /// These steps, in any order; an input's producer is given by its place among them.
    ///
    /// # Errors
    /// If two steps have one name or write one file of the report, a step reads what its producer
    /// does not write, or steps read from each other in a circle; each time with the names.
    pub fn new(steps: Vec<Step>) -> Result<Graph, Invalid> {
        let mut names = HashMap::new();
        let mut reports = HashMap::new();
        for (place, step) in steps.iter().enumerate() {
            if let Some(first) = names.insert(step.name.as_str(), place) {
                return Err(Invalid::new(format!(
                    "two steps are called {}: number {} and number {}",
                    step.name,
                    first + 1,
                    place + 1
                )));
            }
            let written = step
                .params
                .outputs()
                .iter()
                .filter(|_| step.params.is_reported());
            for &output in written {
                if let Some(first) = reports.insert(output, &step.name) {
                    return Err(Invalid::new(format!(
                        "two steps write {output} of the report: {first} and {}",
                        step.name
                    )));
                }
            }
            for input in &step.inputs {
                let producer = steps.get(input.producer.index());
                let producer = producer.ok_or_else(|| {
                    Invalid::new(format!("{} reads {} from no step", step.name, input.name))
                })?;
                if !producer.params.outputs().contains(&input.output) {
                    return Err(Invalid::new(format!(
                        "{} reads {}, which {} does not write",
                        step.name, input.output, producer.name
                    )));
                }
            }
        }
        in_order(steps).map(|steps| Graph { steps })
    }

    /// The steps that read from each step, without repetition, in order.
    pub fn consumers(&self) -> Vec<Vec<StepId>> {
        let mut consumers: Vec<Vec<StepId>> = vec![Vec::new(); self.steps.len()];
        for id in self.ids() {
            for producer in self.producers(id) {
                consumers[producer.index()].push(id);
            }
        }
        consumers
    }

    /// The steps that a step reads from, without repetition, in order.
    pub fn producers(&self, id: StepId) -> Vec<StepId> {
        let inputs = self.step(id).inputs.iter();
        let mut producers: Vec<StepId> = inputs.map(|input| input.producer).collect();
        producers.sort();
        producers.dedup();
        producers
    }

    /// All places by the longest way to them from a step without producers.
    pub fn levels(&self) -> Vec<Vec<StepId>> {
        let mut depths = vec![0_usize; self.steps.len()];
        let mut levels: Vec<Vec<StepId>> = Vec::new();
        for id in self.ids() {
            let before = self
                .step(id)
                .inputs
                .iter()
                .map(|input| depths[input.producer.index()] + 1);
            let depth = before.max().unwrap_or(0);
            depths[id.index()] = depth;
            if levels.len() <= depth {
                levels.resize_with(depth + 1, Vec::new);
            }
            levels[depth].push(id);
        }
        levels
    }

    /// All steps, producers before consumers.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// All places, in the same order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = StepId> + use<> {
        (0..self.steps.len() as u32).map(StepId)
    }

    /// The step at a place.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.index()]
    }

    /// The steps that match any target, a step's name or the first parts of one (`train/resnet20`).
    ///
    /// # Errors
    /// If a target matches nothing.
    pub fn matching(&self, targets: &[String]) -> Result<Vec<StepId>, Invalid> {
        let mut matched = vec![false; self.steps.len()];
        for target in targets {
            let target = target.trim_end_matches('/');
            let mut any = false;
            for (index, step) in self.steps.iter().enumerate() {
                let rest = step.name.strip_prefix(target);
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                    (matched[index], any) = (true, true);
                }
            }
            if !any {
                return Err(Invalid::unknown(
                    "target",
                    target,
                    self.prefixes().iter().map(String::as_str),
                ));
            }
        }
        Ok(self.ids().filter(|id| matched[id.index()]).collect())
    }

    /// Whether each step is needed for the given ones, which are needed themselves.
    pub fn needed(&self, wanted: &[StepId]) -> Vec<bool> {
        let mut needed = vec![false; self.steps.len()];
        for &id in wanted {
            needed[id.index()] = true;
        }
        for id in self.ids().rev() {
            if needed[id.index()] {
                for input in &self.step(id).inputs {
                    needed[input.producer.index()] = true;
                }
            }
        }
        needed
    }

    /// Every name that can be a target.
    fn prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<String> = Vec::new();
        for step in &self.steps {
            let ends = step
                .name
                .match_indices('/')
                .map(|(at, _)| at)
                .chain([step.name.len()]);
            prefixes.extend(ends.map(|end| step.name[..end].to_owned()));
        }
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }

    fn add(&mut self, name: String, params: Params, inputs: Vec<Input>) -> StepId {
        let id = StepId(u32::try_from(self.steps.len()).expect("a graph has fewer than 2³² steps"));
        self.steps.push(Step {
            name,
            params,
            inputs,
            sources: Vec::new(),
        });
        id
    }

    fn add_download(&mut self, experiment: &Experiment) -> StepId {
        let (params, sources) = match &experiment.data.origin {
            Origin::Archives(sources) => {
                let wanted = sources.iter().map(Source::id).collect();
                (download::Params::Archives(wanted), sources.clone())
            }
            &Origin::Generated { train, test, seed } => {
                let generated = download::Generated { train, test, seed };
                (download::Params::Generated(generated), Vec::new())
            }
        };
        let id = self.add("download".to_owned(), Params::Download(params), Vec::new());
        self.steps[id.index()].sources = sources;
        id
    }

    fn add_preprocess(&mut self, experiment: &Experiment, download: StepId) -> StepId {
        let params = preprocess::Params {
            validation: experiment.data.validation,
            split_seed: experiment.data.split_seed,
        };
        let inputs = vec![input("archive", download, "archive")];
        self.add("preprocess".to_owned(), Params::Preprocess(params), inputs)
    }

    fn add_run(&mut self, model: &Model, seed: u64, evaluated: bool, preprocess: StepId) -> Run {
        let from_preprocess = |name: &'static str| input(name, preprocess, name);
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
        let train = self.add(
            format!("train/{name}"),
            Params::Train(params),
            inputs.map(from_preprocess).into(),
        );
        let params = evaluate::Params {
            architecture: model.architecture.clone(),
        };
        let mut inputs = ["test.bin", "statistics.json", "classes.json"]
            .map(from_preprocess)
            .to_vec();
        inputs.push(input("weights.safetensors", train, "weights.safetensors"));
        let evaluate = evaluated
            .then(|| self.add(format!("evaluate/{name}"), Params::Evaluate(params), inputs));
        Run {
            model: model.name.clone(),
            seed,
            train,
            evaluate,
        }
    }

    fn add_aggregate(&mut self, experiment: &Experiment, runs: &[Run]) -> StepId {
        let models = experiment.models.iter().map(|model| aggregate::ModelRuns {
            model: model.name.clone(),
            seeds: seeds_with(experiment, &model.name, Option::is_none),
        });
        let params = aggregate::Params {
            runs: models.filter(|runs| !runs.seeds.is_empty()).collect(),
        };
        let evaluated = |run: &Run| Some((run.name(), run.train, run.evaluate?));
        let inputs = runs.iter().filter_map(evaluated);
        let inputs = inputs.flat_map(|(name, train, evaluate)| {
            [
                input(format!("evaluation/{name}"), evaluate, "evaluation.json"),
                input(format!("training/{name}"), train, "training.json"),
            ]
        });
        let inputs = inputs.collect();
        self.add("aggregate".to_owned(), Params::Aggregate(params), inputs)
    }

    fn add_plot(&mut self, experiment: &Experiment, runs: &[Run]) {
        let models: BTreeMap<&str, &Model> = experiment
            .models
            .iter()
            .map(|model| (model.name.as_str(), model))
            .collect();
        let panels = experiment.panels.iter().map(|panel| plot::Panel {
            title: panel.title.clone(),
            curves: panel
                .models
                .iter()
                .map(|name| {
                    let model = models[name.as_str()];
                    let trained = |hole: &Option<Hole>| *hole != Some(Hole::Untrained);
                    let seeds = seeds_with(experiment, name, trained);
                    let all = experiment.seeds.len();
                    let label = match seeds.len() {
                        some if some < all => format!("{} ({some} of {all})", model.label),
                        _ => model.label.clone(),
                    };
                    plot::Curve {
                        model: name.clone(),
                        label,
                        layers: model.architecture.layers(),
                        seeds,
                    }
                })
                .filter(|curve| !curve.seeds.is_empty())
                .collect(),
        });
        let longest = experiment
            .models
            .iter()
            .map(|model| model.recipe.schedule.iterations)
            .max();
        let params = plot::Params {
            panels: panels.collect(),
            iterations: longest.unwrap_or(0),
            note: caveat(experiment),
        };
        let shown = |run: &&Run| {
            experiment
                .panels
                .iter()
                .any(|panel| panel.models.contains(&run.model))
        };
        let inputs = runs
            .iter()
            .filter(shown)
            .map(|run| {
                input(
                    format!("metrics/{}", run.name()),
                    run.train,
                    "metrics.jsonl",
                )
            })
            .collect();
        self.add("plot/fig6".to_owned(), Params::Plot(params), inputs);
    }

    fn add_table(&mut self, experiment: &Experiment, preprocess: StepId, aggregate: StepId) {
        let params = table::Params {
            rows: experiment
                .models
                .iter()
                .map(|model| {
                    let missing = seeds_with(experiment, &model.name, Option::is_some);
                    table_row(model, missing)
                })
                .collect(),
            profile: experiment.profile.clone(),
            caveats: experiment.caveats.clone(),
            sources: table::Sources {
                he: experiment.published.he,
                reproduction: experiment.published.s,
            },
        };
        let inputs = vec![
            input("summary.json", aggregate, "summary.json"),
            input("dataset.json", preprocess, "dataset.json"),
        ];
        self.add("table".to_owned(), Params::Table(params), inputs);
    }
}

/// One training with its evaluation.
struct Run {
    model: String,
    seed: u64,
    train: StepId,
    evaluate: Option<StepId>,
}

impl Run {
    fn name(&self) -> String {
        format!("{}/seed{}", self.model, self.seed)
    }
}

/// The same steps, producers before consumers and otherwise as they were.
fn in_order(steps: Vec<Step>) -> Result<Vec<Step>, Invalid> {
    let mut inputs = steps.iter().enumerate().flat_map(|(place, step)| {
        let producers = step.inputs.iter().map(|input| input.producer.index());
        producers.map(move |producer| (producer, place))
    });
    if inputs.all(|(producer, place)| producer < place) {
        return Ok(steps);
    }
    let mut places: Vec<Option<StepId>> = vec![None; steps.len()];
    let mut order: Vec<usize> = Vec::with_capacity(steps.len());
    while order.len() < steps.len() {
        let before = order.len();
        for (index, step) in steps.iter().enumerate() {
            let ready = |input: &Input| places[input.producer.index()].is_some();
            if places[index].is_none() && step.inputs.iter().all(ready) {
                places[index] = Some(StepId(order.len() as u32));
                order.push(index);
            }
        }
        if order.len() == before {
            let circle = circle(&steps, &places).join(" reads from ");
            return Err(Invalid::new(format!("steps wait for each other: {circle}")));
        }
    }
    let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let ordered = order.into_iter().map(|index| {
        let mut step = slots[index].take().expect("each place was given once");
        for input in &mut step.inputs {
            input.producer = places[input.producer.index()].expect("all places were given");
        }
        step
    });
    Ok(ordered.collect())
}

/// Names along a circle among the steps without a place, the first one again at the end.
fn circle<'a>(steps: &'a [Step], places: &[Option<StepId>]) -> Vec<&'a str> {
    let mut way: Vec<usize> = Vec::new();
    let mut next = places.iter().position(Option::is_none);
    while let Some(here) = next {
        if let Some(start) = way.iter().position(|&seen| seen == here) {
            way.push(here);
            return way[start..]
                .iter()
                .map(|&index| steps[index].name.as_str())
                .collect();
        }
        way.push(here);
        let mut producers = steps[here]
            .inputs
            .iter()
            .map(|input| input.producer.index());
        next = producers.find(|&producer| places[producer].is_none());
    }
    Vec::new()
}

fn input(name: impl Into<Cow<'static, str>>, producer: StepId, output: &'static str) -> Input {
    Input {
        name: name.into(),
        producer,
        output,
    }
}

/// The experiment's caveats as a sentence for the figure.
fn caveat(experiment: &Experiment) -> Option<String> {
    let mut sentences = Vec::new();
    if !experiment.caveats.is_empty() {
        let caveats = experiment.caveats.join("; ");
        sentences.push(format!(
            "Not comparable with the published figure: {caveats}."
        ));
    }
    let holes: Vec<String> = experiment
        .models
        .iter()
        .filter_map(|model| {
            let untrained = |hole: &Option<Hole>| *hole == Some(Hole::Untrained);
            let seeds = seeds_with(experiment, &model.name, untrained);
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            match &seeds[..] {
                [] => None,
                [seed] => Some(format!("{} (seed {seed})", model.label)),
                seeds => Some(format!("{} (seeds {})", model.label, seeds.join(", "))),
            }
        })
        .collect();
    if !holes.is_empty() {
        sentences.push(format!(
            "Missing, because training failed: {}.",
            holes.join("; ")
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The seeds of a model that lack, or do not lack, something.
fn seeds_with(
    experiment: &Experiment,
    model: &str,
    wanted: impl Fn(&Option<Hole>) -> bool,
) -> Vec<u64> {
    let seeds = experiment.seeds_of(model);
    let seeds = seeds.filter(|(_, hole)| wanted(hole));
    seeds.map(|(seed, _)| seed).collect()
}

fn table_row(model: &Model, missing: Vec<u64>) -> table::Row {
    let published = |error: &crate::pipeline::PublishedError| table::Published {
        mean: error.mean,
        std: error.std,
        runs: error.runs,
        note: error.note.clone(),
    };
    table::Row {
        model: model.name.clone(),
        label: model.label.clone(),
        he: model.published.he.as_ref().map(published),
        reproduction: model.published.s.as_ref().map(published),
        missing,
    }
}
