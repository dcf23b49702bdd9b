//! `fig6 gc`: removes what nobody needs any more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::gc_remote;
use super::out::Out;
use super::terminal::{Paint, paint};
use super::view::duration;
use crate::pipeline::Pipeline;
use crate::plan::{Bases, Graph, Planner};
use crate::report;
use crate::steps::Params;
use nn::checkpoint;
use nn::device::Request;
use store::key::Listing;
use store::{Artifact, Fate, GcLimits, InterruptedWork, Needs, Store, Survey, WhyKept};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The pipeline file: what any of its profiles can use is kept.
    #[arg(long, value_name = "FILE", default_value = "pipeline.ron")]
    pub pipeline: PathBuf,
    /// The folder of artifacts.
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub artifacts: PathBuf,
    /// The folder of reports: what led to a file in it is kept.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Say what would go and what would stay, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Keep what this many of the last runs used.
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        allow_negative_numbers = true
    )]
    keep_runs: usize,
    /// Make room until results take no more than this (20GB, 500MB, 1GiB), the cheapest to compute again
    /// going first.
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    max_size: Option<ByteSize>,
    /// Also remove checkpoints and half downloads that interrupted runs have left.
    #[arg(long)]
    interrupted: bool,
    /// Also remove damaged files that were set aside.
    #[arg(long)]
    set_aside: bool,
    /// Also remove snapshots of trainings whose results stay; they cannot be replayed then.
    #[arg(long)]
    snapshots: bool,
    /// Remove from this store elsewhere instead: results that neither the pipeline nor a report here needs.
    #[arg(long, value_name = "URL", conflicts_with_all = ["keep_runs", "max_size", "interrupted", "set_aside", "snapshots"])]
    pub remote: Option<String>,
    /// With --remote: keep what was added within so many days.
    #[arg(long, value_name = "DAYS", default_value = "30", requires = "remote", allow_negative_numbers = true, value_parser = days)]
    pub older_than: f64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A number of days in an option.
fn days(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(days) if (0.0..=36500.0).contains(&days) => Ok(days),
        _ => Err("expected days, from 0 to 36500".to_owned()),
    }
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    match &arguments.remote {
        Some(remote) => gc_remote::run(arguments, remote, out),
        None => collect(arguments, out).map(|()| ExitCode::SUCCESS),
    }
}

fn collect(arguments: &Arguments, out: &mut Out) -> Result<()> {
    let pipeline = Pipeline::load(&arguments.pipeline)?;
    let artifacts = &arguments.artifacts;
    let store = Store::at(artifacts, false);
    let limits = GcLimits {
        runs: arguments.keep_runs,
        max_bytes: arguments.max_size.map(|size| size.as_u64()),
        interrupted: arguments.interrupted,
        set_aside: arguments.set_aside,
        snapshots: arguments.snapshots,
    };
    // Files that have to be read are read while others may go on.
    let lock = store.share()?;
    let needs = needs(&pipeline, &arguments.reports, &store)?;
    if arguments.dry_run || !artifacts.exists() {
        let survey = store.survey(&needs, &limits)?;
        show(&survey, arguments, out);
        return Ok(());
    }
    let _ = store.save_index();
    drop((lock, store));

    let store = Store::at(artifacts, false);
    let alone =
        store.exclude(&mut || out.remark("waiting for another fig6 to be done with the store"))?;
    let needs = self::needs(&pipeline, &arguments.reports, &store)?;
    let survey = store.survey(&needs, &limits)?;
    survey.remove(&store, &alone)?;
    drop(alone);
    show(&survey, arguments, out);
    Ok(())
}

/// What the pipeline's profiles and the reports need.
fn needs(pipeline: &Pipeline, reports: &Path, store: &Store) -> Result<Needs> {
    let anywhere = Bases::any(&Request::Auto.resolve()?);
    let mut keys = HashSet::new();
    for profile in pipeline.profiles() {
        let graph = Graph::of(pipeline.experiment(Some(profile))?)?;
        let planner = Planner {
            graph: &graph,
            bases: &anywhere,
            store,
            profile,
        };
        keys.extend(planner.usable()?);
    }
    let kinds = Params::KINDS.into_iter();
    let listings = kinds.flat_map(|kind| anywhere.listings_of(kind));
    Ok(Needs {
        keys,
        contents: report::contents(reports, store)?,
        listings: listings.map(Listing::digest).collect(),
    })
}

fn show(survey: &Survey, arguments: &Arguments, out: &mut Out) {
    if arguments.json {
        out.json_line(&record(survey, arguments));
        return;
    }
    if arguments.dry_run {
        out.line(table(survey));
    }
    let (would, verb) = match arguments.dry_run {
        true => ("would ", "remove"),
        false => ("", "removed"),
    };
    let (count, all) = (survey.removed().count(), survey.artifacts.len());
    out.line(format!(
        "{would}{verb} {count} of {all} results: {} of {}",
        size(survey.bytes - survey.bytes_kept),
        size(survey.bytes)
    ));
    if survey.others() > 0 {
        out.remark(&format!(
            "{would}{verb} {} other files that nobody needs",
            survey.others()
        ));
    }
    let kept: Vec<String> = survey
        .kept()
        .into_iter()
        .map(|(why, count)| format!("{count} {}", in_words(why)))
        .collect();
    if !kept.is_empty() {
        out.remark(&format!("kept: {}", kept.join(", ")));
    }
    if survey.under_way > 0 {
        out.remark(&format!("kept: {} steps under way", survey.under_way));
    }
    for left in &survey.interrupted {
        out.line(interrupted(left, arguments));
    }
    let (count, bytes) = survey.set_aside;
    if count > 0 && !arguments.set_aside {
        let files = format!(
            "{count} damaged files that were set aside ({})",
            size(bytes)
        );
        out.remark(&format!("kept: {files}; --set-aside removes them"));
    }
    snapshots(survey, arguments, out);
    if let Some(most) = arguments
        .max_size
        .filter(|most| survey.bytes_kept > most.as_u64())
    {
        let (kept, most) = (size(survey.bytes_kept), size(most.as_u64()));
        let mark = paint(Paint::Yellow, "warning:");
        out.line(format!(
            "{mark} {kept} are left, more than {most}: runs under way use them, or their manifests are damaged"
        ));
    }
}

