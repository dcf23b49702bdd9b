//! Drives the real binary in a temporary folder.

#![allow(dead_code, reason = "each test crate uses a part of the driver")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use store::key::Digest;
use store::{Claimed, Manifest, Store};
use tempfile::TempDir;

/// A folder with a pipeline file, and what fig6 makes of it.
pub struct Project {
    folder: TempDir,
    /// What to run the program as.
    user: Option<Nobody>,
}

/// A user without rights, for what does not hold for the superuser.
#[derive(Clone)]
pub struct Nobody {
    /// The program, where that user can read it; `None` where the tests' own user has no special rights.
    program: Option<Arc<TempDir>>,
}

/// Number of the user without rights.
const NOBODY: u32 = 65534;

/// How to run the program without the superuser's rights; says so where that cannot be.
pub fn run_as_nobody() -> Option<Nobody> {
    if !rustix::process::geteuid().is_root() {
        return Some(Nobody { program: None });
    }
    let works = Command::new("setpriv")
        .args(NOBODY_ARGUMENTS)
        .arg("true")
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: no setpriv, or it may not change the user");
        return None;
    }
    let folder = testing::folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_fig6"), folder.path().join("fig6")).unwrap();
    Some(Nobody {
        program: Some(Arc::new(folder)),
    })
}

const NOBODY_ARGUMENTS: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

