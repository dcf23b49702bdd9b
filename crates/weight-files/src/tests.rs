//! Files as other code saves them, most written by `tests/fixtures/weights/make.py`, and nets put
//! together here.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::*;
use crate::mapping_tests::{maps, net, shapes};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/weights");
    folder.join(name)
}

fn refusal(path: &Path) -> String {
    format!("{:#}", read(path).unwrap_err())
}

/// Every tensor of a fixture's net is the number of its name among all, but one is a ramp.
fn assert_is_the_fixtures_net(found: &Found, projections: bool) {
    let mut expected = shapes(1, projections);
    expected.sort();
    assert_eq!(found.n, 1);
    assert_eq!(found.state.len(), expected.len());
    for (at, (name, shape)) in expected.into_iter().enumerate() {
        let tensor = &found.state[&name];
        let count = shape.iter().product();
        let values = match name.as_str() {
            "fc.weight" => (0..count)
                .map(|at| (at / 64) as f32 + (at % 16) as f32 / 16.0)
                .collect(),
            _ => vec![(at + 1) as f32; count],
        };
        assert_eq!(tensor.shape, shape, "{name}");
        assert!(tensor.values == values, "{name}: {:?}", &tensor.values[..3]);
    }
}

#[test]
fn files_as_others_save_them_give_the_same_net() {
    use Shortcut::{None, Zeropad, ZeropadBothSides, ZeropadMaxpool};
    let weightless = [None, Zeropad, ZeropadBothSides, ZeropadMaxpool];
    for (file, source, usual) in [
        (
            "akamaster.th",
            "a PyTorch file (legacy format), inside state_dict, prefix module., akamaster's names",
            &[ZeropadBothSides][..],
        ),
        (
            "akamaster-projections.pt",
            "a PyTorch file, akamaster's names",
            &[Shortcut::Conv1x1Proj],
        ),
        (
            "a-martyn.pt",
            "a PyTorch file (legacy format), a-martyn's names",
            &[None, Zeropad],
        ),
        (
            "torchvision-f16.pt",
            "a PyTorch file, inside model (not ema.module), fig6's names",
            &weightless,
        ),
        (
            "torchvision-bf16.ckpt",
            "a PyTorch file, inside state_dict, prefix _orig_mod.module., torchvision's names",
            &[Shortcut::Conv1x1Proj],
        ),
        (
            "fig6-f64.pt",
            "a PyTorch file, inside run.net, fig6's names",
            &[Shortcut::Conv1x1Proj],
        ),
        (
            "unknown.pt",
            "a PyTorch file, names of no known code, matched by shapes and order",
            &[Shortcut::Conv1x1Proj],
        ),
        (
            "words.pt",
            "a PyTorch file, names of no known code, matched by shapes and order",
            &weightless,
        ),
        (
            "whole.pt",
            "a PyTorch file, inside model, fig6's names",
            &weightless,
        ),
    ] {
        let found = read(&fixture(file)).unwrap();
        assert_eq!(found.source, source, "{file}");
        let projections = usual == [Shortcut::Conv1x1Proj];
        // Whatever the names suggest, a shortcut without weights may be any of them.
        let possible = if projections { usual } else { &weightless };
        assert_eq!(found.shortcuts, possible, "{file}");
        assert_eq!(found.usual, usual, "{file}");
        assert!(!found.declared, "{file}");
        assert_is_the_fixtures_net(&found, projections);
    }
}

#[test]
fn the_kind_of_a_file_is_told_by_its_content() {
    let folder = testing::folder();
    let path = folder.path().join("weights.safetensors");
    fs::copy(fixture("akamaster.th"), &path).unwrap();
    assert_is_the_fixtures_net(&read(&path).unwrap(), false);
    for (bytes, said) in [
        (&b""[..], "neither a safetensors file nor one of PyTorch"),
        (
            b"\x89PNG\r\n",
            "neither a safetensors file nor one of PyTorch",
        ),
        (b"PK\x03\x04 and no archive", "was cut short or damaged"),
        (
            b"\x40\0\0\0\0\0\0\0{\"and no end",
            "was cut short or damaged",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let refusal = refusal(&path);
        assert!(refusal.contains(said), "{refusal}");
        assert!(refusal.contains("weights.safetensors"), "{refusal}");
    }
    assert!(refusal(folder.path()).contains("not a regular file"));
    assert!(refusal(&fixture("bare.pkl")).contains("bare pickle"));
}

#[test]
fn a_pickle_that_runs_commands_runs_none() {
    let found = read(&fixture("evil.pt")).unwrap();
    assert_is_the_fixtures_net(&found, false);
    assert!(refusal(&fixture("evil-legacy.pt")).contains("system"));
    assert!(!Path::new("fig6-was-here").exists());
}

#[test]
fn a_small_file_that_makes_millions_of_objects_is_refused() {
    assert!(refusal(&fixture("bomb.pt")).contains("more than 2000000 objects"));
}

#[test]
fn one_of_several_state_dicts_is_taken_by_its_key_or_none() {
    let holding = |keys: [&str; 2]| Dict {
        tensors: BTreeMap::new(),
        dicts: keys
            .map(|key| {
                let tensors = net(1, false, str::to_owned);
                let dicts = BTreeMap::new();
                (key.to_owned(), Dict { tensors, dicts })
            })
            .into(),
    };
    let (place, tensors) = state_dict(holding(["ema", "model"])).unwrap();
    assert_eq!(place, ", inside model (not ema)");
    maps(&tensors, 1, false).unwrap();
    let Err(error) = state_dict(holding(["student", "teacher"])) else {
        panic!("it took one");
    };
    assert!(error.to_string().contains("student, teacher"), "{error}");
}

#[test]
fn integers_are_no_weights() {
    let folder = testing::folder();
    let path = folder.path().join("integers");
    fs::write(&path, safetensors(Dtype::I32, "", &[], &[])).unwrap();
    let error = refusal(&path);
    assert!(error.contains("holds I32: expected floats"), "{error}");
}

/// A safetensors file of a net of n = 1.
fn safetensors(
    dtype: Dtype,
    prefix: &str,
    more: &[(&str, usize)],
    header: &[(&str, &str)],
) -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> =
        net(1, false, |name| format!("{prefix}{name}"))
            .into_iter()
            .map(|(name, tensor)| {
                let values = tensor.read().unwrap();
                let bytes = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                (name, tensor.shape, bytes)
            })
            .collect();
    tensors.extend(
        more.iter()
            .map(|(name, size)| ((*name).to_owned(), vec![*size], vec![0; 4 * size])),
    );
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    let header = header
        .iter()
        .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
    serialize(views, Some(header.collect())).unwrap()
}

