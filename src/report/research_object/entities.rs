//! What a crate says, entity by entity: the crate itself, each step, the run of all of them, the pipeline
//! file and the other files.
//!
//! Unaware of how the crate is written and known again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::parts::{FORMAL_PARAMETER, Parts, all, id, iso, link, of_many, quoted, seconds_after};
use crate::report::evidence::{PIPELINE, Record};
use crate::report::page;
use crate::report::provenance::{self, Statement, StepRecord, TERMS};
use store::Manifest;

const RO_CRATE: &str = "https://w3id.org/ro/crate/1.1";
const WORKFLOW_CRATE: &str = "https://w3id.org/workflowhub/workflow-ro-crate/1.0";
const WORKFLOW_RUN: &str = "https://w3id.org/ro/wfrun";
const WORKFLOW: &str = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE";
const COMPLETED: &str = "http://schema.org/CompletedActionStatus";

/// The entities of the crate in a file of this name, with this identifier.
pub fn of(record: &Record, file: &str, identifier: &str) -> Vec<Value> {
    let statement = &record.statement;
    let [starts, ends] = [0, 1].map(|which| {
        let manifests = record.manifests.iter();
        manifests.map(move |manifest| times(manifest)[which].clone())
    });
    let subjects = statement.subject.iter();
    let described = Described {
        statement,
        manifests: &record.manifests,
        profile: statement.profile(),
        files: subjects
            .map(|subject| (subject.digest.blake3.to_string(), subject.name.as_str()))
            .collect(),
        start: &starts.min().unwrap_or_default(),
        end: &ends.max().unwrap_or_default(),
    };
    let mut parts = Parts::default();
    described.add_head(&mut parts, file, identifier);
    described.add_steps(&mut parts);
    described.add_run(&mut parts);
    described.add_workflow(&mut parts);
    described.add_files(&mut parts);
    parts.into_graph()
}

/// When a step began and ended; a start that is no time counts as the beginning of time.
fn times(manifest: &Manifest) -> [String; 2] {
    let run = &manifest.run;
    let start: Timestamp = run.started.parse().unwrap_or_default();
    [iso(start), iso(seconds_after(start, run.seconds))]
}

/// What is described.
struct Described<'a> {
    statement: &'a Statement,
    manifests: &'a [Manifest],
    profile: &'a str,
    /// The crate's files by the digest of their content.
    files: BTreeMap<String, &'a str>,
    /// When the first step began.
    start: &'a str,
    /// When the last step ended.
    end: &'a str,
}

impl<'a> Described<'a> {
    fn steps(&self) -> impl Iterator<Item = (&'a StepRecord, &'a Manifest)> {
        let steps = self.statement.internal().steps.iter();
        steps.zip(self.manifests)
    }

    /// The crate itself, and what it conforms to.
    fn add_head(&self, parts: &mut Parts, file: &str, identifier: &str) {
        let profile = self.profile;
        // Id, name and version.
        let run_crate = |kind, name| (format!("{WORKFLOW_RUN}/{kind}/0.5"), name, "0.5");
        let profiles = [
            run_crate("process", "Process Run Crate"),
            run_crate("workflow", "Workflow Run Crate"),
            run_crate("provenance", "Provenance Run Crate"),
            (WORKFLOW_CRATE.to_owned(), "Workflow RO-Crate", "1.0"),
        ];
        parts.add(json!({
            "@id": file,
            "@type": "CreativeWork",
            "about": link("./"),
            "conformsTo": all([RO_CRATE, WORKFLOW_CRATE]),
        }));
        let subjects = self.statement.subject.iter();
        let files = subjects.map(|subject| subject.name.as_str());
        let actions = self.steps().map(|(step, _)| id(&["action", &step.step]));
        let mentions = ["#run".to_owned(), "#orchestration".to_owned()];
        parts.add(json!({
            "@id": "./",
            "@type": "Dataset",
            "identifier": identifier,
            "name": format!("fig6: results of profile {profile}"),
            "description": format!(
                "Test errors and training curves of networks on CIFAR-10 (He et al. 2015, section 4.2), \
                 profile {profile}, with what they rest on. To hold the files against the code: fig6 \
                 verify --profile {profile}; to repeat a step: the command in its action's description."
            ),
            "datePublished": self.end,
            "license": link("#license"),
            "conformsTo": all(profiles.each_ref().map(|(id, ..)| id)),
            "hasPart": all(files.chain([provenance::FILE, page::FILE])),
            "mainEntity": link(PIPELINE),
            "mentions": all(mentions.into_iter().chain(actions)),
        }));
        for (id, name, version) in &profiles {
            parts.work(id, name, version);
        }
        parts.add(json!({
            "@id": "#license",
            "@type": "CreativeWork",
            "name": env!("CARGO_PKG_LICENSE"),
            "description": "As the program and its pipeline; the images have terms of their own.",
        }));
    }

