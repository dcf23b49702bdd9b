//! Which steps are up to date, which must run, which may: and why.
//!
//! A step's key needs the content of its inputs. As long as one of its producers has not run,
//! the key is open; then the step *must* run if something else that it depends on differs from all
//! its earlier results, and *may* run otherwise: if its producers come out the same, it will not.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use rayon::prelude::*;

use super::graph::{Graph, Step, StepId};
use super::keys::{self, Bases};
use super::reason::Reason;
use store::key::{Change, Digest, KeyInputs, KeyPart, Listing, key};
use store::{Earlier, Entry, Lookup, Manifest, Store};

/// From this number of steps on it pays to share the work among threads.
pub const MANY: usize = 256;

/// What is to be done about one step.
#[derive(Clone, Debug)]
pub struct Assessment {
    pub state: State,
    /// The key under which its result is added; absent as long as an input is open.
    pub key: Option<Digest>,
}

impl Assessment {
    /// The result that is used, if there is one.
    pub fn result(&self) -> Option<&Arc<Entry>> {
        match &self.state {
            State::UpToDate(entry) => Some(entry),
            State::MustRun(_) | State::MayRun(_) => None,
        }
    }
}

/// Whether a step runs.
#[derive(Clone, Debug)]
pub enum State {
    /// This result is used.
    UpToDate(Arc<Entry>),
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

/// Assesses all needed steps before anything runs; `None` for those not needed.
///
/// # Errors
/// If the store cannot be read.
pub fn assess(
    graph: &Graph,
    needed: &[bool],
    forced: &[bool],
    bases: &Bases,
    store: &Store,
) -> Result<Vec<Option<Assessment>>> {
    let mut assessments: Vec<Option<Assessment>> = vec![None; needed.len()];
    for mut level in graph.levels() {
        level.retain(|id| needed[id.index()]);
        let made = |producer: StepId| {
            assessments[producer.index()]
                .as_ref()?
                .result()
                .map(|entry| &**entry)
        };
        let assess = |&id: &StepId| assess_step(graph, id, forced[id.index()], &made, bases, store);
        let assessed: Vec<Assessment> = match level.len() {
            MANY.. => level.par_iter().map(assess).collect::<Result<_>>()?,
            _ => level.iter().map(assess).collect::<Result<_>>()?,
        };
        for (id, assessment) in level.into_iter().zip(assessed) {
            assessments[id.index()] = Some(assessment);
        }
    }
    Ok(assessments)
}

/// Assesses one step, given the results of those producers that have one.
///
/// # Errors
/// If the store cannot be read.
pub fn assess_step<'a>(
    graph: &Graph,
    id: StepId,
    forced: bool,
    made: &dyn Fn(StepId) -> Option<&'a Entry>,
    bases: &Bases,
    store: &Store,
) -> Result<Assessment> {
    let step = graph.step(id);
    let Inputs { known, open } = Inputs::of(step, made);
    if !open.is_empty() {
        let state = if forced {
            State::MustRun(vec![Reason::Forced])
        } else if may_do(step, &known, &open, bases, store)? {
            State::MayRun(producers(graph, step, made))
        } else {
            State::MustRun(differences(graph, step, &known, &open, bases, store)?)
        };
        return Ok(Assessment { state, key: None });
    }

    let mut added_under = None;
    let mut reasons = Vec::new();
    for settings in bases.settings(&step.params) {
        let candidate = key(&settings, &known);
        added_under.get_or_insert(candidate);
        match store.lookup(&candidate)? {
            Lookup::Found(_) if forced => reasons = vec![Reason::Forced],
            Lookup::Found(entry) => {
                return Ok(Assessment {
                    state: State::UpToDate(entry),
                    key: added_under,
                });
            }
            Lookup::Absent => {}
            Lookup::Damaged(what) => reasons.push(Reason::Damaged { what }),
        }
    }
    if reasons.is_empty() {
        reasons = differences(graph, step, &known, &[], bases, store)?;
    }
    Ok(Assessment {
        state: State::MustRun(reasons),
        key: added_under,
    })
}

/// Content of a step's inputs, by name.
pub struct Inputs<'g> {
    pub known: BTreeMap<&'g str, Digest>,
    /// Names of those that are still to be made.
    pub open: Vec<&'g str>,
}

impl<'g> Inputs<'g> {
    pub fn of<'a>(step: &'g Step, made: &dyn Fn(StepId) -> Option<&'a Entry>) -> Inputs<'g> {
        let mut inputs = Inputs {
            known: BTreeMap::new(),
            open: Vec::new(),
        };
        for input in &step.inputs {
            match made(input.producer).and_then(|entry| entry.outputs.get(input.output)) {
                Some(output) => {
                    inputs.known.insert(&input.name, output.digest);
                }
                None => inputs.open.push(&input.name),
            }
        }
        inputs
    }

    /// The known ones, to be kept.
    pub fn owned(&self) -> BTreeMap<String, Digest> {
        owned(&self.known)
    }
}

fn owned(inputs: &BTreeMap<&str, Digest>) -> BTreeMap<String, Digest> {
    let inputs = inputs.iter();
    inputs
        .map(|(&name, &digest)| (name.to_owned(), digest))
        .collect()
}

