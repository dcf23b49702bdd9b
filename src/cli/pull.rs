//! `fig6 pull`: brings results from a store elsewhere.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::Where;
use super::out::Out;
use super::signals::{self, INTERRUPTED};
use super::transfer::{Elsewhere, Meter, STEPS_SHOWN, is_stopped, open, show_pulled};
use super::view::shortened_list;
use crate::remote::{Pull, pull, pull_report};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Steps whose results are wanted, by name or by its first parts; all by default.
    #[arg(value_name = "TARGET", conflicts_with = "report")]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Bring what the profile's report rests on, by its provenance: what `fig6 verify` needs, whatever the
    /// code of today is.
    #[arg(long)]
    report: bool,
    /// Also bring snapshots of trainings, which only replays need.
    #[arg(long)]
    snapshots: bool,
    /// The folder of reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let started = Instant::now();
    let signals = signals::conditional()?;
    let address = arguments.elsewhere.expect_address()?;
    let project = arguments.place.open()?;
    let graph = &project.graph;
    let needed = graph.needed(&graph.wanted(&arguments.targets)?);
    let meter = Meter::new("fetched", out.is_quiet() || arguments.json);
    let request = Pull {
        needed: &needed,
        forced: &BTreeSet::new(),
        snapshots: arguments.snapshots,
        watch: &|bytes| meter.add(bytes),
    };
    // From here on there is something to be removed.
    let mut open = || {
        signals.at_once.store(false, Ordering::SeqCst);
        open(&address, &signals.stop)
    };
    let pulled = match arguments.report {
        true => {
            let report = arguments.reports.join(&project.experiment.profile);
            pull_report(&project, &report, &request, &mut open)
        }
        false => pull(&project, &request, &mut open),
    };
    meter.close();
    signals.at_once.store(true, Ordering::SeqCst);
    if signals.stop.load(Ordering::SeqCst) || pulled.as_ref().is_err_and(is_stopped) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let pulled = pulled?;
    if arguments.json {
        out.json_line(&json!({
            "remote": address.to_string(),
            "fetched": pulled.brought,
            "bytes": pulled.bytes,
            "here": pulled.here,
            "absent": pulled.absent,
            "refused": pulled.refused.iter().map(|(step, what)| json!({ "step": step, "what": what })).collect::<Vec<_>>(),
            "busy": pulled.busy,
            "seconds": started.elapsed().as_secs_f64(),
        }));
    } else {
        show_pulled(&pulled, &address, out);
        if pulled.brought.is_empty() {
            out.remark(&match pulled.absent.is_empty() {
                true => format!("nothing to fetch: all {} results are here", pulled.here),
                false => format!("nothing to fetch: {address} has no more"),
            });
        }
        if !pulled.absent.is_empty() {
            let absent: Vec<String> = pulled.absent.iter().cloned().collect();
            let steps = shortened_list(&absent, STEPS_SHOWN);
            out.line(format!("without a result, here and there: {steps}"));
        }
    }
    // A report whose evidence is not whole cannot be verified; other steps can be computed.
    Ok(match arguments.report && !pulled.is_complete() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
