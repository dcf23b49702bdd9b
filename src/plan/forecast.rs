//! How long a plan will take, and how much of it is done or under way already.
//!
//! Unaware of how that is said.

use anyhow::Result;

use super::assess::{Assessment, Plan, Planner, State};
use super::estimate::Estimates;
use super::graph::Step;
use nn::device::Backend;
use nn::speed;
use store::Running;

/// How long the steps of a plan will take.
#[derive(Debug, Default)]
pub struct Forecast {
    pub must: Sum,
    pub may: Sum,
    /// Those that another process computes right now, which neither must nor may run here.
    pub running: Sum,
    /// Each step of the graph.
    pub steps: Vec<Outlook>,
}

/// How long a step will take, and what was done of it; nothing for one that is up to date.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// With all cores at work, or on the GPU, where earlier runs tell; until the end, if it is running.
    pub seconds: Option<f64>,
    /// How far an interrupted run came: iterations done, and all.
    pub kept: Option<(u64, u64)>,
    /// The process that computes it right now.
    pub running: Option<Running>,
}

/// Steps that are to run.
#[derive(Debug, Default)]
pub struct Sum {
    pub steps: usize,
    /// Expected seconds with all cores at work, but for the unknown ones.
    pub seconds: f64,
    /// Steps of kinds that never ran here.
    pub unknown: usize,
}

impl Sum {
    /// Adds a step that runs after the others.
    fn add(&mut self, seconds: Option<f64>) {
        self.steps += 1;
        match seconds {
            Some(seconds) => self.seconds += seconds,
            None => self.unknown += 1,
        }
    }

    /// Adds a step that runs at the same time as the others.
    fn add_beside(&mut self, seconds: Option<f64>) {
        let before = self.seconds;
        self.add(seconds);
        self.seconds = seconds.unwrap_or_default().max(before);
    }
}

impl Planner<'_> {
    /// How long the steps will take that must run, and those that may, on this backend. `measure`: where
    /// no training ever ran on it, its speed is measured, which takes a second.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn forecast(&self, plan: &Plan, backend: Backend, measure: bool) -> Result<Forecast> {
        let mut forecast = Forecast {
            steps: vec![Outlook::default(); plan.len()],
            ..Forecast::default()
        };
        let steps = self.graph.steps().iter().zip(plan).enumerate();
        let open: Vec<(usize, &Step, &Assessment)> = steps
            .filter_map(|(place, (step, assessment))| Some((place, step, assessment.as_ref()?)))
            .filter(|(_, _, assessment)| assessment.result().is_none())
            .collect();
        if open.is_empty() {
            return Ok(forecast);
        }
        let results = self.store.all_results()?.iter();
        let mut estimates = Estimates::of(results.map(|entry| &**entry));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut trainings = open
            .iter()
            .filter(|(_, step, _)| step.params.kind() == "train");
        // A device that fails here says so when a step runs.
        if measure
            && trainings
                .any(|(_, step, _)| estimates.seconds(step, backend.name(), cores).is_none())
            && let Ok(rate) = speed::rate(backend)
        {
            estimates.assume("train", backend.name(), rate, cores);
        }
        for (place, step, assessment) in open {
            let seconds = estimates.seconds(step, backend.name(), cores);
            let outlook = self.outlook(step, assessment, seconds)?;
            match (&outlook.running, &assessment.state) {
                (Some(_), _) => forecast.running.add_beside(outlook.seconds),
                (None, State::MayRun(_)) => forecast.may.add(outlook.seconds),
                (None, _) => forecast.must.add(outlook.seconds),
            }
            forecast.steps[place] = outlook;
        }
        Ok(forecast)
    }

    /// The outlook of a step that takes so many seconds from its beginning.
    fn outlook(
        &self,
        step: &Step,
        assessment: &Assessment,
        seconds: Option<f64>,
    ) -> Result<Outlook> {
        let Some(key) = assessment.key else {
            return Ok(Outlook {
                seconds,
                ..Outlook::default()
            });
        };
        let scratch = self.store.left_by(&key)?;
        let kept = scratch.and_then(|scratch| step.params.kept(&scratch));
        let left = kept.map_or(1.0, |(done, all)| 1.0 - done as f64 / all.max(1) as f64);
        let running = self.store.running(&key)?;
        // Its own process knows better.
        let told = running.as_ref().and_then(|running| running.training);
        Ok(Outlook {
            seconds: match told {
                Some(training) => Some(training.seconds_left),
                None => seconds.map(|seconds| seconds * left),
            },
            kept,
            running,
        })
    }
}
