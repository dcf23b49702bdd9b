//! What a complete report rests on, gathered from graph, manifests and outputs, and put into the form
//! of a [`Statement`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::carried_over::{self, CarriedOverRecord};
use super::page;
use super::provenance::{
    self, Builder, Definition, Dependency, Digests, External, HoleRecord, InputRecord, Internal,
    OutputRecord, Predicate, RunDetails, Statement, StepRecord, Subject,
};
use crate::judge;
use crate::page as shown;
use crate::pipeline::{Experiment, Origin};
use crate::plan::{Graph, Step};
use records::Dataset;
use store::key::{Basis, Digest};
use store::{Entry, Manifest, Store};

/// The name of the pipeline's copy in a report.
pub const PIPELINE: &str = "pipeline.ron";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was asked for, and what there is.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub experiment: &'a Experiment,
    /// The text of the pipeline file.
    pub pipeline: &'a str,
    pub graph: &'a Graph,
    /// The result of each step.
    pub results: Vec<&'a Entry>,
}

/// [`Evidence`] with all that is behind it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The manifest of each step's result.
    pub manifests: Vec<Manifest>,
    pub statement: Statement,
}

impl<'a> Evidence<'a> {
    /// The evidence of an experiment if every step has a result.
    pub fn complete(
        experiment: &'a Experiment,
        pipeline: &'a str,
        graph: &'a Graph,
        results: &'a [Option<Arc<Entry>>],
    ) -> Option<Evidence<'a>> {
        let results: Vec<&Entry> = results
            .iter()
            .map(Option::as_deref)
            .collect::<Option<_>>()?;
        (results.len() == graph.steps().len()).then_some(Evidence {
            experiment,
            pipeline,
            graph,
            results,
        })
    }

    /// The steps with their results.
    fn all(&self) -> impl Iterator<Item = (&Step, &Entry)> {
        let results = self.results.iter().copied();
        self.graph.steps().iter().zip(results)
    }

    /// The digest of all that decides what is written: where it stays the same, so do the files.
    pub fn digest(&self) -> Digest {
        let mut text = Vec::with_capacity(400 * self.results.len());
        let mut add = |part: &[u8]| {
            text.extend((part.len() as u64).to_le_bytes());
            text.extend(part);
        };
        add(provenance::build_type().as_bytes());
        for code in shown::CODE.into_iter().chain([judge::CODE]) {
            add(code.as_bytes());
        }
        add(VERSION.as_bytes());
        add(self.experiment.profile.as_bytes());
        add(self.pipeline.as_bytes());
        for (step, entry) in self.all() {
            add(step.name.as_bytes());
            add(entry.key.as_bytes());
            add(entry.started.as_bytes());
            add(&[entry.carried_over.into()]);
            // What they are called belongs to the key.
            for output in entry.outputs.values() {
                add(output.digest.as_bytes());
            }
        }
        Digest::of(&text)
    }

    /// Reads the manifests, and the report's files for their digests.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn read(&self, store: &Store) -> Result<Record> {
        let manifests = self.all().map(|(step, entry)| {
            store.expect_manifest(&entry.key).with_context(|| {
                let step = &step.name;
                format!("cannot use the result of {step}; run the command again")
            })
        });
        let manifests: Vec<Manifest> = manifests.collect::<Result<_>>()?;
        let statement = self.statement(&manifests, store)?;
        Ok(Record {
            manifests,
            statement,
        })
    }

    fn statement(&self, manifests: &[Manifest], store: &Store) -> Result<Statement> {
        let internal_parameters = self.internal(manifests);
        let mut subject = vec![describe(PIPELINE, self.pipeline.as_bytes())];
        if let Some(page) = carried_over::page(&internal_parameters) {
            subject.push(describe(carried_over::FILE, page.as_bytes()));
        }
        for (_, entry) in self.all().filter(|(step, _)| step.params.is_reported()) {
            for (name, output) in &entry.outputs {
                subject.push(describe(name, &store.read(output)?));
            }
        }
        subject.sort_by(|one, two| one.name.cmp(&two.name));
        let resolved_dependencies = vec![
            self.archive(store)?,
            Dependency {
                name: "fig6".to_owned(),
                uri: None,
                digest: named([("blake3", internal_parameters.code_digest().to_string())]),
                annotations: named([("version", json!(VERSION))]),
            },
        ];
        Ok(Statement {
            statement_type: provenance::STATEMENT.to_owned(),
            subject,
            predicate_type: provenance::PREDICATE.to_owned(),
            predicate: Predicate {
                build_definition: Definition {
                    build_type: provenance::build_type(),
                    external_parameters: self.external(),
                    internal_parameters,
                    resolved_dependencies,
                },
                run_details: RunDetails {
                    builder: Builder {
                        id: format!("{}fig6", provenance::TERMS),
                        version: named([("fig6", VERSION.to_owned())]),
                    },
                },
            },
        })
    }

    /// The text of the report's page; the one that is found, if it says the same.
    ///
    /// # Errors
    /// If an output of a step cannot be read or shown.
    pub fn page(&self, record: &Record, found: &[u8], store: &Store) -> Result<String> {
        let steps = self.all();
        let times = steps.map(|(step, entry)| (step.name.clone(), entry.seconds));
        let times = times.collect();
        let results: HashMap<&str, &Entry> = self
            .all()
            .map(|(step, entry)| (step.name.as_str(), entry))
            .collect();
        let read = |step: &str, output: &str| {
            let result = results.get(step);
            let output = result.and_then(|entry| entry.outputs.get(output));
            output.map(|output| store.read(output)).transpose()
        };
        page::kept_or_made(found, self.pipeline, &record.statement, &times, &read)
    }

    fn external(&self) -> External {
        let data = &self.experiment.data;
        let sources = match &data.origin {
            Origin::Archives(sources) => sources.iter().map(|source| json!(source)).collect(),
            Origin::Generated { train, test, seed } => {
                vec![json!({ "generated": { "train": train, "test": test, "seed": seed } })]
            }
        };
        External {
            profile: self.experiment.profile.clone(),
            data: data.name.clone(),
            sources,
        }
    }

    fn internal(&self, manifests: &[Manifest]) -> Internal {
        let mut bases: Vec<Arc<Basis>> = Vec::new();
        let mut place = |basis: &Arc<Basis>| {
            let place = bases.iter().position(|known| known == basis);
            place.unwrap_or_else(|| {
                bases.push(basis.clone());
                bases.len() - 1
            })
        };
        let steps = self.graph.steps().iter().zip(manifests);
        let steps = steps.map(|(step, manifest)| {
            let basis = place(&manifest.key_inputs.basis);
            let carried_over = manifest.carried_over.as_ref();
            let carried_over = carried_over.map(|it| {
                let original = &it.original_inputs;
                let changes = original.changes(&manifest.key_inputs);
                CarriedOverRecord {
                    original: it.original,
                    basis: place(&original.basis),
                    changes: changes.iter().map(ToString::to_string).collect(),
                    stretches: it.stretches.clone(),
                }
            });
            StepRecord {
                carried_over,
                ..self.step(step, manifest, basis)
            }
        });
        let steps = steps.collect();
        Internal {
            bases,
            steps,
            holes: holes(self.experiment),
        }
    }

    fn step(&self, step: &Step, manifest: &Manifest, basis: usize) -> StepRecord {
        let inputs = step.inputs.iter().filter_map(|input| {
            let record = InputRecord {
                from: self.graph.step(input.producer).name.clone(),
                output: input.output.to_owned(),
                blake3: *manifest.key_inputs.inputs.get(&*input.name)?,
            };
            Some((input.name.to_string(), record))
        });
        let outputs = manifest.outputs.iter().map(|(name, output)| {
            let record = OutputRecord {
                bytes: output.bytes,
                blake3: output.digest,
            };
            (name.clone(), record)
        });
        StepRecord {
            step: step.name.clone(),
            kind: step.params.kind().to_owned(),
            key: manifest.key,
            basis,
            parameters: manifest.key_inputs.parameters.clone(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            summary: manifest.summary.clone(),
            carried_over: None,
        }
    }

    /// The archive that the images come from, wherever it was found.
    fn archive(&self, store: &Store) -> Result<Dependency> {
        let output = |name: &str| {
            let mut outputs = self.all().filter_map(|(_, entry)| entry.outputs.get(name));
            let output = outputs.next();
            output.with_context(|| format!("no step has made {name}"))
        };
        let dataset: Dataset = serde_json::from_slice(&store.read(output("dataset.json")?)?)
            .context("dataset.json is not as expected")?;
        let archive = output("archive")?;
        let uri = match &self.experiment.data.origin {
            Origin::Archives(sources) => {
                let mut sources = sources.iter();
                let found = sources.find(|source| source.sha256 == dataset.archive_sha256);
                found.map(|source| source.url.clone())
            }
            Origin::Generated { .. } => None,
        };
        Ok(Dependency {
            name: "archive".to_owned(),
            uri,
            digest: named([
                ("sha256", dataset.archive_sha256),
                ("blake3", archive.digest.to_string()),
            ]),
            annotations: named([("bytes", json!(archive.bytes))]),
        })
    }
}

fn describe(name: &str, bytes: &[u8]) -> Subject {
    Subject {
        name: name.to_owned(),
        digest: Digests::of(bytes),
    }
}

fn named<V, const N: usize>(values: [(&str, V); N]) -> BTreeMap<String, V> {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What the experiment lacks.
fn holes(experiment: &Experiment) -> Vec<HoleRecord> {
    let models = experiment.holes.iter();
    let holes = models.flat_map(|(model, seeds)| {
        seeds.iter().map(|(&seed, hole)| HoleRecord {
            model: model.clone(),
            seed,
            lacks: *hole,
        })
    });
    holes.collect()
}
