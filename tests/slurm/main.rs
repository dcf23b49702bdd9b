//! Steps as jobs of a real Slurm, which `tools/slurm` sets up for each test: whatever happens to jobs,
//! nodes, the controller and the process that submitted them, the bytes are those of a run without Slurm.

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Done, Project, answer, done};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use testing::{TRIES, amount, start, until};

const TINY: &str = include_str!("../pipelines/tiny.ron");
const ONE: &str = include_str!("../pipelines/one.ron");

const MACHINE: &str = "executor = \"slurm\"\n[slurm]\npoll_seconds = 0.3\n";

/// A Slurm of its own, of two nodes with two cores each; it ends with this value.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Says so where there can be none.
    fn new() -> Option<Cluster> {
        // Not below a folder of the user's choice: a socket's path is short.
        let folder = tempfile::Builder::new()
            .prefix("s")
            .tempdir_in("/tmp")
            .unwrap();
        let cluster = Cluster { folder };
        match cluster.tool(&["start"]) {
            0 => Some(cluster),
            3 => {
                println!("skipped: no Slurm here, or this is not root (tools/slurm install)");
                None
            }
            other => panic!("tools/slurm ended with {other}"),
        }
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    fn tool(&self, arguments: &[&str]) -> i32 {
        let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/slurm");
        let mut command = Command::new(tool);
        command.arg(arguments[0]).arg(self.folder.path());
        let status = command.args(&arguments[1..]).status();
        status.unwrap().code().unwrap()
    }

    /// What one of Slurm's commands prints.
    fn slurm(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let output = Command::new(words.next().unwrap())
            .args(words)
            .env("SLURM_CONF", self.configuration())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The jobs of fig6 that are not over: name, state, node.
    fn jobs(&self) -> Vec<[String; 3]> {
        let queue = self.slurm("squeue --noheader --array --name=fig6 --format=%F_%K|%T|%N");
        let fields = |line: &str| {
            let mut fields = line.split('|').map(str::to_owned);
            [(); 3].map(|()| fields.next().unwrap_or_default())
        };
        queue.lines().map(fields).collect()
    }

    /// All jobs that were ever submitted with this name, as far back as Slurm remembers.
    fn submitted(&self) -> usize {
        let jobs = self.slurm("scontrol --oneliner show job");
        let own = jobs.lines().filter(|line| line.contains("JobName=fig6 "));
        own.count()
    }

    fn project(&self, pipeline: &str) -> Project {
        let project = Project::new(pipeline);
        fs::write(project.path("fig6.toml"), MACHINE).unwrap();
        project
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command();
        command
            .args(arguments)
            .env("SLURM_CONF", self.configuration())
            .env("FIG6_CHECKPOINT_EVERY", "0");
        command
    }

    fn fig6(&self, project: &Project, arguments: &[&str]) -> common::Answer {
        answer(self.command(project, arguments).output().unwrap())
    }

    fn reproduce(&self, project: &Project, arguments: &[&str]) -> Done {
        let arguments = [&["reproduce", "--json"], arguments].concat();
        done(&self.command(project, &arguments).output().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tool(&["stop"]);
    }
}

/// The results of the same pipeline without Slurm.
fn without_slurm(pipeline: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let project = Project::new(pipeline);
    let done = project.reproduce(&[]);
    assert_eq!(done.code, 0, "{done:?}");
    project.results()
}

/// The jobs that began to compute each key, by the logs of results and of work under way.
type Beginnings = BTreeMap<String, BTreeSet<String>>;

/// Adds the beginnings that logs show now: a step that is begun anew loses its log.
fn note_beginnings(project: &Project, beginnings: &mut Beginnings) {
    for entry in walkdir::WalkDir::new(project.path("artifacts")) {
        // A run that was killed leaves jobs that go on, and files that vanish.
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        let folder = path.parent().unwrap();
        let key = match path.file_name().unwrap().to_str().unwrap() {
            "log" if entry.file_type().is_file() => folder.file_name().unwrap(),
            name if name.ends_with(".log") => path.file_stem().unwrap(),
            _ => continue,
        };
        let log = fs::read_to_string(path).unwrap_or_default();
        let began = log.lines().filter(|line| line.contains(" began"));
        let all = beginnings
            .entry(key.to_str().unwrap().to_owned())
            .or_default();
        all.extend(began.map(str::to_owned));
    }
}

/// A command whose terminal is typed to by its standard input. It heeds Ctrl-C also where the tests do not,
/// as in the background.
fn on_a_terminal(command: &Command) -> Command {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words = words.map(|word| word.to_str().unwrap());
    let heeding = ["env", "--default-signal=INT"].into_iter();
    let heeding: Vec<_> = heeding.chain(words).collect();
    let mut script = Command::new("script");
    script
        .args(["-qec", &heeding.join(" "), "/dev/null"])
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script
}

/// A training of so many iterations, of which each takes a moment.
fn long(iterations: usize) -> String {
    let (given, wanted) = ("iterations: 3,", format!("iterations: {iterations},"));
    assert!(ONE.contains(given));
    let text = ONE.replacen(given, &wanted, 1);
    text.replacen("evaluate_every: 2", "evaluate_every: 500", 1)
}

#[test]
fn jobs_make_the_bytes_of_a_run_on_this_machine_and_none_is_left() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(TINY);
    let done = cluster.reproduce(&project, &[]);
    assert_eq!((done.code, done.ran.len()), (0, 18), "{done:?}");
    assert_eq!(project.results(), without_slurm(TINY));
    // Four trainings, their evaluations and responses.
    assert_eq!(cluster.submitted(), 12);
    let mut began = Beginnings::new();
    note_beginnings(&project, &mut began);
    assert_eq!(began.values().flatten().count(), 12, "{began:?}");
    until("the last job leaves the queue", || {
        cluster.jobs().is_empty()
    });
    // Nothing to do: no cluster is asked.
    let mut idle = project.command();
    let idle = idle
        .args(["reproduce", "--json"])
        .env("SLURM_CONF", "/nowhere");
    let idle = common::done(&idle.output().unwrap());
    assert_eq!((idle.code, idle.up_to_date.len()), (0, 18));
}

#[test]
fn a_parent_that_is_killed_at_any_moment_loses_nothing_and_begins_no_training_twice() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut random = ChaCha8Rng::seed_from_u64(26);
    let wanted = amount(5, 20, 60);
    let (mut kills, mut tries) = (0, 0);
    while kills < wanted {
        tries += 1;
        assert!(
            tries < TRIES,
            "every run came to its end before it was killed"
        );
        let project = cluster.project(TINY);
        let mut began = Beginnings::new();
        loop {
            let mut command = cluster.command(&project, &["reproduce", "--json"]);
            let mut child = start(&mut command);
            if kills < wanted {
                std::thread::sleep(Duration::from_millis(random.next_u64() % 2500));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            note_beginnings(&project, &mut began);
            if output.status.signal().is_none() {
                let done = done(&output);
                assert_eq!(done.code, 0, "{done:?}");
                break;
            }
            kills += 1;
        }
        assert_eq!(project.results(), without_slurm(TINY));
        assert!(began.values().all(|jobs| jobs.len() <= 1), "{began:?}");
        until("the last job leaves the queue", || {
            cluster.jobs().is_empty()
        });
    }
}

/// A run under way whose only training is a job.
struct Under<'a> {
    cluster: &'a Cluster,
    project: Project,
    parent: Child,
}

