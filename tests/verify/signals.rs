//! A verification that is asked to end leaves nothing behind, wherever it is just then.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::*;

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

/// Verifies the bundle and sends the signal that long after the first temporary file; gives how it ended
/// and what it had said.
fn interrupted(
    project: &Project,
    arguments: &[&str],
    signal: Signal,
    after: Duration,
) -> (Option<i32>, String) {
    let mut child = project
        .heeding_command()
        .args(["verify", "tiny.tar.gz"])
        .args(arguments)
        .env("TMPDIR", project.path("tmp"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while left(project).is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(100));
    }
    std::thread::sleep(after);
    if child.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said)
}

#[test]
fn a_verification_that_is_interrupted_removes_what_it_has_unpacked_at_every_level() {
    let project = with_a_large_bundle();
    let arguments = &["--level", "execute", "--artifacts", "artifacts"];
    let mut levels = std::collections::BTreeMap::new();
    let mut after = Duration::ZERO;
    let mut signals = [Signal::INT, Signal::TERM, Signal::HUP].into_iter().cycle();
    loop {
        let signal = signals.next().unwrap();
        let (code, said) = interrupted(&project, arguments, signal, after);
        assert_eq!(left(&project), [] as [PathBuf; 0], "{after:?}: {said}");
        let level = said.lines().filter(|line| line.starts_with("ok ")).count();
        match code {
            Some(130) => *levels.entry(level).or_insert(0) += 1,
            // It came to its end before.
            Some(0) => break,
            _ => panic!("{code:?} {after:?}: {said}"),
        }
        // More often at the beginning, where each level takes little time.
        after = after * 3 / 2 + Duration::from_millis(5);
    }
    println!("interrupted after so many levels: {levels:?}");
    // While it was unpacked, and while steps were run again.
    assert!(levels.contains_key(&0), "{levels:?}");
    assert!(levels.keys().any(|&level| level >= 3), "{levels:?}");
}
