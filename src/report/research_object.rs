//! `ro-crate-metadata.json`: the report as a research object, RO-Crate 1.1 with the profile Provenance
//! Run Crate 0.5: which step read and wrote what, with which program and parameters, when and where.
//!
//! The one file of a report that times and hosts are in. Where `provenance.json` is made to be checked,
//! this one is made for catalogues and people: it says nothing that could not be told from the
//! manifests of the run that wrote it. A later run that comes to the same results leaves it as it is.
//! Who ran fig6 is not known and not said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::evidence::{PIPELINE, Record};
use super::provenance::{self, StepRecord, TERMS};
use parts::{FORMAL_PARAMETER, Parts, all, id, iso, link, seconds_after};
use store::key::Digest;
use store::{Manifest, RunRecord};

mod parts;
mod seal;

/// The file's name in a report.
pub const FILE: &str = "ro-crate-metadata.json";

/// What the crate conforms to: id, name and version of each profile.
const PROFILES: [[&str; 3]; 4] = [
    [
        "https://w3id.org/ro/wfrun/process/0.5",
        "Process Run Crate",
        "0.5",
    ],
    [
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "Workflow Run Crate",
        "0.5",
    ],
    [
        "https://w3id.org/ro/wfrun/provenance/0.5",
        "Provenance Run Crate",
        "0.5",
    ],
    [
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
        "Workflow RO-Crate",
        "1.0",
    ],
];

const COMPLETED: &str = "http://schema.org/CompletedActionStatus";

/// The text of the file.
pub fn text(record: &Record) -> String {
    let described = described(record);
    seal::seal(&unsealed(record, &seal::open(&described)), &described)
}

/// Whether this text is that of a crate, unaltered, which describes the same results: it then differs from
/// [`text`] at most in when, where and how fast the steps ran.
pub fn describes_the_same(text: &[u8], record: &Record) -> bool {
    let text = std::str::from_utf8(text);
    text.is_ok_and(|text| seal::is_sealed(text, &described(record)))
}

/// The digest of all that a crate says but when, where and how fast the steps ran.
fn described(record: &Record) -> Digest {
    let mut record = record.clone();
    for Manifest { run, .. } in &mut record.manifests {
        *run = RunRecord {
            fig6: std::mem::take(&mut run.fig6),
            ..RunRecord::default()
        };
    }
    Digest::of(unsealed(&record, "").as_bytes())
}

/// The file's text with this identifier.
fn unsealed(record: &Record, identifier: &str) -> String {
    let text = serde_json::to_string_pretty(&Crate::new(record).metadata(identifier));
    text.expect("a JSON value has a JSON form") + "\n"
}

/// The file's content. No [`Value`] itself: `json!` would copy the graph, which is by far the largest
/// thing that a run ever holds.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "@context")]
    context: [&'static str; 2],
    #[serde(rename = "@graph")]
    graph: Vec<Value>,
}

/// When a step ran.
struct Times {
    start: String,
    end: String,
}

impl Times {
    /// Of a manifest; a start that is no time counts as the beginning of time.
    fn of(manifest: &Manifest) -> Times {
        let run = &manifest.run;
        let start: Timestamp = run.started.parse().unwrap_or_default();
        Times {
            start: iso(start),
            end: iso(seconds_after(start, run.seconds)),
        }
    }
}

struct Crate<'a> {
    record: &'a Record,
    profile: &'a str,
    /// The crate's files by the digest of their content.
    files: BTreeMap<String, &'a str>,
    times: Vec<Times>,
}

