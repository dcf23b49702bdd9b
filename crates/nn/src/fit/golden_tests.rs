//! The networks and the optimiser against PyTorch's numbers, on every device that is tested; on GPUs the
//! first steps, as software that stands in for one takes a minute for them.
//!
//! Training at a rate of 0.1 is chaotic: whatever is rounded in the first step is a thousandfold
//! larger two steps later. How far 32-bit computations of the same thing keep from the 64-bit ones is
//! therefore measured, with PyTorch alone: `tests/fixtures/rounding.json` has the largest distance,
//! step by step, over some dozen variants that differ in nothing but rounding (memory layout, threads,
//! order of the images in the batch, initial weights altered by one unit in the last place).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use serde::Deserialize;

use super::tests::recipe;
use super::*;
use crate::architecture::{Architecture, Shortcut};
use crate::device::{Backend, tested};
use crate::transfers::read;
use burn::tensor::Tensor;
use records::Statistics;

/// How many times the distance that rounding makes is allowed: a dozen draws do not show the worst.
const EARLY: f64 = 3.0;
/// The same from the fifth step on, and for the logits after ten.
const LATE: f64 = 10.0;
/// Steps that count as early.
const FIRST: usize = 4;
/// Steps in all.
const ALL: usize = 10;

/// What PyTorch computed for one net; see `tests/fixtures/README.md`.
#[derive(Deserialize)]
struct Golden {
    n: u32,
    kind: String,
    parameters: u64,
    losses_f64: Vec<f64>,
    eval_logits_init_f64: Vec<Vec<f64>>,
    eval_logits_f64: Vec<Vec<f64>>,
}

/// How far PyTorch's 32-bit variants are at most from its 64-bit numbers.
#[derive(Deserialize)]
struct Rounding {
    /// Before each step.
    losses: Vec<f64>,
    logits_init: f64,
    logits: f64,
}

/// Running statistics in 64 bits by step and name, and how far 32-bit variants are from them, by
/// step, relative to a tensor's largest value.
#[derive(Deserialize)]
struct Running {
    steps: BTreeMap<usize, BTreeMap<String, Vec<f64>>>,
    rounding: BTreeMap<usize, f64>,
}

fn parsed<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(this_crate().join("../../tests/fixtures").join(name)).unwrap()
}

/// The crate's folder: where cargo says that it is, for a binary that was carried to another machine.
fn this_crate() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR");
    PathBuf::from(folder.unwrap_or(env!("CARGO_MANIFEST_DIR").into()))
}

/// The sample's first training images and first test images; nothing where it is not there.
fn sample() -> Option<(Images, Images)> {
    let shared = std::env::var_os("FIG6_SHARED");
    let shared = shared.map_or_else(|| this_crate().join("../../../shared"), PathBuf::from);
    let path = shared.join("data/cifar10-sample-binary.tar.gz");
    let file = std::fs::File::open(path).ok()?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut found: BTreeMap<String, Images> = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_owned();
        let name = name.to_str().unwrap().to_owned();
        if name == "data_batch_1.bin" || name == "test_batch.bin" {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.entry(name).or_default().push_records(&bytes).unwrap();
        }
    }
    let train = found["data_batch_1.bin"].select(&(0..128).collect::<Vec<_>>());
    let test = found["test_batch.bin"].select(&(0..16).collect::<Vec<_>>());
    Some((train, test))
}

fn largest_distance(a: &[f32], b: &[Vec<f64>]) -> f64 {
    let b: Vec<f64> = b.iter().flatten().copied().collect();
    assert_eq!(a.len(), b.len());
    let distances = a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - b).abs());
    distances.fold(0.0, f64::max)
}

/// One net with its ten steps on one batch, ready to be taken.
struct Problem {
    golden: Golden,
    network: ResNet,
    sgd: Sgd,
    images: Tensor<4>,
    labels: Vec<u8>,
    /// On the device without autodiff.
    test: Tensor<4>,
}

