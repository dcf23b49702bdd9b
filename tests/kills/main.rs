//! Trainings that are killed at random moments, again and again, end in the same bytes as one that
//! was left alone: by themselves and as steps, with one thread and two, on LibTorch's CPU backend if
//! it is compiled in and else on Flex.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Project, pictures};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::{TRIES, amount, start, until};

/// Kills one command again and again.
struct Killer {
    random: ChaCha8Rng,
    /// How long the command takes undisturbed.
    whole: Duration,
    /// Kills that are wanted.
    wanted: usize,
    kills: usize,
    /// Runs that went on from a checkpoint.
    resumed: usize,
}

impl Killer {
    fn new(seed: u64, whole: Duration) -> Killer {
        Killer {
            random: ChaCha8Rng::seed_from_u64(seed),
            whole,
            wanted: amount(4, 20, 200),
            kills: 0,
            resumed: 0,
        }
    }

    /// Whether the command was killed often enough, and went on often enough from what it had kept.
    fn is_done(&self) -> bool {
        self.kills >= self.wanted && self.resumed >= self.wanted / 3
    }

    fn below(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.next_u64() % (most.as_micros() as u64).max(1))
    }

    /// Starts the command again and again and kills it, by TERM and by KILL in turn, until it comes to
    /// its end, by itself or because it was killed often enough. One kill in three comes at any moment,
    /// the others some time after a checkpoint below `folder` shows that training goes on.
    fn kill_until_the_end(&mut self, folder: &Path, command: impl Fn() -> Command) {
        loop {
            let before = iterations_kept(folder);
            let mut child = start(&mut command());
            if self.kills < self.wanted {
                let mut ended = || child.try_wait().unwrap().is_some();
                let patience = if self.kills.is_multiple_of(3) {
                    self.below(self.whole / 12)
                } else {
                    until("an iteration", || {
                        iterations_kept(folder) != before || ended()
                    });
                    self.below(self.whole / 20)
                };
                let started = Instant::now();
                until("a moment", || started.elapsed() >= patience || ended());
                if !ended() {
                    let signal = [Signal::TERM, Signal::KILL][self.kills % 2];
                    kill_process(Pid::from_child(&child), signal).unwrap();
                    self.kills += 1;
                }
            }
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            self.resumed += usize::from(said.contains("resumes after iteration"));
            match output.status.code() {
                Some(0) => return,
                // Killed at once, or stopped in good order.
                None | Some(130) => {}
                Some(code) => panic!("{code}: {}", String::from_utf8_lossy(&output.stderr)),
            }
        }
    }
}

/// The iterations of all newest checkpoints below a folder.
fn iterations_kept(folder: &Path) -> u64 {
    let newest = |folder: &Path| nn::checkpoint::newest_iteration(folder);
    let folders = walkdir::WalkDir::new(folder).into_iter().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_dir());
    folders.filter_map(|entry| newest(entry.path())).sum()
}

/// A length at which training takes some seconds.
fn iterations(device: &str) -> u32 {
    if device == "flex" {
        amount(24, 60, 60)
    } else {
        150
    }
}

/// The device to train on.
fn device() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fig6"))
        .args(["devices", "--json"])
        .output()
        .unwrap();
    let devices: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut devices = devices["devices"].as_array().unwrap().iter();
    let libtorch = devices.any(|device| device["device"] == "tch:cpu" && device["usable"] == true);
    if libtorch { "tch:cpu" } else { "flex" }.to_owned()
}