impl Under<'_> {
    fn start<'c>(cluster: &'c Cluster, pipeline: &str) -> Under<'c> {
        let project = cluster.project(pipeline);
        let parent = start(&mut cluster.command(&project, &["reproduce", "--json"]));
        Under {
            cluster,
            project,
            parent,
        }
    }

    /// Iteration of the training's checkpoint.
    fn kept(&self) -> u64 {
        let answer = self.cluster.fig6(&self.project, &["status", "--json"]);
        let status: Value = serde_json::from_str(&answer.out).unwrap();
        let steps = status["steps"].as_array().unwrap().iter();
        let kept = steps.filter_map(|step| step["checkpoint"]["iteration"].as_u64());
        kept.max().unwrap_or(0)
    }

    /// Waits until the training runs and has got on beyond an iteration; returns the job and its node, or
    /// nothing if it has ended.
    fn runs_beyond(&mut self, iteration: u64) -> Option<(String, String)> {
        let mut found = None;
        until("the training gets on", || {
            let ended = self.parent.try_wait().unwrap().is_some();
            let jobs = self.cluster.jobs();
            let job = jobs.into_iter().find(|[_, state, _]| state == "RUNNING");
            let got_on = self.kept() > iteration;
            found = job.filter(|_| got_on && !ended);
            found.is_some() || ended
        });
        found.map(|[job, _, node]| (job, node))
    }
}

/// What happens on clusters.
#[derive(Clone, Copy, Debug)]
enum Happening {
    ProcessKilled,
    Requeued,
    Preempted,
    Suspended,
    Drained,
    NodeLost,
    ControllerRestarted,
    ParentKilled,
}

