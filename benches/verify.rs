//! `fig6 verify`, the real program: the lock of a report of 101 steps, and the integrity of half a
//! gigabyte of artifacts beside `b3sum` on the same files, in turn.
//!
//! `cargo bench --bench verify`; wants `b3sum` (apt-get install b3sum). Making the artifacts takes a
//! minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Rounds of which the medians count.
const ROUNDS: usize = 9;

/// What both projects have in common; both train next to nothing.
const PIPELINE: &str = r#"(
    data: { "generated": (from: generated(train: TRAIN, test: TEST, seed: 6), validation: 10) },
    models: { "plain8": (n: 1, shortcut: "none"), "resnet8": (n: 1, shortcut: "zeropad") },
    recipe: (
        batch_size: 10, learning_rate: 0.1, divide_at: [], divide_by: 10.0, iterations: 1,
        momentum: 0.9, weight_decay: 0.0001, pad: 4, flip: true, evaluate_every: 1,
    ),
    seeds: [SEEDS],
    panels: { "all": (title: "all nets", models: ["plain8", "resnet8"]) },
    figure: ["all"],
    published: (data: "generated", iterations: 1),
    profiles: { "bench": (models: [MODELS]) },
    default_profile: "bench",
)"#;

fn main() {
    let seeds: Vec<String> = (0..24).map(|seed: u32| seed.to_string()).collect();
    let many = project(60, 20, &seeds.join(", "), "\"plain8\", \"resnet8\"");
    let lock = median((0..ROUNDS).map(|_| verify(many.path(), "lock")).collect());
    println!("lock, 101 steps: {:.1} ms", lock * 1e3);

    let large = project(60_000, 10_000, "0", "\"plain8\"");
    let (paths, bytes) = objects(large.path());
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let output = Command::new("b3sum")
            .arg("--no-names")
            .args(&paths)
            .output();
        let output = output.expect("b3sum is installed (apt-get install b3sum)");
        theirs.push(started.elapsed().as_secs_f64());
        assert!(output.status.success());
        ours.push(verify(large.path(), "integrity"));
    }
    let (theirs, ours) = (median(theirs), median(ours));
    let megabytes = bytes as f64 / 1e6;
    println!(
        "integrity, {} files, {megabytes:.0} MB: {:.0} MB/s, b3sum {:.0} MB/s, {:.2} times its time",
        paths.len(),
        megabytes / ours,
        megabytes / theirs,
        ours / theirs
    );
}

/// A folder with a finished report.
fn project(train: u32, test: u32, seeds: &str, models: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pipeline = PIPELINE
        .replace("TRAIN", &train.to_string())
        .replace("TEST", &test.to_string())
        .replace("SEEDS", seeds)
        .replace("MODELS", models);
    fs::write(folder.path().join("pipeline.ron"), pipeline).expect("the folder can be written");
    run(folder.path(), &["reproduce", "--quiet"]);
    folder
}

/// The seconds that a level takes; it must pass.
fn verify(folder: &Path, level: &str) -> f64 {
    let started = Instant::now();
    run(folder, &["verify", "--level", level, "--quiet"]);
    started.elapsed().as_secs_f64()
}

fn run(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_fig6"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("fig6 can be started");
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// All objects of the store, and their bytes.
fn objects(folder: &Path) -> (Vec<PathBuf>, u64) {
    let files = walkdir::WalkDir::new(folder.join("artifacts/objects"));
    let files = files.into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    let paths: Vec<PathBuf> = files.map(|entry| entry.into_path()).collect();
    let sizes = paths.iter().map(fs::metadata);
    let bytes = sizes
        .map(|size| size.expect("it was just seen").len())
        .sum();
    (paths, bytes)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
