//! `fig6 gc --remote`: removes from a store elsewhere what nobody needs.

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::Result;
use serde_json::json;

use super::environment;
use super::gc::Arguments;
use super::out::Out;
use super::signals::{self, INTERRUPTED};
use super::transfer::{STEPS_SHOWN, open, size};
use super::view::shortened_list;
use crate::error::Invalid;
use crate::pipeline::Pipeline;
use crate::plan::Graph;
use crate::remote::needed;
use remote_store::{Collected, Collection};
use store::Store;

pub fn run(arguments: &Arguments, remote: &str, out: &mut Out) -> Result<ExitCode> {
    let signals = signals::conditional()?;
    let none = || Invalid::new("--remote names no store");
    let address = environment::remote(Some(remote))?.ok_or_else(none)?;
    let pipeline = Pipeline::load(&arguments.pipeline)?;
    let graphs: Vec<Graph> = pipeline
        .profiles()
        .map(|profile| anyhow::Ok(Graph::of(pipeline.experiment(Some(profile))?)?))
        .collect::<Result<_>>()?;
    let store = Store::at(&arguments.artifacts, false);
    let collection = Collection {
        days: arguments.older_than,
        dry_run: arguments.dry_run,
    };
    signals.at_once.store(false, Ordering::SeqCst);
    let collected = open(&address, &signals.stop).and_then(|remote| {
        let needed = &mut |results: &[_]| needed(&graphs, &store, &arguments.reports, results);
        Ok(remote.collect(collection, needed)?)
    });
    signals.at_once.store(true, Ordering::SeqCst);
    if signals.stop.load(Ordering::SeqCst) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let collected = collected?;
    if arguments.json {
        out.json_line(&json!({
            "remote": address.to_string(),
            "dry_run": arguments.dry_run,
            "removed": collected.removed.iter().map(|(key, step)| json!({ "key": key, "step": step })).collect::<Vec<_>>(),
            "kept": collected.kept,
            "files": collected.files,
            "bytes_removed": collected.bytes,
            "bytes_kept": collected.bytes_kept,
        }));
    } else {
        show(&collected, arguments, &address.to_string(), out);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(collected: &Collected, arguments: &Arguments, address: &str, out: &mut Out) {
    let verb = match arguments.dry_run {
        true => "would remove",
        false => "removed",
    };
    let steps: Vec<String> = collected
        .removed
        .iter()
        .map(|(_, step)| step.clone())
        .collect();
    let (count, all) = (steps.len(), steps.len() + collected.kept);
    out.line(format!(
        "{verb} {count} of {all} results in {address}: {} files, {}; {} stay",
        collected.files,
        size(collected.bytes),
        size(collected.bytes_kept)
    ));
    if count > 0 {
        out.remark(&shortened_list(&steps, STEPS_SHOWN));
    }
}
