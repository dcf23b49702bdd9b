//! What an evaluation takes for granted is never another task's without a word: classes, mean and
//! standard deviation, shortcuts. And what it finds can be had image by image.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::common::{Answer, pictures};
use super::{Place, refused};

const OWN: &str = "experiments/a/weights.safetensors";
const CIFAR: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];
/// As they sort when two of them have their usual other names.
const SYNONYMS: [&str; 10] = [
    "plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
];
const FROM_ONE: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
const ANIMALS: [&str; 10] = [
    "zebra", "yak", "wolf", "vole", "unicorn", "tiger", "seal", "ray", "quail", "panda",
];

/// A place with an experiment `a` on its data, which has learned something.
fn trained() -> Place {
    let place = Place::new();
    assert_eq!(place.train("a", &["--validation", "0"]).code, 0);
    place
}

/// The labels and pixels of one of the data's files.
fn records(place: &Place, file: &str) -> Vec<(u8, Vec<u8>)> {
    let bytes = fs::read(place.path("data").join(file)).unwrap();
    let records = bytes.chunks_exact(3073);
    records
        .map(|record| (record[0], record[1..].to_vec()))
        .collect()
}

/// The data as folders of PNG files, in which label i is called `names[i]`.
fn folders(place: &Place, root: &str, names: [&str; 10], splits: &[&str]) {
    for (split, file) in [("train", "data_batch_1.bin"), ("test", "test_batch.bin")] {
        if !splits.contains(&split) {
            continue;
        }
        for (index, (label, planes)) in records(place, file).into_iter().enumerate() {
            let folder = place.path(root).join(split).join(names[usize::from(label)]);
            fs::create_dir_all(&folder).unwrap();
            let pixels: Vec<u8> = (0..3072).map(|at| planes[at % 3 * 1024 + at / 3]).collect();
            let path = folder.join(format!("{index:04}.png"));
            image::save_buffer(path, &pixels, 32, 32, image::ColorType::Rgb8).unwrap();
        }
    }
}

/// The data in the binary layout, in which label i is number `order[i]` of the file of names.
fn relabelled(place: &Place, root: &str, order: [u8; 10], names: [&str; 10]) {
    let root = place.path(root);
    fs::create_dir_all(&root).unwrap();
    for file in ["data_batch_1.bin", "test_batch.bin"] {
        let records = records(place, file).into_iter();
        let bytes = records.flat_map(|(label, pixels)| {
            let label = order[usize::from(label)];
            std::iter::once(label).chain(pixels)
        });
        fs::write(root.join(file), bytes.collect::<Vec<u8>>()).unwrap();
    }
    let mut lines = [""; 10];
    for (label, name) in names.into_iter().enumerate() {
        lines[usize::from(order[label])] = name;
    }
    fs::write(root.join("batches.meta.txt"), lines.join("\n") + "\n").unwrap();
}

fn evaluate(place: &Place, more: &[&str]) -> Answer {
    place.fig6(&[&["evaluate"], more].concat())
}

/// The record of the first file.
#[track_caller]
fn record(place: &Place, more: &[&str]) -> Value {
    let answer = evaluate(place, &[&["--json"], more].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    let said: Value = serde_json::from_str(&answer.out).unwrap();
    said["files"][0].clone()
}

/// The same weights with no word about what they were trained on, as others save them.
fn forget(place: &Place, from: &str, to: &str) {
    let bytes = fs::read(place.path(from)).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, values) = bytes[8..].split_at(length);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(
        place.path(to),
        [&length, header.as_bytes(), values].concat(),
    )
    .unwrap();
}

