//! `fig6 export`: weights under the names that PyTorch code wants.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::evaluate::shortcut;
use super::out::Out;
use crate::error::Invalid;
use crate::foreign::Scheme;
use crate::standalone::Weights;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Weights or a checkpoint, in any form that `fig6 evaluate` reads.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The safetensors file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Whose names: torchvision's (layer1.0.conv1, downsample, fc), or those of fig6, akamaster or
    /// a-martyn.
    #[arg(long, value_name = "SCHEME", default_value = "torchvision")]
    names: String,
    /// Shortcut where maps shrink, if the weights cannot tell.
    #[arg(long, value_name = "KIND")]
    shortcut: Option<String>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let known = Scheme::all().map(|scheme| scheme.id);
    let mut schemes = Scheme::all();
    let scheme = schemes.find(|scheme| scheme.id == arguments.names);
    let scheme =
        scheme.ok_or_else(|| Invalid::unknown("scheme of names", &arguments.names, known))?;
    let output = arguments.output.display();
    // Nothing tells an export from weights that a training has left.
    let file = out.file(&arguments.output, arguments.force, |_| false)?;
    let weights = Weights::read(&arguments.file, shortcut(arguments.shortcut.as_deref())?)?;
    file.write(&weights.export(scheme)?)?;
    if !scheme.has(weights.architecture.shortcut) {
        out.remark(&format!(
            "note: code with {} has no shortcut {}; it would compute something else from these weights",
            scheme.name, weights.architecture.shortcut
        ));
    }
    out.remark(&format!(
        "{output}: {} layers, shortcut {}, {} names",
        weights.architecture.layers(),
        weights.architecture.shortcut,
        scheme.id
    ));
    Ok(ExitCode::SUCCESS)
}
