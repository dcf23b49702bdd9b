//! Files of weights: checkpoints, safetensors of our own, and what other programs save.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use nn::architecture::{Architecture, Shortcut};
use nn::checkpoint::{Checkpoint, Checkpoints};
use nn::device::Backend;
use nn::trained_on::TrainedOn;
use nn::weights::{self, State, Values};
use serde_json::json;

use super::dice::Dice;
use super::seeds::{unzip, zip};
use super::target::{Bound, KB, MB, Target, alone};
use testing::folder;

const NET: Architecture = Architecture {
    n: 1,
    shortcut: Shortcut::Zeropad,
};

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).unwrap()
}

fn values(values: &[f32]) -> Values {
    Values {
        shape: vec![values.len()],
        values: values.to_vec(),
    }
}

/// A small checkpoint as it is written.
fn checkpoint() -> Vec<u8> {
    let progress = json!({
        "iteration": 8,
        "learning_rate": 0.1,
        "warm_up": {"over": false, "window_errors": 3, "window_images": 8, "windows": [[800, 790]]},
        "window": {"images": 128, "errors": 100, "losses": 0.3},
        "metrics": [{
            "iteration": 7, "epoch": 0, "learning_rate": 0.1, "train_loss": 2.3,
            "train_error": 90.0, "validation_error": null, "test_error": 88.5,
        }],
        "trace": {
            "snapshots": [4], "states": {"4": "5b"}, "tensors": ["conv1.weight"],
            "norms": {"5": [1.5]}, "learning_rates": [[0, 0.1]], "warm_up": [],
        },
    });
    let checkpoint = Checkpoint {
        identity: json!({"architecture": NET, "recipe": {"momentum": 0.9}, "seed": 3}),
        progress: serde_json::from_value(progress).unwrap(),
        trained_on: TrainedOn {
            classes: Some((0..10).map(|at| format!("class {at}")).collect()),
            mean: Some([0.5; 3]),
            std: Some([0.25; 3]),
        },
        weights: State::from([
            ("conv1.weight".to_owned(), values(&[1.5, -0.0, 1e-40])),
            ("bn1.running_var".to_owned(), values(&[1.0])),
        ]),
        momentum_buffers: State::from([("conv1.weight".to_owned(), values(&[0.1, 0.2, 0.3]))]),
    };
    let folder = folder();
    let checkpoints = Checkpoints {
        folder: folder.path().to_owned(),
        every: Duration::ZERO,
        snapshots: None,
    };
    checkpoints.write(&checkpoint).unwrap();
    fs::read(folder.path().join("checkpoint-000000008.safetensors")).unwrap()
}

