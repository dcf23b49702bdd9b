//! Nothing lost, nothing wrong: the real program is killed at every system call that changes the disk,
//! loses what it had not flushed, finds its files damaged, has no room, no permission and no file
//! descriptors, runs eight times at once, and finds its inputs changed. After each of these the next run
//! must end in the same bytes as one that was left alone, without doing finished work again.

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod damage;
mod disk;
mod faults;
mod together;
mod trace;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use common::Project;
use testing::amount;

/// Every kind of step once.
pub const PIPELINE: &str = include_str!("../pipelines/one.ron");

/// What an undisturbed run leaves.
pub struct Expected {
    /// Outputs and reports with their contents.
    pub results: Vec<(PathBuf, Vec<u8>)>,
    /// Everything in the store that a run leaves, by name.
    pub names: BTreeSet<PathBuf>,
}

/// What an undisturbed run of [`PIPELINE`] leaves.
pub fn expected() -> &'static Expected {
    static EXPECTED: OnceLock<Expected> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let project = Project::new(PIPELINE);
        assert_eq!(project.reproduce(&[]).code, 0);
        Expected {
            results: project.results(),
            names: names(&project),
        }
    })
}

/// All names in artifacts and reports, but for what says when something ran or was set aside.
pub fn names(project: &Project) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    for top in ["artifacts", "reports"] {
        for entry in walkdir::WalkDir::new(project.path(top)) {
            let path = entry.unwrap().into_path();
            let path = path.strip_prefix(project.path("")).unwrap().to_owned();
            let passing =
                ["index", "set-aside", "runs", "lock"].map(|name| format!("artifacts/{name}"));
            if !passing.iter().any(|name| path.starts_with(name)) {
                names.insert(path);
            }
        }
    }
    names
}

/// Brings a project up to date that something has happened to, and gives the steps that ran.
///
/// # Panics
/// If anything is not as after an undisturbed run, or a second one would not be idle.
pub fn recovered(project: &Project, what: &str) -> Vec<String> {
    let output = project
        .command()
        .args(["reproduce", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{what}: {said}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let done = common::done(&output);
    let expected = expected();
    assert!(
        project.results() == expected.results,
        "{what}: other results"
    );
    let names = names(project);
    let differing: Vec<_> = names.symmetric_difference(&expected.names).collect();
    assert!(differing.is_empty(), "{what}: {differing:?}");
    let again = project.reproduce(&[]);
    assert_eq!((again.code, again.ran.len()), (0, 0), "{what}: {again:?}");
    done.ran
}

/// Of all the places where something can happen, every how manieth is tried.
pub fn stride() -> usize {
    amount(60, 12, 1)
}

/// What was set aside, by name.
pub fn set_aside(project: &Project) -> Vec<String> {
    let files = fs::read_dir(project.path("artifacts/set-aside"));
    let files = files.into_iter().flatten();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}