#[test]
fn the_order_and_the_usual_names_of_classes_do_not_change_a_test_error() {
    let place = trained();
    let expected = record(&place, &[OWN])["evaluation"].clone();
    let diagonal = |confusion: &Value| {
        (0..10)
            .map(|at| confusion[at][at].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_ne!(
        diagonal(&expected["confusion"]),
        0,
        "a net that is always wrong shows nothing"
    );
    folders(&place, "synonyms", SYNONYMS, &["train", "test"]);
    relabelled(&place, "backwards", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], CIFAR);
    forget(&place, OWN, "foreign.safetensors");
    let foreign = ["foreign.safetensors", "--shortcut", "zeropad"];
    for (data, by) in [
        ("data", "names"),
        ("synonyms", "synonyms"),
        ("backwards", "names"),
    ] {
        for weights in [&[OWN][..], &foreign] {
            let record = record(&place, &[weights, &["--data", data]].concat());
            let confusion = &record["evaluation"]["confusion"];
            assert_eq!(confusion, &expected["confusion"], "{data}");
            assert_eq!(record["classes"]["matched_by"], by, "{data}");
        }
    }
    let said = evaluate(&place, &[OWN, "--data", "synonyms"]).out;
    assert!(
        said.contains("classes as the weights name them; plane for airplane, car for automobile"),
        "{said}"
    );
    let said = evaluate(&place, &[&foreign[..], &["--data", "synonyms"]].concat()).out;
    assert!(
        said.contains("classes in CIFAR-10's order, for the weights name none"),
        "{said}"
    );
    // An evaluation lists the classes in the order of the net's outputs.
    let record = record(&place, &[OWN, "--data", "synonyms"]);
    assert_eq!(record["classes"]["data"], json!(SYNONYMS));
    assert_eq!(record["classes"]["weights"], json!(CIFAR));
    assert_eq!(record["evaluation"]["classes"][0]["class"], "plane");
}

#[test]
fn classes_that_names_do_not_tell_are_refused_until_they_are_mapped() {
    let place = trained();
    let expected = record(&place, &[OWN])["evaluation"]["confusion"].clone();
    folders(&place, "from-one", FROM_ONE, &["train", "test"]);
    let typed = FROM_ONE.join(",");
    let answer = evaluate(&place, &[OWN, "--data", "from-one"]);
    refused(&answer, 2, &format!("{OWN}: the data's classes (1, 10, 2"));
    refused(&answer, 2, &format!("--classes {typed} "));
    assert!(!answer.out.contains("test error"), "{}", answer.out);
    let mapped = record(&place, &[OWN, "--data", "from-one", "--classes", &typed]);
    assert_eq!(mapped["evaluation"]["confusion"], expected);
    assert_eq!(mapped["classes"]["matched_by"], "option");
    let few = ["--data", "from-one", "--classes", "1,2,3"];
    let answer = evaluate(&place, &[&[OWN][..], &few].concat());
    refused(&answer, 2, "--classes does not name \"10\"");

    folders(&place, "animals", ANIMALS, &["train", "test"]);
    let answer = evaluate(&place, &[OWN, "--data", "animals"]);
    refused(
        &answer,
        2,
        "are not certainly the net's (airplane, automobile",
    );
}

#[test]
fn a_net_knows_the_classes_that_it_was_trained_on_whatever_they_are() {
    let place = Place::new();
    relabelled(&place, "animals", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], ANIMALS);
    let trained = place.train("a", &["--validation", "0", "--data-dir", "animals"]);
    assert_eq!(trained.code, 0, "{}", trained.err);
    let expected = place.json("experiments/a/evaluation.json");
    // Folders sort the other way round.
    folders(&place, "sorted", ANIMALS, &["train", "test"]);
    for data in ["animals", "sorted"] {
        let record = record(&place, &[OWN, "--data", data]);
        assert_eq!(record["evaluation"], expected, "{data}");
        assert_eq!(record["classes"]["weights"], json!(ANIMALS));
    }
    let answer = evaluate(&place, &[OWN, "--data", "data"]);
    refused(&answer, 2, "are not certainly the net's (zebra, yak");
}

