//! Whether every artifact behind a report is there and whole, and whether the report is, byte for byte,
//! what the artifacts give.
//!
//! Reads every byte of them. Unaware of the code that is running now, but for the cheap steps at the end
//! of the graph, which it runs again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;

use super::check::{Check, Level, Status};
use crate::bundle::{Contents, is_image};
use crate::plan::{Graph, Step};
use crate::report::carried_over::Footer;
use crate::report::provenance::{Statement, StepRecord};
use crate::steps::{Environment, Params};
use step::Context;
use store::key::Digest;
use store::{Lookup, Output, Store, Unreadable};

/// The checks of the level, over a report in `report` and a store that reads everything
/// ([`Store::is_paranoid`]); what a bundle leaves out on purpose, if it is one, is not missing.
/// Once `stop` is set, the rest is left out, so the list is then of no use.
pub fn integrity(
    statement: &Statement,
    graph: &Graph,
    store: &Store,
    report: &Path,
    bundle: Option<&Contents>,
    stop: &AtomicBool,
) -> Vec<Check> {
    let goes_on = || !stop.load(Ordering::Relaxed);
    let steps = &statement.internal().steps;
    if steps.is_empty() {
        let message = "the provenance names no steps, so there is nothing to check";
        return vec![check("provenance", Status::Failed, message)];
    }
    let mut checks: Vec<Check> = steps
        .par_iter()
        .filter(|_| goes_on())
        .map(|record| artifact(record, store, bundle))
        .collect();
    for step in graph.steps() {
        if is_cheap(&step.params) && goes_on() {
            checks.extend(rederived(step, statement, store, report, stop));
        }
    }
    checks
}

fn check(name: &str, status: Status, message: impl Into<String>) -> Check {
    Check::new(Level::Integrity, name, status, message)
}

/// Whether an output is missing on purpose, from a bundle.
fn is_left_out(bundle: Option<&Contents>, kind: &str, name: &str, content: &Digest) -> bool {
    is_image(kind, name) && bundle.is_some_and(|bundle| bundle.left_out(content).is_some())
}

/// Whether the result of a step is there, whole, and the one that was recorded.
fn artifact(record: &StepRecord, store: &Store, bundle: Option<&Contents>) -> Check {
    let left_out = |name: &str, content: &Digest| is_left_out(bundle, &record.kind, name, content);
    let absent = record.outputs.iter();
    let absent: Vec<&str> = absent
        .filter(|(name, output)| left_out(name, &output.blake3))
        .map(|(name, _)| name.as_str())
        .collect();
    let found = match absent.is_empty() {
        true => all_of(record, store),
        false => all_but(record, store, left_out),
    };
    let (status, message) = match found {
        Ok(Ok(outputs)) => {
            let found = |name: &str| outputs.get(name).cloned();
            match &record.others(found)[..] {
                [] if outputs.len() == record.outputs.len() => {
                    match has_its_origin(record, store) {
                        true => (Status::Passed, whole(record, &absent)),
                        false => {
                            let what = "the store's record of what it was carried over from is not the one of \
                                    the provenance";
                            (Status::Failed, what.to_owned())
                        }
                    }
                }
                others => {
                    let others = others.join(", ");
                    let message = format!(
                        "the store's result is not the one of the provenance: {others} differs"
                    );
                    (Status::Failed, message)
                }
            }
        }
        Ok(Err(found)) => found,
        // What is there and cannot be used is not missing.
        Err(error) if error.is::<Unreadable>() => (Status::Failed, format!("{error:#}")),
        Err(error) => (Status::Undecided, format!("{error:#}")),
    };
    check(&record.step, status, message)
}

/// Whether the store says the same of a result's origin.
fn has_its_origin(record: &StepRecord, store: &Store) -> bool {
    let said = record.carried_over.as_ref();
    let said = said.map(|it| (it.original, &it.stretches));
    let Ok(Some(manifest)) = store.manifest(&record.key) else {
        return said.is_none();
    };
    let stored = manifest.carried_over.as_ref();
    said == stored.map(|it| (it.original, &it.stretches))
}

fn whole(record: &StepRecord, absent: &[&str]) -> String {
    let bytes: u64 = record.outputs.values().map(|output| output.bytes).sum();
    match absent {
        [] => format!("{} files, {bytes} bytes, whole", record.outputs.len()),
        absent => format!(
            "as recorded, but for {}, which the bundle leaves out: not checked",
            absent.join(", ")
        ),
    }
}

/// The outputs of a result whose contents are what their digests say, or what there is instead.
type Outputs = Result<BTreeMap<String, Output>, (Status, String)>;

