//! Commands that look and change nothing: `status`, `graph`, `log`.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::out::Out;
use super::terminal::{Paint, paint};
use super::view::{
    REASONS_SHOWN, forecast_in_words, line_of, offer_in_words, running_in_words, shortened_list,
};
use super::{Where, jobs};
use crate::plan::{Assessment, Carriable, Format, Graph, Outlook, Plan, State, Step, draw};
use crate::project::Project;
use crate::run;
use store::Store;
use store::key::Parameters;

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
    let graph = &project.graph;
    let needed = graph.needed(&graph.wanted(&arguments.targets)?);
    show(
        &project,
        &project.assess(&needed)?,
        false,
        arguments.json,
        out,
    )
}

/// Prints what is to be done about each needed step; `measure` as in [`crate::plan::Planner::forecast`].
pub fn show(
    project: &Project,
    plan: &Plan,
    measure: bool,
    json: bool,
    out: &mut Out,
) -> Result<()> {
    let forecast = project.forecast(plan, measure)?;
    project.save_index();
    let jobs = jobs::of(project, plan)?;
    let job = |assessment: &Assessment| jobs.get(&assessment.key?);
    let steps = project.graph.steps().iter().zip(plan);
    let steps = steps.zip(&forecast.steps);
    let steps = steps
        .filter_map(|((step, assessment), outlook)| Some((step, assessment.as_ref()?, outlook)));
    if json {
        // Step by step: as one value, a hundred thousand steps would take half a gigabyte.
        let records = steps.map(|(step, assessment, outlook)| {
            let mut record = record(step, assessment, outlook);
            if let Some(job) = job(assessment) {
                record["job"] = job.record();
            }
            record.to_string()
        });
        let records: Vec<String> = records.collect();
        let profile = json!(project.experiment.profile);
        let expected = json!({
            "must_run": forecast.must.seconds,
            "may_run": forecast.may.seconds,
            "running": forecast.running.seconds,
        });
        out.line(format!(
            "{{\"profile\":{profile},\"expected_seconds\":{expected},\"steps\":[{}]}}",
            records.join(",")
        ));
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    let mut up_to_date = 0;
    let host = run::host();
    for (step, assessment, outlook) in steps {
        let (state, mut detail) = match &assessment.state {
            State::UpToDate(entry) => {
                up_to_date += 1;
                (
                    paint(Paint::Green, "up to date"),
                    line_of(entry, project.backend.name()),
                )
            }
            State::MustRun(reasons) => (
                paint(Paint::Yellow, "must run"),
                shortened_list(reasons, REASONS_SHOWN),
            ),
            State::MayRun(reasons) => (
                paint(Paint::Cyan, "may run"),
                shortened_list(reasons, REASONS_SHOWN),
            ),
        };
        let state = match &outlook.running {
            Some(running) => {
                detail = running_in_words(running, &host);
                paint(Paint::Green, "running")
            }
            None => state,
        };
        let state = match job(assessment) {
            Some(job) => {
                let word = if job.runs() { "running" } else { "queued" };
                detail = job.in_words();
                paint(Paint::Green, word)
            }
            None => state,
        };
        if let Some((done, all)) = outlook.kept {
            detail += &format!("; has a checkpoint after iteration {done} of {all}");
        }
        if let Some(offer) = assessment.carriable.as_ref().and_then(Carriable::offer) {
            detail += &format!("; {}", offer_in_words(&offer));
        }
        table.add_row([step.name.clone(), state, detail]);
    }
    out.line(table.trim_fmt());
    let forecast = forecast_in_words(&forecast);
    out.line(format!("{up_to_date} up to date, {forecast}"));
    Ok(())
}

/// A step's status for programs.
fn record(step: &Step, assessment: &Assessment, outlook: &Outlook) -> Value {
    let mut record = json!({
        "step": step.name,
        "state": assessment.state.word(),
        "reasons": assessment.state.reasons(),
        "key": assessment.key,
    });
    match assessment.result() {
        Some(entry) => {
            record["summary"] = json!(entry.summary);
            record["backend"] = json!(entry.backend);
            record["host"] = json!(entry.host);
            record["seconds"] = json!(entry.seconds);
            record["work_seconds"] = json!(entry.work_seconds);
        }
        None => record["expected_seconds"] = json!(outlook.seconds),
    }
    if let Some(offer) = assessment.carriable.as_ref().and_then(Carriable::offer) {
        record["replay"] = json!(offer);
    }
    if let Some(running) = &outlook.running {
        record["running"] = json!(running);
    }
    if let Some((iteration, iterations)) = outlook.kept {
        record["checkpoint"] = json!({ "iteration": iteration, "iterations": iterations });
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
    let graph = Graph::of(&experiment)?;
    let needed = graph.needed(&graph.wanted(&arguments.targets)?);
    if arguments.json {
        let steps: Vec<Value> = graph
            .ids()
            .filter(|id| needed[id.index()])
            .map(|id| node(&graph, graph.step(id)))
            .collect();
        let record = json!({ "profile": experiment.profile, "steps": steps });
        out.json_line(&record);
        return Ok(());
    }
    let format = match arguments.format {
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Svg => Format::Svg,
    };
    out.result(&draw(&graph, &needed, format));
    Ok(())
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
        "parameters": Parameters::from(step.params.to_json()),
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
    let graph = Graph::of(&arguments.place.experiment()?)?;
    let name = &arguments.step;
    graph.named(name)?;
    let store = Store::at(&arguments.place.artifacts, false);
    let Some(log) = store.read_newest_log(name)? else {
        bail!("{name} never ran here; start it with `fig6 reproduce {name}`");
    };
    out.result(&String::from_utf8_lossy(&log));
    Ok(())
}