fn happen(under: &mut Under, happening: Happening, job: &str, node: &str) {
    let cluster = under.cluster;
    let gone = |job: &str, node: &str| {
        let jobs = cluster.jobs();
        !jobs
            .iter()
            .any(|[name, state, at]| name == job && state == "RUNNING" && at == node)
    };
    match happening {
        Happening::ProcessKilled => {
            let folder = under.project.path("artifacts");
            let pattern = format!("exec --ticket.*{}", folder.display());
            let status = Command::new("pkill")
                .args(["-KILL", "-f", &pattern])
                .status();
            assert!(status.unwrap().success(), "the job's process is there");
        }
        Happening::Requeued => drop(cluster.slurm(&format!("scontrol requeue {job}"))),
        Happening::Preempted => {
            let script = cluster.folder.path().join("urgent");
            fs::write(&script, "#!/bin/sh\nsleep 2\n").unwrap();
            let submit =
                "sbatch --parsable --partition=urgent --nodes=2 --exclusive --output=/dev/null";
            let urgent = cluster.slurm(&format!("{submit} {}", script.display()));
            assert_ne!(urgent, "");
            until("the training gives way", || gone(job, node));
        }
        Happening::Suspended => {
            cluster.slurm(&format!("scontrol suspend {job}"));
            until("the training is suspended", || {
                cluster
                    .jobs()
                    .iter()
                    .any(|[_, state, _]| state == "SUSPENDED")
            });
            cluster.slurm(&format!("scontrol resume {job}"));
        }
        Happening::Drained => {
            cluster.slurm(&format!(
                "scontrol update nodename={node} state=drain reason=test"
            ));
            cluster.slurm(&format!("scontrol requeue {job}"));
            until("it runs on the other node", || {
                let jobs = cluster.jobs();
                jobs.iter()
                    .any(|[_, state, at]| state == "RUNNING" && at != node)
            });
            cluster.slurm(&format!("scontrol update nodename={node} state=resume"));
        }
        Happening::NodeLost => {
            let number = &node["node".len()..];
            cluster.tool(&["node", number, "down"]);
            until("the node is given up", || gone(job, node));
            cluster.tool(&["node", number, "up"]);
        }
        Happening::ControllerRestarted => {
            cluster.tool(&["controller", "down"]);
            std::thread::sleep(Duration::from_millis(1500));
            cluster.tool(&["controller", "up"]);
        }
        Happening::ParentKilled => {
            under.parent.kill().unwrap();
            under.parent.wait().unwrap();
            let arguments = ["reproduce", "--json"];
            under.parent = start(&mut cluster.command(&under.project, &arguments));
        }
    }
}

#[test]
fn whatever_happens_to_job_node_controller_and_parent_the_bytes_are_the_same() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let pipeline = long(amount(800, 800, 20_000));
    let expected = without_slurm(&pipeline);
    let mut left = vec![
        Happening::ParentKilled,
        Happening::NodeLost,
        Happening::ControllerRestarted,
        Happening::Suspended,
        Happening::Preempted,
        Happening::Drained,
        Happening::Requeued,
        Happening::ProcessKilled,
    ];
    let mut tries = 0;
    while !left.is_empty() {
        tries += 1;
        assert!(
            tries < TRIES,
            "every training came to its end before {left:?}"
        );
        let mut under = Under::start(&cluster, &pipeline);
        let mut iteration = 0;
        while let Some(&happening) = left.last() {
            let Some((job, node)) = under.runs_beyond(iteration) else {
                break;
            };
            iteration = under.kept();
            happen(&mut under, happening, &job, &node);
            left.pop();
        }
        let Under {
            project, parent, ..
        } = under;
        let done = done(&parent.wait_with_output().unwrap());
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(project.results(), expected);
        until("the last job leaves the queue", || {
            cluster.jobs().is_empty()
        });
    }
}

