//! Everything about why one step runs or does not: its key inputs, how they differ from its closest
//! earlier result, and for an input that comes out other than before, why, back to the root.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::assess::{Assessment, Inputs, Plan, Planner, State};
use super::carry::{Carriable, Offer};
use super::graph::StepId;
use super::reason::Reason;
use store::key::{Digest, KeyInputs};
use store::{Earlier, Entry, Manifest, RunRecord, Running};

/// Why one step runs or does not.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub step: String,
    /// `up-to-date`, `must-run` or `may-run`.
    pub state: &'static str,
    /// The process that computes it right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// The key, unless an input is still to be made.
    pub key: Option<Digest>,
    pub reasons: Vec<Reason>,
    /// For a training that must run only because of code: what shows whether it had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Offer>,
    /// Why other steps that it depends on run or ran.
    pub causes: Vec<Cause>,
    /// The earlier result that it is compared with; the one that is used, if it is up to date.
    pub compared_with: Option<Compared>,
    pub key_inputs: KeyInputs,
    /// Inputs that are still to be made, which `key_inputs` therefore lacks.
    pub open: Vec<String>,
}

/// An earlier result and how it came about.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    pub key: Digest,
    /// The backend that computed it, for a numeric step.
    pub backend: Option<String>,
    pub run: RunRecord,
}

/// Steps upstream that run, or have another result, for the same reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    pub steps: Vec<String>,
    /// `must-run` or `may-run` for steps that are to run, `changed` for those that have another
    /// result than before, and `unknown` where the result before is not there any more.
    pub state: &'static str,
    pub reasons: Vec<Reason>,
    /// Those of the steps that are to run and that a process computes right now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<String>,
}

impl Planner<'_> {
    /// Explains the state of a step, given a plan of all that it needs.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn explain(&self, id: StepId, plan: &Plan) -> Result<Explanation> {
        let step = self.graph.step(id);
        let upstream = Upstream {
            planner: *self,
            plan,
        };
        let assessment = upstream.assessment(id);
        let made = |producer| upstream.assessment(producer).result().map(|entry| &**entry);
        let inputs = Inputs::of(step, &made);
        let earlier = match assessment.result() {
            Some(entry) => Earlier {
                manifests: Vec::from_iter(self.store.manifest(&entry.key)?),
                unusable: None,
            },
            None => self.comparable(step, &inputs)?,
        };
        let compared = self.closest_of(earlier, step, &inputs);
        let compared = compared.map(|(_, manifest)| manifest);
        // A result that is used keeps its own backend; what is to run gets the one that computes.
        let used = compared.as_ref().filter(|_| assessment.result().is_some());
        let basis = used.map(|manifest| &*manifest.key_inputs.basis);
        Ok(Explanation {
            step: step.name.clone(),
            state: assessment.state.word(),
            running: upstream.running(id)?,
            key: assessment.key,
            reasons: assessment.state.reasons().to_vec(),
            replay: assessment.carriable.as_ref().and_then(Carriable::offer),
            causes: upstream.causes(id)?,
            key_inputs: self.bases.key_inputs(&step.params, inputs.owned(), basis),
            open: inputs.open.iter().map(|&name| name.to_owned()).collect(),
            compared_with: compared.map(|manifest| Compared {
                key: manifest.key,
                backend: Entry::from(&manifest).backend,
                run: manifest.run,
            }),
        })
    }
}

/// What is known about the steps that one depends on.
struct Upstream<'a> {
    planner: Planner<'a>,
    plan: &'a Plan,
}

impl<'a> Upstream<'a> {
    fn assessment(&self, id: StepId) -> &'a Assessment {
        let assessment = self.plan[id.index()].as_ref();
        assessment.expect("all that a needed step reads from is needed")
    }

    fn name(&self, id: StepId) -> &'a str {
        &self.planner.graph.step(id).name
    }

    /// The process that computes a step that is to run.
    fn running(&self, id: StepId) -> Result<Option<Running>> {
        let assessment = self.assessment(id);
        match assessment.key.filter(|_| assessment.result().is_none()) {
            Some(key) => self.planner.store.running(&key),
            None => Ok(None),
        }
    }

    /// Why the steps upstream run or ran, nearest first; steps with the same reasons together.
    fn causes(&self, id: StepId) -> Result<Vec<Cause>> {
        let mut causes: Vec<Cause> = Vec::new();
        let mut seen = BTreeSet::from([id]);
        let mut queue = self.causing(id, self.assessment(id).state.reasons());
        while let Some(producer) = queue.pop_front() {
            if !seen.insert(producer.id) {
                continue;
            }
            let (state, reasons) = self.why(&producer)?;
            queue.extend(self.causing(producer.id, &reasons));
            let name = self.name(producer.id).to_owned();
            let running = self.running(producer.id)?.map(|_| name.clone());
            let same = |cause: &&mut Cause| (cause.state, &cause.reasons) == (state, &reasons);
            match causes.iter_mut().find(same) {
                Some(cause) => {
                    cause.steps.push(name);
                    cause.running.extend(running);
                }
                None => causes.push(Cause {
                    steps: vec![name],
                    state,
                    reasons,
                    running: Vec::from_iter(running),
                }),
            }
        }
        Ok(causes)
    }

    /// The producers that these reasons of a step speak of.
    fn causing(&self, id: StepId, reasons: &[Reason]) -> VecDeque<Causing> {
        let producers = self.planner.graph.producers(id).into_iter();
        let causing = producers.filter_map(|id| {
            let name = self.name(id);
            let old_output = reasons.iter().find_map(|reason| match reason {
                Reason::Producer { step } if step == name => Some(None),
                Reason::Changed {
                    change,
                    from: Some(from),
                    ..
                } if from == name => Some(change.old.clone()),
                _ => None,
            })?;
            Some(Causing { id, old_output })
        });
        causing.collect()
    }

    /// Whether and why a producer is to run or, if it is up to date, why it ran since.
    fn why(&self, producer: &Causing) -> Result<(&'static str, Vec<Reason>)> {
        let assessment = self.assessment(producer.id);
        let State::UpToDate(now) = &assessment.state else {
            return Ok((assessment.state.word(), assessment.state.reasons().to_vec()));
        };
        let before = match &producer.old_output {
            Some(old) => self.maker(producer.id, old)?,
            None => None,
        };
        let now = self.planner.store.manifest(&now.key)?;
        let Some((before, now)) = before.zip(now) else {
            return Ok(("unknown", Vec::new()));
        };
        let changes = before.key_inputs.changes(&now.key_inputs);
        let step = self.planner.graph.step(producer.id);
        Ok(("changed", self.planner.explained(step, changes)?))
    }

    /// The newest result of a step with an output of this digest.
    fn maker(&self, id: StepId, digest: &str) -> Result<Option<Manifest>> {
        let Ok(digest) = digest.parse::<Digest>() else {
            return Ok(None);
        };
        let store = self.planner.store;
        let mut results = store.results(self.name(id))?;
        let made = |entry: &&Arc<Entry>| {
            let mut outputs = entry.outputs.values();
            outputs.any(|output| output.digest == digest)
        };
        match results.find(made) {
            Some(entry) => store.manifest(&entry.key),
            None => Ok(None),
        }
    }
}

/// A producer that explains something downstream.
struct Causing {
    id: StepId,
    /// Digest of an output that it made before, where it has made another one since.
    old_output: Option<String>,
}
