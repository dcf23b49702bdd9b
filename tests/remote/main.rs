//! `fig6 push`, `pull`, `reproduce --remote` and `gc --remote` as a person uses them: with a folder, a web
//! server, and a server that speaks S3, all of them whole, broken and hostile.

#[path = "../common/mod.rs"]
mod common;

mod folder;
#[cfg(feature = "remote")]
mod network;
#[cfg(feature = "remote")]
mod s3;
#[cfg(feature = "remote")]
mod server;

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use common::Project;
use serde_json::Value;

const TINY: &str = include_str!("../pipelines/tiny.ron");
const NONE: [&str; 0] = [];
const STEPS: usize = 18;

thread_local! {
    /// Keeps the shared project as long as the thread of a test that has looked at it.
    static HELD: RefCell<Option<Arc<Project>>> = const { RefCell::new(None) };
}

/// A project of which everything is done, not to be changed. It goes with the last test that looks at it.
fn finished() -> Arc<Project> {
    static FINISHED: Mutex<Weak<Project>> = Mutex::new(Weak::new());
    let mut shared = FINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let project = shared.upgrade().unwrap_or_else(|| {
        let project = Arc::new(Project::new(TINY));
        let done = project.reproduce(&[]);
        assert_eq!((done.code, done.ran.len()), (0, STEPS), "{done:?}");
        project
    });
    *shared = Arc::downgrade(&project);
    HELD.with(|held| *held.borrow_mut() = Some(project.clone()));
    project
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// A project of its own of which everything is done.
fn own() -> Project {
    let project = Project::new(TINY);
    for folder in ["artifacts", "reports"] {
        copy(&finished().path(folder), &project.path(folder));
    }
    project
}

/// What a command with `--json` says, which ends well.
fn said(project: &Project, arguments: &[&str]) -> Value {
    let answer = project.fig6(&[arguments, &["--json"]].concat());
    assert_eq!(
        answer.code, 0,
        "{arguments:?}: {}{}",
        answer.out, answer.err
    );
    serde_json::from_str(&answer.out).unwrap()
}

fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

/// A new project has everything that the finished one has, and nothing runs in it.
fn is_whole(project: &Project) {
    let done = project.reproduce(&[]);
    assert_eq!(
        (done.code, done.ran, done.up_to_date.len()),
        (0, Vec::new(), STEPS)
    );
    assert_eq!(project.results(), finished().results());
    let answer = project.fig6(&["fsck"]);
    assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
}