    /// Each step as it was planned, as it ran, and what it read and wrote.
    fn add_steps(&self, parts: &mut Parts) {
        for (position, (step, manifest)) in self.steps().enumerate() {
            let [start, end] = times(manifest);
            let tool = self.tool(step);
            let connections = step.inputs.iter().map(|(name, input)| {
                let from = self.statement.internal().step(&input.from);
                let source = from.map_or("", |from| from.kind.as_str());
                parts.connect([source, &input.output], [&step.kind, name])
            });
            let connections: BTreeSet<String> = connections.collect();
            let reads = step.inputs.iter().map(|(name, input)| {
                let path = [&step.kind, "input", of_many(name)];
                let name = format!("{}/{}", input.from, input.output);
                let id = self.artifact(&input.blake3.to_string());
                parts.content(&path, id, &name, None)
            });
            let mut objects: Vec<String> = reads.collect();
            for (name, value) in manifest.key_inputs.parameters.scalars() {
                objects.extend(parts.value(&[&step.kind, "parameter", &name], &value));
            }
            let writes = step.outputs.iter().map(|(name, output)| {
                let path = [&step.kind, "output", name];
                let name = format!("{}/{name}", step.step);
                let id = self.artifact(&output.blake3.to_string());
                parts.content(&path, id, &name, Some(output.bytes))
            });
            let results: BTreeSet<String> = writes.collect();
            let (name, run) = (&step.step, &manifest.run);
            let again = format!(
                "fig6 verify --rebuild {} --profile {}",
                quoted(name),
                quoted(self.profile)
            );
            parts.add(json!({
                "@id": id(&["step", name]),
                "@type": "HowToStep",
                "name": name,
                "position": (position + 1).to_string(),
                "workExample": link(&tool),
                "connection": all(connections),
            }));
            let machine = parts.machine(&run.host, &run.cpu);
            let usage = [
                parts.usage(name, "threads", json!(run.threads), "C62"),
                parts.usage(name, "seconds", json!(run.seconds), "SEC"),
            ];
            let action = id(&["action", name]);
            let carried_over = step.carried_over.as_ref();
            let origin = carried_over.map_or_else(String::new, |it| {
                format!(
                    ", under which it was carried over from key {} after {} iterations had come out the same \
                     with other code ({})",
                    it.original,
                    it.iterations(),
                    it.changes.join("; ")
                )
            });
            parts.add(json!({
                "@id": action,
                "@type": "CreateAction",
                "name": name,
                "description": format!(
                    "{}. Key {}{origin}. To repeat it: {again}",
                    step.summary, step.key
                ),
                "instrument": link(&tool),
                "object": all(objects),
                "result": all(results),
                "startTime": start,
                "endTime": end,
                "actionStatus": COMPLETED,
                "location": link(&machine),
                "resourceUsage": all(usage),
            }));
            if let Some(it) = carried_over {
                let origin = parts.origin(name, &it.original.to_string());
                parts.set(&action, "additionalProperty", link(&origin));
            }
            parts.add(json!({
                "@id": id(&["control", name]),
                "@type": "ControlAction",
                "name": format!("start of {name}"),
                "instrument": link(&id(&["step", name])),
                "object": link(&id(&["action", name])),
            }));
            parts.tool(&tool, &self.tool_name(step), &run.fig6, &step.kind);
        }
    }

