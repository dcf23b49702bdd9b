//! Whether a report is still that of the present code, parameters and data, by its provenance alone: no
//! training, no images, no store, on any machine.
//!
//! Each recorded step is held against itself (its key is the hash of its key inputs, its inputs are what
//! their producers made), against the step that the pipeline has today (parameters, code, crates), and
//! the report's files against what the steps made. Backend, architecture and compiler of the numbers are
//! shown, not compared: any of them will do. What the steps really made is no matter of this level: who
//! edits a file together with all digests that speak of it is found out by those that look at artifacts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::check::{Check, Level, Status};
use super::unusable::unusable;
use crate::pipeline::{Experiment, Hole};
use crate::plan::{Bases, Graph, Step, is_of_code};
use crate::report::PIPELINE;
use crate::report::carried_over::{self, CarriedOverRecord};
use crate::report::provenance::{self, Digests, HoleRecord, Statement, StepRecord, Subject};
use crate::report::{files, page};
use store::key::{Change, Digest, KeyInputs, Parameters};

/// Checks the report in this folder against its provenance, and that against the experiment as the
/// present pipeline and code have it: one check for the provenance as a whole, one for each step, each
/// result that the report says it lacks, and each file.
pub fn lock(experiment: &Experiment, report: &Path) -> Vec<Check> {
    let statement = match Statement::read(report) {
        Ok(statement) => statement,
        Err(error) => return vec![unusable(Level::Lock, report, &error)],
    };
    let mut checks = vec![whole(experiment, &statement)];
    checks.extend(holes(experiment, &statement));
    let experiment = statement.as_reported(experiment);
    let graph = match Graph::of(&experiment) {
        Ok(graph) => graph,
        Err(error) => {
            checks.push(check(provenance::FILE, Err(error.to_string())));
            return checks;
        }
    };
    let recorded = Recorded::of(&statement);
    checks.extend(graph.steps().iter().map(|step| {
        let found = recorded.compare(&graph, step);
        check(&step.name, found)
    }));
    let names: HashSet<&str> = graph.steps().iter().map(|step| &*step.name).collect();
    for record in &statement.internal().steps {
        if !names.contains(&*record.step) {
            let what = "the report was made with it, and the pipeline has no such step".to_owned();
            checks.push(check(&record.step, Err(what)));
        }
    }
    checks.extend(files(&statement, &graph, &recorded, report));
    checks.push(shown(&statement, report));
    checks
}

fn check(name: &str, found: Result<String, String>) -> Check {
    Check::of(Level::Lock, name, found)
}

/// What is found, unless something is wrong.
fn unless(wrong: &[String], found: impl FnOnce() -> String) -> Result<String, String> {
    match wrong {
        [] => Ok(found()),
        wrong => Err(wrong.join("; ")),
    }
}

/// Checks what the provenance says beside its steps and files.
fn whole(experiment: &Experiment, statement: &Statement) -> Check {
    let internal = statement.internal();
    let of_kind = |kind| internal.steps.iter().filter(move |step| step.kind == kind);
    let trainings = of_kind("train").count();
    let (profile, recorded) = (&experiment.profile, statement.profile());
    let mut wrong = Vec::new();
    if recorded != profile {
        wrong.push(format!(
            "it is that of profile {recorded}, not of {profile}"
        ));
    }
    if trainings == 0 || of_kind("evaluate").count() == 0 {
        wrong.push("it has no training or no evaluation, so that there is nothing to hold".into());
    }
    let digest = |name| statement.dependency(name)?.digest.get("blake3").cloned();
    if digest("fig6") != Some(internal.code_digest().to_string()) {
        wrong.push("the digest of fig6 is not that of the recorded code".into());
    }
    let download = of_kind("download").next();
    let archive = download.and_then(|step| step.outputs.get("archive"));
    if archive.is_none() || digest("archive") != archive.map(|made| made.blake3.to_string()) {
        wrong.push("the archive's digest is not that of the recorded download".into());
    }
    let found = || format!("profile {profile}, trainings: {trainings}");
    check(provenance::FILE, unless(&wrong, found))
}

/// One check for each result that the report says it lacks, which is never as good as complete.
fn holes(experiment: &Experiment, statement: &Statement) -> Vec<Check> {
    let holes = statement.internal().holes.iter();
    let checks = holes.map(|HoleRecord { model, seed, lacks }| {
        let kind = match lacks {
            Hole::Untrained => "train",
            Hole::Unevaluated => "evaluate",
        };
        let name = format!("{kind}/{model}/seed{seed}");
        let known = experiment.models.iter().any(|known| known.name == *model);
        if !known || !experiment.seeds.contains(seed) {
            return check(&name, Err("the pipeline has no such model or seed".into()));
        }
        let what = "it has failed, and the report was made without";
        Check::new(Level::Lock, name, Status::Undecided, what)
    });
    checks.collect()
}

