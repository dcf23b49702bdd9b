//! `fig6 bundle`: a report with what it rests on in one file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use bytesize::ByteSize;
use clap::Args;
use serde_json::json;

use super::out::Out;
use super::signals::{self, INTERRUPTED};
use super::view::counted;
use crate::bundle;
use crate::pipeline::Pipeline;
use store::Store;

#[derive(Args, Debug)]
pub struct Arguments {
    /// The profile whose report is packed.
    #[arg(long, short)]
    profile: Option<String>,
    /// The file to write, - for standard output; by default fig6-<profile>.tar.gz.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The pipeline file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.ron")]
    pipeline: PathBuf,
    /// The folder of artifacts.
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// The folder of reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// Also pack the snapshots of its trainings, to have them replayed on another machine.
    #[arg(long)]
    snapshots: bool,
    /// Replace the file also if it is no bundle.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let signals = signals::conditional()?;
    let pipeline = Pipeline::load(&arguments.pipeline)?;
    let profile = &pipeline.experiment(arguments.profile.as_deref())?.profile;
    let output = arguments.output.clone();
    let output = output.unwrap_or_else(|| format!("fig6-{profile}.tar.gz").into());
    let file = out.file(&output, arguments.force, bundle::begins_as_bundle)?;
    let store = Store::at(&arguments.artifacts, false);
    let lock = store.share()?;
    let at_once = |at_once| signals.at_once.store(at_once, Ordering::SeqCst);
    let asked = || signals.stop.load(Ordering::SeqCst);
    let packed = file.write_by(|whole| {
        // There is a file to be removed now.
        at_once(false);
        let report = arguments.reports.join(profile);
        let packed = bundle::pack(&report, &store, arguments.snapshots, whole, &signals.stop)?;
        drop(lock);
        // A pipe may have no reader.
        at_once(file.may_wait()?);
        ensure!(!asked(), "stopped");
        Ok(packed)
    });
    at_once(true);
    if asked() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let packed = packed?;
    let contents = &packed.contents;
    let left_out: u64 = contents.left_out.iter().map(|output| output.bytes).sum();
    let (trainings, snapshots) = packed.snapshots;
    if arguments.json {
        out.json_line(&json!({
            "file": output.display().to_string(),
            "profile": contents.profile,
            "files": contents.files.len(),
            "bytes": packed.bytes,
            "sha256": packed.sha256,
            "left_out": contents.left_out,
            "snapshots": { "trainings": trainings, "bytes": snapshots },
        }));
        return Ok(ExitCode::SUCCESS);
    }
    out.line(format!(
        "{}: {} files, {}, sha256 {}",
        output.display(),
        contents.files.len(),
        ByteSize(packed.bytes),
        packed.sha256
    ));
    out.remark(&format!(
        "the images are not in it ({}); fig6 verify checks it on another machine",
        ByteSize(left_out)
    ));
    if arguments.snapshots {
        out.remark(&match trainings {
            0 => "there are no snapshots of its trainings: they cannot be replayed".to_owned(),
            _ => format!(
                "with snapshots of {} ({})",
                counted(trainings, "training"),
                ByteSize(snapshots)
            ),
        });
    }
    Ok(ExitCode::SUCCESS)
}
