//! Which steps are up to date, which must run, which may: and why.
//!
//! A step's key needs the content of its inputs. As long as one of its producers has not run,
//! the key is open; then the step *must* run if something else that it depends on differs from all
//! its earlier results, and *may* run otherwise: if its producers come out the same, it will not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use rayon::prelude::*;

use super::carry::Carriable;
use super::graph::{Graph, Step, StepId};
use super::keys::{Bases, listing};
use super::reason::Reason;
use store::key::{self, Change, Digest, KeyInputs, KeyPart, Listing};
use store::{Earlier, Entry, Lookup, Manifest, Store};

/// From this number of steps on it pays to share the work among threads.
pub const MANY: usize = 256;

/// What is to be done about one step.
#[derive(Clone, Debug)]
pub struct Assessment {
    pub state: State,
    /// The key of the result that is used or, while there is none, of the one that will be added;
    /// absent as long as an input is open.
    pub key: Option<Digest>,
    /// For a training that must run only because of code: the earlier one that a replay may show to hold.
    pub carriable: Option<Carriable>,
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

/// What is to be done about each step of a graph; `None` for those that are not needed.
pub type Plan = Vec<Option<Assessment>>;

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

/// A graph, and what decides about its steps: the code and backends that count, and the results that
/// are there.
#[derive(Clone, Copy, Debug)]
pub struct Planner<'a> {
    pub graph: &'a Graph,
    pub bases: &'a Bases,
    pub store: &'a Store,
    /// The profile that the graph is of.
    pub profile: &'a str,
}

