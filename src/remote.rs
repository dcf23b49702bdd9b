//! A project's results to and from a store elsewhere.
//!
//! A step's key holds the contents of its inputs, so what a remote has of a graph is found out wave by wave:
//! a result that was brought gives the keys of those that read it. Unaware of what lies where in a remote, and
//! of the terminal.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use crate::plan::{Assessment, Bases, Graph, Planner, StepId};
use crate::project::Project;
use crate::report::provenance::{Statement, Unusable};
use nn::device::Backend;
use remote_store::{AT_ONCE, Failure, Fetched, Remote, RemoteResult, Wanted, each};
use store::key::Digest;
use store::{Entry, Lookup, Store};

/// What is to be brought.
pub struct Pull<'a> {
    /// Whether each step is needed.
    pub needed: &'a [bool],
    /// Steps that run in any case, so that their results are of no use.
    pub forced: &'a BTreeSet<StepId>,
    /// Whether also what shows how results came about.
    pub snapshots: bool,
    /// Told of bytes that came.
    pub watch: &'a (dyn Fn(u64) + Sync),
}

/// What was brought.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    /// Steps whose results, or what shows how they came about, were brought.
    pub brought: BTreeSet<String>,
    pub bytes: u64,
    /// How many results were here before.
    pub here: usize,
    /// Steps that have no result, here or there, though all that they read is known.
    pub absent: BTreeSet<String>,
    /// Steps of which the remote has something that cannot be used, and why.
    pub refused: Vec<(String, String)>,
    /// Steps that another process computes or fetches.
    pub busy: BTreeSet<String>,
}

impl Pulled {
    /// Whether everything that was wanted is here now.
    pub fn is_complete(&self) -> bool {
        self.absent.is_empty() && self.refused.is_empty() && self.busy.is_empty()
    }
}

/// A step that has no result yet.
struct Missing<'a> {
    id: StepId,
    step: &'a str,
    keys: Vec<Digest>,
    outputs: &'a [&'a str],
}

/// Brings what a project's steps lack and the remote has. The remote is opened only if something is missing.
///
/// # Errors
/// If the remote cannot be opened or read, or the store cannot be read or written.
pub fn pull(
    project: &Project,
    pull: &Pull,
    open: &mut dyn FnMut() -> Result<Arc<Remote>>,
) -> Result<Pulled> {
    let (planner, store) = (project.planner(), &project.store);
    let lock = store.share()?;
    let plan = planner.assess(pull.needed, pull.forced)?;
    let here = plan.iter().flatten().filter_map(Assessment::result).count();
    let is_whole = here == plan.iter().flatten().count();
    if is_whole && !pull.snapshots {
        return Ok(Pulled {
            here,
            ..Pulled::default()
        });
    }
    let remote = open()?;
    // What is brought is on the list of a run, so that nobody collects it at once.
    let used = planner.in_use(&plan)?;
    store.begin_run(&project.experiment.profile, used.keys)?;
    store.may_rely_on(used.perhaps)?;
    drop(lock);
    let pulled = walk(&planner, store, pull, &remote);
    let ended = store.end_run(if pulled.is_ok() { "pulled" } else { "failed" });
    let pulled = Pulled { here, ..pulled? };
    ended?;
    project.save_index();
    Ok(pulled)
}

