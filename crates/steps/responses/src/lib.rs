//! Measures how strongly the layers of a training's final weights respond to the test images (Fig. 7).

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use cifar::Images;
use nn::architecture::{Architecture, ConvLayer, NAMES};
use nn::augment::Normalise;
use nn::device::Backend;
use nn::responses::responses;
use nn::weights;
use records::{LayerResponse, Responses};
use step::{Context, Interrupted};

/// What the responses depend on beside the input files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    pub architecture: Architecture,
}

/// The files that [`run`] writes.
pub const OUTPUTS: &[&str] = &["responses.json"];

/// Measures on a device, and returns one line for people.
///
/// Inputs: `weights.safetensors`, `test.bin` and `statistics.json`.
///
/// # Errors
/// [`Interrupted`] if it was asked to stop. If an input is missing, damaged or not of this
/// architecture, the device is not usable, a response is not finite, or the output cannot be written.
pub fn run(params: &Params, backend: Backend, context: &mut Context) -> Result<String> {
    let test = Images::read(context.input("test.bin")?)?;
    ensure!(!test.is_empty(), "there are no images to respond to");
    let statistics = context.read_json("statistics.json")?;
    let device = backend.open()?;
    let path = context.input("weights.safetensors")?;
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let network = weights::from_bytes(&params.architecture, &bytes, &device)
        .with_context(|| format!("in {}", path.display()))?;

    let deviations = responses(&network, &test, &Normalise::new(&statistics), context.stop)?;
    let deviations = deviations.context(Interrupted)?;
    let convs = params.architecture.convs();
    let layers = convs.filter(|layer| !matches!(layer, ConvLayer::Projection { .. }));
    let layers = layers.map(|layer| NAMES.of(layer));
    let layers = layers
        .zip(&deviations)
        .map(|([_, bn], &std)| LayerResponse { layer: bn, std });
    let record = Responses {
        images: test.len() as u64,
        layers: layers.collect(),
    };
    context.write_json("responses.json", &record)?;
    let mean = record.mean().context("a network without layers")?;
    Ok(format!(
        "mean response {mean:.2} of {} layers",
        record.layers.len()
    ))
}
