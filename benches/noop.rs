//! A run that finds nothing to do, beside ninja on a graph of the same shape: as many steps, which
//! read and write as many files, all of them there. Whole processes, in turn, medians.
//!
//! `cargo bench --bench noop` measures 54 and 1,004 steps; `cargo bench --bench noop -- 54 1004
//! 10000 100000` those numbers, the last of which takes minutes to set up and 2 GB of disk.

mod many;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use fig6::pipeline::Pipeline;
use fig6::plan::{Graph, StepId};
use many::{fill, pipeline};

/// Steps that are there however many trainings there are: download, preprocess, aggregate, both figures.
/// The table makes one more than the sizes say, on both sides.
const OTHERS: usize = 5;

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|size| size.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![54, 1004]
    } else {
        sizes
    };
    println!(
        "{:>7} {:>8} {:>10} {:>10} {:>7} {:>9}",
        "steps", "files", "ninja, ms", "fig6, ms", "ratio", "peak, MB"
    );
    for size in sizes {
        measure(size);
    }
}

fn measure(size: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let text = pipeline(size.saturating_sub(OTHERS).div_ceil(3).max(1));
    fs::write(folder.join("pipeline.ron"), &text).expect("the pipeline file can be written");
    let pipeline = Pipeline::parse(&text, "pipeline.ron").expect("the pipeline is right");
    let experiment = pipeline.experiment(None).expect("it has a default profile");
    let graph = Graph::of(experiment).expect("its steps make a graph");
    fill(&graph, &folder.join("artifacts"));
    let files = set_up_ninja(&graph, &folder.join("ninja"));

    // As installed, like ninja: a file that the linker wrote lies in memory in small pieces, which
    // makes starting it slower by a sixth until it is copied or read anew.
    let program = folder.join("fig6");
    fs::copy(env!("CARGO_BIN_EXE_fig6"), &program).expect("the program can be copied");
    let fig6 = || {
        let mut command = Command::new(&program);
        command
            .args(["reproduce", "--quiet"])
            .env_remove("LD_LIBRARY_PATH")
            .current_dir(folder);
        command
    };
    let ninja = || {
        let mut command = Command::new("ninja");
        command
            .arg("--quiet")
            // Cargo sets it for benchmarks; it makes the loader look in more places.
            .env_remove("LD_LIBRARY_PATH")
            .current_dir(folder.join("ninja"));
        command
    };
    // The first runs note what they see; those that count find it noted.
    for _ in 0..3 {
        time(fig6());
        time(ninja());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let rounds = if size > 5000 { 7 } else { 41 };
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(time(ninja()));
        ours.push(time(fig6()));
    }
    let (theirs, ours) = (median(theirs), median(ours));
    println!(
        "{:>7} {files:>8} {:>10.2} {:>10.2} {:>7.2} {:>9.0}",
        graph.steps().len(),
        theirs * 1e3,
        ours * 1e3,
        ours / theirs,
        peak(fig6())
    );
}

/// Writes a build file of the same shape and builds it once; returns the number of its files.
fn set_up_ninja(graph: &Graph, folder: &Path) -> usize {
    fs::create_dir(folder).expect("a folder can be made");
    let file = |id: StepId, output: &str| format!("out/{}/{output}", graph.step(id).name);
    let mut text = String::from("rule step\n  command = touch $out\n");
    let mut files = 0;
    for id in graph.ids() {
        let step = graph.step(id);
        let outputs: Vec<String> = step
            .params
            .outputs()
            .iter()
            .map(|output| file(id, output))
            .collect();
        let inputs: Vec<String> = step
            .inputs
            .iter()
            .map(|input| file(input.producer, input.output))
            .collect();
        files += outputs.len();
        writeln!(
            text,
            "build {}: step {}",
            outputs.join(" "),
            inputs.join(" ")
        )
        .expect("a string takes all");
    }
    fs::write(folder.join("build.ninja"), text).expect("the build file can be written");
    let mut build = Command::new("ninja");
    let build = build.arg("--quiet").current_dir(folder).status();
    assert!(
        build
            .expect("ninja is installed (apt-get install ninja-build)")
            .success()
    );
    files
}

/// Seconds that a command takes.
fn time(mut command: Command) -> f64 {
    let command = command.stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().expect("the program starts");
    assert!(status.success());
    started.elapsed().as_secs_f64()
}

/// The most memory that a command holds, in MB.
fn peak(command: Command) -> f64 {
    let mut timed = Command::new("/usr/bin/time");
    timed
        .args(["-f", "%M"])
        .arg(command.get_program())
        .args(command.get_args());
    let folder = command.get_current_dir().expect("it was set");
    let Ok(output) = timed.current_dir(folder).output() else {
        return f64::NAN;
    };
    let kilobytes = String::from_utf8_lossy(&output.stderr)
        .trim()
        .parse::<f64>();
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1e3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