/// Removes files of a kind from a project's working folders, as if another machine did not see them yet.
fn hide(project: &Project, ending: &str) {
    for entry in walkdir::WalkDir::new(project.path("artifacts/work")) {
        let path = entry.unwrap().into_path();
        if path.to_str().unwrap().ends_with(ending) {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn two_parents_that_see_neither_locks_nor_tickets_of_each_other_agree_on_one_job() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let pipeline = long(amount(300, 300, 3000));
    let expected = without_slurm(&pipeline);
    for hidden in [&[".lock"][..], &[".lock", "job.json"]] {
        let mut tries = 0;
        loop {
            tries += 1;
            assert!(
                tries < TRIES,
                "every training ended before a second parent came"
            );
            let mut under = Under::start(&cluster, &pipeline);
            if under.runs_beyond(0).is_none() {
                continue;
            }
            for ending in hidden {
                hide(&under.project, ending);
            }
            let second = cluster.reproduce(&under.project, &[]);
            let Under {
                project, parent, ..
            } = under;
            let first = done(&parent.wait_with_output().unwrap());
            assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
            assert_eq!(project.results(), expected);
            until("no job is left", || cluster.jobs().is_empty());
            break;
        }
    }
}

#[test]
fn a_time_limit_is_a_pause_also_without_a_parent() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let pipeline = long(amount(300, 300, 3000));
    let restarts = || {
        let jobs = cluster.slurm("scontrol --oneliner show job");
        let words = jobs.split_whitespace();
        let counts = words.filter_map(|word| word.strip_prefix("Restarts=")?.parse().ok());
        counts.max().unwrap_or(0)
    };
    let mut tries = 0;
    while restarts() == 0 {
        tries += 1;
        assert!(tries < TRIES, "every training ended before its time was up");
        let project = cluster.project(&pipeline);
        let left = cluster.reproduce(&project, &["--detach"]);
        assert_eq!((left.code, left.failed.len()), (0, 0), "{left:?}");
        // The signal that Slurm sends before the time limit, of which it can only count minutes.
        until("the job is told that its time is up, or has ended", || {
            let Some([job, state, _]) = cluster.jobs().pop() else {
                return true;
            };
            let told = format!("scancel --batch --signal=USR2 {job}");
            state == "RUNNING" && cluster.slurm(&told).is_empty() && restarts() > 0
        });
        let done = cluster.reproduce(&project, &[]);
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(project.results(), without_slurm(&pipeline));
    }
}

#[test]
fn trainings_of_other_code_are_replayed_in_jobs_and_carried_over() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(ONE);
    assert_eq!(project.reproduce(&["--executor", "local"]).code, 0);
    let before = project.results();
    common::as_of_other_code(&project, "train/resnet8/seed0", |_| {});
    let done = cluster.reproduce(&project, &["--replay", "train"]);
    assert_eq!(
        (done.code, &*done.carried_over),
        (0, &["train/resnet8/seed0".to_owned()][..])
    );
    assert!(cluster.submitted() > 0);
    assert_eq!(project.results(), before);
}

#[test]
fn a_job_whose_program_was_replaced_meanwhile_computes_nothing() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.slurm("scontrol update nodename=node[1-2] state=drain reason=test");
    let project = cluster.project(ONE);
    let parent = start(&mut cluster.command(&project, &["reproduce"]));
    until("the job waits", || !cluster.jobs().is_empty());
    let place = cluster.fig6(&project, &["status", "train"]);
    assert!(place.out.contains("next in its partition"), "{}", place.out);
    for entry in fs::read_dir(project.path("artifacts/programs")).unwrap() {
        let path = entry.unwrap().path();
        let replaced = [fs::read(&path).unwrap(), vec![0]].concat();
        fs::remove_file(&path).unwrap();
        fs::write(&path, replaced).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    cluster.slurm("scontrol update nodename=node[1-2] state=resume");
    let ended = answer(parent.wait_with_output().unwrap());
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("is not the one that submitted this job"),
        "{}",
        ended.err
    );
    // The next run copies it anew.
    assert_eq!(cluster.reproduce(&project, &[]).code, 0);
}

#[test]
fn a_node_that_does_not_see_the_folder_is_avoided_after_two_failures() {
    // A job looks for its folder for half a minute.
    if !amount(false, true, true) {
        return println!("skipped: it takes a minute (FIG6_TESTS=long)");
    }
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(ONE);
    let blind = project.path("");
    cluster.tool(&["node", "1", "down"]);
    cluster.tool(&["node", "1", "blind", blind.to_str().unwrap()]);
    until("the node is back", || {
        cluster
            .slurm("sinfo --noheader --nodes=node1 --format=%T")
            .contains("idle")
    });
    // All jobs begin there, as long as they may.
    let weights = "scontrol update nodename=node2 weight=1000";
    cluster.slurm(weights);
    let run = cluster.command(&project, &["reproduce"]).output().unwrap();
    let run = answer(run);
    let said = run.out + &run.err;
    assert_eq!(run.code, 0, "{said}");
    assert!(said.contains("on node1 of job"), "{said}");
    assert!(
        said.contains("does not see the folder of artifacts"),
        "{said}"
    );
    assert!(said.contains("runs on node2"), "{said}");
    assert_eq!(project.results(), without_slurm(ONE));
}

