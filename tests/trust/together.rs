//! Several runs at once, runs that are asked to end, and inputs that change under them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

use super::common::{Done, Project, done};
use super::{PIPELINE, recovered};

/// A pipeline with a training that takes a while.
fn long(iterations: u32) -> String {
    let text = PIPELINE.replace("iterations: 3,", &format!("iterations: {iterations},"));
    assert_ne!(text, PIPELINE);
    text
}

fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command = project.heeding_command();
    command.args(["reproduce", "--json"]).args(arguments);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> Done {
    done(&child.wait_with_output().unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits for something that will be.
fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "not in a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether the training has written a checkpoint of so many iterations.
fn trained(project: &Project, iterations: u64) -> bool {
    let folders = walkdir::WalkDir::new(project.path("artifacts/work"))
        .into_iter()
        .flatten();
    let mut newest =
        folders.filter_map(|entry| fig6::nn::checkpoint::newest_iteration(entry.path()));
    newest.any(|newest| newest >= iterations)
}

/// Processes that compute steps of this project.
fn children(project: &Project) -> Vec<u32> {
    let folder = fs::canonicalize(project.path("")).unwrap();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("\0exec\0") && line.contains(folder.to_str().unwrap()) {
            children.push(process);
        }
    }
    children
}

#[test]
fn two_and_eight_runs_at_once_do_every_step_once() {
    for count in [2, 8] {
        let project = Project::new(PIPELINE);
        let runs: Vec<Child> = (0..count).map(|_| start(&project, &[])).collect();
        let mut ran: BTreeMap<String, usize> = BTreeMap::new();
        for run in runs {
            let done = end(run);
            assert_eq!(done.code, 0, "{done:?}");
            assert_eq!(done.ran.len() + done.up_to_date.len(), 7, "{done:?}");
            for step in done.ran {
                *ran.entry(step).or_default() += 1;
            }
        }
        assert_eq!(ran.len(), 7);
        assert!(ran.values().all(|&times| times == 1), "{ran:?}");
        assert!(recovered(&project, &format!("{count} at once")).is_empty());
    }
}

#[test]
fn the_others_take_over_the_steps_of_runs_that_are_killed() {
    for seed in 0..4 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let project = Project::new(PIPELINE);
        let mut runs: Vec<Child> = (0..8)
            .map(|_| start(&project, &["--checkpoint-every", "0"]))
            .collect();
        // Whoever works on a step at that moment: all but three die, one after the other.
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(random.next_u64() % 120));
            let mut killed = runs.remove((random.next_u64() % runs.len() as u64) as usize);
            let _ = killed.kill();
            killed.wait().unwrap();
        }
        let mut ran: BTreeMap<String, usize> = BTreeMap::new();
        for run in runs {
            let done = end(run);
            assert_eq!(done.code, 0, "{done:?}");
            for step in done.ran {
                *ran.entry(step).or_default() += 1;
            }
        }
        assert!(ran.values().all(|&times| times == 1), "{ran:?}");
        recovered(&project, &format!("five of eight killed, seed {seed}"));
    }
}

#[test]
fn a_waiting_run_goes_on_from_the_checkpoint_of_a_killed_one() {
    let project = Project::new(&long(60));
    let mut first = start(&project, &["--checkpoint-every", "0"]);
    until("a checkpoint", || trained(&project, 5));
    let second = start(&project, &[]);
    std::thread::sleep(Duration::from_millis(300));
    first.kill().unwrap();
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("\"elsewhere\"") && said.contains("resumes after iteration"),
        "{said}"
    );
    let done = done(&output);
    assert_eq!(done.code, 0);
    assert!(
        done.ran.contains(&"train/resnet8/seed0".to_owned()),
        "{done:?}"
    );
}

#[test]
fn no_step_outlives_a_run_that_dies() {
    for death in [Signal::KILL, Signal::ABORT, Signal::QUIT] {
        let project = Project::new(&long(100_000));
        let mut run = start(&project, &["--checkpoint-every", "0"]);
        until("a checkpoint", || trained(&project, 2));
        assert_eq!(children(&project).len(), 1);
        signal(&run, death);
        run.wait().unwrap();
        until("the step's end", || children(&project).is_empty());
    }
}

