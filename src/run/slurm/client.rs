//! Slurm's commands, and what they answer.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// A job in the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// Slurm's number of the submission.
    pub number: u64,
    /// `PENDING`, `RUNNING`, `SUSPENDED` and so on.
    pub state: String,
    /// Where it runs.
    pub nodes: String,
    /// Why it does not run yet.
    pub reason: String,
    /// What is left of its time limit, as Slurm writes it.
    pub time_left: String,
    /// When it began or is expected to, where Slurm knows.
    pub start: String,
}

/// The jobs in the queue, by the submission's name and which of its jobs it is.
pub type Queue = BTreeMap<(String, usize), Queued>;

/// A job that is no longer in the queue, as far as Slurm remembers it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// `COMPLETED`, `TIMEOUT`, `NODE_FAIL` and so on; empty if nobody knows.
    pub state: String,
    pub exit_code: i32,
    pub signal: i32,
    /// Where it ran, if it did.
    pub node: Option<String>,
}

impl Ended {
    /// Whether its program ended by itself, and so has said how.
    pub fn has_answered(&self) -> bool {
        matches!(&*self.state, "COMPLETED" | "FAILED")
            && matches!((self.exit_code, self.signal), (0 | 1, 0))
    }
}

/// An answer that Slurm could not give now and may give later.
#[derive(Debug)]
pub struct Away(pub String);

impl std::fmt::Display for Away {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Away {}

/// What says in an error of Slurm's commands that it is of the moment.
const PASSING: [&str; 12] = [
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection timed out",
    "zero bytes were transmitted",
    "transport endpoint",
    "communication",
    "slurm backup controller",
    "temporarily",
    "try again",
    "resource limit on queue",
    "slurmctld",
];

/// Calls Slurm's commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client;

impl Client {
    /// The mark of fig6 in the comment of a submission's jobs.
    const MARK: &str = "fig6 ";

    /// Submits a script as so many jobs; returns the submission's number.
    ///
    /// # Errors
    /// [`Away`] if the controller cannot be reached; with what `sbatch` says if it refuses.
    pub fn submit(
        self,
        batch: &str,
        jobs: usize,
        options: &[String],
        script: &[u8],
    ) -> Result<u64> {
        let mut command = Command::new("sbatch");
        command.args(["--parsable", "--job-name=fig6", "--open-mode=append"]);
        command.args(options);
        command.args([
            "--requeue",
            // Only fig6 gets it, two minutes before the end; see `job`.
            "--signal=B:USR2@120",
            "--output=/dev/null",
        ]);
        command.arg(format!("--comment={}{batch}", Client::MARK));
        command.arg(format!("--array=0-{}", jobs - 1));
        // Variables of this session are options as well, and this is another one's way to give them.
        let answer = call(&mut command, Some(script))?;
        let number = answer.trim().split(';').next().unwrap_or_default();
        let number = number.parse();
        number.with_context(|| format!("sbatch answered {:?}, which is no job", answer.trim()))
    }

    /// This user's jobs that fig6 has submitted.
    ///
    /// # Errors
    /// [`Away`] if the controller cannot be reached; if `squeue` is not there.
    pub fn queue(self) -> Result<Queue> {
        let user = rustix::process::getuid().as_raw();
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=all"]);
        command.arg(format!("--user={user}"));
        command.arg("--format=%F|%K|%T|%L|%S|%N|%k|%r");
        Ok(parse_queue(&call(&mut command, None)?))
    }

    /// The jobs that wait, of all users that may be seen, with the number of those before them in their
    /// partition.
    ///
    /// # Errors
    /// As [`Client::queue`].
    pub fn positions(self) -> Result<BTreeMap<String, usize>> {
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=PENDING", "--sort=-p,i"]);
        command.arg("--format=%F_%K|%P");
        let text = call(&mut command, None)?;
        let mut before = BTreeMap::new();
        let jobs = text.lines().filter_map(|line| line.trim().split_once('|'));
        Ok(jobs
            .map(|(job, partition)| {
                let before: &mut usize = before.entry(partition).or_default();
                *before += 1;
                (job.to_owned(), *before - 1)
            })
            .collect())
    }