fn walk(planner: &Planner, store: &Store, pull: &Pull, remote: &Remote) -> Result<Pulled> {
    let pulled = Mutex::new(Pulled::default());
    let mut results: Vec<Option<Arc<Entry>>> = vec![None; pull.needed.len()];
    for level in planner.graph.levels() {
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for id in level {
            if !pull.needed[id.index()] || pull.forced.contains(&id) {
                continue;
            }
            let made = |producer: StepId| results[producer.index()].as_deref();
            let step = planner.graph.step(id);
            let keys = planner.keys_of(id, &made);
            if keys.is_empty() {
                continue;
            }
            let entry = first_of(store, &keys)?;
            let outputs = step.params.outputs();
            let step = step.name.as_str();
            let keys = match &entry {
                Some(entry) if pull.snapshots => vec![entry.key],
                Some(_) => Vec::new(),
                None => keys,
            };
            found.push((id, entry));
            if !keys.is_empty() {
                missing.push(Missing {
                    id,
                    step,
                    keys,
                    outputs,
                });
            }
        }
        for (id, entry) in found {
            results[id.index()] = entry;
        }
        each(&missing, AT_ONCE, |missing| {
            bring(missing, store, pull, remote, &pulled)
        })?;
        for missing in &missing {
            let _lock = store.share()?;
            let entry = first_of(store, &missing.keys)?;
            if let Some(entry) = &entry {
                store.rely_on(&[entry.key])?;
                store.show(missing.step, entry)?;
            }
            results[missing.id.index()] = entry;
        }
    }
    Ok(pulled.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The first of these results that the store has.
fn first_of(store: &Store, keys: &[Digest]) -> Result<Option<Arc<Entry>>> {
    for key in keys {
        if let Lookup::Found(entry) = store.lookup(key)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Brings a step's result, if the remote has it under one of its keys.
fn bring(
    missing: &Missing,
    store: &Store,
    pull: &Pull,
    remote: &Remote,
    pulled: &Mutex<Pulled>,
) -> Result<(), Failure> {
    let pulled = || pulled.lock().unwrap_or_else(PoisonError::into_inner);
    for &key in &missing.keys {
        let wanted = Wanted {
            key,
            outputs: missing.outputs,
            snapshots: pull.snapshots,
        };
        let step = || missing.step.to_owned();
        match remote.fetch(store, &wanted)? {
            Fetched::Brought(bytes) => {
                (pull.watch)(bytes);
                let mut pulled = pulled();
                pulled.bytes += bytes;
                if bytes > 0 || !pull.snapshots {
                    pulled.brought.insert(step());
                }
                return Ok(());
            }
            Fetched::Absent => {}
            Fetched::Refused(what) => pulled().refused.push((step(), what)),
            Fetched::Busy => {
                pulled().busy.insert(step());
                return Ok(());
            }
        }
    }
    pulled().absent.insert(missing.step.to_owned());
    Ok(())
}

/// Brings the results that a report rests on, by the keys in its provenance, whatever the code of today is.
///
/// # Errors
/// If the report has no provenance, the remote cannot be opened or read, or the store cannot be read or
/// written.
pub fn pull_report(
    project: &Project,
    report: &Path,
    pull: &Pull,
    open: &mut dyn FnMut() -> Result<Arc<Remote>>,
) -> Result<Pulled> {
    let statement = statement(report)?;
    let store = &project.store;
    let records = &statement.internal().steps;
    let mut missing = Vec::new();
    let names: Vec<Vec<&str>> = records
        .iter()
        .map(|record| record.outputs.keys().map(String::as_str).collect())
        .collect();
    let lock = store.share()?;
    for (place, (record, outputs)) in records.iter().zip(&names).enumerate() {
        let found = matches!(store.lookup(&record.key)?, Lookup::Found(_));
        if !found || pull.snapshots {
            missing.push(Missing {
                id: StepId::new(u32::try_from(place).unwrap_or(u32::MAX)),
                step: &record.step,
                keys: vec![record.key],
                outputs,
            });
        }
    }
    let here = records.len() - missing.len();
    if missing.is_empty() {
        return Ok(Pulled {
            here,
            ..Pulled::default()
        });
    }
    let remote = open()?;
    let keys = records.iter().map(|record| record.key);
    store.begin_run(statement.profile(), keys)?;
    drop(lock);
    let pulled = Mutex::new(Pulled::default());
    let brought = each(&missing, AT_ONCE, |missing| {
        bring(missing, store, pull, &remote, &pulled)
    });
    let ended = store.end_run(if brought.is_ok() { "pulled" } else { "failed" });
    brought?;
    ended?;
    project.save_index();
    let pulled = pulled.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Pulled { here, ..pulled })
}

fn statement(report: &Path) -> Result<Statement> {
    Statement::read(report).with_context(|| {
        format!(
            "cannot tell what {} rests on; write it with fig6 reproduce",
            report.display()
        )
    })
}

/// The keys of the results that a report rests on.
///
/// # Errors
/// If it has no provenance.
pub fn keys_of_report(report: &Path) -> Result<Vec<Digest>> {
    let statement = statement(report)?;
    Ok(statement
        .internal()
        .steps
        .iter()
        .map(|record| record.key)
        .collect())
}

/// The keys of those of these steps' results that are up to date.
///
/// # Errors
/// If the store cannot be read.
pub fn keys_of_steps(project: &Project, steps: &[StepId]) -> Result<Vec<Digest>> {
    let plan = project.assess(&project.graph.needed(steps))?;
    let plan = steps
        .iter()
        .filter_map(|id| plan[id.index()].as_ref()?.result());
    Ok(plan.map(|entry| entry.key).collect())
}

/// Which results of a remote are needed: those that steps of these graphs can use, computed by any backend,
/// and those that a report in `reports` rests on.
///
/// # Errors
/// If a report is there and it cannot be told what it rests on.
pub fn needed(
    graphs: &[Graph],
    store: &Store,
    reports: &Path,
    results: &[RemoteResult],
) -> Result<HashSet<Digest>> {
    let entries: HashMap<Digest, Entry> = results
        .iter()
        .filter_map(|result| Some((result.key, Entry::from(result.manifest.as_ref()?))))
        .collect();
    let mut needed = HashSet::new();
    for backend in Backend::ALL {
        for bases in [Bases::only(&backend), Bases::any(&backend)] {
            for graph in graphs {
                let planner = Planner {
                    graph,
                    bases: &bases,
                    store,
                    profile: "",
                };
                needed.extend(usable(&planner, &entries));
            }
        }
    }
    for entry in std::fs::read_dir(reports).into_iter().flatten().flatten() {
        let report = entry.path();
        match Statement::read(&report) {
            Ok(statement) => {
                needed.extend(statement.internal().steps.iter().map(|record| record.key));
            }
            Err(Unusable::Absent) => {}
            Err(error) => {
                let what = format!(
                    "cannot tell what {} rests on, so nothing is removed",
                    report.display()
                );
                return Err(error).context(what);
            }
        }
    }
    Ok(needed)
}

/// The results among these that steps of a graph can use.
fn usable(planner: &Planner, entries: &HashMap<Digest, Entry>) -> Vec<Digest> {
    let mut made: Vec<Option<&Entry>> = vec![None; planner.graph.steps().len()];
    let mut usable = Vec::new();
    for id in planner.graph.levels().into_iter().flatten() {
        let keys = planner.keys_of(id, &|producer: StepId| made[producer.index()]);
        let mut found = keys.iter().filter_map(|key| entries.get(key));
        made[id.index()] = found.next();
        usable.extend(keys.into_iter().filter(|key| entries.contains_key(key)));
    }
    usable
}
