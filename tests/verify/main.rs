//! `fig6 verify` on a finished report, whole and altered in every way that matters: what is wrong must
//! turn it red, and what is missing must never pass.

#[path = "../common/mod.rs"]
mod common;

mod mutants;
mod outputs;
mod replay;
mod signals;
mod whole;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use common::{Answer, Project};
use serde_json::Value;

const CLAIMS: &str = include_str!("../pipelines/claims.ron");

/// A document whose numbers are bound.
const DOCUMENT: &str = "# Results\n\nPlain-8 errs on <!-- fig6: test_error(plain8).mean -->0.00<!-- /fig6 --> \
                        percent.\n\n<!-- fig6: table tiny -->\n<!-- /fig6 -->\n";

/// A folder with a finished report, its artifacts, and a document with bound numbers: made once, copied
/// for each test.
fn finished() -> Project {
    static FINISHED: OnceLock<Project> = OnceLock::new();
    let finished = FINISHED.get_or_init(|| {
        let project = Project::new(CLAIMS);
        let done = project.reproduce(&[]);
        assert_eq!((done.code, done.ran.len()), (0, 18), "{done:?}");
        fs::write(project.path("PAPER.md"), DOCUMENT).unwrap();
        let answer = project.fig6(&["verify", "--docs", "PAPER.md", "--write"]);
        assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
        project
    });
    let copy = Project::new(CLAIMS);
    let all = Command::new("cp")
        .args(["--archive", "--no-target-directory"])
        .args([finished.path(""), copy.path("")])
        .status();
    assert!(all.unwrap().success());
    copy
}

/// What `fig6 verify` says, in words and as an exit code.
fn verify(project: &Project, arguments: &[&str]) -> Answer {
    project.fig6(&[&["verify"], arguments].concat())
}

/// All checks of `verify --json`.
fn checks(project: &Project, arguments: &[&str]) -> Vec<Value> {
    let answer = verify(project, &[&["--json"], arguments].concat());
    let report: Value = serde_json::from_str(&answer.out)
        .unwrap_or_else(|_| panic!("{}{}", answer.out, answer.err));
    report["checks"].as_array().unwrap().clone()
}

/// Changes the text of a file, which must change.
fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let before = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let after = change(&before);
    assert_ne!(before, after, "nothing to edit in {path:?}");
    make_writable(path);
    fs::write(path, after).unwrap();
}

/// Changes a byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    make_writable(path);
    fs::write(path, bytes).unwrap();
}

fn make_writable(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "a file of the test's own"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
}
