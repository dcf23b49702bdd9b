//! Who reads the answer has no part in it: a reader that goes away, an output that is full or closed, and
//! files of every kind that the user names for output.

#[path = "../common/mod.rs"]
mod common;

mod files;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use common::{Answer, Project, answer, below, pictures};
use rustix::process::{Pid, Signal, kill_process};
use testing::until;

const CLAIMS: &str = include_str!("../pipelines/claims.ron");

/// Weights of a training.
const WEIGHTS: &str = "artifacts/by-step/train/plain8/seed0/weights.safetensors";

/// A folder with a finished report, a document without numbers of its own and images: made once, copied for
/// each test.
fn finished() -> Project {
    static FINISHED: OnceLock<Project> = OnceLock::new();
    let finished = FINISHED.get_or_init(|| {
        let project = Project::new(CLAIMS);
        let done = project.reproduce(&[]);
        assert_eq!((done.code, done.ran.len()), (0, 18), "{done:?}");
        let wrong = "Plain-8 has <!-- fig6: layers(plain8) -->9<!-- /fig6 --> layers.\n";
        fs::write(project.path("WRONG.md"), wrong).unwrap();
        fs::write(project.path("bad.pt"), "no weights").unwrap();
        fs::copy(project.path(WEIGHTS), project.path("good.safetensors")).unwrap();
        pictures(&project.path(""), 40, 20);
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

/// As [`finished`], with a claim that is wrong.
fn refuted() -> Project {
    let project = finished();
    project.edit("= 75290", "= 75291");
    project
}

/// As [`finished`], with a claim that cannot be decided.
fn undecided() -> Project {
    let project = finished();
    project.edit(", profiles: [\"tiny\"]", "");
    project
}

/// As [`finished`], with an artifact that is damaged.
fn damaged() -> Project {
    let project = finished();
    let object = project.path(WEIGHTS).canonicalize().unwrap();
    fs::remove_file(&object).unwrap();
    fs::write(&object, "damaged").unwrap();
    project
}

/// A project in which a training cannot succeed.
fn diverging() -> Project {
    let project = Project::new(CLAIMS);
    project.edit("learning_rate: 0.1", "learning_rate: 1e30");
    project
}

/// The projects that all cases share: what these commands do there, they can do again.
struct Projects {
    finished: Project,
    refuted: Project,
    undecided: Project,
    damaged: Project,
    diverging: Project,
}

impl Projects {
    fn new() -> Projects {
        Projects {
            finished: finished(),
            refuted: refuted(),
            undecided: undecided(),
            damaged: damaged(),
            diverging: diverging(),
        }
    }
}

/// A command line, where it is run, and how it ends.
type Case = (fn(&Projects) -> &Project, &'static str, i32);

const CASES: [Case; 32] = [
    (|it| &it.finished, "--help", 0),
    (|it| &it.finished, "--version", 0),
    (|it| &it.finished, "completions bash", 0),
    (|it| &it.finished, "devices", 0),
    (|it| &it.finished, "status", 0),
    (|it| &it.finished, "status --json", 0),
    (|it| &it.finished, "explain table", 0),
    (|it| &it.finished, "graph", 0),
    (|it| &it.finished, "log train/plain8/seed0", 0),
    (|it| &it.finished, "reproduce", 0),
    (|it| &it.finished, "reproduce --json", 0),
    (|it| &it.finished, "reproduce --dry-run", 0),
    (|it| &it.diverging, "reproduce", 1),
    (|it| &it.diverging, "reproduce --json", 1),
    (|it| &it.finished, "bundle", 0),
    (|it| &it.finished, "bundle --json", 0),
    (|it| &it.finished, "gc --dry-run", 0),
    (|it| &it.finished, "fsck", 0),
    (|it| &it.damaged, "fsck --dry-run", 1),
    (|it| &it.damaged, "fsck --dry-run --json", 1),
    (|it| &it.finished, "verify", 0),
    (|it| &it.refuted, "verify", 1),
    (|it| &it.refuted, "verify --json", 1),
    (|it| &it.refuted, "verify --github --verbose", 1),
    (|it| &it.undecided, "verify", 3),
    (|it| &it.finished, "verify --docs WRONG.md", 1),
    (
        |it| &it.finished,
        "evaluate good.safetensors bad.pt good.safetensors --classes airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
        1,
    ),
    (
        |it| &it.finished,
        "evaluate good.safetensors bad.pt --json --classes airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
        1,
    ),
    (
        |it| &it.finished,
        "export good.safetensors --output x.safetensors --force",
        0,
    ),
    (
        |it| &it.finished,
        "train --exp-name one --n 1 --batch-size 10 --iterations 1 --force",
        0,
    ),
    (
        |it| &it.finished,
        "train --exp-name one --n 1 --batch-size 10 --iterations 1 --force --json",
        0,
    ),
    (|it| &it.finished, "no-such-command", 2),
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Runs a command below a shell that does something to its outputs first.
fn redirected(project: &Project, redirection: &str, arguments: &[&str]) -> Answer {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]);
    let mut command = project.command();
    command.args(arguments);
    answer(below(shell, &command).output().unwrap())
}

#[test]
fn a_command_ends_as_it_would_have_whoever_reads_it() {
    let projects = Projects::new();
    for (project, line, code) in CASES {
        let (project, arguments) = (project(&projects), words(line));
        let expected = project.fig6(&arguments);
        assert_eq!(expected.code, code, "{line}: {}", expected.err);
        // Nobody reads, from the first byte on.
        let (found, said) = project.unread(&arguments);
        assert_eq!(found, code, "{line}: {said}");
        assert!(!said.contains("pipe"), "{line}: {said}");
        for closed in [">&- 2>&-", "2>/dev/full"] {
            let answer = redirected(project, closed, &arguments);
            assert_eq!(answer.code, code, "{line} {closed}: {}", answer.err);
        }
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_never_success() {
    let projects = Projects::new();
    for (project, line, code) in CASES {
        let answer = redirected(project(&projects), ">/dev/full", &words(line));
        let expected = if code == 0 { 1 } else { code };
        assert_eq!(answer.code, expected, "{line}: {}", answer.err);
        // What is wrong with the arguments is not said there.
        let cause = "error: cannot write to standard output: No space left on device";
        let count = answer.err.matches(cause).count();
        assert_eq!(count, usize::from(code != 2), "{line}: {}", answer.err);
    }
    // The work is done all the same.
    let project = Project::new(CLAIMS);
    assert_eq!(
        redirected(&project, ">/dev/full", &["reproduce", "--json"]).code,
        1
    );
    assert_eq!(project.reproduce(&[]).ran, [""; 0]);
}

#[test]
fn a_reader_that_leaves_after_the_first_line_changes_nothing() {
    for (project, arguments, code) in [
        (refuted(), &["verify"][..], 1),
        (undecided(), &["verify"], 3),
        (damaged(), &["fsck"], 1),
        (diverging(), &["reproduce", "--json"], 1),
        (Project::new(CLAIMS), &["reproduce", "--json"], 0),
    ] {
        let mut command = project.command();
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        drop(reader);
        let found = child.wait().unwrap().code();
        assert_eq!(found, Some(code), "{arguments:?} after {line}");
    }
}

#[test]
fn an_interrupted_training_that_nobody_reads_ends_as_interrupted() {
    let project = finished();
    for (redirection, name) in [(">/dev/full", "full"), (">&-", "closed")] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]);
        let mut command = project.heeding_command();
        command
            .args(["train", "--exp-name", name, "--n=1", "--batch-size=10"])
            .args(["--iterations=1000000", "--validation=0", "--data-dir=data"]);
        let mut child = below(shell, &command);
        let child = child.stderr(Stdio::piped()).spawn().unwrap();
        let begun = project.path(&format!("experiments/{name}/experiment.json"));
        until("it has begun", || begun.exists());
        let output = terminated(child);
        assert_eq!(output.status.code(), Some(130), "{redirection}: {output:?}");
    }
}

/// Sends one TERM, and gives how the process ended.
fn terminated(mut child: std::process::Child) -> Output {
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    until("it ends", || child.try_wait().unwrap().is_some());
    child.wait_with_output().unwrap()
}
