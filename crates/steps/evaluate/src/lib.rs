//! Classifies the test images with a training's final weights, once, single view.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use cifar::{CLASSES, Images};
use nn::architecture::Architecture;
use nn::augment::Normalise;
use nn::classification::{errors, percent};
use nn::device::Backend;
use nn::predict::predict;
use nn::weights;
use records::{ClassErrors, Evaluation};
use step::{Context, Interrupted};

/// What an evaluation depends on beside its input files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    pub architecture: Architecture,
}

/// The files that [`run`] writes.
pub const OUTPUTS: &[&str] = &["evaluation.json", "predictions.csv"];

/// Evaluates on a device, and returns one line for people.
///
/// Inputs: `weights.safetensors`, `test.bin`, `statistics.json` and `classes.json` (the ten
/// names).
///
/// # Errors
/// [`Interrupted`] if it was asked to stop. If an input is missing, damaged or not of this
/// architecture, the device is not usable, or an output cannot be written.
pub fn run(params: &Params, backend: Backend, context: &mut Context) -> Result<String> {
    let test = Images::read(context.input("test.bin")?)?;
    ensure!(!test.is_empty(), "there are no images to test with");
    let statistics = context.read_json("statistics.json")?;
    let classes: Vec<String> = context.read_json("classes.json")?;
    ensure!(
        classes.len() == CLASSES,
        "classes.json names {} classes, not {CLASSES}",
        classes.len()
    );
    let device = backend.open()?;
    let path = context.input("weights.safetensors")?;
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let network = weights::from_bytes(&params.architecture, &bytes, &device)
        .with_context(|| format!("in {}", path.display()))?;

    let normalise = Normalise::new(&statistics);
    let predictions = predict(&network, &test, &normalise, context.stop)?;
    let predictions = predictions.context(Interrupted)?;
    let evaluation = evaluate(&classes, test.labels(), &predictions);
    context.write_json("evaluation.json", &evaluation)?;
    context.write("predictions.csv", table(test.labels(), &predictions))?;
    Ok(format!(
        "test error {:.2} % ({} of {} images)",
        evaluation.test_error, evaluation.errors, evaluation.images
    ))
}

/// The label and the prediction of each image, as CSV.
pub fn table(labels: &[u8], predictions: &[u8]) -> String {
    let mut csv = String::from("index,label,prediction\n");
    for (index, (label, prediction)) in labels.iter().zip(predictions).enumerate() {
        writeln!(csv, "{index},{label},{prediction}").expect("a string takes all that is written");
    }
    csv
}

/// Counts, over all images and per class.
pub fn evaluate(classes: &[String], labels: &[u8], predictions: &[u8]) -> Evaluation {
    let mut confusion = vec![vec![0u64; classes.len()]; classes.len()];
    for (&label, &prediction) in labels.iter().zip(predictions) {
        confusion[usize::from(label)][usize::from(prediction)] += 1;
    }
    let classes = classes.iter().enumerate().map(|(label, class)| {
        let images = confusion[label].iter().sum();
        let errors = images - confusion[label][label];
        ClassErrors {
            class: class.clone(),
            images,
            errors,
            test_error: (images > 0).then(|| percent(errors, images)),
        }
    });
    let (images, errors) = (labels.len() as u64, errors(predictions, labels));
    Evaluation {
        images,
        errors,
        test_error: percent(errors, images),
        classes: classes.collect(),
        confusion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_images_has_no_test_error() {
        let classes = ["a", "b", "c"].map(str::to_owned);
        let evaluation = evaluate(&classes, &[0, 0, 2], &[0, 1, 2]);
        let errors = evaluation.classes.iter().map(|class| class.test_error);
        assert_eq!(errors.collect::<Vec<_>>(), [Some(50.0), None, Some(0.0)]);
        let json = serde_json::to_value(&evaluation).unwrap();
        assert!(json["classes"][1]["test_error"].is_null());
        assert_eq!(evaluation.confusion[0], [1, 1, 0]);
        let read: Evaluation = serde_json::from_value(json).unwrap();
        assert_eq!(read, evaluation);
    }
}
