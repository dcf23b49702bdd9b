//! `fig6 train`: one training by itself, with the arguments of the reproduction that this program
//! re-implements.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::line::Line;
use super::out::Out;
use super::signals::{self, INTERRUPTED};
use super::view::{by_class, duration, in_points};
use super::{device, environment};
use crate::error::Invalid;
use crate::standalone::{Existing, Finished, Request};
use nn::architecture::{Architecture, Shortcut};
use nn::fit::{InterruptedTraining, TrainEvent};
use nn::recipe::Recipe;
use records::Metrics;
use train::Params;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Name of the experiment; results go to <exp-dir>/<exp-name>/.
    #[arg(long, value_name = "NAME")]
    exp_name: OsString,
    /// Blocks of each of the three stages; 3, 5, 7, 9, 18 for 20, 32, 44, 56, 110 layers.
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        allow_negative_numbers = true
    )]
    n: u32,
    /// Residual or plain.
    #[arg(long, value_enum, default_value = "resnet")]
    model_type: ModelType,
    /// Shortcut where maps shrink: none, zeropad, zeropad-maxpool, conv1x1-proj,
    /// zeropad-both-sides; by default zeropad for a residual net and none for a plain one.
    #[arg(long, value_name = "KIND")]
    skip_connection: Option<String>,
    /// Folder of experiments.
    #[arg(long, value_name = "DIR", default_value = "experiments")]
    exp_dir: PathBuf,
    /// CIFAR-10: a folder or an archive, in the binary or the Python version or as image folders.
    #[arg(long, value_name = "PATH", default_value = "data")]
    data_dir: PathBuf,
    /// Seed of initial weights, shuffling and augmentation.
    #[arg(long, default_value = "0", allow_negative_numbers = true)]
    seed: u64,
    /// Optimizer steps; the learning rate is divided by 10 at a half and at three quarters of them.
    #[arg(
        long,
        value_name = "N",
        default_value = "64000",
        allow_negative_numbers = true
    )]
    iterations: u64,
    /// Images of one optimizer step.
    #[arg(
        long,
        value_name = "N",
        default_value = "128",
        allow_negative_numbers = true
    )]
    batch_size: u32,
    /// Learning rate at the start (from 110 layers on after a warm-up at a tenth of it, until the
    /// training error is below 80 %).
    #[arg(long, value_name = "RATE", default_value = "0.1", allow_negative_numbers = true, value_parser = rate)]
    learning_rate: f64,
    /// Training images to hold out [default: a tenth of them; none where a folder val/ beside train/
    /// and test/ holds the validation set].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    validation: Option<u32>,
    /// Iterations between two evaluations.
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        allow_negative_numbers = true
    )]
    evaluate_every: u64,
    /// Compute on this device: auto, cpu, cuda, cuda:1, mps, or one that `fig6 devices` lists.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Seconds of work between two checkpoints [default: FIG6_CHECKPOINT_EVERY, or 300].
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = super::seconds)]
    checkpoint_every: Option<f64>,
    /// Go on with this experiment where it was interrupted.
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Start over, replacing what an earlier experiment has left in the folder.
    #[arg(long)]
    force: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelType {
    Resnet,
    Plain,
}

impl Arguments {
    fn shortcut(&self) -> Result<Shortcut> {
        let asked = self.skip_connection.as_deref().map(str::parse).transpose();
        let asked = asked.map_err(|error: anyhow::Error| Invalid::new(error.to_string()))?;
        let wrong = |said: &str| Err(Invalid::new(said).into());
        match (self.model_type, asked) {
            (ModelType::Resnet, None) => Ok(Shortcut::Zeropad),
            (ModelType::Resnet, Some(Shortcut::None)) => wrong(
                "a residual net needs a shortcut where its maps shrink: --skip-connection zeropad is the paper's; a net without any is --model-type plain",
            ),
            (ModelType::Plain, None | Some(Shortcut::None)) => Ok(Shortcut::None),
            (ModelType::Plain, Some(_)) => {
                wrong("a plain net has no shortcuts: leave --skip-connection out")
            }
            (ModelType::Resnet, Some(shortcut)) => Ok(shortcut),
        }
    }

