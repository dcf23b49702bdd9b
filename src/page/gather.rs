//! Gathers a page's data: from an experiment, the claims about it, and whatever its steps have made.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

use super::data::{ClaimKind, Curve, Data, Figure, Judged, Run, StepLine};
use super::svg;
use crate::judge::judge;
use crate::pipeline::{Assertion, Claim, Claims, Experiment, Relation};
use records::parse_metrics;
use store::key::Basis;
use table::Results;

/// Reads an output of a step, by their names; `None` where there is none.
pub type Read<'a> = dyn Fn(&str, &str) -> Result<Option<Vec<u8>>> + 'a;

/// What a page is about.
pub struct Subject<'a> {
    pub experiment: &'a Experiment,
    pub claims: &'a Claims,
    /// Level of significance of the verdicts.
    pub significance: f64,
}

impl Subject<'_> {
    /// Reads what the steps have made. A training that runs may have a `metrics.jsonl` that is cut off
    /// after a line.
    ///
    /// # Errors
    /// If an output cannot be read or is not what it should be.
    pub fn gather(
        &self,
        steps: Vec<StepLine>,
        bases: Vec<std::sync::Arc<Basis>>,
        read: &Read,
    ) -> Result<Data> {
        let experiment = self.experiment;
        let mut runs = Vec::new();
        for model in &experiment.models {
            for (seed, _) in experiment.seeds_of(&model.name) {
                let name = |kind| format!("{kind}/{}/seed{seed}", model.name);
                let (train, evaluate) = (name("train"), name("evaluate"));
                let Some(metrics) = read(&train, "metrics.jsonl")? else {
                    continue;
                };
                let metrics = String::from_utf8_lossy(&metrics);
                let lines = parse_metrics(&metrics, Path::new("metrics.jsonl"));
                let lines = lines.with_context(|| format!("{train}: it is not as expected"))?;
                runs.push(Run {
                    model: model.name.clone(),
                    label: model.label.clone(),
                    seed,
                    curve: Curve::of(&lines),
                    evaluation: json(&evaluate, "evaluation.json", read)?,
                });
            }
        }
        let mut figures = Vec::new();
        let mut results: Option<Results> = None;
        for step in &steps {
            for name in &step.outputs {
                if name == "results.json" {
                    results = json(&step.step, name, read)?;
                }
                if name.ends_with(".svg")
                    && let Some(bytes) = read(&step.step, name)?
                {
                    let drawn = svg::element(&bytes);
                    figures.push(Figure {
                        name: name.clone(),
                        step: step.step.clone(),
                        svg: drawn.with_context(|| format!("{name} of {}", step.step))?,
                    });
                }
            }
        }
        let iterations = experiment.models.iter();
        let iterations = iterations.map(|model| model.recipe.schedule.iterations);
        Ok(Data {
            profile: experiment.profile.clone(),
            caveats: experiment.caveats.clone(),
            iterations: iterations.max().unwrap_or(0),
            runs,
            verdicts: results.as_ref().map_or_else(Vec::new, |it| self.judged(it)),
            results,
            steps,
            bases,
            figures,
        })
    }

    fn judged(&self, results: &Results) -> Vec<Judged> {
        let judgements = judge(self.claims, results, self.significance);
        let judged = judgements.into_iter().zip(&self.claims.here);
        let judged = judged.map(|(judgement, claim)| {
            let (kind, published, holds) = kind(claim);
            Judged {
                judgement,
                kind,
                published,
                holds,
            }
        });
        judged.collect()
    }
}

/// What a claim says, the number that it has, and the differences with which it holds.
fn kind(claim: &Claim) -> (ClaimKind, Option<f64>, [Option<f64>; 2]) {
    let margin = claim.margin.unwrap_or(0.0);
    let (positive, negative) = ([Some(0.0), None], [None, Some(0.0)]);
    match &claim.assertion {
        Assertion::Mean { published, .. } => {
            let same = [Some(-margin), Some(margin)];
            (ClaimKind::Mean, Some(published.mean), same)
        }
        Assertion::Exact { .. } => (ClaimKind::Count, None, [None, None]),
        Assertion::Order { .. } => (ClaimKind::Order, None, positive),
        Assertion::Bound {
            relation, number, ..
        } => {
            let holds = match relation {
                Relation::Above => positive,
                Relation::Below => negative,
            };
            (ClaimKind::Order, Some(*number), holds)
        }
        // The mean change from one model to the next.
        Assertion::Trend { .. } => (ClaimKind::Order, None, negative),
    }
}

/// Reads an output in JSON.
fn json<T: DeserializeOwned>(step: &str, name: &str, read: &Read) -> Result<Option<T>> {
    let Some(bytes) = read(step, name)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes);
    let value = value.with_context(|| format!("{name} of {step} is not as expected"))?;
    Ok(Some(value))
}