#[test]
fn a_step_whose_parent_is_gone_does_not_begin() {
    let project = Project::new(PIPELINE);
    let answer = project.fig6(&["exec", "anywhere", "--parent", "1"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .err
            .contains("the process that started this step is gone"),
        "{}",
        answer.err
    );
}

#[test]
fn a_run_that_is_asked_to_end_keeps_a_checkpoint_and_says_what_is_left() {
    for asked in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::new(&long(100_000));
        let mut command = project.heeding_command();
        command.args(["reproduce", "--checkpoint-every", "300"]);
        let run = command.stdout(Stdio::piped()).spawn().unwrap();
        until("training", || {
            !children(&project).is_empty() && project.path("artifacts/by-step/train").exists()
        });
        std::thread::sleep(Duration::from_millis(700));
        assert!(
            !trained(&project, 1),
            "too early for a checkpoint by itself"
        );
        signal(&run, asked);
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(trained(&project, 1), "{asked:?}: no checkpoint: {said}");
        assert!(said.contains("interrupted, 5 must run"), "{said}");
        assert!(
            said.contains("train/resnet8/seed0 has a checkpoint after iteration "),
            "{said}"
        );
        assert!(children(&project).is_empty());
    }
}

#[test]
fn a_run_that_is_asked_twice_ends_at_once() {
    let project = Project::new(&long(100_000));
    let run = start(&project, &["--checkpoint-every", "300"]);
    until("training", || {
        !children(&project).is_empty() && project.path("artifacts/by-step/train").exists()
    });
    // The step does not hear it.
    let step = Pid::from_raw(children(&project)[0].cast_signed()).unwrap();
    kill_process(step, Signal::STOP).unwrap();
    signal(&run, Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    signal(&run, Signal::TERM);
    let done = end(run);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(children(&project).is_empty());
    assert!(!trained(&project, 1));
}

#[test]
fn a_pipeline_that_is_edited_during_a_run_does_not_mix_with_it() {
    let project = Project::new(&long(60));
    let run = start(&project, &["--checkpoint-every", "0"]);
    until("a checkpoint", || trained(&project, 2));
    project.edit("learning_rate: 0.1,", "learning_rate: 0.05,");
    project.edit("title: \"residual nets\"", "title: \"other nets\"");
    let first = end(run);
    assert_eq!((first.code, first.ran.len()), (0, 7), "{first:?}");
    // What ran belongs to the file as it was.
    let second = project.reproduce(&[]);
    assert!(
        second.ran.contains(&"train/resnet8/seed0".to_owned()),
        "{second:?}"
    );
    assert!(second.ran.contains(&"plot/fig6".to_owned()), "{second:?}");
    project.edit("learning_rate: 0.05,", "learning_rate: 0.1,");
    project.edit("title: \"other nets\"", "title: \"residual nets\"");
    assert!(project.reproduce(&[]).ran.is_empty());
    let undisturbed = Project::new(&long(60));
    undisturbed.reproduce(&[]);
    assert!(project.results() == undisturbed.results());
}

/// The images that the training reads.
fn images(project: &Project) -> std::path::PathBuf {
    fs::canonicalize(project.path("artifacts/by-step/preprocess/train.bin")).unwrap()
}

#[test]
fn an_input_that_is_written_to_while_a_step_runs_gives_no_result() {
    let project = Project::new(&long(80));
    let run = start(&project, &["--checkpoint-every", "0"]);
    until("a checkpoint", || trained(&project, 2));
    let path = images(&project);
    let right = fs::read(&path).unwrap();
    let mut wrong = right.clone();
    wrong[5] ^= 1;
    let write = |bytes: &[u8]| {
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "a file of the test's own"
        )]
        permissions.set_readonly(false);
        fs::set_permissions(&path, permissions).unwrap();
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    // Wrong for a moment, and right again before the step ends.
    write(&wrong);
    write(&right);
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("changed while the step ran"), "{said}");
    let done = done(&output);
    assert_eq!(
        (done.code, &done.failed[..]),
        (1, &["train/resnet8/seed0".to_owned()][..])
    );
    let second = project.reproduce(&[]);
    assert_eq!(second.code, 0, "{second:?}");
    let undisturbed = Project::new(&long(80));
    undisturbed.reproduce(&[]);
    assert!(project.results() == undisturbed.results());
}

#[test]
fn a_new_link_to_an_input_or_other_permissions_are_no_change() {
    let project = Project::new(&long(60));
    let run = start(&project, &["--checkpoint-every", "0"]);
    until("a checkpoint", || trained(&project, 2));
    fs::hard_link(images(&project), project.path("backup")).unwrap();
    assert_eq!(end(run).code, 0);
}

#[test]
fn a_program_that_is_replaced_during_a_run_computes_the_rest_as_it_was() {
    let project = Project::new(&long(60));
    let program = project.path("fig6");
    fs::copy(env!("CARGO_BIN_EXE_fig6"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["reproduce", "--json", "--checkpoint-every", "0"]);
    command.current_dir(project.path("")).stdout(Stdio::piped());
    let run = command.spawn().unwrap();
    until("a checkpoint", || trained(&project, 2));
    let other = project.path("other");
    fs::write(&other, "#!/bin/sh\nexit 7\n").unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&other, everyone).unwrap();
    replace(&other, &program);
    let done = end(run);
    assert_eq!((done.code, done.ran.len()), (0, 7), "{done:?}");
}

fn replace(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}