#[test]
fn weights_carry_the_moments_that_they_were_trained_with() {
    let place = trained();
    let own = record(&place, &[OWN])["normalisation"].clone();
    assert_eq!(own["mean_from"], "weights");
    assert_eq!(own["std_from"], "weights");
    // Other training images have other moments, which the weights do not know.
    pictures(&place.path("other"), 30, 20);
    let other = record(&place, &[OWN, "--data", "other/data"]);
    assert_eq!(other["normalisation"]["mean"], own["mean"]);
    forget(&place, OWN, "foreign.safetensors");
    let foreign = ["foreign.safetensors", "--shortcut", "zeropad"];
    let measured = record(&place, &[&foreign[..], &["--data", "other/data"]].concat());
    assert_eq!(measured["normalisation"]["mean_from"], "data");
    assert_ne!(measured["normalisation"]["mean"], own["mean"]);
    let asked = ["--data", "other/data", "--normalisation", "data"];
    let asked = record(&place, &[&[OWN][..], &asked].concat());
    assert_eq!(
        asked["normalisation"]["mean"],
        measured["normalisation"]["mean"]
    );
    // Of two files each has its own.
    let both = evaluate(&place, &[&[OWN], &foreign[..]].concat()).out;
    assert!(both.contains("(from the weights)"), "{both}");
    assert!(
        both.contains("(from the training images of data)"),
        "{both}"
    );
    let mixed = [
        OWN,
        "--mean",
        "0.49, 0.48, 0.44",
        "--normalization",
        "a-martyn",
    ];
    let mixed = evaluate(&place, &mixed).out;
    let said = "mean 0.49,0.48,0.44 (given), std 0.247,0.243,0.261 (as a-martyn's)";
    assert!(mixed.contains(said), "{mixed}");
}

#[test]
fn test_images_alone_are_enough_where_the_moments_are_known() {
    let place = trained();
    let expected = record(&place, &[OWN])["evaluation"].clone();
    folders(&place, "alone", CIFAR, &["test"]);
    fs::create_dir(place.path("one")).unwrap();
    fs::copy(
        place.path("data/test_batch.bin"),
        place.path("one/test_batch.bin"),
    )
    .unwrap();
    forget(&place, OWN, "foreign.safetensors");
    let foreign = ["foreign.safetensors", "--shortcut", "zeropad"];
    for data in ["alone", "one"] {
        assert_eq!(
            record(&place, &[OWN, "--data", data])["evaluation"],
            expected
        );
        let on = [&foreign[..], &["--data", data]].concat();
        let said = format!("{data} holds no training images");
        refused(&evaluate(&place, &on), 2, &said);
        let one = [&on[..], &["--mean", "0.5,0.5,0.5"]].concat();
        refused(&evaluate(&place, &one), 2, "give both by --mean and --std");
        record(&place, &[&one[..], &["--std", "0.2,0.2,0.2"]].concat());
        record(
            &place,
            &[&on[..], &["--normalisation", "imagenet"]].concat(),
        );
        // A training still needs them.
        let answer = place.train("b", &["--data-dir", data]);
        refused(&answer, 1, "holds no training images");
    }
}

#[test]
fn moments_out_of_range_are_refused_before_anything_is_read() {
    let place = Place::new();
    for (more, said) in [
        (
            &["--mean", "125.3,123.0,113.9"][..],
            "divide by 255: 0.4914,0.4824,0.4467",
        ),
        (
            &["--std", "63,62.1,66.7"],
            "divide by 255: 0.2471,0.2435,0.2616",
        ),
        (
            &["--mean", "-0.5,0.5,0.5"],
            "--mean -0.5,0.5,0.5 must be in [0, 1]",
        ),
        (&["--std", "0.2,0.2,1.5"], "must be positive and at most 1"),
        (&["--std", "0,1,1"], "must be positive and at most 1"),
        (&["--mean", "NaN,0.5,0.5"], "must be in [0, 1]"),
        (&["--mean", "0.5"], "--mean takes three numbers"),
        (
            &["--normalisation", "akamster"],
            "did you mean \"akamaster\"?",
        ),
    ] {
        refused(
            &evaluate(&place, &[&["nowhere.pt"], more].concat()),
            2,
            said,
        );
    }
}

