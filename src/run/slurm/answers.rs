//! What a job has answered so far: lines of JSON that it appends to a file in its working folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::run::task::{Answer, Finished};
use step::Progress;

/// The file's name in a working folder.
pub const FILE: &str = "answers";

/// The answers of a working folder's jobs, read as they come.
#[derive(Debug)]
pub struct Answers {
    path: PathBuf,
    /// Bytes that were read, up to the end of a line.
    read: u64,
    /// The last word of the job that began last.
    pub last: Option<Last>,
}

/// How a job has ended by its own account.
#[derive(Clone, Debug, PartialEq)]
pub enum Last {
    Finished(Finished),
    Failed(String),
    /// In good order, before its end.
    Interrupted,
}

impl Answers {
    /// The answers in a working folder, of which nothing is read yet.
    pub fn of(folder: &Path) -> Answers {
        Answers {
            path: folder.join(FILE),
            read: 0,
            last: None,
        }
    }

    /// How far the job in a folder is, by the newest of its answers.
    pub fn progress(folder: &Path) -> Option<Progress> {
        let mut newest = None;
        let mut note = |progress| match progress {
            Progress::Note(_) => {}
            progress => newest = Some(progress),
        };
        Answers::of(folder).read(&mut note).ok()?;
        newest
    }

    /// Whether a job has come to an end of its step by its own account.
    pub fn has_ended(&self) -> bool {
        !matches!(self.last, None | Some(Last::Interrupted))
    }

    /// Forgets the answers of earlier jobs.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn begin(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Reads what has come since the last time, and passes on the notes and the newest of the other
    /// progress. The file is opened anew: file systems of clusters show then what was written elsewhere.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self, report: &mut dyn FnMut(Progress)) -> Result<()> {
        let cannot = || format!("cannot read {}", self.path.display());
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.with_context(cannot)?,
        };
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.read)).with_context(cannot)?;
        file.read_to_end(&mut new).with_context(cannot)?;
        // The last line may be half there.
        let end = new.iter().rposition(|&byte| byte == b'\n');
        let Some(end) = end else { return Ok(()) };
        self.read += end as u64 + 1;
        let mut newest = None;
        for line in new[..end].split(|&byte| byte == b'\n') {
            // What else a library prints, or a node that died amid a line, is no answer.
            let Ok(answer) = serde_json::from_slice(line) else {
                continue;
            };
            match answer {
                Answer::Progress(note @ Progress::Note(_)) => report(note),
                Answer::Progress(progress) => newest = Some(progress),
                Answer::Began(_) => {
                    self.last = None;
                    newest = None;
                }
                Answer::Finished(finished) => self.last = Some(Last::Finished(finished)),
                Answer::Failed { cause } => self.last = Some(Last::Failed(cause)),
                Answer::Interrupted => self.last = Some(Last::Interrupted),
            }
        }
        newest.into_iter().for_each(report);
        Ok(())
    }
}
