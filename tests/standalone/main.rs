//! Trainings, evaluations and exports by themselves, without pipeline and artifacts, as a person
//! calls them.

#[path = "../common/mod.rs"]
mod common;
mod evaluate;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::{Answer, answer, pictures, shared_data};
use fig6::standalone::{Existing, Prepared, Request, Weights};
use nn::architecture::{Architecture, Shortcut};
use nn::augment::Normalise;
use nn::checkpoint::newest_iteration;
use nn::device::Backend;
use nn::fit::InterruptedTraining;
use nn::predict::logits;
use nn::recipe::Recipe;
use records::Statistics;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::until;
use train::Params;

/// A folder with images in `data` and experiments of a second.
struct Place(tempfile::TempDir);

const SHORT: [&str; 8] = [
    "--n",
    "1",
    "--batch-size",
    "10",
    "--iterations",
    "4",
    "--evaluate-every",
    "2",
];

impl Place {
    fn new() -> Place {
        let folder = testing::folder();
        pictures(folder.path(), 40, 20);
        Place(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fig6"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("FIG6_CHECKPOINT_EVERY")
            .env("NO_COLOR", "1");
        command
    }

    fn fig6(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).output().unwrap())
    }

    /// Trains for a second, as the experiment of this name.
    fn train(&self, name: &str, more: &[&str]) -> Answer {
        self.fig6(&[&["train", "--exp-name", name], &SHORT[..], more].concat())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Everything below the folder with its content, sorted by path.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        walkdir::WalkDir::new(self.0.path())
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap()))
            .collect()
    }

    /// Leaves an experiment that was stopped after a few of very many iterations.
    fn interrupted(&self, name: &str) {
        let mut child = self
            .command(&[
                "train",
                "--exp-name",
                name,
                "--n",
                "1",
                "--batch-size",
                "10",
            ])
            .args(["--iterations", "100000", "--checkpoint-every", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let folder = self.path(&format!("experiments/{name}"));
        let begun = || {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            entries
                .filter(|entry| {
                    entry
                        .file_name()
                        .to_string_lossy()
                        .starts_with("checkpoint-")
                })
                .count()
                > 1
        };
        until("two checkpoints", begun);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[track_caller]
fn refused(answer: &Answer, code: i32, said: &str) {
    assert_eq!(answer.code, code, "{} {}", answer.out, answer.err);
    assert!(
        answer.err.contains(said),
        "{said:?} is not in {}",
        answer.err
    );
    assert!(!answer.err.contains("panicked"), "{}", answer.err);
}

#[test]
fn an_experiment_writes_its_results_and_says_them() {
    let place = Place::new();
    let answer = place.train("a", &["--validation", "0"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let mut names: Vec<String> = fs::read_dir(place.path("experiments/a"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "curve.svg",
        "evaluation.json",
        "experiment.json",
        "metrics.jsonl",
        "training.json",
        "weights.safetensors",
    ];
    assert_eq!(names, expected);
    let training = place.json("experiments/a/training.json");
    let evaluation = place.json("experiments/a/evaluation.json");
    assert_eq!(training["images"], 40);
    assert_eq!(training["layers"], 8);
    assert_eq!(evaluation["test_error"], training["last"]["test_error"]);
    let said = format!(
        "test error {:.2} %",
        evaluation["test_error"].as_f64().unwrap()
    );
    assert!(answer.out.contains(&said), "{}", answer.out);
    assert!(
        answer
            .out
            .contains("iteration 2 of 4: error on training images"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("airplane"), "{}", answer.out);
    let curve = fs::read_to_string(place.path("experiments/a/curve.svg")).unwrap();
    assert!(curve.starts_with("<svg") && curve.contains("ResNet-8, shortcut zeropad, seed 0"));
}

#[test]
fn json_lines_end_with_what_the_files_hold() {
    let place = Place::new();
    let answer = place.train("a", &["--json", "--model-type", "plain", "--seed", "3"]);
    let lines: Vec<Value> = answer
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&str> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["metrics", "metrics", "done"]);
    let done = lines.last().unwrap();
    assert_eq!(done["training"], place.json("experiments/a/training.json"));
    assert_eq!(
        done["evaluation"],
        place.json("experiments/a/evaluation.json")
    );
    // A tenth of the images is held out if nothing else is said.
    assert_eq!(done["training"]["images"], 36);
    assert_eq!(done["training"]["seed"], 3);
    let identity = &place.json("experiments/a/experiment.json")["identity"];
    assert_eq!(identity["architecture"]["shortcut"], "none");
    assert_eq!(
        identity["recipe"]["schedule"]["milestones"],
        serde_json::json!([2, 3])
    );
}

#[test]
fn arguments_out_of_range_are_refused_and_nothing_is_touched() {
    let place = Place::new();
    let before = place.everything();
    for (arguments, said) in [
        (&["--n", "0"][..], "n = 0 makes no network"),
        (&["--n", "1001"], "n = 1001 makes no network"),
        (&["--batch-size", "0"], "batch size must be at least 1"),
        (
            &["--batch-size", "37"],
            "a batch of 37 is larger than the 36 training images",
        ),
        (
            &["--learning-rate", "0"],
            "learning rate 0 must be a positive number",
        ),
        (&["--learning-rate", "NaN"], "learning rate NaN"),
        (&["--iterations", "0"], "iterations must be at least 1"),
        (
            &["--evaluate-every", "0"],
            "evaluate every must be at least 1",
        ),
        (
            &["--validation", "40"],
            "cannot hold out 40 of 40 training images",
        ),
        (
            &["--skip-connection", "zeropading"],
            "unknown shortcut \"zeropading\": expected one of none, zeropad,",
        ),
        (
            &["--skip-connection", "none"],
            "--skip-connection zeropad is the paper's",
        ),
        (
            &["--model-type", "plain", "--skip-connection", "zeropad"],
            "a plain net has no shortcuts",
        ),
        (&["--exp-name", "../up"], "cannot be a folder's name"),
        (&["--exp-name", ""], "cannot be a folder's name"),
        (&["--checkpoint-every", "-1"], "expected seconds"),
        (&["--device", "cuda:7"], "no such device"),
        (&["--device", "gpu"], "unknown device"),
        (&["--resume", "--force"], "cannot be used with"),
    ] {
        // The short recipe, but for what the case says itself.
        let mut all = vec!["train"];
        if !arguments.contains(&"--exp-name") {
            all.extend(["--exp-name", "a"]);
        }
        for pair in SHORT.chunks(2) {
            if !arguments.contains(&pair[0]) {
                all.extend(pair);
            }
        }
        all.extend(arguments);
        refused(&place.fig6(&all), 2, said);
    }
    assert!(place.everything() == before);
}

#[test]
fn a_data_folder_that_is_missing_empty_or_half_unpacked_is_named_and_nothing_is_touched() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    pictures(&place.path("half"), 20, 10);
    fs::remove_file(place.path("half/data/test_batch.bin")).unwrap();
    pictures(&place.path("cut"), 20, 10);
    let cut = place.path("cut/data/data_batch_1.bin");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let before = place.everything();
    for (data, said) in [
        ("nowhere", "it does not exist"),
        ("empty", "holds nothing: expected"),
        ("half", "expected test_batch"),
        (
            "cut",
            "data_batch_1.bin: 61459 bytes are no whole number of records",
        ),
    ] {
        let answer = place.train("a", &["--data-dir", data]);
        refused(&answer, 1, said);
        refused(&answer, 1, &format!("cannot use the images of {data}"));
    }
    assert!(place.everything() == before);
    assert!(!place.path("experiments").exists());
}

#[test]
fn an_experiment_that_is_there_is_kept_unless_resumed_or_forced() {
    let place = Place::new();
    assert_eq!(place.train("a", &[]).code, 0);
    let before = place.everything();
    refused(
        &place.train("a", &[]),
        2,
        "it is finished: go on with --resume, or start over with --force",
    );
    refused(
        &place.train("a", &["--seed", "1"]),
        2,
        "another experiment: seed is 0 there and 1 here",
    );
    let other = place.train("a", &["--seed", "1", "--resume"]);
    refused(&other, 2, "another experiment: seed is 0 there and 1 here");
    let again = place.train("a", &["--resume"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.contains("finished before"), "{}", again.out);
    assert!(place.everything() == before);

    // Killed before there was an experiment.
    fs::create_dir_all(place.path("experiments/begun")).unwrap();
    fs::write(place.path("experiments/begun/experiment.partial"), "{").unwrap();
    assert_eq!(place.train("begun", &[]).code, 0);
    assert!(!place.path("experiments/begun/experiment.partial").exists());

    fs::create_dir_all(place.path("experiments/mine")).unwrap();
    fs::write(place.path("experiments/mine/thesis.txt"), "years").unwrap();
    refused(
        &place.train("mine", &[]),
        2,
        "holds files, but no experiment of fig6",
    );
    refused(
        &place.train("mine", &["--resume"]),
        2,
        "holds files, but no experiment of fig6",
    );
    assert_eq!(place.train("mine", &["--force"]).code, 0);
    assert_eq!(
        fs::read(place.path("experiments/mine/thesis.txt")).unwrap(),
        b"years"
    );

    assert_eq!(place.train("a", &["--seed", "1", "--force"]).code, 0);
    assert_eq!(place.json("experiments/a/training.json")["seed"], 1);
}

#[test]
fn force_replaces_experiments_and_nothing_else_and_not_once_it_was_asked_to_stop() {
    let place = Place::new();
    fs::create_dir_all(place.path("experiments/mine")).unwrap();
    fs::write(place.path("experiments/mine/weights.safetensors"), "mine").unwrap();
    let before = place.everything();
    let answer = place.train("mine", &["--force"]);
    refused(
        &answer,
        2,
        "holds weights.safetensors, but is no experiment of fig6",
    );
    assert!(place.everything() == before);

    assert_eq!(place.train("a", &[]).code, 0);
    let before = place.everything();
    let mut recipe = Recipe::paper(8, 4, 0.1);
    recipe.batch_size = 10;
    let request = Request {
        folder: place.path("experiments/a"),
        params: Params {
            architecture: Architecture {
                n: 1,
                shortcut: Shortcut::Zeropad,
            },
            seed: 1,
            recipe,
        },
        data: place.path("data"),
        validation: None,
        backend: Backend::Flex,
        checkpoint_every: Duration::from_secs(300),
        existing: Existing::Replace,
    };
    let stopped = request.run(&AtomicBool::new(true), &mut |_| {});
    assert!(stopped.unwrap_err().is::<InterruptedTraining>());
    assert!(place.everything() == before);
    // What is missing is made again, to the same bytes.
    fs::remove_file(place.path("experiments/a/weights.safetensors")).unwrap();
    assert_eq!(place.train("a", &["--resume"]).code, 0);
    assert!(place.everything() == before);
}

#[test]
fn a_signal_that_was_ignored_before_the_start_stays_ignored() {
    let place = Place::new();
    let fig6 = env!("CARGO_BIN_EXE_fig6");
    let line = format!(
        "trap '' HUP; exec {fig6} train --exp-name a --n 1 --batch-size 10 --iterations 100000 --checkpoint-every 0"
    );
    let mut child = Command::new("sh")
        .args(["-c", &line])
        .current_dir(place.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let folder = place.path("experiments/a");
    until("a checkpoint", || newest_iteration(&folder).is_some());
    let seen = newest_iteration(&folder);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    // One that was under way may end after the signal.
    let beyond = seen.map(|iteration| iteration + 1);
    until("further ones", || newest_iteration(&folder) > beyond);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn weights_that_give_no_numbers_give_no_test_error() {
    let place = Place::new();
    assert_eq!(place.train("a", &[]).code, 0);
    let good = "experiments/a/weights.safetensors";
    let mean = ["evaluate", good, "--mean", "1,0,0", "--std", "1e-300,1,1"];
    refused(
        &place.fig6(&mean),
        1,
        "the network's output for test image 0 is",
    );
}

#[test]
fn an_interrupted_experiment_goes_on_only_as_what_it_was() {
    let place = Place::new();
    place.interrupted("a");
    let before = place.everything();
    let go_on = |more: &[&str]| {
        let all = [
            "train",
            "--exp-name",
            "a",
            "--batch-size",
            "10",
            "--iterations",
            "100000",
        ];
        place.fig6(&[&all[..], more].concat())
    };
    refused(
        &go_on(&["--n", "1"]),
        2,
        "it was interrupted after iteration ",
    );
    let other = go_on(&["--n", "2", "--resume"]);
    refused(
        &other,
        2,
        "another experiment: architecture.n is 1 there and 2 here",
    );
    let other = go_on(&["--n", "1", "--learning-rate", "0.2", "--resume"]);
    refused(
        &other,
        2,
        "recipe.schedule.learning_rate is 0.1 there and 0.2 here",
    );
    assert!(place.everything() == before);

    // Its checkpoint can be evaluated as it is.
    let mut paths = before.iter().map(|(path, _)| path.to_str().unwrap());
    let checkpoint = paths.rfind(|path| path.contains("checkpoint-")).unwrap();
    let answer = place.fig6(&["evaluate", checkpoint]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("shortcut zeropad"), "{}", answer.out);
    assert!(answer.out.contains("(from the weights)"), "{}", answer.out);
    let classes = "classes as the weights name them";
    assert!(answer.out.contains(classes), "{}", answer.out);

    // A file of checkpoints that someone has damaged is skipped, with a word.
    for entry in fs::read_dir(place.path("experiments/a")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("checkpoint-") {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let mut child = place
        .command(&[
            "train",
            "--exp-name",
            "a",
            "--n",
            "1",
            "--batch-size",
            "10",
            "--resume",
        ])
        .args(["--iterations", "100000", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert!(first.contains("skipped: not a safetensors file"), "{first}");
}

#[test]
fn a_training_that_diverges_says_where_and_keeps_its_last_good_checkpoint() {
    let place = Place::new();
    let answer = place.train("a", &["--learning-rate", "1e30", "--checkpoint-every", "0"]);
    refused(
        &answer,
        1,
        "the loss is NaN at iteration 1 with learning rate 1e30: training diverged",
    );
    refused(
        &answer,
        1,
        "the last good checkpoint is of iteration 1 (experiments/a/checkpoint-000000001.safetensors)",
    );
    assert!(
        place
            .path("experiments/a/checkpoint-000000001.safetensors")
            .exists()
    );
    assert!(!place.path("experiments/a/training.json").exists());
}

#[test]
fn weights_evaluate_to_what_their_training_said_under_whatever_names() {
    let place = Place::new();
    for (name, more) in [
        ("a", &["--skip-connection", "zeropad-both-sides"][..]),
        ("b", &["--skip-connection", "conv1x1-proj", "--n", "2"]),
    ] {
        let arguments = [
            &["train", "--exp-name", name, "--validation", "0"],
            &SHORT[2..],
            more,
        ]
        .concat();
        let trained = place.fig6(&arguments);
        assert_eq!(trained.code, 0, "{}", trained.err);
        let ours = format!("experiments/{name}/weights.safetensors");
        let expected = place.json(&format!("experiments/{name}/evaluation.json"));
        for scheme in ["fig6", "torchvision", "akamaster"] {
            let exported = format!("{name}-{scheme}.safetensors");
            let answer = place.fig6(&["export", &ours, "-o", &exported, "--names", scheme]);
            assert_eq!(answer.code, 0, "{}", answer.err);
            let answer = place.fig6(&["evaluate", &exported, "--json"]);
            let said: Value = serde_json::from_str(&answer.out).unwrap();
            assert_eq!(said["files"][0]["evaluation"], expected, "{exported}");
        }
        let own = fs::read(place.path(&ours)).unwrap();
        let copy = fs::read(place.path(&format!("{name}-fig6.safetensors"))).unwrap();
        assert!(own == copy);
    }
    let a_martyn = [
        "export",
        "experiments/b/weights.safetensors",
        "-o",
        "x",
        "--names",
        "a-martyn",
    ];
    refused(
        &place.fig6(&a_martyn),
        1,
        "have none for the convolutions of learned shortcuts",
    );
    let again = [
        "export",
        "experiments/b/weights.safetensors",
        "-o",
        "b-fig6.safetensors",
    ];
    refused(&place.fig6(&again), 2, "--force replaces it");
    let unknown = [
        "export",
        "experiments/b/weights.safetensors",
        "-o",
        "x",
        "--names",
        "torchvison",
    ];
    refused(&place.fig6(&unknown), 2, "did you mean \"torchvision\"?");
}

#[test]
fn of_several_files_each_gets_its_answer_and_a_bad_one_is_an_error() {
    let place = Place::new();
    assert_eq!(place.train("a", &["--validation", "0"]).code, 0);
    let good = "experiments/a/weights.safetensors";
    fs::write(place.path("bad.pt"), "no weights").unwrap();
    let answer = place.fig6(&["evaluate", "bad.pt", good]);
    refused(&answer, 1, "cannot take weights from bad.pt");
    assert!(
        answer.out.contains(good) && answer.out.contains("test error"),
        "{}",
        answer.out
    );
    refused(&place.fig6(&["evaluate", "nowhere.pt"]), 1, "nowhere.pt");
    refused(
        &place.fig6(&["evaluate", good, "--std", "0,1,1"]),
        2,
        "--std 0,1,1 must be positive and at most 1",
    );
    refused(
        &place.fig6(&["evaluate", good, "--mean", "0.5"]),
        2,
        "--mean takes three numbers",
    );
    let asked = place.fig6(&["evaluate", good, "--shortcut", "none"]);
    refused(
        &asked,
        2,
        "holds no net with shortcut none: its header says zeropad",
    );
    // Other moments are other inputs.
    let errors = |more: &[&str]| {
        let answer = place.fig6(&[&["evaluate", good, "--json"], more].concat());
        let said: Value = serde_json::from_str(&answer.out).unwrap();
        said["files"][0]["evaluation"]["confusion"].clone()
    };
    assert_ne!(
        errors(&[]),
        errors(&["--mean", "1,0,0.5", "--std", "0.01,1,0.2"])
    );
}

#[test]
fn the_devices_are_listed_with_what_is_missing_and_how_to_get_it() {
    let place = Place::new();
    let answer = place.fig6(&["devices"]);
    assert_eq!(answer.code, 0);
    assert!(answer.out.contains("what auto takes"), "{}", answer.out);
    let devices: Value = serde_json::from_str(&place.fig6(&["devices", "--json"]).out).unwrap();
    let devices = devices["devices"].as_array().unwrap();
    assert_eq!(
        devices
            .iter()
            .filter(|device| device["auto"] == true)
            .count(),
        1
    );
    for device in devices {
        let name = device["device"].as_str().unwrap();
        if device["usable"] == false {
            let refusal = place.train("a", &["--device", name]);
            refused(&refusal, 2, name);
            if device["compiled_in"] == false {
                refused(&refusal, 2, "cargo build --release --features ");
            }
        }
    }
    assert!(!place.path("experiments").exists());
}

/// A Python that has torch, where there is one: that of `tools/libtorch`, or the system's.
fn python_with_torch() -> Option<PathBuf> {
    let home = std::env::var_os("FIG6_TORCH")
        .map(PathBuf::from)
        .or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cache/fig6/torch"))
        })?;
    let candidates = [home.join("bin/python"), PathBuf::from("python3")];
    let has_torch = |python: &PathBuf| {
        let check = ["-c", "import torch, safetensors, numpy"];
        let output = Command::new(python).args(check).output();
        output.is_ok_and(|output| output.status.success())
    };
    candidates.into_iter().find(has_torch)
}

#[test]
fn pytorch_gives_the_same_logits_from_exported_weights() {
    let Some(data) = shared_data() else { return };
    let Some(python) = python_with_torch() else {
        println!(
            "skipped: no Python with torch, safetensors and numpy (tools/libtorch installs it)"
        );
        return;
    };
    let data = data.join("cifar10-sample-binary.tar.gz");
    let place = Place::new();
    let images = Prepared::read(&data, Some(0)).unwrap();
    let first = images.test.select(&(0..16).collect::<Vec<_>>());
    let normalise = Normalise::new(&Statistics {
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.247, 0.243, 0.261],
    });
    for shortcut in [
        "none",
        "zeropad",
        "zeropad-both-sides",
        "zeropad-maxpool",
        "conv1x1-proj",
    ] {
        let model_type = if shortcut == "none" {
            "plain"
        } else {
            "resnet"
        };
        let trained = place.fig6(&[
            "train",
            "--exp-name",
            shortcut,
            "--n",
            "3",
            "--batch-size",
            "16",
            "--iterations",
            "3",
            "--model-type",
            model_type,
            "--skip-connection",
            shortcut,
        ]);
        assert_eq!(trained.code, 0, "{}", trained.err);
        let ours = format!("experiments/{shortcut}/weights.safetensors");
        let weights = Weights::read(&place.path(&ours), None).unwrap();
        let network = weights.network(Backend::Flex).unwrap();
        let expected = logits(&network, &first, &normalise, &AtomicBool::new(false));
        let expected = expected.unwrap().unwrap();
        for names in ["torchvision", "akamaster"] {
            let exported = format!("{shortcut}-{names}.safetensors");
            assert_eq!(
                place
                    .fig6(&["export", &ours, "-o", &exported, "--names", names])
                    .code,
                0
            );
            let output = Command::new(&python)
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch/logits.py"))
                .arg(place.path(&exported))
                .args(["--names", names, "--shortcut", shortcut, "--data"])
                .arg(&data)
                .output()
                .unwrap();
            let said: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
            let theirs: Vec<f64> = said["logits"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|row| row.as_array().unwrap())
                .map(|logit| logit.as_f64().unwrap())
                .collect();
            assert_eq!(theirs.len(), expected.len());
            let size = theirs.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
            let distances = theirs
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - f64::from(*b)).abs());
            let distance = distances.fold(0.0, f64::max);
            println!("{exported}: largest distance {distance:.1e}, largest logit {size:.1}");
            assert!(distance < 1e-5 * size.max(1.0), "{exported}: {distance}");
        }
    }
}
