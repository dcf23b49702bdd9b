//! Looks again and again at what the steps have made and at what is under way, and makes a page's data of
//! it.
//!
//! Only reads, and takes no lock that a run would have to wait for. As long as nothing came, went or got
//! on, a look costs a few system calls. Unaware of who is shown the data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use super::curves::Curves;
use super::lines::Lines;
use crate::page::{Data, Subject};
use crate::pipeline::{Claims, Pipeline};
use crate::plan::{Assessment, Plan, StepId};
use crate::project::Project;
use store::key::Digest;
use store::{Running, Traces};

/// Time after which everything is looked at again, whatever the traces say.
const LONGEST: Duration = Duration::from_secs(30);

/// What is watched.
#[derive(Debug)]
pub struct Watched {
    pub project: Project,
    pub claims: Claims,
    /// Level of significance of verdicts.
    pub significance: f64,
}

/// Opens what is watched, as the pipeline file has it at that moment.
pub type Open = Box<dyn Fn() -> Result<Watched> + Send>;

/// Whoever looks.
pub struct Observer {
    pipeline: PathBuf,
    open: Open,
    watched: Watched,
    lines: Lines,
    curves: Curves,
    last: Option<Last>,
    trouble: Option<Error>,
}

/// What a look has found, to tell whether it is still so.
struct Last {
    at: Instant,
    traces: Traces,
    /// Steps that may be under way, with their keys.
    open: Vec<(StepId, Digest)>,
    progress: Vec<Progress>,
}

/// How far a step under way is: who computes it, and the newest file with its evaluations.
type Progress = Option<(Running, Option<(u64, PathBuf)>)>;

impl Observer {
    /// `open` opens what is watched again once the pipeline file, at this path, is another one.
    pub fn new(watched: Watched, pipeline: PathBuf, open: Open) -> Observer {
        Observer {
            pipeline,
            open,
            watched,
            lines: Lines::default(),
            curves: Curves::default(),
            last: None,
            trouble: None,
        }
    }

    /// The data, if anything may have changed since the last look.
    ///
    /// # Errors
    /// If an artifact cannot be read.
    pub fn look(&mut self) -> Result<Option<Data>> {
        // As long as it makes no sense, perhaps because somebody is writing it, what was stays.
        self.trouble = self.follow_pipeline().err();
        // Before anything that they stand for is looked at.
        let traces = self.watched.project.store.traces();
        if let Some(last) = &self.last
            && last.at.elapsed() < LONGEST
            && last.traces.still_hold(&traces)
            && last.progress == self.progress(&last.open)?
        {
            return Ok(None);
        }
        self.last = None;
        let at = Instant::now();
        let project = &mut self.watched.project;
        project.store.look_again();
        let needed = vec![true; project.graph.steps().len()];
        let plan = project.planner().assess(&needed, &Default::default())?;
        let open = open_steps(&plan, &self.watched.project);
        let progress = self.progress(&open)?;
        let data = self.gather(&plan, &open)?;
        self.last = Some(Last {
            at,
            traces,
            open,
            progress,
        });
        Ok(Some(data))
    }

    /// Why the pipeline file as it is now is not followed, if the last look found that it cannot be.
    pub fn take_trouble(&mut self) -> Option<Error> {
        self.trouble.take()
    }

    /// Opens what is watched again once the pipeline file is another one.
    fn follow_pipeline(&mut self) -> Result<()> {
        if Pipeline::text(&self.pipeline)? != self.watched.project.pipeline {
            self.watched = (self.open)()?;
            self.last = None;
        }
        Ok(())
    }

    fn progress(&self, open: &[(StepId, Digest)]) -> Result<Vec<Progress>> {
        let Project { graph, store, .. } = &self.watched.project;
        let progress = open.iter().map(|(id, key)| {
            let Some(running) = store.running(key)? else {
                return Ok(None);
            };
            let scratch = store.scratch_path(key);
            let newest = graph.step(*id).params.newest_state(&scratch);
            Ok(Some((running, newest)))
        });
        progress.collect()
    }

    fn gather(&mut self, plan: &Plan, open: &[(StepId, Digest)]) -> Result<Data> {
        let Watched {
            project,
            claims,
            significance,
        } = &self.watched;
        let Project { graph, store, .. } = project;
        let forecast = project.forecast(plan, false)?;
        let (lines, bases) = self.lines.of(project, plan, &forecast)?;
        let mut under_way: BTreeMap<&str, String> = BTreeMap::new();
        for (id, key) in open {
            let (step, outlook) = (graph.step(*id), &forecast.steps[id.index()]);
            if step.params.kind() == "train"
                && (outlook.running.is_some() || outlook.kept.is_some())
            {
                let scratch = store.scratch_path(key);
                let metrics = self.curves.of(key, &step.params, &scratch).iter();
                let metrics = metrics.map(|line| Ok(serde_json::to_string(line)? + "\n"));
                under_way.insert(&step.name, metrics.collect::<Result<_>>()?);
            }
        }
        self.curves
            .retain(|key| open.iter().any(|(_, open)| open == key));
        let places = graph.ids().map(|id| (&*graph.step(id).name, id));
        let places: BTreeMap<&str, StepId> = places.collect();
        let result = |step: &str| {
            let id = places.get(step)?;
            plan[id.index()].as_ref()?.result()
        };
        let read = |step: &str, name: &str| {
            let output = result(step).and_then(|entry| entry.outputs.get(name));
            if let Some(output) = output {
                return store.read(output).map(Some);
            }
            let metrics = under_way.get(step).filter(|_| name == "metrics.jsonl");
            Ok(metrics.map(|metrics| metrics.clone().into_bytes()))
        };
        let subject = Subject {
            experiment: &project.experiment,
            claims,
            significance: *significance,
        };
        subject.gather(lines, bases, &read)
    }
}

/// The steps that have a key and no result.
fn open_steps(plan: &Plan, project: &Project) -> Vec<(StepId, Digest)> {
    let open = |id: StepId| {
        let assessment: &Assessment = plan[id.index()].as_ref()?;
        let key = assessment.key.filter(|_| assessment.result().is_none());
        key.map(|key| (id, key))
    };
    project.graph.ids().filter_map(open).collect()
}
