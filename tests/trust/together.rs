//! Several runs at once, runs that are asked to end, and inputs that change under them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

use super::common::{Done, Project, done};
use super::{PIPELINE, recovered};
use testing::{TRIES, amount, until};

/// A pipeline with a training that takes a while.
fn long(iterations: u32) -> String {
    let text = PIPELINE.replace("iterations: 3,", &format!("iterations: {iterations},"));
    assert_ne!(text, PIPELINE);
    text
}

fn reproduce(project: &Project) -> Command {
    let mut command = project.heeding_command();
    command.args(["reproduce", "--json"]);
    command
}

fn start(project: &Project, arguments: &[&str]) -> Child {
    testing::start(reproduce(project).args(arguments))
}

fn end(child: Child) -> Done {
    done(&child.wait_with_output().unwrap())
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Whether the training has written a checkpoint of so many iterations.
fn trained(project: &Project, iterations: u64) -> bool {
    let folders = walkdir::WalkDir::new(project.path("artifacts/work"))
        .into_iter()
        .flatten();
    let mut newest = folders.filter_map(|entry| nn::checkpoint::newest_iteration(entry.path()));
    newest.any(|newest| newest >= iterations)
}

/// How many results there are.
fn results(project: &Project) -> usize {
    fs::read_dir(project.path("artifacts/manifests")).map_or(0, Iterator::count)
}

/// Processes that compute steps of this project.
fn children(project: &Project) -> Vec<Pid> {
    let folder = fs::canonicalize(project.path("")).unwrap();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| Pid::from_raw(name.parse().ok()?))
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
    for count in amount(&[8][..], &[2, 8], &[2, 3, 5, 8, 16]) {
        let project = Project::new(PIPELINE);
        let runs: Vec<Child> = (0..*count).map(|_| start(&project, &[])).collect();
        let mut ran: BTreeMap<String, usize> = BTreeMap::new();
        for run in runs {
            let done = end(run);
            assert_eq!(done.code, 0, "{done:?}");
            assert_eq!(done.ran.len() + done.up_to_date.len(), 9, "{done:?}");
            for step in done.ran {
                *ran.entry(step).or_default() += 1;
            }
        }
        assert_eq!(ran.len(), 9);
        assert!(ran.values().all(|&times| times == 1), "{ran:?}");
        assert!(recovered(&project, &format!("{count} at once")).is_empty());
    }
}

#[test]
fn the_others_take_over_the_steps_of_runs_that_are_killed() {
    for seed in 0..amount(1, 4, 40) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let project = Project::new(PIPELINE);
        let mut runs: Vec<Child> = (0..8)
            .map(|_| start(&project, &["--checkpoint-every", "0"]))
            .collect();
        // Whoever works on a step at that moment: all but three die, one after the other.
        for death in 0..5 {
            until("the next step's end", || results(&project) > death);
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
    let Paused {
        project,
        run: mut first,
        ..
    } = Paused::in_training(reproduce);
    let mut second = start(&project, &[]);
    let mut output = BufReader::new(second.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("\"elsewhere\"") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    output.read_to_string(&mut said).unwrap();
    assert!(said.contains("resumes after iteration"), "{said}");
    let mut output = second.wait_with_output().unwrap();
    output.stdout = said.into_bytes();
    let done = done(&output);
    assert_eq!(done.code, 0);
    assert!(
        done.ran.contains(&"train/resnet8/seed0".to_owned()),
        "{done:?}"
    );
}

/// A run whose training stands still in the midst of its iterations.
struct Paused {
    project: Project,
    run: Child,
    step: Pid,
}

/// Iterations of a training that is paused.
const LENGTH: u32 = 30;

impl Paused {
    /// Pauses a training of a run that `command` gives. A fast machine may be through before that is
    /// noticed: then it is tried again.
    fn in_training(command: impl Fn(&Project) -> Command) -> Paused {
        for _ in 0..TRIES {
            let project = Project::new(&long(LENGTH));
            let mut run = testing::start(command(&project).args(["--checkpoint-every", "0"]));
            until("a checkpoint", || {
                trained(&project, 2) || run.try_wait().unwrap().is_some()
            });
            if let [step] = children(&project)[..]
                && kill_process(step, Signal::STOP).is_ok()
                && trained(&project, 2)
                && !trained(&project, LENGTH.into())
            {
                return Paused { project, run, step };
            }
            run.kill().unwrap();
            run.wait().unwrap();
        }
        panic!("no training was caught at work");
    }

    /// Lets the training go on; gives how the run ended.
    fn end(self) -> (Project, Output) {
        kill_process(self.step, Signal::CONT).unwrap();
        (self.project, self.run.wait_with_output().unwrap())
    }
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
fn a_run_that_is_asked_to_end_keeps_a_checkpoint_that_was_not_due() {
    for asked in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::new(&long(100_000));
        let mut run = start(&project, &["--checkpoint-every", "1000000"]);
        let mut events = BufReader::new(run.stdout.take().unwrap()).lines();
        let training = |event: &str| event.contains("\"training\":{\"iteration\":");
        assert!(events.any(|event| training(&event.unwrap())));
        assert!(!trained(&project, 1));
        signal(&run, asked);
        assert!(events.last().unwrap().unwrap().contains("\"done\""));
        assert_eq!(run.wait().unwrap().code(), Some(130));
        assert!(trained(&project, 1), "{asked:?}: no checkpoint");
        assert!(children(&project).is_empty());
    }
}

#[test]
fn a_run_that_is_asked_to_end_says_what_is_left() {
    let project = Project::new(&long(100_000));
    let mut command = project.heeding_command();
    command.args(["reproduce", "--checkpoint-every", "0"]);
    let run = testing::start(&mut command);
    until("a checkpoint", || trained(&project, 1));
    signal(&run, Signal::INT);
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted, 7 must run"), "{said}");
    assert!(
        said.contains("train/resnet8/seed0 has a checkpoint after iteration "),
        "{said}"
    );
}

/// Whether a process has been sent TERM and has not heard it yet.
fn is_asked(process: Pid) -> bool {
    let status = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = fs::read_to_string(status).unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    pending.is_some_and(|mask| mask >> (Signal::TERM.as_raw() - 1) & 1 == 1)
}

/// Whether no thread of a process can hear a signal any more.
fn is_stopped(process: Pid) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).unwrap();
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.contains("State:\tT")
    })
}

