//! Responses against PyTorch's, and against what `forward` computes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::architecture::{Architecture, Shortcut};
use crate::device::{Backend, tested};
use crate::weights::{self, State};
use records::Statistics;

/// How many times the distance that rounding makes is allowed.
const ROUNDING: f64 = 3.0;

/// What PyTorch computed for one net: `benches/pytorch/responses.py`.
#[derive(Deserialize)]
struct Golden {
    n: u32,
    shortcut: Shortcut,
    std_f64: Vec<f64>,
    /// The largest relative distance of PyTorch's 32-bit numbers from these.
    distance_f32: f64,
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

/// The script's made-up images.
fn images() -> Images {
    let mut records = Vec::new();
    for image in 0..24 {
        records.push(0);
        for channel in 0..3 {
            for y in 0..32 {
                for x in 0..32 {
                    let value = 31 * x + 17 * y + 101 * channel + 53 * image + x * y * (image + 1);
                    records.push((value % 256) as u8);
                }
            }
        }
    }
    let mut images = Images::default();
    images.push_records(&records).unwrap();
    images
}

/// The script's values for the tensors of batch normalisation.
fn disturb(state: &mut State) {
    for (name, tensor) in state.iter_mut() {
        let norm = name
            .rsplit('.')
            .nth(1)
            .unwrap_or_default()
            .starts_with("bn");
        let formula: fn(f64) -> f64 = match name.rsplit('.').next() {
            Some("running_mean") => |channel| 0.1 * channel.sin(),
            Some("running_var") => |channel| 1.0 + 0.5 * channel.cos(),
            Some("weight") if norm => |channel| 1.0 + 0.3 * (2.0 * channel).sin(),
            Some("bias") if norm => |channel| 0.2 * (3.0 * channel).cos(),
            _ => continue,
        };
        let values = tensor.values.iter_mut().enumerate();
        values.for_each(|(channel, value)| *value = formula(channel as f64) as f32);
    }
}

fn normalise() -> Normalise {
    Normalise::new(&Statistics {
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.247, 0.243, 0.261],
    })
}

fn network(name: &str, golden: &Golden, backend: Backend) -> ResNet {
    let architecture = Architecture {
        n: golden.n,
        shortcut: golden.shortcut,
    };
    let bytes = fixture(&format!("{name}-init.safetensors"));
    let mut state = weights::parse(&bytes).unwrap();
    disturb(&mut state);
    weights::from_state(&architecture, state, &backend.open().unwrap()).unwrap()
}

fn goldens() -> BTreeMap<String, Golden> {
    serde_json::from_slice(&fixture("responses.json")).unwrap()
}

#[test]
fn every_layers_response_is_pytorchs() {
    for (name, golden) in goldens() {
        for backend in tested() {
            let network = network(&name, &golden, backend);
            let ours = responses(&network, &images(), &normalise(), &AtomicBool::new(false));
            let ours = ours.unwrap().unwrap();
            assert_eq!(ours.len(), golden.std_f64.len());
            for (layer, (ours, theirs)) in ours.iter().zip(&golden.std_f64).enumerate() {
                let distance = (ours - theirs).abs() / theirs;
                assert!(
                    distance <= ROUNDING * golden.distance_f32,
                    "{name} on {backend}, layer {}: {ours} is not {theirs}",
                    layer + 1
                );
            }
        }
    }
}

#[test]
fn the_pass_that_shows_responses_is_the_networks_own() {
    let golden = &goldens()["resnet20-conv1x1-proj"];
    let network = network("resnet20-conv1x1-proj", golden, Backend::Flex);
    let device = network.device();
    let all: Vec<usize> = (0..24).collect();
    let batch = || to_device(normalise().batch(&images(), &all), &device);
    let mut layers = 0;
    let shown = network.observe(batch(), |_| {
        layers += 1;
        Ok::<_, ()>(())
    });
    assert_eq!(layers, 19);
    let shown = read(shown.unwrap()).unwrap();
    let logits = read(network.forward(batch())).unwrap();
    let largest = logits
        .iter()
        .fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    for (a, b) in shown.iter().zip(&logits) {
        assert!((a - b).abs() <= 1e-4 * largest, "{a} is not {b}");
    }
}

#[test]
fn a_stop_ends_it_and_numbers_that_are_none_are_an_error() {
    let golden = &goldens()["resnet8-zeropad"];
    let network = network("resnet8-zeropad", golden, Backend::Flex);
    let stopped = responses(&network, &images(), &normalise(), &AtomicBool::new(true));
    assert_eq!(stopped.unwrap(), None);

    let mut state = weights::state(&network).unwrap();
    let tensor = state.get_mut("layer2.0.bn1.bias").unwrap();
    tensor.values[3] = f32::INFINITY;
    let architecture = Architecture {
        n: 1,
        shortcut: Shortcut::Zeropad,
    };
    let network = weights::from_state(&architecture, state, &network.device()).unwrap();
    let error = responses(&network, &images(), &normalise(), &AtomicBool::new(false)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the response of 3 × 3 layer 4 is not finite"
    );
}
