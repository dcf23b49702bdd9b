//! `fig6 export`: weights under the names that PyTorch code wants.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::evaluate::{guess, shortcut};
use super::normalisation::{self, in_digits};
use super::out::Out;
use crate::error::Invalid;
use crate::standalone::Weights;
use nn::trained_on::TrainedOn;
use weight_files::Scheme;

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
    #[command(flatten)]
    normalisation: normalisation::Arguments,
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
    let moments = arguments.normalisation.asked()?;
    // Nothing tells an export from weights that a training has left.
    let file = out.file(&arguments.output, arguments.force, |_| false)?;
    let mut weights = Weights::read(&arguments.file, shortcut(arguments.shortcut.as_deref())?)?;
    weights.set_moments(&moments)?;
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
    if let Some(guess) = guess(&weights) {
        out.remark(&guess);
    }
    out.remark(&trained_on(&weights.trained_on));
    Ok(ExitCode::SUCCESS)
}

/// What the exported file's header says beside the net.
fn trained_on(known: &TrainedOn) -> String {
    let moment = |name: &str, moment: &Option<[f64; 3]>| {
        let said = moment.as_ref().map(in_digits);
        said.map(|said| format!("{name} {said}"))
    };
    let classes = known
        .classes
        .as_ref()
        .map(|classes| format!("classes {}", classes.join(", ")));
    let parts = [
        moment("mean", &known.mean),
        moment("std", &known.std),
        classes,
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    let header = match said.is_empty() {
        true => "its header names no classes".to_owned(),
        false => format!("its header says: {}", said.join("; ")),
    };
    let unknown = match (&known.mean, &known.std) {
        (Some(_), Some(_)) => return header,
        (None, None) => "mean and std",
        (None, _) => "mean",
        (_, None) => "std",
    };
    format!(
        "{header}; the file does not say {unknown} of its training: --mean and --std, or --normalisation and a name, write them"
    )
}
