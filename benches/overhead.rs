//! The runner's own cost: what a step takes beyond its own work (starting a process, hashing,
//! committing), on a whole run of the smoke profile in a fresh store, and what a run takes that
//! finds nothing to do.
//!
//! `cargo bench --bench overhead`

use std::process::Command;
use std::time::Instant;

use serde_json::Value;

/// Runs of which the median counts, for the run that finds nothing to do.
const ROUNDS: usize = 21;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pipeline = concat!(env!("CARGO_MANIFEST_DIR"), "/pipeline.ron");
    let fig6 = |arguments: &[&str]| {
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_fig6"))
            .args(arguments)
            .args(["--pipeline", pipeline])
            .current_dir(folder.path())
            .output()
            .expect("fig6 starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (started.elapsed().as_secs_f64(), output.stdout)
    };

    let (wall, _) = fig6(&["reproduce", "--quiet"]);
    let status: Value =
        serde_json::from_slice(&fig6(&["status", "--json"]).1).expect("status prints JSON");
    let mut total = (0.0, 0.0);
    println!(
        "{:<24} {:>9} {:>9} {:>9}",
        "step", "work, s", "all, s", "own, ms"
    );
    for step in status["steps"].as_array().expect("status lists the steps") {
        let seconds = |name: &str| step[name].as_f64().expect("every step has run");
        let (work, all) = (seconds("work_seconds"), seconds("seconds"));
        total = (total.0 + work, total.1 + all);
        let name = step["step"].as_str().expect("steps have names");
        println!(
            "{name:<24} {work:>9.3} {all:>9.3} {:>9.1}",
            (all - work) * 1e3
        );
    }
    let share = (total.1 - total.0) / total.1;
    println!(
        "whole run {wall:.1} s; the runner's own share of the steps' time {:.2} %",
        share * 100.0
    );

    let mut idle: Vec<f64> = (0..ROUNDS)
        .map(|_| fig6(&["reproduce", "--quiet"]).0)
        .collect();
    idle.sort_by(f64::total_cmp);
    println!(
        "nothing to do: median {:.1} ms of {ROUNDS} runs",
        idle[ROUNDS / 2] * 1e3
    );
}