#[test]
fn a_shortcut_that_only_names_suggest_is_said_to_be_a_guess_and_can_be_decided() {
    let place = trained();
    let akamaster = [OWN, "-o", "named.safetensors", "--names", "akamaster"];
    assert_eq!(place.fig6(&[&["export"], &akamaster[..]].concat()).code, 0);
    forget(&place, "named.safetensors", "bare.safetensors");
    let said = evaluate(&place, &["bare.safetensors"]).out;
    assert!(
        said.contains("shortcut zeropad-both-sides is guessed from akamaster's names: --shortcut says otherwise"),
        "{said}"
    );
    assert!(said.contains("--normalisation akamaster"), "{said}");
    let guess = record(&place, &["bare.safetensors"]);
    assert_eq!(guess["architecture"]["shortcut"], "zeropad-both-sides");
    assert_eq!(guess["shortcut_from"], "names");
    assert_eq!(guess["normalisation"]["offered"], "akamaster");
    let expected = record(&place, &[OWN])["evaluation"].clone();
    let decided = record(&place, &["bare.safetensors", "--shortcut", "zeropad"]);
    assert_eq!(decided["shortcut_from"], "option");
    assert_eq!(decided["evaluation"], expected);
    assert_ne!(guess["evaluation"], expected);
    record(&place, &["bare.safetensors", "--shortcut", "none"]);
    // Its header knows better.
    let answer = evaluate(&place, &["named.safetensors", "--shortcut", "none"]);
    refused(
        &answer,
        2,
        "holds no net with shortcut none: its header says zeropad",
    );
    // What is exported from a guess says that it is one.
    let exported = place.fig6(&["export", "bare.safetensors", "-o", "x.safetensors"]);
    assert!(
        exported.out.contains("is guessed from akamaster's names"),
        "{}",
        exported.out
    );
    assert!(
        exported
            .out
            .contains("its header names no classes; the file does not say mean and std"),
        "{}",
        exported.out
    );
}

