//! `fig6 evaluate`: the test error of weights in a file, whoever trained them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::out::Out;
use super::view::{by_class, in_points};
use super::{device, say_error};
use crate::error::Invalid;
use crate::nn::device::Backend;
use crate::nn::resnet::Shortcut;
use crate::results::Evaluation;
use crate::standalone::{Prepared, Weights};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Weights or checkpoints of fig6, other safetensors files, or PyTorch's (.pt, .pth, .th, .ckpt).
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// CIFAR-10: a folder or an archive, in the binary or the Python version or as image folders.
    #[arg(long, value_name = "PATH", default_value = "data")]
    data: PathBuf,
    /// Mean of R, G, B in [0, 1] that the weights were trained with [default: that of the training
    /// images].
    #[arg(
        long,
        value_name = "R,G,B",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    mean: Vec<f64>,
    /// Standard deviation of R, G, B, likewise.
    #[arg(
        long,
        value_name = "R,G,B",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    std: Vec<f64>,
    /// Shortcut where maps shrink, if the weights cannot tell: none, zeropad, zeropad-both-sides,
    /// zeropad-maxpool.
    #[arg(long, value_name = "KIND")]
    shortcut: Option<String>,
    /// Compute on this device: auto, cpu, cuda, cuda:1, mps, or one that `fig6 devices` lists.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let shortcut = shortcut(arguments.shortcut.as_deref())?;
    let (_, backend) = device(&arguments.device)?;
    let mean = moments("--mean", &arguments.mean)?;
    let std = moments("--std", &arguments.std)?;
    if std.is_some_and(|std| std.iter().any(|&value| value <= 0.0)) {
        return Err(Invalid::new("--std must be positive").into());
    }
    let mut images = Prepared::read(&arguments.data, Some(0))?;
    if let Some(remark) = images.remark.as_ref().filter(|_| !arguments.json) {
        out.remark(remark);
    }
    images.statistics.mean = mean.unwrap_or(images.statistics.mean);
    images.statistics.std = std.unwrap_or(images.statistics.std);

    let mut records = Vec::new();
    let mut failed = false;
    for path in &arguments.files {
        match evaluate(path, shortcut, backend, &images) {
            Ok((weights, evaluation)) if arguments.json => {
                records.push(record(path, &weights, &evaluation));
            }
            Ok((weights, evaluation)) => out.line(&words(path, &weights, &evaluation))?,
            // One file is an answer by itself, with its own exit code.
            Err(error) if arguments.files.len() == 1 => return Err(error),
            Err(error) => {
                failed = true;
                say_error(&error);
                records.push(
                    json!({ "file": path.display().to_string(), "error": format!("{error:#}") }),
                );
            }
        }
    }
    if arguments.json {
        let statistics = &images.statistics;
        out.json_line(&json!({
            "backend": backend.to_string(),
            "mean": statistics.mean,
            "std": statistics.std,
            "files": records,
        }));
    }
    Ok(match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// What `--shortcut` says.
pub fn shortcut(text: Option<&str>) -> Result<Option<Shortcut>, Invalid> {
    let shortcut = text.map(str::parse).transpose();
    shortcut.map_err(|error: anyhow::Error| Invalid::new(error.to_string()))
}

fn evaluate(
    path: &Path,
    shortcut: Option<Shortcut>,
    backend: Backend,
    images: &Prepared,
) -> Result<(Weights, Evaluation)> {
    let weights = Weights::read(path, shortcut)?;
    let never = AtomicBool::new(false);
    let evaluation = images.evaluate(&weights.network(backend)?, &never)?;
    Ok((weights, evaluation))
}

/// Three numbers of an option, if it was given.
fn moments(option: &str, values: &[f64]) -> Result<Option<[f64; 3]>, Invalid> {
    match *values {
        [] => Ok(None),
        [r, g, b] if values.iter().all(|value| value.is_finite()) => Ok(Some([r, g, b])),
        _ => Err(Invalid::new(format!(
            "{option} takes three numbers, for red, green and blue: {option} 0.4914,0.4822,0.4465"
        ))),
    }
}

fn words(path: &Path, weights: &Weights, evaluation: &Evaluation) -> String {
    let architecture = &weights.architecture;
    format!(
        "{}: {} layers, {} parameters, shortcut {} ({})\n{}\n{}",
        path.display(),
        architecture.layers(),
        architecture.parameters(),
        architecture.shortcut,
        weights.source,
        in_points(evaluation),
        by_class(evaluation),
    )
}

fn record(path: &Path, weights: &Weights, evaluation: &Evaluation) -> Value {
    json!({
        "file": path.display().to_string(),
        "architecture": weights.architecture,
        "layers": weights.architecture.layers(),
        "parameters": weights.architecture.parameters(),
        "source": weights.source,
        "evaluation": evaluation,
    })
}