impl Nobody {
    /// A project that belongs to that user.
    pub fn project(&self, pipeline: &str) -> Project {
        let mut project = Project::new(pipeline);
        if self.program.is_some() {
            std::os::unix::fs::chown(project.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        project.user = Some(self.clone());
        project
    }
}

/// What a command printed and how it ended.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The steps of a run by how they ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub ran: Vec<String>,
    pub carried_over: Vec<String>,
    pub up_to_date: Vec<String>,
    pub failed: Vec<String>,
    pub skipped: Vec<String>,
}

/// The command as the one that `wrapper` starts.
pub fn below(mut wrapper: Command, command: &Command) -> Command {
    wrapper
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    wrapper
}

/// What a command that ended by itself said.
pub fn answer(output: Output) -> Answer {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    Answer {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// What a `reproduce --json` that came to its end said.
pub fn done(output: &Output) -> Done {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let last = out.lines().last();
    let last = last.unwrap_or_else(|| panic!("no output: {err}"));
    let done: Value = serde_json::from_str(last).unwrap();
    assert_eq!(done["event"], "done", "{last}\n{err}");
    let list = |name: &str| {
        let list = done[name].as_array().unwrap().iter();
        list.map(|step| step.as_str().unwrap().to_owned()).collect()
    };
    Done {
        code: output.status.code().unwrap(),
        ran: list("ran"),
        carried_over: list("carried_over"),
        up_to_date: list("up_to_date"),
        failed: list("failed"),
        skipped: list("skipped"),
    }
}

impl Project {
    pub fn new(pipeline: &str) -> Project {
        let folder = testing::folder();
        fs::write(folder.path().join("pipeline.ron"), pipeline).unwrap();
        let user = None;
        Project { folder, user }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces a text in the pipeline file.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("pipeline.ron");
        assert!(text.contains(from), "the file has no {from:?}");
        fs::write(self.path("pipeline.ron"), text.replacen(from, to, 1)).unwrap();
    }

    /// The program, to be run in the folder.
    pub fn command(&self) -> Command {
        let mut command = match self.user.as_ref().and_then(|user| user.program.as_ref()) {
            Some(folder) => {
                let mut command = Command::new("setpriv");
                command
                    .args(NOBODY_ARGUMENTS)
                    .arg(folder.path().join("fig6"));
                command
            }
            None => Command::new(env!("CARGO_BIN_EXE_fig6")),
        };
        command
            .current_dir(self.folder.path())
            .env_remove("FIG6_MIRROR")
            .env_remove("FIG6_CHECKPOINT_EVERY")
            .env_remove("FIG6_REPLAY")
            // The user's own fig6.toml is not the test's.
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env_remove("FIG6_REMOTE")
            .env("NO_COLOR", "1");
        command
    }

    /// As [`Project::command`], heeding all signals: one that is ignored when a program starts, as a
    /// shell has it for what it runs in the background, stays ignored.
    pub fn heeding_command(&self) -> Command {
        if !cfg!(target_os = "linux") {
            return self.command(); // `env` cannot do it elsewhere
        }
        let mut command = Command::new("env");
        command.arg("--default-signal");
        below(command, &self.command())
    }

    pub fn fig6(&self, arguments: &[&str]) -> Answer {
        answer(self.command().args(arguments).output().unwrap())
    }

    /// Runs `reproduce --json` and gives its last line.
    pub fn reproduce(&self, arguments: &[&str]) -> Done {
        let mut command = self.command();
        command.args(["reproduce", "--json"]).args(arguments);
        done(&command.output().unwrap())
    }

    /// Runs with an output that nobody reads; gives the exit code and what was said about it.
    pub fn unread(&self, arguments: &[&str]) -> (i32, String) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_fig6"))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// The steps of `status --json`.
    pub fn status(&self, arguments: &[&str]) -> Vec<Value> {
        let answer = self.fig6(&[&["status", "--json"], arguments].concat());
        let status: Value =
            serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{}", answer.err));
        status["steps"].as_array().unwrap().clone()
    }

    /// Every output by step and name, and every report, with its content.
    pub fn results(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut results = Vec::new();
        for top in ["artifacts/by-step", "reports"] {
            let files = walkdir::WalkDir::new(self.path(top))
                .follow_links(true)
                .sort_by_file_name();
            for entry in files.into_iter().map(Result::unwrap) {
                let name = entry.file_name();
                // When and where a step ran is no part of its result.
                let passing = [
                    "manifest.json",
                    "log",
                    "ro-crate-metadata.json",
                    "report.html",
                ];
                if entry.file_type().is_file() && !passing.iter().any(|passing| name == *passing) {
                    let path = entry
                        .path()
                        .strip_prefix(self.folder.path())
                        .unwrap()
                        .to_owned();
                    results.push((path, fs::read(entry.path()).unwrap()));
                }
            }
        }
        results
    }
}

/// Writes unpacked files in CIFAR's binary layout into a new folder `data`: pictures of noise whose
/// brightness tells their class.
pub fn pictures(folder: &Path, train: usize, test: usize) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir_all(&data).unwrap();
    for (name, count, seed) in [("data_batch_1.bin", train, 1), ("test_batch.bin", test, 2)] {
        let mut state: u64 = seed;
        let mut bytes = Vec::new();
        for index in 0..count {
            let class = (index % 10) as u8;
            bytes.push(class);
            for _ in 0..3072 {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                bytes.push(class * 20 + ((state >> 33) % 60) as u8);
            }
        }
        fs::write(data.join(name), bytes).unwrap();
    }
    data
}

/// The folder of images that are not in the repository, if it is there.
pub fn shared_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let data = std::env::var_os("FIG6_SHARED")
        .map_or(beside, PathBuf::from)
        .join("data");
    if data.is_dir() {
        return Some(data);
    }
    println!(
        "skipped: no images in ../shared/data (or name the folder above data/ by FIG6_SHARED)"
    );
    None
}

/// Gives the training's result the key that it would have had under other code, and keeps no other;
/// `edit` changes it further.
pub fn as_of_other_code(
    project: &Project,
    training: &str,
    edit: impl FnOnce(&mut Manifest),
) -> Digest {
    let store = Store::at(&project.path("artifacts"), true);
    let mut manifest = store.newest(training).unwrap().unwrap();
    let before = manifest.key;
    let mut basis = (*manifest.key_inputs.basis).clone();
    basis
        .code
        .insert("nn".to_owned(), Digest::of(b"other code"));
    manifest.key_inputs.basis = basis.into();
    manifest.carried_over = None;
    edit(&mut manifest);
    manifest.key = manifest.key_inputs.key();
    let Claimed::Ours(claim) = store.claim(&manifest.key).unwrap() else {
        panic!("nobody else is here");
    };
    store.begin(&claim, training).unwrap();
    let log = project.path(&format!("artifacts/logs/{before}.log"));
    fs::copy(log, claim.log()).unwrap();
    let entry = store.commit(&claim, &manifest).unwrap();
    fs::remove_file(store.manifest_path(&before)).unwrap();
    store.show(training, &entry).unwrap();
    manifest.key
}