impl Planner<'_> {
    /// Assesses all needed steps before anything runs.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn assess(&self, needed: &[bool], forced: &BTreeSet<StepId>) -> Result<Plan> {
        let mut plan: Plan = vec![None; needed.len()];
        for mut level in self.graph.levels() {
            level.retain(|id| needed[id.index()]);
            let made = |producer: StepId| {
                let assessment = plan[producer.index()].as_ref()?;
                assessment.result().map(|entry| &**entry)
            };
            let assess = |&id: &StepId| self.assess_step(id, forced.contains(&id), &made);
            let assessed: Vec<Assessment> = match level.len() {
                MANY.. => level.par_iter().map(assess).collect::<Result<_>>()?,
                _ => level.iter().map(assess).collect::<Result<_>>()?,
            };
            for (id, assessment) in level.into_iter().zip(assessed) {
                plan[id.index()] = Some(assessment);
            }
        }
        Ok(plan)
    }

    /// Assesses one step, given the results of those producers that have one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn assess_step<'e>(
        &self,
        id: StepId,
        forced: bool,
        made: &dyn Fn(StepId) -> Option<&'e Entry>,
    ) -> Result<Assessment> {
        let step = self.graph.step(id);
        let inputs = Inputs::of(step, made);
        if !inputs.open.is_empty() {
            let state = if forced {
                State::MustRun(vec![Reason::Forced])
            } else if self.may_do(step, &inputs)? {
                let producers = self.graph.producers(id).into_iter();
                let open = producers.filter(|&producer| made(producer).is_none());
                let step = |id| self.graph.step(id).name.clone();
                let reasons = open.map(|id| Reason::Producer { step: step(id) });
                State::MayRun(reasons.collect())
            } else {
                State::MustRun(self.differences(step, &inputs)?)
            };
            let carriable = match state {
                State::MustRun(_) if !forced => self.carriable(step, &inputs)?,
                _ => None,
            };
            return Ok(Assessment {
                state,
                key: None,
                carriable,
            });
        }

        let mut added_under = None;
        let mut reasons = Vec::new();
        for settings in self.bases.settings(&step.params) {
            let candidate = key::key(&settings, &inputs.known);
            added_under.get_or_insert(candidate);
            match self.store.lookup(&candidate)? {
                Lookup::Found(_) if forced => reasons = vec![Reason::Forced],
                Lookup::Found(entry) => {
                    let key = Some(entry.key);
                    let state = State::UpToDate(entry);
                    return Ok(Assessment {
                        state,
                        key,
                        carriable: None,
                    });
                }
                Lookup::Absent => {}
                Lookup::Damaged(what) => reasons.push(Reason::Damaged { what }),
            }
        }
        if reasons.is_empty() {
            reasons = self.differences(step, &inputs)?;
        }
        let carriable = match forced {
            true => None,
            false => self.carriable(step, &inputs)?,
        };
        Ok(Assessment {
            state: State::MustRun(reasons),
            key: added_under,
            carriable,
        })
    }

    /// The keys under which a result of a step counts, the one that it is added under first; none as long as
    /// an input is open.
    pub fn keys_of<'e>(
        &self,
        id: StepId,
        made: &dyn Fn(StepId) -> Option<&'e Entry>,
    ) -> Vec<Digest> {
        let step = self.graph.step(id);
        let inputs = Inputs::of(step, made);
        if !inputs.open.is_empty() {
            return Vec::new();
        }
        let settings = self.bases.settings(&step.params);
        settings
            .map(|settings| key::key(&settings, &inputs.known))
            .collect()
    }

    /// Whether the result of an earlier run may do again: there is one that agrees in everything that
    /// is known, and that had the inputs that are still to be made.
    fn may_do(&self, step: &Step, inputs: &Inputs) -> Result<bool> {
        let Inputs { known, open } = inputs;
        let agrees = |manifest: &Manifest| {
            let earlier = &manifest.key_inputs.inputs;
            let mut known = known.iter();
            earlier.len() == step.inputs.len()
                && known.all(|(&name, digest)| earlier.get(name) == Some(digest))
                && open.iter().all(|&name| earlier.contains_key(name))
        };
        Ok(self.alike(step)?.iter().any(agrees))
    }

    /// Earlier results that differ in nothing but their inputs.
    pub(super) fn alike(&self, step: &Step) -> Result<Vec<Manifest>> {
        let mut alike = Vec::new();
        for settings in self.bases.settings(&step.params) {
            let settings = Digest::from_bytes(*settings.finalize().as_bytes());
            for manifest in self.store.with_settings(&settings)? {
                alike.push(manifest?);
            }
        }
        Ok(alike)
    }

    /// How a step differs from the closest of its earlier results, or why there is none.
    fn differences(&self, step: &Step, inputs: &Inputs) -> Result<Vec<Reason>> {
        let mut earlier = self.comparable(step, inputs)?;
        let unusable = earlier.unusable.take();
        let mut reasons: Vec<Reason> =
            Vec::from_iter(unusable.map(|what| Reason::Damaged { what }));
        if let Some((changes, _)) = self.closest_of(earlier, step, inputs) {
            reasons.extend(self.explained(step, changes)?);
        }
        if reasons.is_empty() {
            reasons.push(Reason::NoResult);
        }
        Ok(reasons)
    }

    /// Earlier results that a step may be compared with. What only other profiles have used is none of
    /// this one's, unless nothing but code and machine differ: such a change is one in any profile.
    ///
    /// # Errors
    /// If a folder of the store cannot be read.
    pub(super) fn comparable(&self, step: &Step, inputs: &Inputs) -> Result<Earlier> {
        let is_asked_for = |change: &Change| match change.part {
            KeyPart::Kind | KeyPart::Parameter | KeyPart::Input => true,
            KeyPart::Schema | KeyPart::Code | KeyPart::Crate | KeyPart::Numeric => false,
        };
        self.store.earlier(&step.name, &|manifest| {
            if !self.store.is_of_others(&manifest.key, self.profile)? {
                return Ok(true);
            }
            let changes = self.certain_changes(step, inputs, &manifest.key_inputs);
            Ok(!changes.iter().any(is_asked_for))
        })
    }

    /// The earlier result with the fewest differences, the newest of several; an open input is taken to
    /// come out as it was.
    pub(super) fn closest_of(
        &self,
        earlier: Earlier,
        step: &Step,
        inputs: &Inputs,
    ) -> Option<(Vec<Change>, Manifest)> {
        let mut closest: Option<(Vec<Change>, Manifest)> = None;
        for manifest in earlier.manifests {
            let changes = self.certain_changes(step, inputs, &manifest.key_inputs);
            let fewest = closest.as_ref().map(|(fewest, _)| fewest.len());
            if fewest.is_none_or(|fewest| changes.len() < fewest) {
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
    pub(super) fn certain_changes(
        &self,
        step: &Step,
        inputs: &Inputs,
        earlier: &KeyInputs,
    ) -> Vec<Change> {
        let mut content = inputs.owned();
        let mut unheard_of = Vec::new();
        for &name in &inputs.open {
            match earlier.inputs.get(name) {
                Some(&digest) => drop(content.insert(name.to_owned(), digest)),
                // An input that the earlier result did not have is a change, whatever it will be.
                None => unheard_of.push(Change {
                    part: KeyPart::Input,
                    name: name.to_owned(),
                    old: None,
                    new: Some("still to be made".to_owned()),
                }),
            }
        }
        let basis = Some(&*earlier.basis);
        let now = self.bases.key_inputs(&step.params, content, basis);
        let mut changes = earlier.changes(&now);
        changes.extend(unheard_of);
        changes
    }

    /// Changes as reasons: with the files or versions behind a digest, and who makes an input.
    ///
    /// # Errors
    /// If the folder of listings cannot be read.
    pub(super) fn explained(&self, step: &Step, changes: Vec<Change>) -> Result<Vec<Reason>> {
        let listing = |digest: &Option<String>| {
            let Some(digest) = digest.as_ref().and_then(|digest| digest.parse().ok()) else {
                return Ok(None);
            };
            match listing(&digest).and_then(Listing::parse) {
                None => self.store.listing(&digest),
                own => Ok(own),
            }
        };
        let reason = |change: Change| {
            let details = match change.part {
                KeyPart::Code | KeyPart::Crate => listing(&change.old)?.zip(listing(&change.new)?),
                _ => None,
            };
            let mut inputs = step.inputs.iter();
            let input = inputs.find(|input| input.name == change.name);
            let input = input.filter(|_| change.part == KeyPart::Input);
            Ok(Reason::Changed {
                details: details.map_or_else(Vec::new, |(old, new)| old.changes(&new)),
                from: input.map(|input| self.graph.step(input.producer).name.clone()),
                change,
            })
        };
        changes.into_iter().map(reason).collect()
    }
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
                Some(output) => drop(inputs.known.insert(&input.name, output.digest)),
                None => inputs.open.push(&input.name),
            }
        }
        inputs
    }

    /// The known ones, to be kept.
    pub fn owned(&self) -> BTreeMap<String, Digest> {
        let known = self.known.iter();
        known
            .map(|(&name, &digest)| (name.to_owned(), digest))
            .collect()
    }
}
