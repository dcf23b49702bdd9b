//! `fig6 push`: adds results to a store elsewhere.

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
use super::terminal::{Paint, paint};
use super::transfer::{Elsewhere, Meter, size};
use super::view::counted;
use crate::error::Invalid;
use crate::remote::{keys_of_report, keys_of_steps};
use remote_store::{PushOptions, Remote};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Steps whose results are pushed, by name or by its first parts; all that are up to date by default.
    #[arg(value_name = "TARGET", conflicts_with_all = ["report", "all"])]
    targets: Vec<String>,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Push what the profile's report rests on, by its provenance.
    #[arg(long, conflicts_with = "all")]
    report: bool,
    /// Push every result in the folder of artifacts.
    #[arg(long)]
    all: bool,
    /// Also push snapshots of trainings, to have them replayed elsewhere.
    #[arg(long)]
    snapshots: bool,
    /// Send also what is there already, in the place of what may be damaged.
    #[arg(long)]
    again: bool,
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
    let store = &project.store;
    let keys = match () {
        () if arguments.all => store.keys()?,
        () if arguments.report => {
            keys_of_report(&arguments.reports.join(&project.experiment.profile))?
        }
        () => {
            let steps = project.graph.wanted(&arguments.targets)?;
            keys_of_steps(&project, &steps)?
        }
    };
    if keys.is_empty() {
        let none = "there is no result to push; run fig6 reproduce, or choose another profile";
        return Err(Invalid::new(none).into());
    }
    let options = PushOptions {
        snapshots: arguments.snapshots,
        again: arguments.again,
        paranoid: arguments.place.paranoid,
    };
    let meter = Meter::new("pushed", out.is_quiet() || arguments.json);
    // A file that is on its way is not left half there.
    signals.at_once.store(false, Ordering::SeqCst);
    let remote = Remote::open_to_write(&address, &signals.stop);
    let pushed =
        remote.and_then(|remote| remote.push(store, &keys, options, &|bytes| meter.add(bytes)));
    meter.close();
    project.save_index();
    signals.at_once.store(true, Ordering::SeqCst);
    if signals.stop.load(Ordering::SeqCst) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let pushed = pushed?;
    if arguments.json {
        out.json_line(&json!({
            "remote": address.to_string(),
            "results": pushed.results,
            "already": pushed.already,
            "files": pushed.files,
            "bytes": pushed.bytes,
            "skipped": pushed.skipped.iter().map(|(key, what)| json!({ "key": key, "what": what })).collect::<Vec<_>>(),
            "seconds": started.elapsed().as_secs_f64(),
        }));
    } else {
        for (key, what) in &pushed.skipped {
            let label = paint(Paint::Yellow, "not pushed:");
            out.line(format!("{label} {}: {what}", key.short()));
        }
        let (results, files, already) = (pushed.results, pushed.files, pushed.already);
        out.line(match results {
            0 if files == 0 => format!("nothing to push: {address} has all {already} results"),
            _ => format!(
                "pushed {} to {address}: {}, {}; {already} were there",
                counted(results, "result"),
                counted(files as usize, "file"),
                size(pushed.bytes)
            ),
        });
    }
    Ok(match pushed.skipped.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
