//! Results that others have: in a store elsewhere, or added by a process on another machine.

use std::thread::Scope;

use anyhow::{Result, bail, ensure};

use super::Scheduler;
use crate::plan::{Planner, StepId};
use crate::run::ask::ask;
use crate::run::event::Event;
use crate::run::job::Job;
use crate::run::message::Message;
use crate::run::phase::Phase;
use step::Progress;
use store::Lookup;

impl<'a> Scheduler<'a> {
    /// Has a store elsewhere asked for a step's result, if there is one that was not asked yet; returns
    /// whether it is asked now.
    pub fn ask_remote<'s>(&mut self, scope: &'s Scope<'s, '_>, id: StepId) -> bool
    where
        'a: 's,
    {
        let Planner { graph, store, .. } = self.run.planner;
        let Some(remote) = &self.run.options.remote else {
            return false;
        };
        let made = |producer: StepId| self.phases.result(producer);
        let mut keys = match self.run.forced.contains(&id) || remote.is_stopped() {
            true => Vec::new(),
            false => self.run.planner.keys_of(id, &made),
        };
        keys.retain(|key| remote.is_news(key));
        if keys.is_empty() {
            return false;
        }
        let (sender, remote) = (self.sender.clone(), remote.clone());
        let outputs = graph.step(id).params.outputs();
        scope.spawn(move || {
            let notes = ask(&remote, store, &keys, outputs);
            sender.send(Message::Asked(id, notes))
        });
        self.phases.set(id, Phase::Elsewhere);
        self.asking += 1;
        true
    }

    /// Decides about a step once a store elsewhere was asked for its result.
    pub fn was_asked(&mut self, id: StepId, notes: Vec<String>) {
        self.asking -= 1;
        for note in notes {
            let (step, progress) = (self.name(id), Progress::Note(note));
            (self.emit)(Event::Progress { step, progress });
        }
        let assessed = self.assess(id);
        self.settle(id, assessed);
    }

    /// Uses the result of a step that another process has added, and whose working folder is therefore gone:
    /// so it is where a file system has no locks that all machines see.
    pub fn added_elsewhere(&mut self, job: &Job) -> Result<()> {
        let Planner { graph, store, .. } = self.run.planner;
        let step = graph.step(job.id);
        ensure!(!job.has_folder(), "{} is still under way", step.name);
        match store.lookup(&job.key())? {
            Lookup::Found(entry) => {
                self.show(job.id, &entry);
                self.use_result(job.id, entry);
                Ok(())
            }
            _ => bail!("{} has no result", step.name),
        }
    }
}