    /// What became of a job that is not in the queue.
    ///
    /// # Errors
    /// [`Away`] if the controller cannot be reached.
    pub fn ended(self, job: &str) -> Result<Ended> {
        let mut command = Command::new("scontrol");
        command.args(["--oneliner", "show", "job", job]);
        match call(&mut command, None) {
            Ok(text) => Ok(parse_job(&text)),
            Err(error) if error.is::<Away>() => Err(error),
            // Forgotten after some minutes; where there are accounts, they remember.
            Err(_) => {
                let mut accounts = Command::new("sacct");
                accounts.args(["--noheader", "--parsable2", "--allocations"]);
                accounts.args(["--format=State,ExitCode,NodeList", "--jobs", job]);
                let text = call(&mut accounts, None).unwrap_or_default();
                Ok(parse_account(&text))
            }
        }
    }

    /// Cancels jobs; those that are over already are no error.
    ///
    /// # Errors
    /// As [`Client::queue`].
    pub fn cancel(self, jobs: &[String]) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut command = Command::new("scancel");
        command.arg("--quiet").args(jobs);
        match call(&mut command, None) {
            Err(error) if error.is::<Away>() => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks for the job of this process to be queued again, which ends the process.
    ///
    /// # Errors
    /// If Slurm refuses.
    pub fn requeue(self, job: &str) -> Result<()> {
        call(Command::new("scontrol").args(["requeue", job]), None).map(drop)
    }
}

/// Runs a command in a language that can be read; returns what it printed.
fn call(command: &mut Command, input: Option<&[u8]>) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.env("LC_ALL", "C").env_remove("SQUEUE_FORMAT");
    for name in [
        "SQUEUE_FORMAT2",
        "SQUEUE_STATES",
        "SQUEUE_PARTITION",
        "SQUEUE_SORT",
    ] {
        command.env_remove(name);
    }
    let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
    let mut child = command
        // Ctrl-C is for this process only: a submission is not broken off.
        .process_group(0)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!("cannot start {program}: is this a machine of a Slurm cluster?")
        })?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A command that does not read says why itself.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output();
    judged(
        &program,
        output.with_context(|| format!("cannot wait for {program}"))?,
    )
}

/// What a command printed, or what its failure means.
fn judged(program: &str, output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = said.collect();
    let said = match &*said {
        [] => format!("{program} ended with {}", output.status),
        said => said.join("; "),
    };
    let lower = said.to_lowercase();
    match PASSING.iter().any(|passing| lower.contains(passing)) {
        true => Err(Away(said).into()),
        false => bail!("{said}"),
    }
}

fn parse_queue(text: &str) -> Queue {
    let mut queue = Queue::new();
    for line in text.lines() {
        let mut fields = line.splitn(8, '|').map(str::trim);
        let mut next = || fields.next().unwrap_or_default();
        let (number, index, state, time_left) = (next(), next(), next(), next());
        let (start, nodes, comment, reason) = (next(), next(), next(), next());
        let (Ok(number), Ok(index), Some(batch)) = (
            number.parse(),
            index.parse(),
            comment.strip_prefix(Client::MARK),
        ) else {
            continue;
        };
        if is_over(state) {
            continue;
        }
        let queued = Queued {
            number,
            state: state.to_owned(),
            nodes: nodes.to_owned(),
            reason: reason.to_owned(),
            time_left: time_left.to_owned(),
            start: start.to_owned(),
        };
        queue.insert((batch.to_owned(), index), queued);
    }
    queue
}

/// Whether a state in `squeue` is one that a job does not leave.
fn is_over(state: &str) -> bool {
    matches!(
        state,
        "COMPLETED"
            | "CANCELLED"
            | "FAILED"
            | "TIMEOUT"
            | "PREEMPTED"
            | "NODE_FAIL"
            | "BOOT_FAIL"
            | "DEADLINE"
            | "OUT_OF_MEMORY"
            | "REVOKED"
    )
}

