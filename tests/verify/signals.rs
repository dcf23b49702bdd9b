//! A verification that is asked to end leaves nothing behind, wherever it is just then.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use super::*;
use testing::{TRIES, start, until};

/// A folder with a bundle that takes a while to unpack: its pipeline file has a long comment.
fn with_a_large_bundle() -> Project {
    let project = finished();
    let mut pipeline = project.read("pipeline.ron");
    let mut state: u64 = 1;
    for _ in 0..25_000 {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        pipeline += &format!("// {state:016x}{:016x}\n", !state);
    }
    fs::write(project.path("pipeline.ron"), pipeline).unwrap();
    assert_eq!(project.reproduce(&[]).code, 0);
    let answer = project.fig6(&["bundle", "--output", "tiny.tar.gz"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    fs::create_dir(project.path("tmp")).unwrap();
    project
}

/// What lies in the folder for temporary files.
fn left(project: &Project) -> Vec<PathBuf> {
    let entries = fs::read_dir(project.path("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Verifies the bundle and sends the signal once something is unpacked and so many levels have passed;
/// gives how it ended and what it had said.
fn interrupted(project: &Project, levels: usize, signal: Signal) -> (Option<i32>, String) {
    let mut command = project.heeding_command();
    command
        .args(["verify", "tiny.tar.gz", "--level", "execute"])
        .args(["--artifacts", "artifacts"])
        .env("TMPDIR", project.path("tmp"));
    let mut child = start(&mut command);
    until("something is unpacked", || {
        !left(project).is_empty() || child.try_wait().unwrap().is_some()
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while passed(&said) < levels && output.read_line(&mut said).unwrap() > 0 {}
    // It may be gone by now.
    let _ = kill_process(Pid::from_child(&child), signal);
    output.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

/// How many levels have passed.
fn passed(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("ok ")).count()
}

#[test]
fn a_verification_that_is_interrupted_removes_what_it_has_unpacked_at_every_level() {
    let project = with_a_large_bundle();
    let mut signals = [Signal::INT, Signal::TERM, Signal::HUP].into_iter().cycle();
    // While it is unpacked, after a level that takes little time, and while parts of trainings or steps are
    // run again.
    for levels in [0, 2, 4, 5] {
        let caught = (0..TRIES).any(|_| {
            let (code, said) = interrupted(&project, levels, signals.next().unwrap());
            assert_eq!(left(&project), [] as [PathBuf; 0], "{said}");
            match code {
                Some(130) => true,
                // A fast machine comes to the end before the signal does.
                Some(0) => false,
                _ => panic!("{code:?}: {said}"),
            }
        });
        assert!(caught, "never interrupted after {levels} levels");
    }
}
