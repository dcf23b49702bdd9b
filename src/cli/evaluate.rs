//! `fig6 evaluate`: the test error of weights in a file, whoever trained them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::file::UserFile;
use super::normalisation::{self, in_digits};
use super::out::Out;
use super::view::{by_class, in_points};
use super::{device, say_error};
use crate::error::Invalid;
use crate::standalone::{
    Answer, By, MomentsFrom, ShortcutFrom, TestImages, Weights, are_logits, are_predictions,
};
use nn::architecture::Shortcut;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Weights or checkpoints of fig6, other safetensors files, or PyTorch's (.pt, .pth, .th, .ckpt).
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// CIFAR-10: a folder or an archive, in the binary or the Python version or as image folders.
    #[arg(long, value_name = "PATH", default_value = "data")]
    data: PathBuf,
    #[command(flatten)]
    normalisation: normalisation::Arguments,
    /// The data's classes in the order of the net's outputs, where their names do not tell it.
    #[arg(long, value_name = "NAME,NAME,…")]
    classes: Option<String>,
    /// Shortcut where maps shrink, if the weights cannot tell: none, zeropad, zeropad-both-sides,
    /// zeropad-maxpool.
    #[arg(long, value_name = "KIND")]
    shortcut: Option<String>,
    /// Write each image's index, label and prediction as CSV; labels are places of the net's outputs.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write the logits as 32-bit floats [images, 10], in the order of the images: .npy or
    /// .safetensors.
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Replace the files of --predictions and --logits, whatever they are.
    #[arg(long)]
    force: bool,
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
    let moments = arguments.normalisation.asked()?;
    let classes = arguments.classes.as_deref().map(names);
    let outputs = Outputs::of(arguments, out)?;
    let test = TestImages::read(&arguments.data)?;

    let mut records = Vec::new();
    let mut failed = false;
    for path in &arguments.files {
        let evaluate = || {
            let weights = Weights::read(path, shortcut)?;
            let answer = Answer::of(&weights, &test, &moments, classes.as_deref(), backend)
                .map_err(|error| match error.is::<Invalid>() {
                    true => Invalid::new(format!("{}: {error:#}", path.display())).into(),
                    false => error,
                })?;
            Ok((weights, answer))
        };
        match evaluate() {
            Ok((weights, answer)) => {
                outputs.write(&answer)?;
                match arguments.json {
                    true => records.push(record(path, &weights, &answer)),
                    false => out.line(words(path, &weights, &answer, &arguments.data)),
                }
            }
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
        out.json_line(&json!({ "backend": backend.to_string(), "files": records }));
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

/// What `--classes` says.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

/// The files that an answer is written to.
struct Outputs {
    predictions: Option<UserFile>,
    logits: Option<(UserFile, Format)>,
}

/// A format of logits.
#[derive(Clone, Copy)]
enum Format {
    Numpy,
    Safetensors,
}

impl Outputs {
    /// The files that the user asks for.
    fn of(arguments: &Arguments, out: &mut Out) -> Result<Outputs> {
        let Arguments {
            files,
            predictions,
            logits,
            force,
            ..
        } = arguments;
        if (predictions.is_some() || logits.is_some()) && files.len() > 1 {
            return Err(Invalid::new(format!(
                "--predictions and --logits are of one file of weights, not of {}",
                files.len()
            ))
            .into());
        }
        if predictions.is_some() && predictions == logits {
            return Err(Invalid::new("--predictions and --logits name the same file").into());
        }
        let format = |path: &Path| {
            let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
            match ending.as_ref().and_then(|ending| ending.to_str()) {
                Some("npy") => Ok(Format::Numpy),
                Some("safetensors") => Ok(Format::Safetensors),
                _ => Err(Invalid::new(format!(
                    "--logits {}: its ending must say the format, .npy or .safetensors",
                    path.display()
                ))),
            }
        };
        let format = logits.as_deref().map(format).transpose()?;
        let mut file = |path: &Option<PathBuf>, is_ours| {
            let path = path.as_ref();
            path.map(|path| out.file(path, *force, is_ours)).transpose()
        };
        Ok(Outputs {
            predictions: file(predictions, are_predictions)?,
            logits: file(logits, are_logits)?.zip(format),
        })
    }

    fn write(&self, answer: &Answer) -> Result<()> {
        if let Some(file) = &self.predictions {
            file.write(answer.predictions().as_bytes())?;
        }
        match &self.logits {
            None => Ok(()),
            Some((file, Format::Numpy)) => file.write(&answer.npy()),
            Some((file, Format::Safetensors)) => file.write(&answer.safetensors()?),
        }
    }
}

fn words(path: &Path, weights: &Weights, answer: &Answer, data: &Path) -> String {
    let architecture = &weights.architecture;
    let mut lines = vec![format!(
        "{}: {} layers, {} parameters, shortcut {} ({})",
        path.display(),
        architecture.layers(),
        architecture.parameters(),
        architecture.shortcut,
        weights.source,
    )];
    lines.extend(guess(weights));
    lines.push(normalised(weights, answer, data));
    lines.push(matched(weights, answer));
    lines.push(in_points(&answer.evaluation));
    lines.push(by_class(&answer.evaluation));
    lines.join("\n")
}

/// A sentence about a shortcut that is not certain.
pub fn guess(weights: &Weights) -> Option<String> {
    let ShortcutFrom::Names(names) = weights.shortcut_from else {
        return None;
    };
    let shortcut = weights.architecture.shortcut;
    Some(format!(
        "shortcut {shortcut} is guessed from {names}: --shortcut says otherwise"
    ))
}

fn normalised(weights: &Weights, answer: &Answer, data: &Path) -> String {
    let normalisation = &answer.normalisation;
    let from = |from: MomentsFrom| match from {
        MomentsFrom::Option => "given".to_owned(),
        MomentsFrom::Known(name) => format!("as {name}'s"),
        MomentsFrom::Weights => "from the weights".to_owned(),
        MomentsFrom::Data => format!("from the training images of {}", data.display()),
    };
    let [mean, std] = [
        &normalisation.statistics.mean,
        &normalisation.statistics.std,
    ]
    .map(in_digits);
    let (mean_from, std_from) = (from(normalisation.mean_from), from(normalisation.std_from));
    let said = match mean_from == std_from {
        true => format!("mean {mean}, std {std} ({std_from})"),
        false => format!("mean {mean} ({mean_from}), std {std} ({std_from})"),
    };
    match normalisation.offered(weights.author) {
        None => said,
        Some(author) => {
            format!("{said}; {author}'s own weights need others: --normalisation {author}")
        }
    }
}

/// How the data's classes were matched with the net's outputs.
fn matched(weights: &Weights, answer: &Answer) -> String {
    let order = match &weights.trained_on.classes {
        Some(_) => "as the weights name them",
        None => "in CIFAR-10's order, for the weights name none",
    };
    match answer.matching.by {
        By::Names => format!("classes {order}"),
        By::Labels => format!("classes {order}; 0 to 9 are taken for CIFAR-10's labels"),
        By::Option => "classes as --classes says".to_owned(),
        By::Synonyms => {
            let pairs = answer.matching.classes.iter().zip(&answer.matching.net);
            let pairs = pairs.filter(|(data, net)| data != net);
            let pairs: Vec<String> = pairs
                .map(|(data, net)| format!("{data} for {net}"))
                .collect();
            format!("classes {order}; {}", pairs.join(", "))
        }
    }
}

fn record(path: &Path, weights: &Weights, answer: &Answer) -> Value {
    let normalisation = &answer.normalisation;
    json!({
        "file": path.display().to_string(),
        "architecture": weights.architecture,
        "shortcut_from": weights.shortcut_from,
        "layers": weights.architecture.layers(),
        "parameters": weights.architecture.parameters(),
        "source": weights.source,
        "normalisation": {
            "mean": normalisation.statistics.mean,
            "mean_from": normalisation.mean_from,
            "std": normalisation.statistics.std,
            "std_from": normalisation.std_from,
            "offered": normalisation.offered(weights.author),
        },
        "classes": {
            "data": answer.matching.classes,
            "weights": weights.trained_on.classes,
            "matched_by": answer.matching.by,
        },
        "evaluation": answer.evaluation,
    })
}
