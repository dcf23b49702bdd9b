//! `fig6 bundle`: a report with what it rests on in one file.

use std::path::PathBuf;

use anyhow::Result;
use bytesize::ByteSize;
use clap::Args;
use serde_json::json;

use super::out::Out;
use crate::bundle;
use crate::pipeline::Pipeline;
use crate::store::Store;

#[derive(Args, Debug)]
pub struct Arguments {
    /// The profile whose report is packed.
    #[arg(long, short)]
    profile: Option<String>,
    /// The file to write; by default fig6-<profile>.tar.gz.
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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<()> {
    let pipeline = Pipeline::load(&arguments.pipeline)?;
    let profile = &pipeline.experiment(arguments.profile.as_deref())?.profile;
    let output = arguments.output.clone();
    let output = output.unwrap_or_else(|| format!("fig6-{profile}.tar.gz").into());
    let store = Store::at(&arguments.artifacts, false);
    let _lock = store.share()?;
    let packed = bundle::pack(&arguments.reports.join(profile), &store, &output)?;
    let contents = &packed.contents;
    let left_out: u64 = contents.left_out.iter().map(|output| output.bytes).sum();
    if arguments.json {
        out.json_line(&json!({
            "file": output.display().to_string(),
            "profile": contents.profile,
            "files": contents.files.len(),
            "bytes": packed.bytes,
            "sha256": packed.sha256,
            "left_out": contents.left_out,
        }));
        return Ok(());
    }
    out.line(&format!(
        "{}: {} files, {}, sha256 {}",
        output.display(),
        contents.files.len(),
        ByteSize(packed.bytes),
        packed.sha256
    ))?;
    out.remark(&format!(
        "the images are not in it ({}); check it elsewhere with fig6 verify {}",
        ByteSize(left_out),
        output.display()
    ));
    Ok(())
}