#[test]
fn safetensors_files_say_in_their_header_which_shortcut_they_are_for() {
    let folder = testing::folder();
    let path = folder.path().join("weights.pt");
    let architecture = r#"{"n":1,"shortcut":"zeropad-maxpool"}"#;
    let momentum = [("momentum.conv1.weight", 8)];
    let header = [("architecture", architecture), ("fig6-checkpoint", "1")];
    fs::write(&path, safetensors(Dtype::F32, "", &momentum, &header)).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.shortcuts, [Shortcut::ZeropadMaxpool]);
    assert!(found.declared);
    assert_eq!(found.source, "a safetensors file, fig6's names");
    assert_eq!(found.metadata["architecture"], architecture);
    assert_eq!(found.state["bn1.bias"].values, [2.0; 16]);
    // Not a checkpoint of ours: then it is a tensor like others.
    fs::write(&path, safetensors(Dtype::F32, "", &momentum, &header[..1])).unwrap();
    assert!(refusal(&path).contains("momentum.conv1.weight is left over"));
    // Another program's header.
    fs::write(
        &path,
        safetensors(Dtype::F32, "net.", &[], &[("architecture", "resnet8")]),
    )
    .unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.shortcuts.len(), 4);
    assert_eq!(
        found.source,
        "a safetensors file, prefix net., fig6's names"
    );
    // A header that its own tensors contradict.
    let header = [("architecture", r#"{"n":2,"shortcut":"zeropad"}"#)];
    fs::write(&path, safetensors(Dtype::F32, "", &[], &header)).unwrap();
    assert!(refusal(&path).contains("its header says n = 2"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = testing::folder();
    let path = folder.path().join("cut");
    for name in ["akamaster.th", "akamaster-projections.pt"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let cuts = (0..100)
            .chain((100..bytes.len()).step_by(173))
            .chain(bytes.len() - 30..bytes.len());
        for cut in cuts {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert!(read(&path).is_err(), "{name} cut to {cut}");
        }
    }
    let bytes = safetensors(Dtype::F32, "", &[], &[]);
    for cut in (0..2_000)
        .step_by(7)
        .chain((2_000..bytes.len()).step_by(30_011))
    {
        fs::write(&path, &bytes[..cut]).unwrap();
        assert!(read(&path).is_err(), "safetensors cut to {cut}");
    }
}

/// Zeroes the check sums of a zip archive, which the reader takes for none, so that damage
/// reaches what they protect.
fn forget_check_sums(bytes: &mut [u8]) {
    for at in 0..bytes.len().saturating_sub(20) {
        if bytes[at..].starts_with(b"PK\x01\x02") {
            bytes[at + 16..at + 20].fill(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Damage may go unseen in values, for there is no check sum; all else is an error.
    #[test]
    fn damaged_bytes_never_panic(
        file in prop::sample::select(&[
            "akamaster.th", "akamaster-projections.pt", "evil.pt", "words.pt", "a-martyn.pt", "whole.pt",
        ][..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        front in any::<bool>(),
    ) {
        let mut bytes = fs::read(fixture(file)).unwrap();
        for (at, byte) in damage {
            // Most of a file is its pickle, then values; half of the damage goes to the front.
            let len = if front { bytes.len() / 3 } else { bytes.len() };
            bytes[at.index(len)] = byte;
        }
        forget_check_sums(&mut bytes);
        let folder = testing::folder();
        let path = folder.path().join("damaged");
        fs::write(&path, bytes).unwrap();
        if let Ok(found) = read(&path) {
            let whole = found.state.values().all(|tensor| {
                tensor.values.len() == tensor.shape.iter().product::<usize>()
            });
            prop_assert!(whole);
        }
    }
}