impl<'a> Crate<'a> {
    fn new(record: &'a Record) -> Crate<'a> {
        let subjects = record.statement.subject.iter();
        Crate {
            record,
            profile: record.statement.profile(),
            files: subjects
                .map(|subject| (subject.digest.blake3.to_string(), subject.name.as_str()))
                .collect(),
            times: record.manifests.iter().map(Times::of).collect(),
        }
    }

    fn steps(&self) -> impl Iterator<Item = (&'a StepRecord, &'a Manifest, &Times)> {
        let steps = self.record.statement.internal().steps.iter();
        let all = steps.zip(&self.record.manifests).zip(&self.times);
        all.map(|((step, manifest), times)| (step, manifest, times))
    }

    /// When the first step began.
    fn start(&self) -> &str {
        let times = self.times.iter().map(|times| times.start.as_str());
        times.min().unwrap_or_default()
    }

    /// When the last step ended.
    fn end(&self) -> &str {
        let times = self.times.iter().map(|times| times.end.as_str());
        times.max().unwrap_or_default()
    }

    fn metadata(&self, identifier: &str) -> Metadata {
        let mut parts = Parts::default();
        self.add_head(&mut parts, identifier);
        self.add_steps(&mut parts);
        self.add_run(&mut parts);
        self.add_workflow(&mut parts);
        self.add_files(&mut parts);
        Metadata {
            context: [
                "https://w3id.org/ro/crate/1.1/context",
                "https://w3id.org/ro/terms/workflow-run/context",
            ],
            graph: parts.into_graph(),
        }
    }

    /// The crate itself, and what it conforms to.
    fn add_head(&self, parts: &mut Parts, identifier: &str) {
        let profile = self.profile;
        let (crate_1_1, workflow) = ("https://w3id.org/ro/crate/1.1", PROFILES[3][0]);
        parts.add(json!({
            "@id": FILE,
            "@type": "CreativeWork",
            "about": link("./"),
            "conformsTo": all([crate_1_1, workflow]),
        }));
        let subjects = self.record.statement.subject.iter();
        let files = subjects.map(|subject| subject.name.as_str());
        let actions = self.steps().map(|(step, ..)| id(&["action", &step.step]));
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
            "datePublished": self.end(),
            "license": link("#license"),
            "conformsTo": all(PROFILES.map(|[id, ..]| id)),
            "hasPart": all(files.chain([provenance::FILE])),
            "mainEntity": link(PIPELINE),
            "mentions": all(mentions.into_iter().chain(actions)),
        }));
        for [id, name, version] in PROFILES {
            parts.add(json!({
                "@id": id, "@type": "CreativeWork", "name": name, "version": version,
            }));
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
        for (position, (step, manifest, times)) in self.steps().enumerate() {
            let tool = self.tool(step);
            let connections = step.inputs.iter().map(|(name, input)| {
                let from = self.record.statement.internal().step(&input.from);
                let source = from.map_or("", |from| from.kind.as_str());
                parts.connect([source, &input.output], [&step.kind, name])
            });
            let connections: BTreeSet<String> = connections.collect();
            let reads = step.inputs.iter().map(|(name, input)| {
                let name_in_store = format!("{}/{}", input.from, input.output);
                let artifact = self.artifact(&input.blake3.to_string());
                parts.artifact(&artifact, &name_in_store, None);
                parts.example(
                    &[&step.kind, "input", parts::of_many(name)],
                    &artifact,
                    "File",
                );
                artifact
            });
            let mut objects: Vec<String> = reads.collect();
            for (name, value) in manifest.key_inputs.parameters.scalars() {
                objects.extend(parts.value(&[&step.kind, "parameter", &name], &value));
            }
            let writes = step.outputs.iter().map(|(name, output)| {
                let name_in_store = format!("{}/{name}", step.step);
                let artifact = self.artifact(&output.blake3.to_string());
                parts.artifact(&artifact, &name_in_store, Some(output.bytes));
                parts.example(&[&step.kind, "output", name], &artifact, "File");
                artifact
            });
            let results: BTreeSet<String> = writes.collect();
            let (name, run) = (&step.step, &manifest.run);
            let again = format!(
                "fig6 verify --rebuild {} --profile {}",
                parts::quoted(name),
                parts::quoted(self.profile)
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
            parts.add(json!({
                "@id": id(&["action", name]),
                "@type": "CreateAction",
                "name": name,
                "description": format!("{}. Key {}. To repeat it: {again}", step.summary, step.key),
                "instrument": link(&tool),
                "object": all(objects),
                "result": all(results),
                "startTime": times.start,
                "endTime": times.end,
                "actionStatus": COMPLETED,
                "location": link(&machine),
                "resourceUsage": all(usage),
            }));
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
        let subjects = self.record.statement.subject.iter();
        let results = subjects.map(|subject| subject.name.as_str());
        let results = results.filter(|&name| name != PIPELINE);
        let mut objects = parts.value(&["workflow", "input", "profile"], &json!(self.profile));
        for dependency in &self
            .record
            .statement
            .predicate
            .build_definition
            .resolved_dependencies
        {
            if dependency.name == "archive"
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
        }
        for name in results.clone() {
            parts.example(&["workflow", "output", name], name, "File");
        }
        let profile = self.profile;
        parts.add(json!({
            "@id": "#run",
            "@type": "CreateAction",
            "name": format!("fig6 reproduce --profile {}", parts::quoted(profile)),
            "description": "All steps; those whose results were there already ran earlier.",
            "instrument": link(PIPELINE),
            "object": all(objects),
            "result": all(results),
            "startTime": self.start(),
            "endTime": self.end(),
            "actionStatus": COMPLETED,
        }));
        let controls = self.steps().map(|(step, ..)| id(&["control", &step.step]));
        parts.add(json!({
            "@id": "#orchestration",
            "@type": "OrganizeAction",
            "name": "scheduling of the steps",
            "description": "Started each step once its inputs were there.",
            "instrument": link(&engine),
            "object": all(controls),
            "result": link("#run"),
            "startTime": self.start(),
            "endTime": self.end(),
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
        let subjects = &self.record.statement.subject;
        let own = subjects.iter().find(|subject| subject.name == PIPELINE);
        let version = own.map(|own| own.digest.blake3.short());
        let steps = self.steps().map(|(step, ..)| id(&["step", &step.step]));
        let tools: BTreeSet<String> = self.steps().map(|(step, ..)| self.tool(step)).collect();
        parts.add(json!({
            "@id": PIPELINE,
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "fig6 pipeline",
            "description": "The pipeline file as it was when the report was made.",
            "encodingFormat": "text/plain",
            "version": version,
            "conformsTo": link("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
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
        parts.add(json!({
            "@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE",
            "@type": "CreativeWork",
            "name": "ComputationalWorkflow",
            "version": "1.0-RELEASE",
        }));
        parts.add(json!({
            "@id": FORMAL_PARAMETER,
            "@type": "CreativeWork",
            "name": "FormalParameter",
            "version": "1.0-RELEASE",
        }));
    }

    /// What else is known of the files in the folder.
    fn add_files(&self, parts: &mut Parts) {
        for subject in &self.record.statement.subject {
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
            .into_iter()
            .zip(["in-toto Statement", "SLSA Provenance"])
        {
            parts.add(json!({ "@id": id, "@type": "CreativeWork", "name": name, "version": "1" }));
        }
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
        let basis = self.record.statement.internal().bases.get(step.basis);
        let kind = &step.kind;
        match basis.and_then(|basis| basis.numeric.as_ref()) {
            Some(numeric) => format!(
                "fig6 {kind} on {} {} ({}, {}, {})",
                numeric.backend,
                numeric.version,
                numeric.float,
                numeric.architecture,
                numeric.compiler
            ),
            None => format!("fig6 {kind}"),
        }
    }
}
