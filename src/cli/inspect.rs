//! Commands that look and change nothing: `status`, `graph`, `log`.

use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use console::style;
use serde_json::{Value, json};

use super::out::Out;
use super::view::because;
use super::{Project, Where, assess, needed};
use crate::error::Invalid;
use crate::plan::{Assessment, Format, Graph, State, Step, draw};
use crate::store::Store;

#[derive(Args, Debug)]
pub struct StatusArguments {
    /// Steps to look at, by name or by its first parts; all by default.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn status(arguments: &StatusArguments, out: &mut Out) -> Result<()> {
    let project = arguments.place.open()?;
    let needed = needed(&project.graph, &arguments.targets)?;
    let assessments = assess(&project, &needed, &vec![false; needed.len()])?;
    show(&project, &assessments, arguments.json, out)
}

/// Prints what is to be done about each needed step.
pub fn show(
    project: &Project,
    assessments: &[Option<Assessment>],
    json: bool,
    out: &mut Out,
) -> Result<()> {
    let steps = project.graph.steps().iter().zip(assessments);
    let steps = steps.filter_map(|(step, assessment)| Some((step, assessment.as_ref()?)));
    if json {
        let steps: Vec<Value> = steps
            .map(|(step, assessment)| record(step, assessment))
            .collect();
        let record = json!({ "profile": project.experiment.profile, "steps": steps });
        return Ok(out.line(&serde_json::to_string(&record)?)?);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    let mut counts = [0; 3];
    for (step, assessment) in steps {
        let (place, state, detail) = match &assessment.state {
            State::UpToDate(manifest) => (0, style("up to date").green(), manifest.summary.clone()),
            State::MustRun(reasons) => (1, style("must run").yellow(), because(reasons)),
            State::MayRun(reasons) => (2, style("may run").cyan(), because(reasons)),
        };
        counts[place] += 1;
        table.add_row([step.name.clone(), state.to_string(), detail]);
    }
    out.line(&table.trim_fmt())?;
    let [up_to_date, must, may] = counts;
    Ok(out.line(&format!(
        "{up_to_date} up to date, {must} must run, {may} may run"
    ))?)
}

/// A step's status for programs.
fn record(step: &Step, assessment: &Assessment) -> Value {
    let key = match &assessment.state {
        State::UpToDate(manifest) => Some(manifest.key),
        _ => assessment.key.as_ref().map(|(key, _)| *key),
    };
    let mut record = json!({
        "step": step.name,
        "state": assessment.state.word(),
        "reasons": assessment.state.reasons(),
        "key": key,
    });
    if let State::UpToDate(manifest) = &assessment.state {
        record["summary"] = json!(manifest.summary);
        record["backend"] = json!(manifest.key_inputs.numeric.as_ref().map(|n| &n.backend));
        record["seconds"] = json!(manifest.run.seconds);
        record["work_seconds"] = json!(manifest.run.work_seconds);
    }
    if let Some(network) = network(step) {
        record["network"] = network;
    }
    record
}

/// Size and cost of the network that a step trains or evaluates.
fn network(step: &Step) -> Option<Value> {
    let architecture = step.params.architecture()?;
    Some(json!({
        "layers": architecture.layers(),
        "parameters": architecture.parameters(),
        "multiply_adds": architecture.multiply_adds(),
    }))
}

#[derive(Args, Debug)]
pub struct GraphArguments {
    /// Steps to draw, with all that they need; all by default.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// The language.
    #[arg(long, value_enum, default_value = "dot")]
    format: GraphFormat,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GraphFormat {
    Dot,
    Mermaid,
    Svg,
}

pub fn graph(arguments: &GraphArguments, out: &mut Out) -> Result<()> {
    let experiment = arguments.place.experiment()?;
    let graph = Graph::of(&experiment);
    let needed = needed(&graph, &arguments.targets)?;
    if arguments.json {
        let steps: Vec<Value> = graph
            .ids()
            .filter(|id| needed[id.index()])
            .map(|id| node(&graph, graph.step(id)))
            .collect();
        let record = json!({ "profile": experiment.profile, "steps": steps });
        return Ok(out.line(&serde_json::to_string(&record)?)?);
    }
    let format = match arguments.format {
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Svg => Format::Svg,
    };
    Ok(out.result(&draw(&graph, &needed, format))?)
}

/// A step with its edges, for programs.
fn node(graph: &Graph, step: &Step) -> Value {
    let inputs: Vec<Value> = step
        .inputs
        .iter()
        .map(|input| {
            let from = &graph.step(input.producer).name;
            json!({ "name": input.name, "from": from, "output": input.output })
        })
        .collect();
    let mut record = json!({
        "step": step.name,
        "kind": step.params.kind(),
        "inputs": inputs,
        "outputs": step.params.outputs(),
        "parameters": step.params.to_json(),
    });
    if let Some(network) = network(step) {
        record["network"] = network;
    }
    record
}

#[derive(Args, Debug)]
pub struct LogArguments {
    /// The step's name.
    step: String,
    #[command(flatten)]
    place: Where,
}

pub fn log(arguments: &LogArguments, out: &mut Out) -> Result<()> {
    let graph = Graph::of(&arguments.place.experiment()?);
    let name = &arguments.step;
    if !graph.steps().iter().any(|step| step.name == *name) {
        let names = graph.steps().iter().map(|step| step.name.as_str());
        return Err(Invalid::unknown("step", name, names).into());
    }
    let path = Store::at(&arguments.place.artifacts, false)?.newest_log(name);
    match std::fs::read(&path) {
        Ok(log) => Ok(out.result(&String::from_utf8_lossy(&log))?),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            anyhow::bail!("{name} never ran here; start it with `fig6 reproduce {name}`")
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
