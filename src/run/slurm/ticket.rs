//! `job.json` in a working folder: which job of the cluster computes there.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use store::key::Digest;

/// What gives one job the right to work in a folder. It lies there from before the job is submitted until
/// its result is read; whoever submits another one replaces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// Names the submission; the jobs' comment in Slurm has it as well.
    pub batch: String,
    /// Which of the submission's jobs it is.
    pub index: usize,
    /// Slurm's number of the submission, once it has said so.
    pub number: Option<u64>,
    /// The program that the job runs.
    pub program: Digest,
    /// What went wrong with the jobs before this one.
    pub troubles: Vec<Trouble>,
}

/// The end of a job that came to no end of its step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// What happened, for people.
    pub what: String,
    /// Where it ran, if it did.
    pub node: Option<String>,
    /// The iteration that it had a checkpoint of.
    pub kept: u64,
}

impl Ticket {
    /// Where the ticket of a working folder lies.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(store::JOB)
    }

    /// The ticket that lies in a folder, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn read(folder: &Path) -> Result<Option<Ticket>> {
        let path = Ticket::path(folder);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let ticket = serde_json::from_slice(&text);
        ticket.map(Some).with_context(|| {
            format!(
                "{} is no ticket of this version; remove it once no job of Slurm works there",
                path.display()
            )
        })
    }

    /// Puts the ticket into a folder, in place of any other.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        write_atomically(&Ticket::path(folder), 0o644, &text)
    }

    /// Takes the ticket out of a folder: whatever still runs with it ends.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn withdraw(folder: &Path) -> Result<()> {
        let path = Ticket::path(folder);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// What the job says of itself when it starts, to be held against the folder's ticket.
    pub fn word(&self) -> String {
        format!("{}.{}", self.batch, self.index)
    }

    /// The job as Slurm's commands name it, once it has a number.
    pub fn job(&self) -> Option<String> {
        let number = self.number?;
        Some(format!("{number}_{}", self.index))
    }
}

/// Writes a file under a name of its own first, as other machines may write the same file and see no lock.
///
/// # Errors
/// If it cannot be written.
pub fn write_atomically(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".")
            .suffix(".partial")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write()
        .map(drop)
        .with_context(|| format!("cannot write {}", path.display()))
}
