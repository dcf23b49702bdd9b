//! Files that hold something else than plain weights, put together as PyTorch writes them: each is
//! refused with what it is and what to do, which is never to rename anything.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::*;
use crate::mapping_tests::{maps, net, tensor};

/// An archive with these entries.
fn archive(entries: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
    let folder = testing::folder();
    let path = folder.path().join("net.pt");
    let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, content) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
    (folder, path)
}

fn refusal(path: &Path) -> String {
    format!("{:#}", read(path).unwrap_err())
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("save them under"), "{said}");
}

/// A text in a pickle.
fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X", &length[..], text.as_bytes()].concat()
}

/// A reference to a storage of four elements of this kind.
fn storage(kind: &str) -> Vec<u8> {
    let class = format!("ctorch\n{kind}\n");
    let parts = [
        b"(".to_vec(),
        text("storage"),
        class.into_bytes(),
        text("0"),
        text("cpu"),
        b"K\x04tQ".to_vec(),
    ];
    parts.concat()
}

/// A state dict of one tensor, which is the object that these bytes of a pickle make.
fn state_dict_of(object: &[u8]) -> Vec<u8> {
    [b"\x80\x02}(", &text("conv1.weight")[..], object, b"u."].concat()
}

const HOOKS: &[u8] = b"\x89ccollections\nOrderedDict\n)R";

/// A tensor of four floats.
fn plain() -> Vec<u8> {
    let call = b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    [
        call,
        storage("FloatStorage"),
        b"K\x00K\x04\x85K\x01\x85".to_vec(),
        HOOKS.to_vec(),
        b"tR".to_vec(),
    ]
    .concat()
}

fn pytorch(pickle: &[u8]) -> (TempDir, PathBuf) {
    archive(&[
        ("net/data.pkl", pickle),
        ("net/data/0", &[0; 16]),
        ("net/version", b"3\n"),
    ])
}

#[test]
fn a_torch_script_is_said_to_be_one() {
    let (_folder, path) = archive(&[
        ("net/data.pkl", &state_dict_of(&plain())),
        ("net/code/__torch__.py", b"class Net(Module):"),
        ("net/constants.pkl", b"\x80\x02)."),
        ("net/version", b"3\n"),
    ]);
    let advice = "torch.jit.load, and save model.state_dict() with torch.save";
    assert_says(&refusal(&path), &["TorchScript archive", advice]);
}

#[test]
fn other_archives_than_weights_are_said_to_be_what_they_are() {
    let (_folder, path) = archive(&[
        ("net/archive_format", b"pt2"),
        ("net/models/model.json", b"{}"),
    ]);
    assert_says(
        &refusal(&path),
        &["torch.export has saved", "program.state_dict"],
    );
    let (_folder, path) = archive(&[("conv1.npy", b"\x93NUMPY")]);
    assert_says(&refusal(&path), &["numpy's arrays", "safetensors"]);
}

#[test]
fn quantised_tensors_are_said_to_be_quantised() {
    let quantiser = b"(ctorch\nper_tensor_affine\nG\x3f\xf0\x00\x00\x00\x00\x00\x00K\x00t";
    for kind in ["QInt8Storage", "QUInt8Storage", "CharStorage"] {
        let call = b"ctorch._utils\n_rebuild_qtensor\n(".to_vec();
        let shape = b"K\x00K\x04\x85K\x01\x85".to_vec();
        let object = [
            call,
            storage(kind),
            shape,
            quantiser.to_vec(),
            HOOKS.to_vec(),
            b"tR".to_vec(),
        ];
        let (_folder, path) = pytorch(&state_dict_of(&object.concat()));
        assert_says(
            &refusal(&path),
            &["it holds quantised tensors", "dequantize()"],
        );
    }
}

#[test]
fn sparse_tensors_are_said_to_be_sparse() {
    let layout = [
        &b"ctorch.serialization\n_get_layout\n"[..],
        &text("torch.sparse_coo"),
        b"\x85R",
    ]
    .concat();
    let call = b"ctorch._utils\n_rebuild_sparse_tensor\n(".to_vec();
    let parts = [b"(".to_vec(), plain(), plain(), b"K\x04\x85\x88t".to_vec()].concat();
    let object = [call, layout, parts, b"tR".to_vec()].concat();
    let (_folder, path) = pytorch(&state_dict_of(&object));
    assert_says(&refusal(&path), &["it holds sparse tensors", "to_dense()"]);
}

#[test]
fn the_same_pickle_with_plain_tensors_is_read() {
    let (_folder, path) = pytorch(&state_dict_of(&plain()));
    assert_says(
        &refusal(&path),
        &["it holds no weights of a net with convolutions"],
    );
}

#[test]
fn pruned_and_parametrized_weights_are_said_to_be_so() {
    let mut pruned = net(1, false, |name| {
        name.replace("conv1.weight", "conv1.weight_orig")
    });
    pruned.insert(
        "conv1.weight_mask".into(),
        tensor(vec![16, 3, 3, 3], None, 1.0),
    );
    let said = format!("{:#}", maps(&pruned, 1, false).unwrap_err());
    assert_says(&said, &["pruned net", "torch.nn.utils.prune.remove"]);
    let parametrized = |name: &str| match name {
        "conv1.weight" => "conv1.parametrizations.weight.original".to_owned(),
        other => other.to_owned(),
    };
    let said = format!(
        "{:#}",
        maps(&net(1, false, parametrized), 1, false).unwrap_err()
    );
    assert_says(&said, &["parametrized", "remove_parametrizations"]);
}

#[test]
fn other_names_are_advised_only_where_the_shapes_are_a_nets() {
    let strange = |name: &str| name.replace("conv2", "after").replace("conv1", "first");
    let unranked = |mut tensors: BTreeMap<String, Tensor>| {
        tensors.values_mut().for_each(|tensor| tensor.rank = None);
        tensors
    };
    let said = |tensors| format!("{:#}", maps(&tensors, 2, false).unwrap_err());
    // Words do not tell the order: names do.
    let doubtful = unranked(net(2, false, strange));
    assert!(said(doubtful).contains("save them under fig6's names"));
    // One batch normalisation is missing, which no name can bring back.
    let mut fused = unranked(net(2, false, strange));
    fused.retain(|name, _| !name.starts_with("layer3.1.bn2"));
    assert_says(
        &said(fused),
        &["4 convolutions of 64 filters and 3 batch normalisations"],
    );
    // Two convolutions lead from a stage to the next one.
    let mut other = unranked(net(2, false, strange));
    let second = other.get_mut("layer2.1.first.weight").unwrap();
    second.shape = vec![32, 16, 3, 3];
    assert_says(
        &said(other),
        &["2 and 1 convolutions of 3 × 3 from one stage to the next"],
    );
}

#[test]
fn integers_are_refused_with_what_to_do() {
    let folder = testing::folder();
    let path = folder.path().join("net.safetensors");
    let tensors = net(1, false, str::to_owned);
    let data: BTreeMap<String, (Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let count = tensor.shape.iter().product();
            (name, (tensor.shape, vec![0; count]))
        })
        .collect();
    let views = data.iter().map(|(name, (shape, bytes))| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::I8, shape.clone(), bytes);
        (name, view.unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    assert_says(
        &refusal(&path),
        &["holds I8: expected floats", "tensor.dequantize()"],
    );
}