#[test]
fn a_run_that_is_asked_twice_ends_at_once() {
    let project = Project::new(&long(100_000));
    let run = start(&project, &["--checkpoint-every", "1000000"]);
    until("training", || {
        let status = project.status(&["train"]);
        let training = status.last().unwrap();
        training["running"]["iteration"].is_u64()
    });
    // The step does not hear it.
    let [step] = children(&project)[..] else {
        panic!("not one step");
    };
    kill_process(step, Signal::STOP).unwrap();
    until("it is stopped", || is_stopped(step));
    signal(&run, Signal::TERM);
    until("the run passes it on to its step", || is_asked(step));
    signal(&run, Signal::TERM);
    let done = end(run);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(children(&project).is_empty());
    assert!(!trained(&project, 1));
}

#[test]
fn a_pipeline_that_is_edited_during_a_run_does_not_mix_with_it() {
    let paused = Paused::in_training(reproduce);
    let edit = |from, to| paused.project.edit(from, to);
    edit("learning_rate: 0.1,", "learning_rate: 0.05,");
    edit("title: \"residual nets\"", "title: \"other nets\"");
    let (project, output) = paused.end();
    let first = done(&output);
    assert_eq!((first.code, first.ran.len()), (0, 9), "{first:?}");
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
    let undisturbed = Project::new(&long(LENGTH));
    undisturbed.reproduce(&[]);
    assert!(project.results() == undisturbed.results());
}

/// The images that the training reads.
fn images(project: &Project) -> std::path::PathBuf {
    fs::canonicalize(project.path("artifacts/by-step/preprocess/train.bin")).unwrap()
}

#[test]
fn an_input_that_is_written_to_while_a_step_runs_gives_no_result() {
    let paused = Paused::in_training(reproduce);
    let path = images(&paused.project);
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
    let (project, output) = paused.end();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("changed while the step ran"), "{said}");
    let done = done(&output);
    assert_eq!(
        (done.code, &done.failed[..]),
        (1, &["train/resnet8/seed0".to_owned()][..])
    );
    let second = project.reproduce(&[]);
    assert_eq!(second.code, 0, "{second:?}");
    let undisturbed = Project::new(&long(LENGTH));
    undisturbed.reproduce(&[]);
    assert!(project.results() == undisturbed.results());
}

#[test]
fn a_new_link_to_an_input_or_other_permissions_are_no_change() {
    let paused = Paused::in_training(reproduce);
    let backup = paused.project.path("backup");
    fs::hard_link(images(&paused.project), backup).unwrap();
    let (_project, output) = paused.end();
    assert_eq!(done(&output).code, 0);
}

#[test]
fn a_program_that_is_replaced_during_a_run_computes_the_rest_as_it_was() {
    let paused = Paused::in_training(|project| {
        let program = project.path("fig6");
        fs::copy(env!("CARGO_BIN_EXE_fig6"), &program).unwrap();
        let mut command = Command::new(&program);
        command.args(["reproduce", "--json"]);
        command.current_dir(project.path(""));
        command
    });
    let other = paused.project.path("other");
    fs::write(&other, "#!/bin/sh\nexit 7\n").unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&other, everyone).unwrap();
    fs::rename(&other, paused.project.path("fig6")).unwrap();
    let (_project, output) = paused.end();
    let done = done(&output);
    assert_eq!((done.code, done.ran.len()), (0, 9), "{done:?}");
}