fn parse_job(text: &str) -> Ended {
    let field = |name: &str| {
        let mut words = text.split_whitespace();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    ended(
        field("JobState").unwrap_or_default(),
        field("ExitCode").unwrap_or_default(),
        field("NodeList").unwrap_or_default(),
    )
}

fn parse_account(text: &str) -> Ended {
    let mut fields = text.lines().next().unwrap_or_default().split('|');
    let mut next = || fields.next().unwrap_or_default();
    let (state, exit_code, nodes) = (next(), next(), next());
    // "CANCELLED by 1000"
    let state = state.split_whitespace().next().unwrap_or_default();
    ended(state, exit_code, nodes)
}

fn ended(state: &str, exit_code: &str, nodes: &str) -> Ended {
    let (exit_code, signal) = exit_code.split_once(':').unwrap_or_default();
    let node = nodes.split(',').next();
    Ended {
        state: state.to_owned(),
        exit_code: exit_code.parse().unwrap_or_default(),
        signal: signal.parse().unwrap_or_default(),
        node: node
            .filter(|node| !node.is_empty() && *node != "(null)" && !node.starts_with("None"))
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_read_as_far_as_it_is_ours() {
        let text = "7|3|PENDING|4:00:00|N/A||fig6 ab|Resources\n\
                    7|4|RUNNING|1-03:59:00|2026-01-01T00:00:00|node1|fig6 ab|None\n\
                    9|N/A|RUNNING|1:00|x|node2|(null)|None\n\
                    8|0|RUNNING|1:00|x|node2|other|None\n\
                    6|0|COMPLETED|1:00|x|node2|fig6 cd|None\n\
                    6|1|REQUEUED|1:00|x|node2|fig6 cd|a|b\n\
                    slurm_load_jobs error: nonsense\n\n|||||||\n";
        let queue = parse_queue(text);
        let found: Vec<String> = queue
            .iter()
            .map(|((batch, index), job)| {
                let Queued {
                    number,
                    state,
                    nodes,
                    reason,
                    ..
                } = job;
                format!("{batch}.{index} {number} {state} {nodes} {reason}")
            })
            .collect();
        assert_eq!(
            found,
            [
                "ab.3 7 PENDING  Resources",
                "ab.4 7 RUNNING node1 None",
                "cd.1 6 REQUEUED node2 a|b"
            ]
        );
        assert_eq!(queue[&("ab".to_owned(), 4)].time_left, "1-03:59:00");
    }

    #[test]
    fn the_end_of_a_job_is_read_from_either_command() {
        let text = "JobId=2 ArrayJobId=1 ArrayTaskId=0 JobName=fig6 JobState=OUT_OF_MEMORY Reason=x \
                    ExitCode=0:125 ReqNodeList=(null) NodeList=node1 BatchHost=node1\n";
        let expected = Ended {
            state: "OUT_OF_MEMORY".to_owned(),
            exit_code: 0,
            signal: 125,
            node: Some("node1".to_owned()),
        };
        assert_eq!(parse_job(text), expected);
        assert_eq!(parse_account("OUT_OF_MEMORY|0:125|node1\n"), expected);
        let cancelled = parse_account("CANCELLED by 1000|0:0|None assigned\n");
        assert_eq!((&*cancelled.state, cancelled.node), ("CANCELLED", None));
        for nothing in ["", "|", "NodeList=(null)", "garbage ExitCode=x"] {
            assert_eq!(parse_job(nothing), Ended::default());
        }
        assert_eq!(parse_account(""), Ended::default());
    }

    #[test]
    fn a_controller_that_is_away_is_told_from_a_refusal() {
        let output = |stderr: &str| Output {
            status: std::os::unix::process::ExitStatusExt::from_raw(256),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
        };
        for away in [
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            "slurm_load_jobs error: Socket timed out on send/recv operation",
            "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        ] {
            let error = judged("x", output(away)).unwrap_err();
            assert!(error.is::<Away>(), "{error}");
        }
        let refused = "sbatch: error: invalid partition specified: no\n\
                       sbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let error = judged("x", output(refused)).unwrap_err();
        assert!(!error.is::<Away>());
        assert_eq!(error.to_string(), refused.trim().replace('\n', "; "));
        let silent = judged("squeue", output("")).unwrap_err().to_string();
        assert_eq!(silent, "squeue ended with exit status: 1");
    }
}
