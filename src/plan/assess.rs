//! Which steps are up to date, which must run, which may: and why.
//!
//! A step's key needs the content of its inputs. As long as one of its producers has not run,
//! the key is open; then the step *must* run if something else that it depends on changed, and
//! *may* run otherwise: if its producers come out the same, it will not.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::graph::{Graph, Step, StepId};
use super::keys::{Backends, key_inputs};
use crate::key::{Change, Digest, KeyInputs, Part};
use crate::store::{Lookup, Manifest, Store};

/// The results that are already there.
pub trait History {
    /// What is known under a key.
    ///
    /// # Errors
    /// If it cannot be read.
    fn lookup(&self, key: &Digest) -> Result<Lookup>;

    /// The newest result of the step with this name.
    fn newest(&self, step: &str) -> Option<Manifest>;
}

impl History for Store {
    fn lookup(&self, key: &Digest) -> Result<Lookup> {
        Store::lookup(self, key)
    }

    fn newest(&self, step: &str) -> Option<Manifest> {
        Store::newest(self, step)
    }
}

/// What is to be done about one step.
#[derive(Clone, Debug)]
pub struct Assessment {
    pub state: State,
    /// Key and key inputs on the chosen backend; absent as long as an input is open.
    pub key: Option<(Digest, KeyInputs)>,
}

/// Whether a step runs.
#[derive(Clone, Debug)]
pub enum State {
    /// This result is used.
    UpToDate(Box<Manifest>),
    MustRun(Vec<Reason>),
    /// Runs only if one of the steps named as reasons makes other bytes than before.
    MayRun(Vec<Reason>),
}

impl State {
    /// The word for it in reports, for people and programs.
    pub fn word(&self) -> &'static str {
        match self {
            State::UpToDate(_) => "up-to-date",
            State::MustRun(_) => "must-run",
            State::MayRun(_) => "may-run",
        }
    }

    /// Why the step runs or may run; empty where it does not.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            State::UpToDate(_) => &[],
            State::MustRun(reasons) | State::MayRun(reasons) => reasons,
        }
    }
}

/// Why a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It never ran.
    NoResult,
    /// The user wants it.
    Forced,
    /// Its result cannot be used.
    Damaged { what: String },
    /// Something that it depends on differs from its newest result.
    Changed(Change),
    /// A step that it reads from runs first.
    Producer { step: String },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Reason::NoResult => formatter.write_str("no result yet"),
            Reason::Forced => formatter.write_str("forced"),
            Reason::Damaged { what } => formatter.write_str(what),
            Reason::Changed(change) => change.fmt(formatter),
            Reason::Producer { step } => write!(formatter, "after {step}"),
        }
    }
}

/// Assesses all needed steps before anything runs; `None` for those not needed.
///
/// # Errors
/// If the history cannot be read.
pub fn assess(
    graph: &Graph,
    needed: &[bool],
    forced: &[bool],
    backends: &Backends,
    history: &dyn History,
) -> Result<Vec<Option<Assessment>>> {
    let mut assessments: Vec<Option<Assessment>> = Vec::with_capacity(needed.len());
    for id in graph.ids() {
        let assessment = needed[id.index()]
            .then(|| {
                let made = |producer: StepId| match &assessments[producer.index()] {
                    Some(Assessment {
                        state: State::UpToDate(manifest),
                        ..
                    }) => Some(&**manifest),
                    _ => None,
                };
                assess_step(graph, id, forced[id.index()], &made, backends, history)
            })
            .transpose()?;
        assessments.push(assessment);
    }
    Ok(assessments)
}

