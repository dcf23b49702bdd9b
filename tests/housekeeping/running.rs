//! What is said of a step that another process computes right now.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::{start, until};

use super::common::Project;
use super::{TINY, finished};

const STEP: &str = "train/resnet8/seed0";

/// The status of the training.
fn status(project: &Project, command: &[&str]) -> Value {
    let answer = project.fig6(&[command, &["--json", STEP]].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    let status: Value = serde_json::from_str(&answer.out).unwrap();
    let steps = status["steps"].as_array().unwrap();
    let mut own = steps.iter().filter(|step| step["step"] == STEP);
    own.next().unwrap().clone()
}

/// A run whose training never ends by itself.
struct Training(Child);

impl Training {
    fn start(project: &Project) -> Training {
        let target = ["reproduce", STEP, "--checkpoint-every", "0"];
        Training(start(project.command().args(target)))
    }

    fn end_by(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // Also where a test fails; one that was waited for is left alone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_step_that_another_process_computes_is_running_until_that_process_dies() {
    let project = finished();
    project.edit("iterations: 4,", "iterations: 4000000,");
    let mut training = Training::start(&project);
    let process = training.0.id();
    until("it trains", || {
        status(&project, &["status"])["running"]["iteration"].is_u64()
    });
    let told = status(&project, &["status"]);
    let running = &told["running"];
    assert_eq!(running["process"], process, "{told}");
    assert_eq!(running["iterations"], 4_000_000, "{told}");
    assert!(running["seconds_left"].as_f64() > Some(0.0), "{told}");
    assert!(running["host"].is_string() && running["started"].is_string());
    // What programs rely on stays as it was.
    assert_eq!(told["state"], "must-run", "{told}");
    assert_eq!(told["expected_seconds"], running["seconds_left"], "{told}");
    // A plan, and what explains a step, say the same.
    let plan = status(&project, &["reproduce", "--dry-run"]);
    assert_eq!(plan["running"]["process"], process, "{plan}");
    for command in [&["status", STEP][..], &["reproduce", "--dry-run", STEP]] {
        let answer = project.fig6(command);
        let said = format!("running    process {process}, iteration ");
        let line = answer.out.lines().find(|line| line.contains(STEP)).unwrap();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.contains(&said), "{line}");
        assert!(
            line.contains(" of 4000000, ") && line.contains(" left"),
            "{line}"
        );
        assert!(answer.out.contains("1 running (about"), "{}", answer.out);
        assert!(answer.out.contains("0 must run"), "{}", answer.out);
    }
    let answer = project.fig6(&["explain", STEP]);
    let said = format!("{STEP}: running, process {process}, iteration ");
    assert!(answer.out.starts_with(&said), "{}", answer.out);
    let evaluate = "evaluate/resnet8/seed0";
    let answer = project.fig6(&["explain", evaluate]);
    let said = format!("  {STEP} running\n");
    assert!(answer.out.contains(&said), "{}", answer.out);
    let answer = project.fig6(&["explain", evaluate, "--json"]);
    let explanation: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        explanation["causes"][0]["running"][0], STEP,
        "{explanation}"
    );

    training.end_by(Signal::KILL);
    let told = status(&project, &["status"]);
    assert_eq!(told["running"], Value::Null, "{told}");
    assert_eq!(told["state"], "must-run", "{told}");
    assert!(told["checkpoint"]["iteration"].is_u64(), "{told}");
    let answer = project.fig6(&["status", STEP]);
    assert!(answer.out.contains("1 must run"), "{}", answer.out);
    assert!(!answer.out.contains("running"), "{}", answer.out);
}

#[test]
fn a_step_that_was_interrupted_and_goes_on_is_running_in_the_new_process() {
    let project = Project::new(&TINY.replace("iterations: 4,", "iterations: 4000000,"));
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        let mut training = Training::start(&project);
        until("it runs", || {
            status(&project, &["status"])["running"]["process"] == training.0.id()
        });
        training.end_by(signal);
        let told = status(&project, &["status"]);
        assert_eq!(told["running"], Value::Null, "{told}");
    }
}