/// What becomes of snapshots, and what that means.
fn snapshots(survey: &Survey, arguments: &Arguments, out: &mut Out) {
    let (count, bytes) = survey.snapshots;
    let files = format!("snapshots of {count} trainings ({})", size(bytes));
    let replays = "`reproduce --replay` and `verify --level replay` say so";
    match (count, arguments.snapshots, arguments.dry_run) {
        (0, ..) => {}
        (_, false, _) => out.remark(&format!("kept: {files}; --snapshots removes them")),
        (_, true, true) => out.line(format!(
            "would remove {files}; these trainings could then not be replayed: {replays}"
        )),
        (_, true, false) => out.line(format!(
            "removed {files}; these trainings can now not be replayed: {replays}"
        )),
    }
}

/// All results, those that go first.
fn table(survey: &Survey) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["step", "result", "size", "age", "cost", ""]);
    for artifact in &survey.artifacts {
        let fate = match artifact.fate {
            Fate::Unneeded => paint(Paint::Yellow, "goes: nobody needs it"),
            Fate::Evicted => paint(Paint::Yellow, "goes: to make room"),
            Fate::Kept(why) => format!("stays: {}", in_words(why)),
        };
        table.add_row([
            artifact.step.clone(),
            artifact.key.short(),
            size(artifact.bytes),
            age(artifact).map_or_else(|| "?".to_owned(), duration),
            format!("{:.1} s", artifact.seconds),
            fate,
        ]);
    }
    for column in [2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn in_words(why: WhyKept) -> &'static str {
    match why {
        WhyKept::Live => "used by a run under way",
        WhyKept::Pipeline => "needed by the pipeline",
        WhyKept::Report => "led to a report",
        WhyKept::Run => "used by one of the last runs",
        WhyKept::Damaged => "with a damaged manifest (see fig6 fsck)",
    }
}

/// What an interrupted run has left, and what becomes of it.
fn interrupted(left: &InterruptedWork, arguments: &Arguments) -> String {
    let what = match checkpoint::newest_iteration(&left.scratch) {
        Some(iteration) => format!("checkpoint after iteration {iteration}"),
        None if left.goes && !arguments.dry_run => "what an interrupted run had left".to_owned(),
        None => "what an interrupted run has left".to_owned(),
    };
    let (step, bytes, age) = (&left.step, size(left.bytes), duration(left.age));
    let fate = match (left.goes, arguments.dry_run) {
        (false, _) => "kept; --interrupted removes it",
        (true, true) => "would go",
        (true, false) => "removed",
    };
    format!("{step}: {what} ({bytes}, {age} old): {fate}")
}

/// Everything for programs.
fn record(survey: &Survey, arguments: &Arguments) -> Value {
    let artifacts: Vec<Value> = survey
        .artifacts
        .iter()
        .map(|artifact| {
            let (fate, why) = match artifact.fate {
                Fate::Unneeded => ("removed", "unneeded".into()),
                Fate::Evicted => ("removed", "max_size".into()),
                Fate::Kept(why) => ("kept", json!(why)),
            };
            json!({
                "step": artifact.step,
                "key": artifact.key,
                "bytes": artifact.bytes,
                "age_seconds": age(artifact),
                "seconds": artifact.seconds,
                "fate": fate,
                "why": why,
            })
        })
        .collect();
    let interrupted: Vec<Value> = survey
        .interrupted
        .iter()
        .map(|left| {
            json!({
                "step": left.step,
                "key": left.key,
                "bytes": left.bytes,
                "age_seconds": left.age,
                "iteration": checkpoint::newest_iteration(&left.scratch),
                "removed": left.goes,
            })
        })
        .collect();
    json!({
        "dry_run": arguments.dry_run,
        "bytes": survey.bytes,
        "bytes_removed": survey.bytes - survey.bytes_kept,
        "artifacts": artifacts,
        "interrupted": interrupted,
        "under_way": survey.under_way,
        "runs_kept": survey.runs_kept,
        "set_aside": { "files": survey.set_aside.0, "bytes": survey.set_aside.1 },
        "snapshots": {
            "trainings": survey.snapshots.0,
            "bytes": survey.snapshots.1,
            "removed": arguments.snapshots,
        },
        "other_files_removed": survey.others(),
    })
}

/// Seconds since the step began that made it.
fn age(artifact: &Artifact) -> Option<f64> {
    let started: jiff::Timestamp = artifact.started.parse().ok()?;
    Some(jiff::Timestamp::now().duration_since(started).as_secs_f64())
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}