/// Assesses one step, given the results of those producers that have one.
///
/// # Errors
/// If the history cannot be read.
pub fn assess_step<'a>(
    graph: &Graph,
    id: StepId,
    forced: bool,
    made: &dyn Fn(StepId) -> Option<&'a Manifest>,
    backends: &Backends,
    history: &dyn History,
) -> Result<Assessment> {
    let step = graph.step(id);
    let mut inputs = BTreeMap::new();
    let mut open = Vec::new();
    for input in &step.inputs {
        match made(input.producer).and_then(|manifest| manifest.outputs.get(input.output)) {
            Some(output) => {
                inputs.insert(input.name.clone(), output.digest);
            }
            None => open.push(input),
        }
    }
    if !open.is_empty() {
        let mut producers: Vec<Reason> = Vec::new();
        for input in &open {
            let reason = Reason::Producer {
                step: graph.step(input.producer).name.clone(),
            };
            if !producers.contains(&reason) {
                producers.push(reason);
            }
        }
        let open: Vec<&str> = open.iter().map(|input| input.name.as_str()).collect();
        let state = if forced {
            State::MustRun(vec![Reason::Forced])
        } else {
            match certain_changes(step, &inputs, &open, backends, history) {
                None => State::MustRun(vec![Reason::NoResult]),
                Some(changes) if changes.is_empty() => State::MayRun(producers),
                Some(changes) => State::MustRun(changes),
            }
        };
        return Ok(Assessment { state, key: None });
    }

    let chosen = key_inputs(&step.params, Some(&backends.chosen), inputs);
    let key = chosen.key();
    let mut reasons = Vec::new();
    let candidates: Vec<KeyInputs> = candidates(step, &chosen, backends).collect();
    for candidate in candidates {
        match history.lookup(&candidate.key())? {
            Lookup::Found(_) if forced => reasons = vec![Reason::Forced],
            Lookup::Found(manifest) => {
                return Ok(Assessment {
                    state: State::UpToDate(manifest),
                    key: Some((key, chosen)),
                });
            }
            Lookup::Absent => {}
            Lookup::Damaged(what) => reasons.push(Reason::Damaged { what }),
        }
    }
    if reasons.is_empty() {
        reasons = match history.newest(&step.name) {
            None => vec![Reason::NoResult],
            Some(newest) => changed(&newest.key_inputs, &chosen),
        };
    }
    Ok(Assessment {
        state: State::MustRun(reasons),
        key: Some((key, chosen)),
    })
}

/// The key inputs under which a result of this step would count.
fn candidates<'a>(
    step: &Step,
    chosen: &'a KeyInputs,
    backends: &'a Backends,
) -> impl Iterator<Item = KeyInputs> + 'a {
    let count = if step.params.is_numeric() {
        usize::MAX
    } else {
        1
    };
    backends.all().take(count).map(|numeric| KeyInputs {
        numeric: chosen.numeric.as_ref().map(|_| numeric.clone()),
        ..chosen.clone()
    })
}

/// How a step whose inputs are partly open differs for certain from its newest result; `None` if
/// there is no such result.
fn certain_changes(
    step: &Step,
    inputs: &BTreeMap<String, Digest>,
    open: &[&str],
    backends: &Backends,
    history: &dyn History,
) -> Option<Vec<Reason>> {
    let newest = history.newest(&step.name)?.key_inputs;
    let mut inputs = inputs.clone();
    // An open input is taken to come out as it was.
    for &name in open {
        inputs.extend(
            newest
                .inputs
                .get(name)
                .map(|&digest| (name.to_owned(), digest)),
        );
    }
    let numeric = backends
        .all()
        .find(|numeric| newest.numeric.as_ref() == Some(numeric))
        .unwrap_or(&backends.chosen);
    let mut reasons = changed(&newest, &key_inputs(&step.params, Some(numeric), inputs));
    reasons.retain(|reason| match reason {
        Reason::Changed(change) => {
            change.part != Part::Input || !open.contains(&change.name.as_str())
        }
        _ => true,
    });
    // An input that the newest result did not have is a change, whatever it will be.
    for &name in open
        .iter()
        .filter(|&&name| !newest.inputs.contains_key(name))
    {
        reasons.push(Reason::Changed(Change {
            part: Part::Input,
            name: name.to_owned(),
            old: None,
            new: Some("still to be made".to_owned()),
        }));
    }
    Some(reasons)
}

fn changed(old: &KeyInputs, new: &KeyInputs) -> Vec<Reason> {
    old.changes(new).into_iter().map(Reason::Changed).collect()
}
