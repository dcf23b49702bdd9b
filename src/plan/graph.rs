//! Steps and how they feed each other.
//!
//! Unaware of what steps do and of why they are there.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use crate::error::Invalid;
use crate::steps::Params;
use download::Source;

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
            let outputs = step.params.outputs();
            for &output in outputs.iter().filter(|_| step.params.is_reported()) {
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
            let inputs = self.step(id).inputs.iter();
            let before = inputs.map(|input| depths[input.producer.index()] + 1);
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

    /// The step of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(&self, name: &str) -> Result<StepId, Invalid> {
        let id = self.ids().find(|&id| self.step(id).name == name);
        id.ok_or_else(|| {
            let names = self.steps.iter().map(|step| step.name.as_str());
            Invalid::unknown("step", name, names)
        })
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
            for (step, matched) in self.steps.iter().zip(&mut matched) {
                let rest = step.name.strip_prefix(target);
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                    (*matched, any) = (true, true);
                }
            }
            if !any {
                return Err(Invalid::unknown("target", target, self.prefixes()));
            }
        }
        Ok(self.ids().filter(|id| matched[id.index()]).collect())
    }

    /// The steps that match any target, or all without targets.
    ///
    /// # Errors
    /// If a target matches nothing.
    pub fn wanted(&self, targets: &[String]) -> Result<Vec<StepId>, Invalid> {
        match targets {
            [] => Ok(self.ids().collect()),
            targets => self.matching(targets),
        }
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

    /// Every name that can be a target, in order.
    fn prefixes(&self) -> BTreeSet<&str> {
        let names = self.steps.iter().map(|step| step.name.as_str());
        let prefixes = names.flat_map(|name| {
            let ends = name.match_indices('/').map(|(end, _)| end);
            ends.chain([name.len()]).map(|end| &name[..end])
        });
        prefixes.collect()
    }
}

/// The same steps, producers before consumers and otherwise as they were.
fn in_order(steps: Vec<Step>) -> Result<Vec<Step>, Invalid> {
    let mut order = Order {
        places: vec![None; steps.len()],
        steps: &steps,
        order: Vec::with_capacity(steps.len()),
    };
    for index in 0..steps.len() {
        order.add(index, &mut Vec::new())?;
    }
    let Order { places, order, .. } = order;
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

/// Steps that are being put in order.
struct Order<'s> {
    steps: &'s [Step],
    /// The new place of each step.
    places: Vec<Option<StepId>>,
    order: Vec<usize>,
}

impl Order<'_> {
    /// Adds a step after its producers; those on the way wait for it.
    fn add(&mut self, index: usize, way: &mut Vec<usize>) -> Result<(), Invalid> {
        if self.places[index].is_some() {
            return Ok(());
        }
        let seen = way.iter().position(|&waiting| waiting == index);
        way.push(index);
        if let Some(start) = seen {
            let circle = way[start..].iter().map(|&index| &*self.steps[index].name);
            let circle = circle.collect::<Vec<_>>().join(" reads from ");
            return Err(Invalid::new(format!("steps wait for each other: {circle}")));
        }
        for input in &self.steps[index].inputs {
            self.add(input.producer.index(), way)?;
        }
        way.pop();
        self.places[index] = Some(StepId(self.order.len() as u32));
        self.order.push(index);
        Ok(())
    }
}
