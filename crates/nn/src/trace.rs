//! The trace of a training: digests of its state on the way, its learning rates, and what a warm-up by
//! error was decided on. Who computes a part of the training again compares with it.
//!
//! Unaware of how states come about and of where traces are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::recipe::Recipe;
use super::schedule::{LrScheduler, WINDOW};
use super::weights::State;

/// What a training leaves of its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Iterations after which a snapshot was kept.
    pub snapshots: BTreeSet<u64>,
    /// BLAKE3 of the full state after so many iterations, all evaluations made: at the beginning, at each
    /// snapshot, after each iteration of the window behind it, at each evaluation, and at the end.
    pub states: BTreeMap<u64, String>,
    /// Names of the state's tensors: weights, running statistics, momentum buffers.
    pub tensors: Vec<String>,
    /// Euclidean norms of those tensors after the first and the last iteration of each window: what a
    /// difference is described by.
    pub norms: BTreeMap<u64, Vec<f64>>,
    /// Each learning rate, with the iteration from which on it was used.
    pub learning_rates: Vec<(u64, f64)>,
    /// Images, and those classified wrongly, in each window that a warm-up by error was judged by.
    pub warm_up: Vec<[u64; 2]>,
}

/// A part of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Iterations done before it: a snapshot's, or 0.
    pub from: u64,
    /// Iterations done after it.
    pub to: u64,
    /// Whether evaluations on the way are made as well; the one at the end of the training always is.
    pub evaluated: bool,
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "iterations {} to {}", self.from, self.to)
    }
}

impl Trace {
    /// Parses `trace.json`.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &[u8]) -> Result<Trace> {
        serde_json::from_slice(text).context("it is no trace of a training")
    }

    /// Notes the learning rate of the next iteration.
    pub(super) fn note_learning_rate(&mut self, iteration: u64, rate: f64) {
        if self
            .learning_rates
            .last()
            .is_none_or(|&(_, last)| last != rate)
        {
            self.learning_rates.push((iteration, rate));
        }
    }

    /// The windows of a training with this recipe: from the beginning and from each snapshot.
    pub fn windows(&self, recipe: &Recipe) -> Vec<Stretch> {
        let iterations = recipe.schedule.iterations;
        let starts = std::iter::once(&0).chain(&self.snapshots);
        let window = |&from: &u64| {
            let to = (from + recipe.snapshots.window).min(iterations);
            // All that the training leaves is made again by the last one.
            let evaluated = to == iterations;
            Stretch {
                from,
                to,
                evaluated,
            }
        };
        starts.map(window).collect()
    }

    /// The whole training in stretches from one snapshot to the next.
    pub fn segments(&self, recipe: &Recipe) -> Vec<Stretch> {
        let starts = std::iter::once(0).chain(self.snapshots.iter().copied());
        let ends = self.snapshots.iter().copied();
        let ends = ends.chain([recipe.schedule.iterations]);
        let stretch = |(from, to)| Stretch {
            from,
            to,
            evaluated: true,
        };
        starts.zip(ends).map(stretch).collect()
    }

    /// Refuses a trace that lacks a snapshot or a state which a training with this recipe leaves, or has a
    /// snapshot which none leaves: what is missing cannot have been held against anything, and what is too
    /// much makes another trace.
    ///
    /// # Errors
    /// What is missing, or too much.
    pub fn expect_complete(&self, recipe: &Recipe) -> Result<()> {
        let iterations = recipe.schedule.iterations;
        let expected = recipe.snapshots.iterations(&recipe.schedule);
        if let Some(at) = expected.difference(&self.snapshots).next() {
            bail!("the trace has no snapshot after iteration {at}");
        }
        // The end of a warm-up by error is not known beforehand.
        let ended = self.warm_up.len() as u64 * WINDOW;
        let may_be = |at| at == ended && 0 < at && at < iterations;
        let mut others = self.snapshots.difference(&expected);
        if let Some(at) = others.find(|&&at| !may_be(at)) {
            bail!(
                "the trace has a snapshot after iteration {at} of {iterations}, where none is taken"
            );
        }
        for Stretch { from, to, .. } in self.windows(recipe) {
            for at in from..=to {
                ensure!(
                    self.states.contains_key(&at),
                    "the trace has no state after iteration {at}"
                );
            }
        }
        Ok(())
    }

    /// How the learning rates of today's schedule differ from the recorded ones, if they do.
    pub fn other_learning_rates(&self, recipe: &Recipe) -> Option<String> {
        let today = LrScheduler::course(&recipe.schedule, &self.warm_up);
        if today == self.learning_rates {
            return None;
        }
        let at = |course: &[(u64, f64)], iteration| {
            let passed = course.iter().take_while(|(from, _)| *from <= iteration);
            passed.last().map_or(f64::NAN, |&(_, rate)| rate)
        };
        let changes = today.iter().chain(&self.learning_rates);
        let changes: BTreeSet<u64> = changes.map(|&(from, _)| from).collect();
        let differs = |&&iteration: &&u64| {
            at(&today, iteration).to_bits() != at(&self.learning_rates, iteration).to_bits()
        };
        let first = *changes.iter().find(differs).unwrap_or(&0);
        Some(format!(
            "the learning rate of iteration {first} is {:?} today and was {:?}",
            at(&today, first),
            at(&self.learning_rates, first)
        ))
    }

    /// How the states of a stretch differ from those that this trace has of it, if they do: where first,
    /// and in which tensors.
    pub fn difference(&self, stretch: &Stretch, today: &Trace) -> Option<String> {
        let recorded = self.states.range(stretch.from..=stretch.to);
        let differs = |(at, state): &(&u64, &String)| today.states.get(at) != Some(state);
        let (&first, _) = { recorded }.find(differs)?;
        let mut said = format!("other numbers from iteration {first} on");
        let norms = self.norms.range(first..=stretch.to).next();
        let there = norms.and_then(|(at, old)| Some((at, old, today.norms.get(at)?)));
        if let Some((at, old, new)) = there {
            let tensors = self.tensors.iter().zip(old.iter().zip(new));
            let others = tensors.filter(|(_, (old, new))| old.to_bits() != new.to_bits());
            let others: Vec<(&String, (&f64, &f64))> = others.collect();
            let all = self.tensors.len();
            let after = match *at == first {
                true => String::new(),
                false => format!(", after iteration {at}"),
            };
            said += &match others.first() {
                _ if today.tensors != self.tensors => "; other tensors".to_owned(),
                None => format!("; no norm of its {all} tensors shows it{after}"),
                Some((name, (old, new))) => format!(
                    "; {} of {all} tensors{after}, {name} first: norm {new:?} instead of {old:?}",
                    others.len()
                ),
            };
        }
        Some(said)
    }
}

/// Euclidean norms of tensors, in the order of their names.
pub fn norms(tensors: &State) -> Vec<f64> {
    let norm = |values: &[f32]| {
        let squares = values.iter().map(|&x| f64::from(x) * f64::from(x));
        squares.sum::<f64>().sqrt()
    };
    tensors
        .values()
        .map(|tensor| norm(&tensor.values))
        .collect()
}
