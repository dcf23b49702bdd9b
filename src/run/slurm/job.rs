//! The job's side: what `fig6 exec --ticket` does on a node.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::client::Client;
use super::ticket::{Ticket, write_atomically};
use crate::run::child::{Signals, run_task};
use crate::run::machine::host;
use crate::run::task::{Answer, Began};
use store::key::Digest;

/// How often a job looks for its ticket, a second apart: a network's file system may show it late.
const TRIES: u32 = 30;

/// Computes the task in `folder` as long as its ticket is this `word`; answers as [`run_task`] does. Once
/// Slurm has announced the time limit, which sets `pause`, a training that has got on since the job began
/// stops with a checkpoint, and the job asks to be queued again. Returns whether the step is finished.
///
/// # Errors
/// If the ticket is another one, or the answers cannot be written.
pub fn run_job(
    folder: &Path,
    word: &str,
    signals: &Signals,
    pause: &Arc<AtomicBool>,
    answers: &mut dyn Write,
    log: &mut dyn Write,
) -> Result<bool> {
    let mut ticket = expect_ticket(folder, word);
    for _ in 0..TRIES {
        if ticket.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
        ticket = expect_ticket(folder, word);
    }
    let ticket = ticket?;
    let job = env::var("SLURM_JOB_ID").unwrap_or_default();
    let began = Began {
        host: host(),
        node: env::var("SLURMD_NODENAME").unwrap_or_default(),
        job: job.clone(),
        restarts: number("SLURM_RESTART_COUNT"),
    };
    let mut answers = Guarded {
        answers,
        folder,
        word,
        own: began.line()?,
        first: None,
        pause,
        stop: &signals.stop,
    };
    answers.begin()?;
    let again = match began.restarts {
        0 => String::new(),
        restarts => format!(" again, the {restarts}. time"),
    };
    // A log that cannot be written to must not stop the work.
    let _ = writeln!(log, "job {job} began{again} on {}", began.node);
    let program =
        Digest::of_file(Path::new("/proc/self/exe")).context("cannot read the program")?;
    if program != ticket.program {
        let cause = format!(
            "the program on {} is not the one that submitted this job",
            began.node
        );
        let answer = Answer::Failed { cause };
        answers.write_all((serde_json::to_string(&answer)? + "\n").as_bytes())?;
        return Ok(false);
    }
    let finished = run_task(folder, signals, &mut answers, log)?;
    if !finished && pause.load(Ordering::Relaxed) && signals.stop.load(Ordering::Relaxed) {
        // Where nobody queues it again, whoever submitted it submits it again.
        let note = match Client.requeue(&job) {
            Ok(()) => "queued again, as its time is up".to_owned(),
            Err(error) => format!("not queued again: {error:#}"),
        };
        let _ = writeln!(log, "{note}");
    }
    Ok(finished)
}

fn number(variable: &str) -> u64 {
    let value = env::var(variable).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The folder's ticket, which must be this one.
fn expect_ticket(folder: &Path, word: &str) -> Result<Ticket> {
    let ticket = Ticket::read(folder)?;
    let ticket = ticket.filter(|ticket| ticket.word() == word);
    ticket.with_context(|| {
        format!(
            "another job computes in {}, or none is to",
            folder.display()
        )
    })
}

/// Answers of the job that has the folder's ticket. When that is withdrawn, or when Slurm has started the
/// job once more elsewhere because this node was lost, the process ends.
struct Guarded<'a> {
    answers: &'a mut dyn Write,
    folder: &'a Path,
    word: &'a str,
    /// What this process began with.
    own: String,
    /// The first iteration that was reported here.
    first: Option<u64>,
    pause: &'a AtomicBool,
    stop: &'a AtomicBool,
}

/// The file in a working folder that names the process which began last.
const BEGAN: &str = "began";

impl Guarded<'_> {
    fn begin(&mut self) -> Result<()> {
        let path = self.folder.join(BEGAN);
        write_atomically(&path, 0o644, self.own.as_bytes())?;
        // A node that died may have left half a line.
        let line = format!("\n{}\n", self.own);
        self.answers
            .write_all(line.as_bytes())
            .and_then(|()| self.answers.flush())
            .context("cannot write the answers")
    }

    fn is_still_ours(&self) -> bool {
        let began = std::fs::read_to_string(self.folder.join(BEGAN));
        began.is_ok_and(|began| began == self.own) && expect_ticket(self.folder, self.word).is_ok()
    }
}

impl Write for Guarded<'_> {
    /// One whole answer at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Ok(Answer::Progress(step::Progress::Training { iteration, .. })) =
            serde_json::from_slice(line)
        {
            let first = *self.first.get_or_insert(iteration);
            // A job so short that its end is announced at its beginning gets on as well.
            if iteration > first && self.pause.load(Ordering::Relaxed) {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        if !self.is_still_ours() {
            return Err(io::Error::other("another job computes here now"));
        }
        self.answers.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.answers.flush()
    }
}
