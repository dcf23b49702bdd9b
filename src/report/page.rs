//! `report.html`: the report as a page, and whether a page is what the rest of its report says.
//!
//! It says how long steps took, which differs from run to run, and nothing else that does. So it is
//! treated as `ro-crate-metadata.json` is: it stays as it is as long as all else that it says does, and no
//! digest of it stands in the provenance. Instead it is made again and compared. That takes nothing but
//! the report's own files: what the page carries of curves and evaluations is, put back into the form of
//! the artifacts, what the provenance has digests of.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::evidence::PIPELINE;
use super::files;
use super::provenance::{Statement, StepRecord};
use crate::page::{self, InputLine, Read, Run, Standing, StepLine, Subject};
use crate::pipeline::Pipeline;
use store::key::Digest;

/// The file's name in a report.
pub const FILE: &str = "report.html";

/// How long steps took, in seconds, by their names.
pub type Times = HashMap<String, f64>;

/// The text of the file, for a report of this pipeline and statement.
///
/// # Errors
/// If an output cannot be read, or it or the pipeline is not what it should be.
pub fn text(pipeline: &str, statement: &Statement, times: &Times, read: &Read) -> Result<String> {
    let pipeline = Pipeline::parse(pipeline, PIPELINE)?;
    let planned = pipeline.experiment(Some(statement.profile()))?;
    let experiment = &statement.as_reported(planned);
    let subject = Subject {
        experiment,
        claims: &pipeline.claims(experiment),
        significance: pipeline.significance(),
    };
    let internal = statement.internal();
    let steps = internal.steps.iter();
    let steps = steps.map(|record| line(record, times.get(&record.step).copied()));
    let data = subject.gather(steps.collect(), internal.bases.clone(), read)?;
    Ok(sealed(&page::render(&data, None)?))
}

/// The page as it is found, if it says what it should but for the times; else with these times.
///
/// # Errors
/// As [`text`].
pub fn kept_or_made(
    found: &[u8],
    pipeline: &str,
    statement: &Statement,
    times: &Times,
    read: &Read,
) -> Result<String> {
    if let Ok(carried) = Carried::of(found) {
        let kept = text(pipeline, statement, &carried.times(), read)?;
        if kept.as_bytes() == found {
            return Ok(kept);
        }
    }
    text(pipeline, statement, times, read)
}

/// Makes sure that the page in a report's folder is, byte for byte, what the rest of the report gives.
///
/// # Errors
/// If it is not, or the page or another file cannot be read.
pub fn expect_true(report: &Path, statement: &Statement) -> Result<()> {
    let found = files::read(&report.join(FILE))?;
    let pipeline = files::read(&report.join(PIPELINE))?;
    let pipeline = String::from_utf8(pipeline).context("pipeline.ron is not in UTF-8")?;
    let carried = Carried::of(&found)?;
    let records = by_name(statement);
    let read = |step: &str, output: &str| {
        let recorded = records.get(step).and_then(|it| it.outputs.get(output));
        let Some(recorded) = recorded else {
            return Ok(None);
        };
        let bytes = match output {
            "metrics.jsonl" | "evaluation.json" => carried.output(step, output)?,
            _ => files::read(&report.join(output))?,
        };
        ensure!(
            Digest::of(&bytes) == recorded.blake3,
            "what it has of {output} of {step} is not what that step is recorded to have made"
        );
        Ok(Some(bytes))
    };
    let made = text(&pipeline, statement, &carried.times(), &read)?;
    let shown = String::from_utf8_lossy(&found);
    let lines = made.lines().zip(shown.lines());
    let same = lines.take_while(|(made, found)| made == found).count();
    ensure!(
        made.as_bytes() == found,
        "it is not what the rest of the report gives, from line {} on",
        same + 1
    );
    Ok(())
}

/// The records of steps by name.
pub fn by_name(statement: &Statement) -> HashMap<&str, &StepRecord> {
    let steps = statement.internal().steps.iter();
    steps.map(|step| (step.step.as_str(), step)).collect()
}

/// How a step stands that has a result.
fn line(record: &StepRecord, seconds: Option<f64>) -> StepLine {
    let inputs = record.inputs.iter().map(|(name, input)| {
        let line = InputLine {
            from: input.from.clone(),
            output: input.output.clone(),
            content: Some(input.blake3),
        };
        (name.clone(), line)
    });
    StepLine {
        step: record.step.clone(),
        kind: record.kind.clone(),
        standing: match record.carried_over {
            Some(_) => Standing::CarriedOver,
            None => Standing::UpToDate,
        },
        said: record.summary.clone(),
        seconds,
        progress: None,
        key: Some(record.key),
        basis: Some(record.basis),
        parameters: record.parameters.text().to_owned(),
        inputs: inputs.collect(),
        outputs: record.outputs.keys().cloned().collect(),
    }
}

/// A page with a digest of itself, by which a time that was edited is noticed.
fn sealed(page: &str) -> String {
    let digest = Digest::of(page.as_bytes());
    format!("{page}<!-- BLAKE3 of all above: {digest} -->\n")
}

/// What a page carries that other files of the report lack.
#[derive(Deserialize)]
struct Carried {
    runs: Vec<Run>,
    steps: Vec<TimedStep>,
}

#[derive(Deserialize)]
struct TimedStep {
    step: String,
    seconds: Option<f64>,
}

impl Carried {
    fn of(page: &[u8]) -> Result<Carried> {
        let page = std::str::from_utf8(page).context("it is not in UTF-8")?;
        let data = page.split_once(page::DATA);
        let data = data.and_then(|(_, rest)| rest.split_once("</script>"));
        let (data, _) = data.context("it carries no data")?;
        serde_json::from_str(data).context("its data is cut short or altered")
    }

    fn times(&self) -> Times {
        let steps = self.steps.iter();
        steps
            .filter_map(|it| Some((it.step.clone(), it.seconds?)))
            .collect()
    }

    /// An output of a training or an evaluation, byte for byte as the step has written it.
    fn output(&self, step: &str, output: &str) -> Result<Vec<u8>> {
        let mut parts = step.split('/').skip(1);
        let (model, seed) = (parts.next(), parts.next());
        let run = self.runs.iter().find(|run| {
            Some(run.model.as_str()) == model && seed == Some(format!("seed{}", run.seed).as_str())
        });
        let missing = || format!("it has nothing of {step}");
        let run = run.with_context(missing)?;
        Ok(match output {
            "metrics.jsonl" => {
                let lines = run.curve.lines().with_context(missing)?;
                let mut text = String::new();
                for line in lines {
                    text += &serde_json::to_string(&line)?;
                    text.push('\n');
                }
                text.into_bytes()
            }
            "evaluation.json" => {
                let evaluation = run.evaluation.as_ref().with_context(missing)?;
                (serde_json::to_string_pretty(evaluation)? + "\n").into_bytes()
            }
            _ => bail!("{output} is not carried by a page"),
        })
    }
}