/// The recorded steps by name, of which each should stand there once.
struct Recorded<'a> {
    statement: &'a Statement,
    steps: HashMap<&'a str, Vec<&'a StepRecord>>,
}

impl<'a> Recorded<'a> {
    fn of(statement: &'a Statement) -> Recorded<'a> {
        let mut steps: HashMap<&str, Vec<&StepRecord>> = HashMap::new();
        for step in &statement.internal().steps {
            steps.entry(&step.step).or_default().push(step);
        }
        Recorded { statement, steps }
    }

    /// The content that a step has made.
    fn made(&self, step: &str, output: &str) -> Option<Digest> {
        let outputs = &self.steps.get(step)?.last()?.outputs;
        Some(outputs.get(output)?.blake3)
    }

    /// Holds a step of today against its record.
    fn compare(&self, graph: &Graph, step: &Step) -> Result<String, String> {
        let records = self.steps.get(step.name.as_str());
        let record = match records.map_or(&[][..], Vec::as_slice) {
            [] => return Err("the pipeline has it, and the report was made without".to_owned()),
            [record] => record,
            _ => return Err("it is recorded twice".to_owned()),
        };
        let internal = self.statement.internal();
        let inputs = internal.key_inputs(record);
        let inputs = inputs.ok_or("what it was made of is not recorded")?;
        self.is_consistent(record, &inputs)?;
        let kind = step.params.kind();
        let numeric = inputs.basis.numeric.as_ref();
        let basis = Bases::today(kind, numeric).filter(|_| inputs.basis.kind == kind);
        let Some(basis) = basis else {
            let found = &inputs.basis.kind;
            return Err(format!(
                "its record is that of a step of kind {found} that has or lacks a backend, not of kind {kind}"
            ));
        };
        let today = KeyInputs {
            basis: basis.into(),
            parameters: Parameters::from(step.params.to_json()),
            inputs: self.inputs_today(graph, step),
        };
        let mut wrong: Vec<String> = inputs
            .changes(&today)
            .iter()
            .map(ToString::to_string)
            .collect();
        if wrong.is_empty() && today.key() != record.key {
            wrong.push("its parameters are written in another way".to_owned());
        }
        let outputs = record.outputs.keys().map(String::as_str);
        let mut expected = step.params.outputs().to_vec();
        expected.sort_unstable();
        if !outputs.eq(expected) {
            wrong.push("its outputs are not those that it has today".to_owned());
        }
        let computed =
            numeric.map(|numeric| format!(", computed by {}", provenance::in_words(numeric)));
        let origin = record.carried_over.as_ref().map(|it| {
            let (key, iterations) = (it.original.short(), it.iterations());
            format!(", carried over from key {key} after {iterations} iterations")
        });
        let found = || {
            let more = [computed, origin].into_iter().flatten();
            format!("key {}{}", record.key.short(), more.collect::<String>())
        };
        unless(&wrong, found)
    }

    /// Whether a record fits itself and those that it refers to.
    fn is_consistent(&self, record: &StepRecord, inputs: &KeyInputs) -> Result<(), String> {
        if record.kind != inputs.basis.kind {
            return Err("its kind is not that of its code: provenance.json was altered".to_owned());
        }
        if inputs.key() != record.key {
            let what = "its key is not the hash of its key inputs: provenance.json was altered";
            return Err(what.to_owned());
        }
        for (name, input) in &record.inputs {
            if self.made(&input.from, &input.output) != Some(input.blake3) {
                return Err(format!(
                    "its input {name} is not what {} is recorded to have made: provenance.json was altered",
                    input.from
                ));
            }
        }
        match &record.carried_over {
            Some(carried_over) => self.can_be_carried_over(record, inputs, carried_over),
            None => Ok(()),
        }
    }

    /// Whether what a record says of its origin fits its key inputs: only code, crates and compiler may
    /// differ, and something must have been computed again.
    fn can_be_carried_over(
        &self,
        record: &StepRecord,
        inputs: &KeyInputs,
        carried_over: &CarriedOverRecord,
    ) -> Result<(), String> {
        let altered = |what: &str| Err(format!("{what}: provenance.json was altered"));
        let internal = self.statement.internal();
        let Some(original) = internal.original_key_inputs(record, carried_over) else {
            return altered("what it was carried over from is not recorded");
        };
        if original.key() != carried_over.original {
            return altered(
                "the key that it was carried over from is not the hash of its key inputs",
            );
        }
        let changes = original.changes(inputs);
        if record.kind != "train" || changes.is_empty() || !changes.iter().all(is_of_code) {
            return altered("it cannot be carried over from another computation or from itself");
        }
        if !changes
            .iter()
            .map(Change::to_string)
            .eq(carried_over.changes.iter().cloned())
        {
            return altered("what is said to have changed is not what has");
        }
        let stretches = &carried_over.stretches;
        if stretches.is_empty() || stretches.iter().any(|it| it.from >= it.to) {
            return altered("it was carried over, and nothing was computed again");
        }
        Ok(())
    }

    /// What the producers that a step has today are recorded to have made.
    fn inputs_today(&self, graph: &Graph, step: &Step) -> BTreeMap<String, Digest> {
        let made = step.inputs.iter().filter_map(|input| {
            let producer = &graph.step(input.producer).name;
            Some((input.name.to_string(), self.made(producer, input.output)?))
        });
        made.collect()
    }
}

/// Checks each file that the report must have and each that its provenance names.
fn files(statement: &Statement, graph: &Graph, recorded: &Recorded, report: &Path) -> Vec<Check> {
    let mut expected = BTreeMap::from([(PIPELINE, Origin::Pipeline)]);
    let page = carried_over::page(statement.internal());
    if let Some(page) = &page {
        let digest = Digest::of(page.as_bytes());
        expected.insert(carried_over::FILE, Origin::Provenance(digest));
    }
    for step in graph
        .steps()
        .iter()
        .filter(|step| step.params.is_reported())
    {
        let outputs = step.params.outputs().iter();
        expected.extend(outputs.map(|output| (*output, Origin::Step(&step.name))));
    }
    let mut seen: HashSet<&str> = HashSet::new();
    let named = statement.subject.iter().map(|subject| {
        let name = subject.name.as_str();
        let found = match expected.get(name) {
            _ if !seen.insert(name) => Err("provenance.json names it twice".to_owned()),
            None => Err("provenance.json names it, and no step makes it".to_owned()),
            Some(origin) => same_file(subject, origin, recorded, report),
        };
        match found.is_err() && subject.is_plain() {
            true => check(name, found).at(report.join(name), 1),
            false => check(name, found),
        }
    });
    let mut checks: Vec<Check> = named.collect();
    let missing = expected.keys().filter(|name| !seen.contains(*name));
    let what = "it belongs to the report, and provenance.json does not name it";
    checks.extend(missing.map(|name| check(name, Err(what.to_owned()))));
    let path = report.join(carried_over::FILE);
    if page.is_none() && path.symlink_metadata().is_ok() {
        let what = "the report has it, and its provenance says of no step that it was carried over";
        checks.push(check(carried_over::FILE, Err(what.to_owned())).at(path, 1));
    }
    checks
}

/// Whether the report's page shows what the rest of the report says.
fn shown(statement: &Statement, report: &Path) -> Check {
    let found = page::expect_true(report, statement);
    let found = found.map(|()| "shows what the rest of the report says".to_owned());
    let found =
        found.map_err(|error| format!("{error:#}; `fig6 reproduce --paranoid` writes it anew"));
    check(page::FILE, found).at(report.join(page::FILE), 1)
}

/// Where a file of a report comes from.
enum Origin<'a> {
    /// It is the pipeline's copy.
    Pipeline,
    /// The step of this name makes it.
    Step(&'a str),
    /// It says what the provenance says, and has this digest then.
    Provenance(Digest),
}

/// Holds a file against what its subject says, and that against what its step is recorded to have made.
fn same_file(
    subject: &Subject,
    origin: &Origin,
    recorded: &Recorded,
    report: &Path,
) -> Result<String, String> {
    if !subject.is_plain() {
        return Err("it is no name of a file in the report's folder".to_owned());
    }
    let said = &subject.digest;
    let (made, by) = match origin {
        Origin::Pipeline => (Some(said.blake3), ""),
        Origin::Step(step) => (
            recorded.made(step, &subject.name),
            "what its step is recorded to have made",
        ),
        Origin::Provenance(digest) => (Some(*digest), "what the provenance gives"),
    };
    if made != Some(said.blake3) {
        return Err(format!(
            "its digest is not that of {by}: provenance.json was altered"
        ));
    }
    let bytes = files::read(&report.join(&subject.name));
    let bytes = bytes.map_err(|error| format!("{error:#}"))?;
    let found = Digests::of(&bytes);
    match found == *said {
        true => Ok(format!("as it was made, BLAKE3 {}", said.blake3.short())),
        false => Err(format!(
            "it is not what was made: BLAKE3 {} instead of {}; it was edited, or its provenance is that \
             of another run",
            found.blake3.short(),
            said.blake3.short()
        )),
    }
}

#[cfg(test)]
mod tests;