#[test]
fn an_export_says_and_keeps_what_the_net_was_trained_on() {
    let place = trained();
    let exported = place.fig6(&["export", OWN, "-o", "out.safetensors"]);
    let known = record(&place, &["out.safetensors"]);
    let expected = record(&place, &[OWN]);
    assert_eq!(known["normalisation"], expected["normalisation"]);
    assert_eq!(known["classes"], expected["classes"]);
    assert!(
        exported.out.contains("its header says: mean 0.")
            && exported.out.contains("classes airplane, automobile"),
        "{}",
        exported.out
    );
    forget(&place, OWN, "foreign.safetensors");
    let arguments = [
        "export",
        "foreign.safetensors",
        "--shortcut",
        "zeropad",
        "-o",
    ];
    let given = ["given.safetensors", "--normalisation", "akamaster"];
    let answer = place.fig6(&[&arguments[..], &given].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    let known = record(&place, &["given.safetensors"]);
    assert_eq!(known["normalisation"]["mean"], json!([0.485, 0.456, 0.406]));
    assert_eq!(known["normalisation"]["mean_from"], "weights");
    let data = ["data.safetensors", "--normalisation", "data"];
    refused(
        &place.fig6(&[&arguments[..], &data].concat()),
        2,
        "there are no images",
    );
}

/// The predictions in a file: label and prediction of each image.
fn predictions(path: &Path) -> Vec<(usize, usize)> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("index,label,prediction"));
    let rows = lines.enumerate().map(|(index, line)| {
        let cells: Vec<usize> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(cells.len(), 3);
        assert_eq!(cells[0], index);
        (cells[1], cells[2])
    });
    rows.collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn predictions_and_logits_are_those_that_the_test_error_counts() {
    let place = trained();
    relabelled(&place, "backwards", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], CIFAR);
    let files = ["--predictions", "p.csv", "--logits", "l.npy"];
    for data in ["data", "backwards"] {
        let record = record(&place, &[&[OWN, "--data", data], &files[..]].concat());
        let rows = predictions(&place.path("p.csv"));
        let expected = records(&place, "test_batch.bin");
        // Labels are places of the net's outputs, whatever the data's own order is.
        let labels: Vec<usize> = expected
            .iter()
            .map(|(label, _)| usize::from(*label))
            .collect();
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), labels);
        let errors = rows
            .iter()
            .filter(|(label, prediction)| label != prediction);
        assert_eq!(record["evaluation"]["errors"], errors.count());
        let bytes = fs::read(place.path("l.npy")).unwrap();
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
        assert!(
            header.contains("'<f4'") && header.contains("(20, 10)"),
            "{header}"
        );
        let logits = floats(&bytes[start..]);
        assert_eq!(logits.len(), 200);
        for (row, (_, prediction)) in logits.chunks_exact(10).zip(&rows) {
            let largest = row.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(row[*prediction], largest);
        }
    }
    evaluate(&place, &[OWN, "--logits", "l.safetensors"]);
    let tensors = fs::read(place.path("l.safetensors")).unwrap();
    let npy = fs::read(place.path("l.npy")).unwrap();
    assert_eq!(tensors[tensors.len() - 800..], npy[npy.len() - 800..]);
    assert!(String::from_utf8_lossy(&tensors[8..100]).contains("\"logits\""));
}

#[test]
fn files_of_answers_replace_their_like_and_nothing_else() {
    let place = trained();
    fs::write(place.path("notes.csv"), "mine").unwrap();
    let before = place.everything();
    for (more, said) in [
        (
            &["--logits", "l.csv"][..],
            "its ending must say the format, .npy or .safetensors",
        ),
        (&["--logits", "logits"], "its ending must say the format"),
        (
            &[OWN, "--predictions", "p.csv"],
            "are of one file of weights, not of 2",
        ),
        (
            &["--predictions", "x.npy", "--logits", "x.npy"],
            "name the same file",
        ),
        (
            &["--predictions", "notes.csv"],
            "notes.csv is there already",
        ),
        (&["--logits", OWN], "is there already"),
        (
            &["--predictions", "data/test_batch.bin"],
            "is there already",
        ),
    ] {
        refused(&evaluate(&place, &[&[OWN], more].concat()), 2, said);
    }
    assert!(place.everything() == before);
    for _ in 0..2 {
        let files = ["--predictions", "p.csv", "--logits", "l.npy"];
        record(&place, &[&[OWN], &files[..]].concat());
    }
    record(&place, &[OWN, "--predictions", "notes.csv", "--force"]);
    assert_eq!(predictions(&place.path("notes.csv")).len(), 20);
}

#[test]
fn a_class_without_test_images_has_no_test_error() {
    let place = trained();
    let path = place.path("data/test_batch.bin");
    let bytes = fs::read(&path).unwrap();
    let without_cats = bytes.chunks_exact(3073).filter(|record| record[0] != 3);
    fs::write(&path, without_cats.collect::<Vec<_>>().concat()).unwrap();
    let record = record(&place, &[OWN]);
    let classes = record["evaluation"]["classes"].as_array().unwrap();
    assert_eq!(
        classes[3],
        json!({"class": "cat", "images": 0, "errors": 0, "test_error": null})
    );
    assert!(classes[2]["test_error"].is_number());
    let said = evaluate(&place, &[OWN]).out;
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("cat"))
        .unwrap();
    assert!(line.contains('–') && !line.contains('%'), "{line}");
}