/// Everything that a finished experiment holds.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn an_experiment_killed_at_random_moments_ends_in_the_same_files() {
    let device = device();
    let folder = testing::folder();
    let data = pictures(folder.path(), 60, 20);
    let train = |name: &str, threads: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fig6"));
        command
            .args([
                "train",
                "--n",
                "1",
                "--batch-size",
                "8",
                "--evaluate-every",
                "7",
            ])
            .args(["--iterations", &iterations(&device).to_string(), "--resume"])
            // After every iteration, or after some.
            .args([
                "--checkpoint-every",
                if threads == "1" { "0" } else { "0.05" },
            ])
            .args(["--device", &device, "--exp-name", name, "--data-dir"])
            .arg(&data)
            .env("RAYON_NUM_THREADS", threads)
            .env("OMP_NUM_THREADS", threads)
            .current_dir(folder.path());
        command
    };
    let started = Instant::now();
    let whole = train("whole", "2").output().unwrap();
    assert!(whole.status.success(), "{whole:?}");
    let time = started.elapsed();
    let expected = files(&folder.path().join("experiments/whole"));
    assert_eq!(expected.len(), 6);
    for &(threads, seed) in &[("2", 2), ("1", 1)][..amount(1, 2, 2)] {
        let mut killer = Killer::new(seed, time);
        // A fast machine comes to the end before it was killed often enough: then once more.
        let mut round = 0;
        while !killer.is_done() {
            assert!(round < TRIES, "{} kills", killer.kills);
            let name = format!("{threads}-{round}");
            let folder = folder.path().join("experiments").join(&name);
            killer.kill_until_the_end(&folder, || train(&name, threads));
            let killed = files(&folder);
            let names: Vec<&String> = killed.iter().map(|(name, _)| name).collect();
            assert!(killed == expected, "{device}, {threads} threads: {names:?}");
            round += 1;
        }
        let Killer { kills, resumed, .. } = killer;
        println!(
            "{device}, {threads} threads: {kills} kills, {resumed} resumed, in {round} trainings"
        );
    }
}

#[test]
fn a_reproduction_killed_at_random_moments_ends_in_the_same_results() {
    let device = device();
    let length = format!("iterations: {},", iterations(&device));
    let pipeline = include_str!("../pipelines/tiny.ron").replace("iterations: 4,", &length);
    let run = |project: &Project, jobs: &str| {
        let mut command = project.command();
        command
            .args(["reproduce", "--device", &device, "--jobs", jobs])
            .args(["--checkpoint-every", "0"]);
        command
    };
    let whole = Project::new(&pipeline);
    let started = Instant::now();
    let output = run(&whole, "2").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let time = started.elapsed();
    for &(jobs, seed) in &[("2", 4), ("1", 3)][..amount(1, 2, 2)] {
        let mut killer = Killer::new(seed, time);
        let mut round = 0;
        while !killer.is_done() {
            assert!(round < TRIES, "{} kills", killer.kills);
            let project = Project::new(&pipeline);
            let work = project.path("artifacts/work");
            killer.kill_until_the_end(&work, || run(&project, jobs));
            let same = project.results() == whole.results();
            assert!(same, "{device}, {jobs} jobs");
            round += 1;
        }
        let Killer { kills, resumed, .. } = killer;
        println!("{device}, {jobs} jobs: {kills} kills, {resumed} resumed, in {round} runs");
    }
}

#[test]
fn the_status_of_an_interrupted_step_says_how_far_it_came() {
    let pipeline =
        include_str!("../pipelines/tiny.ron").replace("iterations: 4,", "iterations: 4000,");
    let project = Project::new(&pipeline);
    let mut child = start(project.command().args([
        "reproduce",
        "train/resnet8/seed0",
        "--checkpoint-every",
        "0",
    ]));
    let interrupted = || project.status(&["train/resnet8/seed0"])[2]["checkpoint"].clone();
    until("a checkpoint", || {
        interrupted()["iteration"].as_u64() >= Some(3)
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let kept = interrupted();
    assert_eq!(kept["iterations"], 4000);
    let iteration = kept["iteration"].as_u64().unwrap();
    let words = project.fig6(&["status", "train/resnet8/seed0"]).out;
    let said = format!("has a checkpoint after iteration {iteration} of 4000");
    assert!(words.contains(&said), "{words}");
}
