//! `fig6 init`: the pipeline file of the program itself, for a folder without the sources.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::out::Out;
use crate::pipeline::Pipeline;

/// The pipeline file that this program was built with.
const PIPELINE: &str = include_str!("../../pipeline.ron");
const NAME: &str = "pipeline.ron";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The folder to write it into, made if need be; by default the current one.
    folder: Option<PathBuf>,
    /// Replace a file that is there already.
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<()> {
    let folder = arguments.folder.as_deref();
    let path = folder.unwrap_or(Path::new("")).join(NAME);
    // What is there may have been edited, so none is known as our own.
    let file = out.file(&path, arguments.force, |_| false)?;
    let pipeline = Pipeline::parse(PIPELINE, NAME)?;
    let default = &pipeline.experiment(None)?.profile;
    file.write(PIPELINE.as_bytes())?;
    let profiles = Vec::from_iter(pipeline.profiles()).join(", ");
    out.line(format!("{}: profiles {profiles}", path.display()));
    let place = folder.map_or_else(String::new, |folder| format!(", in {}", folder.display()));
    out.remark(&format!(
        "next{place}: `fig6 status` says what there is to do for {default}, `fig6 reproduce` does it; \
         --profile names another"
    ));
    Ok(())
}