impl Problem {
    /// None where the sample images are not there.
    fn new(name: &str, backend: Backend) -> Option<Problem> {
        let mut goldens: BTreeMap<String, Golden> = parsed("golden.json");
        let golden = goldens.remove(name).unwrap();
        let architecture = Architecture {
            n: golden.n,
            shortcut: match golden.kind.as_str() {
                "plain" => Shortcut::None,
                kind => kind.parse().unwrap(),
            },
        };
        assert_eq!(architecture.parameters(), golden.parameters);
        let Some((train, test)) = sample() else {
            eprintln!("skipped: the sample images are not there (set FIG6_SHARED)");
            return None;
        };
        let device = backend.open().unwrap();
        let training_device = device.clone().autodiff();
        let bytes = fixture(&format!("{name}-init.safetensors"));
        let normalise = Normalise::new(&Statistics {
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.247, 0.243, 0.261],
        });
        let batch = |images: &Images| {
            let all: Vec<usize> = (0..images.len()).collect();
            normalise.batch(images, &all)
        };
        Some(Problem {
            network: weights::from_bytes(&architecture, &bytes, &training_device).unwrap(),
            sgd: Sgd::new(&recipe(10)),
            images: to_device(batch(&train), &training_device),
            labels: train.labels().to_vec(),
            test: to_device(batch(&test), &device),
            golden,
        })
    }

    /// Takes one step; gives the loss before it.
    fn step(&mut self) -> f64 {
        let logits;
        (self.network, logits) = train_step(
            &self.network,
            &mut self.sgd,
            0.1,
            self.images.clone(),
            &self.labels,
        );
        let outcome = Outcome {
            iteration: 0,
            learning_rate: 0.1,
            logits,
            labels: self.labels.clone(),
        };
        Outcome::read(&[outcome]).unwrap()[0].loss()
    }

    /// Logits of the test images, as in evaluation.
    fn logits(&self) -> Vec<f32> {
        read(for_evaluation(&self.network).forward(self.test.clone())).unwrap()
    }
}

/// Holds a distance against what is allowed; shows it with `--nocapture`.
fn hold(what: &str, distance: f64, rounding: f64, factor: f64) {
    eprintln!(
        "{what}: {distance:.1e}, {:.2} of rounding's",
        distance / rounding
    );
    assert!(
        distance <= factor * rounding,
        "{what}: {distance} of {rounding}"
    );
}

fn agrees_with_pytorch(name: &str) {
    let roundings: BTreeMap<String, Rounding> = parsed("rounding.json");
    let rounding = &roundings[name];
    for backend in tested() {
        let Some(mut problem) = Problem::new(name, backend) else {
            return;
        };
        let what = format!("{name} on {backend}");
        let distance = largest_distance(&problem.logits(), &problem.golden.eval_logits_init_f64);
        let before = format!("{what}, logits before training");
        hold(&before, distance, rounding.logits_init, EARLY);
        let mut largest = 0.0_f64;
        let steps = if backend.is_cpu() { ALL } else { FIRST };
        for number in 0..steps {
            // Nothing gets nearer again by itself: a small draw after larger ones is chance.
            largest = largest.max(rounding.losses[number]);
            let distance = (problem.step() - problem.golden.losses_f64[number]).abs();
            let factor = if number < FIRST { EARLY } else { LATE };
            let loss = format!("{what}, loss before step {}", number + 1);
            hold(&loss, distance, largest, factor);
        }
        if steps < ALL {
            continue;
        }
        let distance = largest_distance(&problem.logits(), &problem.golden.eval_logits_f64);
        hold(
            &format!("{what}, logits after ten steps"),
            distance,
            rounding.logits,
            LATE,
        );
    }
}

#[test]
fn running_statistics_are_those_of_pytorch() {
    let running: Running = parsed("running.json");
    for backend in tested() {
        let Some(mut problem) = Problem::new("resnet8-zeropad", backend) else {
            return;
        };
        for number in 1..=4 {
            problem.step();
            let Some(expected) = running.steps.get(&number) else {
                continue;
            };
            let state = weights::state(&problem.network).unwrap();
            assert_eq!(expected.len(), 14);
            for (name, expected) in expected {
                let values = &state[name].values;
                let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
                let distance = largest_distance(values, std::slice::from_ref(expected)) / size;
                let what = format!("{name} on {backend} after step {number}");
                hold(&what, distance, running.rounding[&number], EARLY);
            }
        }
    }
}

#[test]
fn resnet8_computes_what_pytorch_computes() {
    agrees_with_pytorch("resnet8-zeropad");
}

#[test]
fn resnet20_computes_what_pytorch_computes() {
    agrees_with_pytorch("resnet20-zeropad");
}

#[test]
fn plain20_computes_what_pytorch_computes() {
    agrees_with_pytorch("plain20");
}

#[test]
fn resnet20_with_projections_computes_what_pytorch_computes() {
    agrees_with_pytorch("resnet20-conv1x1-proj");
}

#[test]
fn resnet20_with_pooled_shortcuts_computes_what_pytorch_computes() {
    agrees_with_pytorch("resnet20-zeropad-maxpool");
}