#[test]
fn a_detached_job_is_shown_with_its_place_and_cancelled_on_demand() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(&long(100_000));
    let left = cluster.fig6(&project, &["reproduce", "--detach"]);
    assert_eq!(left.code, 0, "{}", left.err);
    let said = left.out + &left.err;
    assert!(said.contains("its job goes on"), "{said}");
    let job = || {
        let answer = cluster.fig6(&project, &["status", "--json"]);
        let status: Value = serde_json::from_str(&answer.out).unwrap();
        status["steps"][2]["job"].clone()
    };
    until("the job runs", || job()["state"] == "RUNNING");
    assert!(job()["nodes"].as_str().unwrap().starts_with("node"));
    // Whoever does not know of Slurm leaves the step alone.
    let here = cluster.fig6(&project, &["reproduce", "--executor", "local"]);
    assert_eq!(here.code, 1);
    assert!(
        here.err.contains("a job of Slurm has this step"),
        "{}",
        here.err
    );
    let collected = cluster.fig6(&project, &["gc", "--interrupted"]);
    assert_eq!(collected.code, 0, "{}", collected.err);
    assert_eq!(job()["state"], "RUNNING");

    let cancelled = cluster.fig6(&project, &["reproduce", "--cancel"]);
    let said = cancelled.out + &cancelled.err;
    assert!(said.contains("1 job cancelled"), "{said}");
    until("no job is left", || cluster.jobs().is_empty());
    assert_eq!(job(), Value::Null);
}

#[test]
fn ctrl_c_on_a_terminal_asks_whether_jobs_are_to_be_cancelled() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(&long(100_000));
    let shown = project.path("shown");
    let state = || cluster.jobs().pop().map(|[_, state, _]| state);
    // The second run finds the job of the first one.
    for (answer, then) in [("\n", Some("RUNNING")), ("y\n", None)] {
        let command = cluster.command(&project, &["reproduce"]);
        let mut run = on_a_terminal(&command)
            .stdout(fs::File::create(&shown).unwrap())
            .spawn()
            .unwrap();
        let says = |what: &str| {
            until(what, || fs::read_to_string(&shown).unwrap().contains(what));
        };
        says("runs on node");
        let mut keys = run.stdin.take().unwrap();
        keys.write_all(b"\x03").unwrap();
        let question = "Cancel them? [y/N] ";
        says(question);
        // Lines that show what goes on would have been drawn anew several times.
        thread::sleep(Duration::from_secs(1));
        let text = fs::read_to_string(&shown).unwrap();
        assert!(text.ends_with(question), "{text}");
        assert_eq!(state().as_deref(), Some("RUNNING"));
        keys.write_all(answer.as_bytes()).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(130));
        until("its job is as the user has answered", || {
            state().as_deref() == then
        });
    }
}

#[test]
fn what_cannot_run_is_said_with_what_slurm_says() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let project = cluster.project(ONE);
    let says = |arguments: &[&str], code: i32, says: &str| {
        let arguments = [&["reproduce"], arguments].concat();
        let answer = cluster.fig6(&project, &arguments);
        assert_eq!(answer.code, code, "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(says), "{arguments:?}: {}", answer.err);
    };
    says(
        &["--slurm", "--partition=no"],
        1,
        "invalid partition specified: no",
    );
    says(
        &["--slurm", "--time=soon"],
        1,
        "sbatch refused train/resnet8/seed0 with --time=soon",
    );
    says(&["--slurm", "--mem=9999T"], 1, "sbatch refused");
    says(
        &["--slurm", "trian: --time=1"],
        2,
        "no step's name begins with \"trian\"",
    );
    says(
        &["--slurm", "--array=3"],
        2,
        "fig6 itself gives sbatch the option --array",
    );
    says(
        &["--executor", "local", "--slurm", "-n1"],
        2,
        "--slurm is for --executor slurm",
    );
    fs::write(project.path("fig6.toml"), "executor = \"pbs\"").unwrap();
    says(&[], 2, "fig6.toml:1: unknown variant `pbs`");
    fs::remove_file(project.path("fig6.toml")).unwrap();
    let mut nowhere = project.command();
    let nowhere = nowhere
        .args(["reproduce", "--executor", "slurm"])
        .env("PATH", "/nowhere");
    let nowhere = answer(nowhere.output().unwrap());
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere
            .err
            .contains("is this a machine of a Slurm cluster?"),
        "{}",
        nowhere.err
    );
    // Nothing is left behind by any of them.
    assert_eq!(cluster.jobs(), [[""; 3]; 0]);
    let done = cluster.reproduce(&project, &["--executor", "slurm"]);
    assert_eq!(done.code, 0, "{done:?}");
}
