//! Where each step of a run is in its life.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::outcome::End;
use crate::plan::{Carriable, Reason, StepId};
use store::Entry;
use store::key::Digest;

/// Where a step is in its life.
#[derive(Clone, Debug)]
pub enum Phase {
    /// Not needed for the targets.
    Unneeded,
    /// This many producers have no result yet.
    Waiting(usize),
    /// Must run as soon as a place is free.
    Ready(Work),
    /// Another process computes it.
    Elsewhere,
    Running,
    Done(Done),
    Failed,
    Skipped,
}

/// A computation that is decided on.
#[derive(Clone, Debug)]
pub struct Work {
    pub key: Digest,
    pub reasons: Vec<Reason>,
    /// An earlier training that is to be replayed first.
    pub replayed: Option<Carriable>,
    /// As [`Params::turn`](crate::steps::Params::turn).
    pub turn: u64,
}

/// A step that has its result.
#[derive(Clone, Debug)]
pub struct Done {
    pub entry: Arc<Entry>,
    pub end: End,
    /// Whether it was made again with the same bytes as before.
    pub same_bytes: bool,
}

/// The phases of all steps of a graph.
#[derive(Debug)]
pub struct Phases {
    phases: Vec<Phase>,
    /// The steps that are [`Phase::Ready`], by their turns.
    ready: BTreeSet<(u64, StepId)>,
    /// Number of steps that are [`Phase::Running`].
    running: usize,
    /// Number of steps that are [`Phase::Elsewhere`].
    elsewhere: usize,
}

impl Phases {
    /// No step is needed.
    pub fn new(steps: usize) -> Phases {
        Phases {
            phases: vec![Phase::Unneeded; steps],
            ready: BTreeSet::new(),
            running: 0,
            elsewhere: 0,
        }
    }

    /// Every change of a phase goes through here.
    pub fn set(&mut self, id: StepId, phase: Phase) {
        match self.of(id) {
            Phase::Ready(work) => {
                let turn = work.turn;
                self.ready.remove(&(turn, id));
            }
            Phase::Running => self.running -= 1,
            Phase::Elsewhere => self.elsewhere -= 1,
            _ => {}
        }
        match &phase {
            Phase::Ready(work) => drop(self.ready.insert((work.turn, id))),
            Phase::Running => self.running += 1,
            Phase::Elsewhere => self.elsewhere += 1,
            _ => {}
        }
        self.phases[id.index()] = phase;
    }

    pub fn of(&self, id: StepId) -> &Phase {
        &self.phases[id.index()]
    }

    /// The result of a step that has one.
    pub fn result(&self, id: StepId) -> Option<&Entry> {
        match self.of(id) {
            Phase::Done(done) => Some(&done.entry),
            _ => None,
        }
    }

    /// The step whose turn it is, of those that must run.
    pub fn next_ready(&self) -> Option<(StepId, Work)> {
        let &(_, id) = self.ready.first()?;
        match self.of(id) {
            Phase::Ready(work) => Some((id, work.clone())),
            _ => None,
        }
    }

    /// Number of steps that must run as soon as a place is free.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Number of steps that run here.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Number of steps that other processes compute.
    pub fn elsewhere(&self) -> usize {
        self.elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ready_steps_the_one_with_the_least_turn_is_next_and_of_equals_the_first() {
        let mut phases = Phases::new(3);
        for (index, turn) in [(0, 2), (1, 1), (2, 1)] {
            let work = Work {
                key: Digest::of(b"key"),
                reasons: Vec::new(),
                replayed: None,
                turn,
            };
            phases.set(StepId::new(index), Phase::Ready(work));
        }
        let mut order = Vec::new();
        while let Some((id, _)) = phases.next_ready() {
            order.push(id.index());
            phases.set(id, Phase::Running);
        }
        assert_eq!((order, phases.ready()), (vec![1, 2, 0], 0));
    }
}