/// The producers without a result, as reasons.
fn producers<'a>(
    graph: &Graph,
    step: &Step,
    made: &dyn Fn(StepId) -> Option<&'a Entry>,
) -> Vec<Reason> {
    let mut open: Vec<StepId> = Vec::new();
    for input in &step.inputs {
        if made(input.producer).is_none() {
            open.push(input.producer);
        }
    }
    open.sort();
    open.dedup();
    let step = |id: StepId| graph.step(id).name.clone();
    open.into_iter()
        .map(|id| Reason::Producer { step: step(id) })
        .collect()
}

/// Whether the result of an earlier run may do again: there is one that agrees in everything that is
/// known, and that had the inputs that are still to be made.
fn may_do(
    step: &Step,
    known: &BTreeMap<&str, Digest>,
    open: &[&str],
    bases: &Bases,
    store: &Store,
) -> Result<bool> {
    let agrees = |manifest: Manifest| {
        let inputs = manifest.key_inputs.inputs;
        let mut known = known.iter();
        inputs.len() == step.inputs.len()
            && known.all(|(&name, digest)| inputs.get(name) == Some(digest))
            && open.iter().all(|&name| inputs.contains_key(name))
    };
    for settings in bases.settings(&step.params) {
        let settings = Digest::from_bytes(*settings.finalize().as_bytes());
        for manifest in store.with_settings(&settings)? {
            if agrees(manifest?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// How a step differs from the closest of its earlier results, or why there is none.
fn differences(
    graph: &Graph,
    step: &Step,
    known: &BTreeMap<&str, Digest>,
    open: &[&str],
    bases: &Bases,
    store: &Store,
) -> Result<Vec<Reason>> {
    let earlier = store.earlier(&step.name)?;
    let unusable = earlier.unusable.clone();
    let mut reasons: Vec<Reason> = Vec::from_iter(unusable.map(|what| Reason::Damaged { what }));
    if let Some((changes, _)) = closest_of(earlier, step, known, open, bases) {
        reasons.extend(explained(graph, step, changes, store)?);
    }
    if reasons.is_empty() {
        reasons.push(Reason::NoResult);
    }
    Ok(reasons)
}

/// The earlier result with the fewest differences, the newest of several; an open input is taken to
/// come out as it was.
pub fn closest_of(
    earlier: Earlier,
    step: &Step,
    known: &BTreeMap<&str, Digest>,
    open: &[&str],
    bases: &Bases,
) -> Option<(Vec<Change>, Manifest)> {
    let mut closest: Option<(Vec<Change>, Manifest)> = None;
    for manifest in earlier.manifests {
        let changes = certain_changes(step, known, open, bases, &manifest.key_inputs);
        let fewest = closest
            .as_ref()
            .map_or(usize::MAX, |(fewest, _)| fewest.len());
        if changes.len() < fewest {
            let same = changes.is_empty();
            closest = Some((changes, manifest));
            if same {
                break;
            }
        }
    }
    closest
}

/// How a step differs for certain from an earlier result.
fn certain_changes(
    step: &Step,
    known: &BTreeMap<&str, Digest>,
    open: &[&str],
    bases: &Bases,
    earlier: &KeyInputs,
) -> Vec<Change> {
    let mut inputs = owned(known);
    let mut unheard_of = Vec::new();
    for &name in open {
        match earlier.inputs.get(name) {
            Some(&digest) => drop(inputs.insert(name.to_owned(), digest)),
            // An input that the earlier result did not have is a change, whatever it will be.
            None => unheard_of.push(Change {
                part: KeyPart::Input,
                name: name.to_owned(),
                old: None,
                new: Some("still to be made".to_owned()),
            }),
        }
    }
    let mut changes =
        earlier.changes(&bases.key_inputs(&step.params, inputs, Some(&earlier.basis)));
    changes.extend(unheard_of);
    changes
}

/// Changes as reasons: with the items or versions behind a digest, and who makes an input.
///
/// # Errors
/// If the folder of listings cannot be read.
pub fn explained(
    graph: &Graph,
    step: &Step,
    changes: Vec<Change>,
    store: &Store,
) -> Result<Vec<Reason>> {
    let listing = |digest: &Option<String>| {
        let digest = digest.as_ref().and_then(|digest| digest.parse().ok());
        let Some(digest) = digest else {
            return Ok(None);
        };
        match keys::listing(&digest).and_then(Listing::parse) {
            None => store.listing(&digest),
            own => Ok(own),
        }
    };
    changes
        .into_iter()
        .map(|change| {
            let details = match change.part {
                KeyPart::Code | KeyPart::Crate => listing(&change.old)?.zip(listing(&change.new)?),
                _ => None,
            };
            let input = step
                .inputs
                .iter()
                .find(|input| change.part == KeyPart::Input && input.name == change.name);
            Ok(Reason::Changed {
                details: details.map_or_else(Vec::new, |(old, new)| old.changes(&new)),
                from: input.map(|input| graph.step(input.producer).name.clone()),
                change,
            })
        })
        .collect()
}