    /// The run of all steps together, and who kept them in order.
    fn add_run(&self, parts: &mut Parts) {
        let engine = format!("{TERMS}fig6");
        let subjects = self.statement.subject.iter();
        let results = subjects.map(|subject| subject.name.as_str());
        let results = results.filter(|&name| name != PIPELINE);
        let mut objects = parts.value(&["workflow", "input", "profile"], &json!(self.profile));
        if let Some(dependency) = self.statement.dependency("archive")
            && let Some(digest) = dependency.digest.get("blake3")
        {
            let archive = self.artifact(digest);
            parts.example(&["workflow", "input", "archive"], &archive, "File");
            parts.set(&archive, "sha256", json!(dependency.digest.get("sha256")));
            if let Some(uri) = &dependency.uri {
                parts.set(&archive, "url", json!(uri));
            }
            objects.push(archive);
        }
        for name in results.clone() {
            parts.example(&["workflow", "output", name], name, "File");
        }
        let profile = self.profile;
        parts.add(json!({
            "@id": "#run",
            "@type": "CreateAction",
            "name": format!("fig6 reproduce --profile {}", quoted(profile)),
            "description": "All steps; those whose results were there already ran earlier.",
            "instrument": link(PIPELINE),
            "object": all(objects),
            "result": all(results),
            "startTime": self.start,
            "endTime": self.end,
            "actionStatus": COMPLETED,
        }));
        let controls = self.steps().map(|(step, _)| id(&["control", &step.step]));
        parts.add(json!({
            "@id": "#orchestration",
            "@type": "OrganizeAction",
            "name": "scheduling of the steps",
            "description": "Started each step once its inputs were there.",
            "instrument": link(&engine),
            "object": all(controls),
            "result": link("#run"),
            "startTime": self.start,
            "endTime": self.end,
            "actionStatus": COMPLETED,
        }));
        parts.add(json!({
            "@id": engine,
            "@type": "SoftwareApplication",
            "name": "fig6",
            "softwareVersion": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
        }));
    }

    /// The pipeline file.
    fn add_workflow(&self, parts: &mut Parts) {
        let subjects = &self.statement.subject;
        let own = subjects.iter().find(|subject| subject.name == PIPELINE);
        let version = own.map(|own| own.digest.blake3.short());
        let steps = self.steps().map(|(step, _)| id(&["step", &step.step]));
        let tools: BTreeSet<String> = self.steps().map(|(step, _)| self.tool(step)).collect();
        parts.add(json!({
            "@id": PIPELINE,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "fig6 pipeline",
            "description": "The pipeline file as it was when the report was made.",
            "encodingFormat": "text/plain",
            "version": version,
            "conformsTo": link(WORKFLOW),
            "programmingLanguage": link("#ron"),
            "input": all(parts.parameters_of("workflow", "input")),
            "output": all(parts.parameters_of("workflow", "output")),
            "step": all(steps),
            "hasPart": all(tools),
            "connection": all(parts.connections()),
        }));
        parts.add(json!({
            "@id": "#ron",
            "@type": "ComputerLanguage",
            "name": "fig6 pipeline in RON",
            "alternateName": "Rusty Object Notation",
            "url": "https://github.com/ron-rs/ron",
        }));
        parts.work(WORKFLOW, "ComputationalWorkflow", "1.0-RELEASE");
        parts.work(FORMAL_PARAMETER, "FormalParameter", "1.0-RELEASE");
    }

    /// What else is known of the files in the folder.
    fn add_files(&self, parts: &mut Parts) {
        for subject in &self.statement.subject {
            let name = &subject.name;
            if name != PIPELINE {
                parts.artifact(name, name, None);
            }
            parts.set(name, "sha256", json!(subject.digest.sha256));
        }
        let name = provenance::FILE;
        parts.artifact(name, name, None);
        let description = "How the report's files came about, as an in-toto statement with SLSA's \
                           provenance: what fig6 verify checks.";
        parts.set(name, "description", json!(description));
        let conforms = [provenance::STATEMENT, provenance::PREDICATE];
        parts.set(name, "conformsTo", all(conforms));
        for (id, name) in conforms
            .iter()
            .zip(["in-toto Statement", "SLSA Provenance"])
        {
            parts.work(id, name, "1");
        }
        parts.artifact(page::FILE, page::FILE, None);
        let description =
            "The report as a page to read: figures, curves, results, verdicts and steps.";
        parts.set(page::FILE, "description", json!(description));
    }

    /// The id of a content: a file of the crate, or an artifact that is not in it.
    fn artifact(&self, blake3: &str) -> String {
        match self.files.get(blake3) {
            Some(&name) => name.to_owned(),
            None => id(&["artifact", blake3]),
        }
    }

    /// The id of the program that a step is, by all that it is made of.
    fn tool(&self, step: &StepRecord) -> String {
        format!("{TERMS}step/{}/{}", step.kind, step.basis)
    }

    fn tool_name(&self, step: &StepRecord) -> String {
        let basis = self.statement.internal().bases.get(step.basis);
        let kind = &step.kind;
        match basis.and_then(|basis| basis.numeric.as_ref()) {
            Some(numeric) => format!("fig6 {kind} on {}", provenance::in_words(numeric)),
            None => format!("fig6 {kind}"),
        }
    }
}