/// The digest that `nn::checkpoint` holds a file against.
fn digest(tensors: &State, metadata: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("fig6 2026 checkpoint");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (name, tensor) in tensors {
        add(name.as_bytes());
        for &length in &tensor.shape {
            add(&(length as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        add(&bytes);
    }
    for (name, text) in metadata {
        add(name.as_bytes());
        add(text.as_bytes());
    }
    hasher.finalize().to_string()
}

/// A damaged checkpoint with the digest of what it holds now, if it still is a safetensors file;
/// some of its texts are damaged in their turn.
fn seal(dice: &mut Dice, bytes: &[u8]) -> Option<Vec<u8>> {
    let (tensors, mut metadata) = weights::parse_with_metadata(bytes).ok()?;
    metadata.remove("digest");
    for text in metadata.values_mut() {
        if dice.one_in(3) {
            let mut damaged = text.clone().into_bytes();
            dice.damage_text(&mut damaged, text.as_bytes());
            *text = String::from_utf8_lossy(&damaged).into_owned();
        }
    }
    let digest = digest(&tensors, &metadata);
    metadata.insert("digest".to_owned(), digest);
    weights::file(&tensors, &metadata).ok()
}

/// Damages the header of a safetensors file, and less often its values; makes the header's length
/// good most of the time.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let length = |bytes: &[u8]| {
        let length = bytes
            .first_chunk()
            .map(|length| u64::from_le_bytes(*length));
        length
            .map_or(0, |length| length as usize)
            .min(bytes.len().saturating_sub(8))
    };
    if dice.one_in(4) || bytes.len() < 8 {
        return dice.damage(bytes, other);
    }
    let mut header = bytes[8..8 + length(bytes)].to_vec();
    let rest = bytes[8 + header.len()..].to_vec();
    let lent = other.get(8..8 + length(other)).unwrap_or_default();
    dice.damage_text(&mut header, lent);
    let said = match dice.one_in(8) {
        true => *dice.pick(&[0, 1, 100_000_000, 100_000_001, u64::MAX]),
        false => header.len() as u64,
    };
    *bytes = [&said.to_le_bytes()[..], &header, &rest].concat();
}

#[test]
fn checkpoints_whatever_they_hold_are_read_or_refused() {
    let _alone = alone();
    Target {
        name: "checkpoint",
        bound: Bound {
            fixed: 64 * KB,
            per_byte: 60,
        },
        seeds: vec![checkpoint()],
        damage: &|dice, bytes, other| {
            damage(dice, bytes, other);
            if dice.one_in(2) {
                *bytes = other.to_vec();
            }
            if let Some(sealed) = seal(dice, bytes) {
                *bytes = sealed;
            }
        },
        parse: &|path, _| Checkpoint::read(path).map(drop),
    }
    .run();
}

#[test]
fn our_own_weights_whatever_they_hold_make_the_net_or_are_refused() {
    let _alone = alone();
    let device = Backend::Flex.open().unwrap();
    Target {
        name: "weights",
        // The file's numbers, and the net with its first weights beside them.
        bound: Bound {
            fixed: MB,
            per_byte: 60,
        },
        seeds: vec![checkpoint(), fixture("resnet8-zeropad-init.safetensors")],
        damage: &damage,
        parse: &|_, bytes| weights::from_bytes(&NET, bytes, &device).map(drop),
    }
    .run();
}

/// A zip archive with a damaged pickle, other names, or other contents; its checksums fit.
fn repack(dice: &mut Dice, bytes: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (mut members, lent) = (unzip(bytes)?, unzip(other)?);
    let (_, lent) = dice.pick(&lent);
    for (name, content) in &mut members {
        if name.ends_with("data.pkl") && !dice.one_in(8) {
            dice.damage_pickle(content, lent);
        } else if dice.one_in(16) {
            dice.damage(content, lent);
        }
        if dice.one_in(16) {
            *name = (*dice.pick(&[
                "../evil",
                "/etc/evil",
                "a/../data.pkl",
                "data.pkl",
                "byteorder",
                "a/",
            ]))
            .to_owned();
        }
    }
    Some(zip(&members, dice.one_in(2)))
}

fn take(path: &Path) -> Result<()> {
    let found = weight_files::read(path)?;
    for tensor in found.state.values() {
        assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
    }
    Architecture {
        n: found.n,
        shortcut: found.shortcuts[0],
    }
    .check()
}

#[test]
fn weights_of_other_programs_whatever_they_hold_are_taken_or_refused() {
    let _alone = alone();
    let zips = [
        "a-martyn.pt",
        "akamaster-projections.pt",
        "evil.pt",
        "fig6-f64.pt",
        "torchvision-bf16.ckpt",
        "unknown.pt",
        "whole.pt",
        "words.pt",
    ]
    .map(|name| fixture(&format!("weights/{name}")));
    let legacy = ["akamaster.th", "evil-legacy.pt"].map(|name| fixture(&format!("weights/{name}")));
    Target {
        name: "zip",
        // An operation of a pickle is an object of 260 bytes at most; a packed one is less than a byte
        // of the file, but no damage puts in a hundred thousand.
        bound: Bound {
            fixed: 32 * MB,
            per_byte: 1000,
        },
        seeds: zips.to_vec(),
        damage: &|dice, bytes, other| match repack(dice, bytes, other) {
            Some(packed) if !dice.one_in(4) => *bytes = packed,
            _ => dice.damage(bytes, other),
        },
        parse: &|path, _| take(path),
    }
    .run();
    Target {
        name: "legacy",
        bound: Bound {
            fixed: 32 * MB,
            per_byte: 1000,
        },
        seeds: legacy.to_vec(),
        damage: &Dice::damage_pickle,
        parse: &|path, _| take(path),
    }
    .run();
    Target {
        name: "safetensors",
        bound: Bound {
            fixed: 256 * KB,
            per_byte: 60,
        },
        seeds: vec![checkpoint(), fixture("resnet8-zeropad-init.safetensors")],
        damage: &damage,
        parse: &|path, _| take(path),
    }
    .run();
}