fn all_of(record: &StepRecord, store: &Store) -> Result<Outputs> {
    Ok(match store.lookup(&record.key)? {
        Lookup::Found(entry) => Ok(entry.outputs.clone()),
        Lookup::Absent => Err((
            Status::Undecided,
            "its result is not in the store".to_owned(),
        )),
        Lookup::Damaged(what) => Err((Status::Failed, what)),
    })
}

/// The same of a result of which some contents are left out.
fn all_but(
    record: &StepRecord,
    store: &Store,
    left_out: impl Fn(&str, &Digest) -> bool,
) -> Result<Outputs> {
    let Some(manifest) = store.manifest(&record.key)? else {
        let message = "its manifest is missing or damaged".to_owned();
        return Ok(Err((Status::Failed, message)));
    };
    for (name, output) in &manifest.outputs {
        if !left_out(name, &output.digest)
            && let Err(error) = store.read(output)
        {
            return Ok(Err((Status::Failed, format!("{name}: {error:#}"))));
        }
    }
    Ok(Ok(manifest.outputs))
}

/// Whether a step is done again here: its inputs are all results, it takes milliseconds.
fn is_cheap(params: &Params) -> bool {
    matches!(
        params,
        Params::Aggregate(_) | Params::Plot(_) | Params::Table(_)
    )
}

/// Runs a cheap step again from the store's contents: one check for its recorded outputs, and one for
/// each of its files in the report.
fn rederived(
    step: &Step,
    statement: &Statement,
    store: &Store,
    report: &Path,
    stop: &AtomicBool,
) -> Vec<Check> {
    let name = format!("{} again", step.name);
    let Some(record) = statement.internal().step(&step.name) else {
        return vec![check(&name, Status::Failed, "the provenance lacks it")];
    };
    for (input, made) in &record.inputs {
        let (status, message) = match store.object(&made.blake3) {
            Ok(Some(_)) => continue,
            Ok(None) => {
                let message = format!("its input {input} is not in the store");
                (Status::Undecided, message)
            }
            Err(error) => (Status::Failed, format!("{error:#}")),
        };
        return vec![check(&name, status, message)];
    }
    let made = match again(step, record, store, stop) {
        Ok(made) => made,
        Err(error) => return vec![check(&name, Status::Failed, format!("{error:#}"))],
    };
    let output = |bytes: &Vec<u8>| Output {
        digest: Digest::of(bytes),
        bytes: bytes.len() as u64,
    };
    let found = match &record.others(|name| made.get(name).map(output))[..] {
        [] if made.len() == record.outputs.len() => Ok("gives the recorded bytes".to_owned()),
        others => Err(format!(
            "gives other bytes than recorded: {}",
            others.join(", ")
        )),
    };
    let mut checks = vec![Check::of(Level::Integrity, name, found)];
    if step.params.is_reported() {
        let footer = Footer::of(statement.internal());
        checks.extend(made.iter().map(|(output, bytes)| {
            let path = report.join(output);
            let bytes = &[&bytes[..], footer.below(output).as_bytes()].concat();
            let (line, message) = match fs::read(&path) {
                Ok(found) if found == *bytes => {
                    return check(output, Status::Passed, "is what the artifacts give");
                }
                Ok(found) => {
                    let line = first_difference(&found, bytes);
                    let what = format!("is not what the artifacts give, from line {line} on");
                    (line, what)
                }
                Err(error) => (1, format!("cannot be read: {error}")),
            };
            let message = format!("{message}; run `fig6 reproduce`");
            check(output, Status::Failed, message).at(&path, line)
        }));
    }
    checks
}

/// The line, from 1, in which two texts differ first.
fn first_difference(one: &[u8], other: &[u8]) -> usize {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    one[..same].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What a step makes of the recorded inputs now, by output.
fn again(
    step: &Step,
    record: &StepRecord,
    store: &Store,
    stop: &AtomicBool,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let mut inputs: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, input) in &record.inputs {
        let path = store.object_path(&input.blake3);
        let found = Digest::of_file(&path)
            .with_context(|| format!("cannot read input {name} at {}", path.display()))?;
        ensure!(found == input.blake3, "input {name} was altered");
        inputs.insert(name.clone(), path);
    }
    let mut context = Context {
        inputs,
        output: folder.path().to_owned(),
        evidence: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        stop,
        progress: &mut |_| {},
    };
    step.params.run(&Environment::default(), &mut context)?;
    let outputs = step.params.outputs().iter();
    outputs
        .map(|&name| {
            let bytes = fs::read(folder.path().join(name));
            let bytes = bytes.with_context(|| format!("it did not write {name}"))?;
            Ok((name.to_owned(), bytes))
        })
        .collect()
}
