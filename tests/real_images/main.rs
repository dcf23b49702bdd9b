//! Real images from archive to table: CIFAR's binary layout and image folders.

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use common::{Project, shared_data};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use testing::amount;

/// The pipeline, with trainings that are long enough to learn something.
fn pipeline() -> String {
    let text = include_str!("../pipelines/sample.ron");
    let schedule = "divide_at: [80, 100],\n        divide_by: 10.0,\n        iterations: 120,";
    assert!(text.contains(schedule));
    let short = schedule.replace("80, 100", "28, 36").replace("120", "42");
    text.replace(schedule, amount(&short, schedule, schedule))
}

/// Test error of each net in the report, in percent.
fn test_errors(project: &Project, profile: &str) -> Vec<f64> {
    let results = project.read(&format!("reports/{profile}/results.json"));
    let results: Value = serde_json::from_str(&results).unwrap();
    let rows = results["rows"].as_array().unwrap().iter();
    rows.map(|row| row["test_error"]["mean"].as_f64().unwrap())
        .collect()
}

#[test]
fn small_nets_learn_real_images_from_the_binary_layout() {
    let Some(data) = shared_data() else { return };
    let project = Project::new(&pipeline());
    let done = project.reproduce(&["--mirror", data.to_str().unwrap()]);
    assert_eq!((done.code, done.ran.len()), (0, 12), "{done:?}");
    let errors = test_errors(&project, "sample");
    assert!(
        errors.len() == 2 && errors.iter().all(|&error| error < 80.0),
        "{errors:?}"
    );
    let table = project.read("reports/sample/results.md");
    assert!(
        table.contains("not comparable with the published ones"),
        "{table}"
    );

    // numpy: mean and std over the 4,000 training images / 255 in float64.
    let statistics = project.read("artifacts/by-step/preprocess/statistics.json");
    let statistics: Value = serde_json::from_str(&statistics).unwrap();
    let numpy = [
        (
            "mean",
            [0.4915966844745703, 0.48175927925858053, 0.44465670094209636],
        ),
        (
            "std",
            [0.2471137835529701, 0.2439722298787571, 0.2625002570836881],
        ),
    ];
    for (name, channels) in numpy {
        for (channel, expected) in channels.into_iter().enumerate() {
            let found = statistics[name][channel].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-12,
                "{name} {channel}: {found}"
            );
        }
    }
}

/// The first images of each class of an archive of image folders, as an archive of its own.
fn cut(from: &Path, to: &Path, per_class: &BTreeMap<&str, usize>) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut small = tar::Builder::new(GzEncoder::new(
        File::create(to).unwrap(),
        Compression::fast(),
    ));
    let mut large = tar::Archive::new(GzDecoder::new(File::open(from).unwrap()));
    for member in large.entries().unwrap() {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let (Some(split), Some((class, file))) = (name.split('/').next(), name.rsplit_once('/'))
        else {
            continue;
        };
        let count = taken.entry(class.to_owned()).or_default();
        if file.is_empty() || *count == per_class[split] {
            continue;
        }
        *count += 1;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        small.append_data(&mut header, &name, &bytes[..]).unwrap();
    }
    small.into_inner().unwrap().finish().unwrap();
}

#[test]
fn small_nets_learn_real_images_from_class_folders() {
    let Some(data) = shared_data() else { return };
    let project = Project::new(&pipeline());
    let mirror = project.path("mirror");
    fs::create_dir(&mirror).unwrap();
    let archive = mirror.join("folders.tar.gz");
    cut(
        &data.join("cifar10-jpeg.tar.gz"),
        &archive,
        &BTreeMap::from([("train", 400), ("test", 100)]),
    );
    let bytes = fs::read(&archive).unwrap();
    let sha256 = sha256::of(&bytes);
    project.edit("bytes: 1,", &format!("bytes: {},", bytes.len()));
    project.edit(&"0".repeat(64), &sha256);

    let mirror = mirror.to_str().unwrap();
    let done = project.reproduce(&["--profile", "folders", "--mirror", mirror]);
    assert_eq!((done.code, done.ran.len()), (0, 12), "{done:?}");
    let errors = test_errors(&project, "folders");
    assert!(
        errors.len() == 2 && errors.iter().all(|&error| error < 80.0),
        "{errors:?}"
    );
    let dataset = project.read("artifacts/by-step/preprocess/dataset.json");
    let dataset: Value = serde_json::from_str(&dataset).unwrap();
    assert_eq!(
        (&dataset["train"], &dataset["test"]),
        (&3900.into(), &1000.into())
    );
}
