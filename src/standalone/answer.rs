//! What a net answers to test images: logits and predictions, counted by class, and as files that
//! others can compare with.
//!
//! Unaware of where weights and images come from and of where the files go.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};

use super::{AskedMoments, Matching, Normalisation, TestImages, Weights};
use cifar::CLASSES;
use nn::augment::Normalise;
use nn::classification::argmax_rows;
use nn::device::Backend;
use nn::predict::logits;
use nn::weights::{self, State, Values};
use records::Evaluation;
use step::Interrupted;

/// A net's answer to the images of one data set.
pub struct Answer {
    /// By class, in the order of the net's outputs.
    pub evaluation: Evaluation,
    pub normalisation: Normalisation,
    pub matching: Matching,
    /// `[images, 10]`, row-major.
    logits: Vec<f32>,
    /// The output that is right for each image.
    labels: Vec<u8>,
    predictions: Vec<u8>,
}

impl Answer {
    /// Evaluates weights. `classes` are the data's classes in the order of the net's outputs, where
    /// names do not tell it.
    ///
    /// # Errors
    /// [`crate::error::Invalid`] if it is not certain which output is which class, or what to
    /// normalise with; if the device is not usable, or an output of the net is not finite.
    pub fn of(
        weights: &Weights,
        test: &TestImages,
        asked: &AskedMoments,
        classes: Option<&[String]>,
        backend: Backend,
    ) -> Result<Answer> {
        let trained_on = &weights.trained_on;
        let matching = Matching::of(&test.classes, trained_on.classes.as_deref(), classes)?;
        let normalisation = Normalisation::of(asked, trained_on, || test.statistics())?;
        let normalise = Normalise::new(&normalisation.statistics);
        let network = weights.network(backend)?;
        let logits = logits(&network, &test.images, &normalise, &AtomicBool::new(false))?;
        let logits = logits.context(Interrupted)?;
        let (labels, predictions) = (matching.outputs(test.images.labels()), argmax_rows(&logits));
        Ok(Answer {
            evaluation: evaluate::evaluate(&matching.classes, &labels, &predictions),
            normalisation,
            matching,
            logits,
            labels,
            predictions,
        })
    }

    /// The images' predictions as CSV: index, label, prediction. Labels and predictions are places of
    /// the net's outputs.
    pub fn predictions(&self) -> String {
        evaluate::table(&self.labels, &self.predictions)
    }

    /// The logits as an array of numpy.
    pub fn npy(&self) -> Vec<u8> {
        let shape = format!("({}, {CLASSES})", self.labels.len());
        let mut header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
        // Magic, version and length stand before it, and the values begin at a multiple of 64 bytes.
        let start = NPY.len() + size_of::<u16>();
        let end = (start + header.len() + 1).next_multiple_of(64) - start;
        header.resize(end - 1, b' ');
        header.push(b'\n');
        let length = u16::try_from(header.len()).expect("the header has some hundred bytes");
        let values = self.logits.iter().flat_map(|logit| logit.to_le_bytes());
        let mut bytes = [NPY, &length.to_le_bytes()[..], &header].concat();
        bytes.extend(values);
        bytes
    }

    /// The logits as the one tensor of a safetensors file.
    ///
    /// # Errors
    /// If they are not ten for each image.
    pub fn safetensors(&self) -> Result<Vec<u8>> {
        let shape = vec![self.labels.len(), CLASSES];
        let values = self.logits.clone();
        let state = State::from([(LOGITS.to_owned(), Values { shape, values })]);
        let metadata = BTreeMap::from([(MARK.to_owned(), LOGITS.to_owned())]);
        weights::file(&state, &metadata)
    }
}

/// Magic and version of numpy's format.
const NPY: &[u8] = b"\x93NUMPY\x01\x00";

const LOGITS: &str = "logits";

/// What says in its header that a safetensors file is one of logits.
const MARK: &str = "fig6";

/// Whether the beginning of a file is that of [`Answer::predictions`].
pub fn are_predictions(beginning: &[u8]) -> bool {
    beginning.starts_with(b"index,label,prediction\n")
}

/// Whether the beginning of a file is that of [`Answer::npy`] or [`Answer::safetensors`].
pub fn are_logits(beginning: &[u8]) -> bool {
    let has = |text: &str| {
        let head = beginning.get(..256).unwrap_or(beginning);
        head.windows(text.len()).any(|at| at == text.as_bytes())
    };
    let npy = beginning.starts_with(NPY) && has("'descr': '<f4'") && has(", 10), }");
    npy || has(r#"{"__metadata__":{"fig6":"logits"}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standalone::MomentsFrom;
    use records::Statistics;

    /// Of so many images, each of its own class and taken for the next one.
    fn answer(images: usize) -> Answer {
        let names: Vec<String> = (0..CLASSES).map(|at| at.to_string()).collect();
        let labels: Vec<u8> = (0..images).map(|at| (at % CLASSES) as u8).collect();
        let predictions: Vec<u8> = labels.iter().map(|label| (label + 1) % 10).collect();
        Answer {
            evaluation: evaluate::evaluate(&names, &labels, &predictions),
            normalisation: Normalisation {
                statistics: Statistics {
                    mean: [0.0; 3],
                    std: [1.0; 3],
                },
                mean_from: MomentsFrom::Data,
                std_from: MomentsFrom::Data,
            },
            matching: Matching::of(&names, Some(&names), None).unwrap(),
            logits: (0..images * CLASSES).map(|at| at as f32 - 1.5).collect(),
            labels,
            predictions,
        }
    }

    #[test]
    fn logits_are_an_array_of_numpys_whatever_the_number_of_images() {
        for images in [0, 1, 12, 100, 10_000] {
            let bytes = answer(images).npy();
            assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
            let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            let (header, values) = (&bytes[10..10 + length], &bytes[10 + length..]);
            assert!((10 + length).is_multiple_of(64));
            let text = std::str::from_utf8(header).unwrap();
            let shape = format!("({}, 10)", images);
            let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            assert_eq!(text.trim_end(), dict);
            assert!(text.ends_with('\n'));
            let expected = answer(images).logits;
            let (words, rest) = values.as_chunks();
            assert!(rest.is_empty());
            let read: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn logits_are_the_tensor_of_a_safetensors_file() {
        let bytes = answer(3).safetensors().unwrap();
        let state = weights::parse(&bytes).unwrap();
        assert_eq!(state.len(), 1);
        assert_eq!(state["logits"].shape, [3, 10]);
        assert_eq!(state["logits"].values, answer(3).logits);
    }

    #[test]
    fn own_files_are_known_by_their_beginning_and_others_are_not() {
        let answer = answer(5);
        assert!(are_predictions(answer.predictions().as_bytes()));
        assert!(are_logits(&answer.npy()) && are_logits(&answer.safetensors().unwrap()));
        assert!(!are_predictions(b"index,label\n") && !are_logits(b"index,label,prediction\n"));
        let weights = weights::file(&State::new(), &BTreeMap::new()).unwrap();
        assert!(!are_logits(&weights));
        let other = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'shape': (3, 10), }";
        assert!(!are_logits(other));
    }

    #[test]
    fn predictions_are_a_line_for_each_image() {
        let expected = "index,label,prediction\n0,0,1\n1,1,2\n2,2,3\n";
        assert_eq!(answer(3).predictions(), expected);
    }
}