    fn request(&self) -> Result<Request> {
        let name = &self.exp_name;
        let text = name.to_string_lossy();
        if text.is_empty() || text.starts_with('.') || text.contains(['/', '\\']) {
            return Err(Invalid::new(format!(
                "--exp-name {text:?} cannot be a folder's name below {}",
                self.exp_dir.display()
            ))
            .into());
        }
        let architecture = Architecture {
            n: self.n,
            shortcut: self.shortcut()?,
        };
        let layers = architecture.layers();
        let mut recipe = Recipe::paper(layers, self.iterations, self.learning_rate);
        recipe.batch_size = self.batch_size;
        recipe.evaluate_every = self.evaluate_every;
        Ok(Request {
            folder: self.exp_dir.join(name),
            params: Params {
                architecture,
                seed: self.seed,
                recipe,
            },
            data: self.data_dir.clone(),
            validation: self.validation,
            backend: device(&self.device)?.1,
            checkpoint_every: Duration::from_secs_f64(environment::checkpoint_seconds(
                self.checkpoint_every,
            )?),
            existing: match (self.resume, self.force) {
                (true, _) => Existing::Resume,
                (_, true) => Existing::Replace,
                _ => Existing::Refuse,
            },
        })
    }
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let started = Instant::now();
    let request = arguments.request()?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // The first one stops the training in good order, the second one at once.
    signals::listen(move |_| !set.swap(true, Ordering::Relaxed))?;
    let name = arguments.exp_name.to_string_lossy();
    let line = Line::new(&name, out.is_quiet() || arguments.json);
    let result = request.run(&stop, &mut |sight| match (sight, arguments.json) {
        (TrainEvent::Progress(seen), _) => line.update(&train::progress_of(seen)),
        (TrainEvent::Note(note), false) => line.suspend(|| out.remark(&note)),
        (TrainEvent::Note(note), true) => out.json_line(&json!({ "event": "note", "note": note })),
        (TrainEvent::Metrics(metrics), false) => {
            let iterations = arguments.iterations;
            line.suspend(|| out.remark(&measured(&metrics, iterations)));
        }
        (TrainEvent::Metrics(metrics), true) => {
            out.json_line(&json!({ "event": "metrics", "metrics": metrics }));
        }
    });
    line.close();
    let folder = request.folder.display();
    let finished = match result {
        Ok(finished) => finished,
        Err(error) => {
            let Some(interrupted) = error.downcast_ref::<InterruptedTraining>() else {
                return Err(error);
            };
            let said = format!("{interrupted}; the same command with --resume goes on");
            match arguments.json {
                true => out.json_line(
                    &json!({ "event": "interrupted", "iteration": interrupted.iteration }),
                ),
                false => out.remark(&said),
            }
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        out.json_line(&json!({
            "event": "done",
            "folder": folder.to_string(),
            "training": finished.training,
            "evaluation": finished.evaluation,
            "seconds": seconds,
        }));
    } else {
        out.result(&summary(&finished, seconds));
        out.remark(&format!("\nweights, metrics and curve.svg are in {folder}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A learning rate in an option; refused here, so that it is shown as it is written.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err(format!("learning rate {text} must be a positive number")),
    }
}

/// A line of metrics for people.
fn measured(metrics: &Metrics, iterations: u64) -> String {
    let validation = metrics
        .validation_error
        .map_or_else(String::new, |error| format!(", validation {error:.2} %"));
    format!(
        "iteration {} of {iterations}: error on training images {:.2} %{validation}, test {:.2} %",
        metrics.iteration, metrics.train_error, metrics.test_error
    )
}

/// The end of a training for people.
fn summary(finished: &Finished, seconds: f64) -> String {
    let Finished {
        training,
        evaluation,
        before,
    } = finished;
    let time = match before {
        true => "finished before".to_owned(),
        false => format!("in {}", duration(seconds)),
    };
    format!(
        "{} layers, {} parameters, {} iterations on {}, {time}\n\
         {}\n{}\n",
        training.layers,
        training.parameters,
        training.iterations,
        training.backend,
        in_points(evaluation),
        by_class(evaluation),
    )
}
