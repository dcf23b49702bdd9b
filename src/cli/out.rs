//! Standard output: what was asked for, and remarks on the way that `--quiet` drops.
//!
//! Printing never fails: the work and its exit code do not depend on who reads. The first error is kept
//! for the end of the command, where [`Out::failure`] gives it.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::Result;

use super::file::{UserFile, is_standard_output};
use super::terminal::shown;
use crate::error::Invalid;

/// Where the answer goes.
#[derive(Debug)]
pub struct Out {
    quiet: bool,
    /// Whether standard output carries a file, so that words go to standard error.
    carries_file: bool,
    /// What keeps standard output from being written; nothing more is written to it then.
    failure: Option<io::Error>,
}

impl Out {
    pub fn new(quiet: bool) -> Out {
        Out {
            quiet,
            carries_file: false,
            failure: None,
        }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A file that the user names for output, `-` for standard output. If that is to carry the file, all
    /// that was to be said there goes to standard error. Nothing is changed yet: this is for the beginning of
    /// a command, so that wrong usage is said before anything takes long.
    ///
    /// `is_ours`: whether a file that begins with these bytes, at most 64 KiB and at least one, is what this
    /// command writes. Any other file is only replaced with `force`, unless it is empty.
    ///
    /// # Errors
    /// [`Invalid`] if something is there that may not be replaced, or a folder, or standard output is to
    /// carry two files.
    pub fn file(
        &mut self,
        path: &Path,
        force: bool,
        is_ours: fn(&[u8]) -> bool,
    ) -> Result<UserFile> {
        let file = UserFile::find(path, force, is_ours)?;
        if is_standard_output(path) {
            if self.carries_file {
                return Err(Invalid::new("standard output can carry only one file").into());
            }
            self.carries_file = true;
        }
        Ok(file)
    }

    /// Prints what the user asked for, as a terminal may get it.
    pub fn result(&mut self, text: &str) {
        let text = &*shown(text);
        if self.carries_file {
            // Where not even that can be written, there is nowhere else to say it.
            let _ = io::stderr().write_all(text.as_bytes());
        } else if self.failure.is_none() {
            self.failure = print(text).err();
        }
    }

    /// Prints a line that the user asked for.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.result(&format!("{line}\n"));
    }

    /// Prints a line that `--quiet` drops.
    pub fn remark(&mut self, line: &str) {
        if !self.quiet {
            self.line(line);
        }
    }

    /// Prints a value as one line of JSON.
    pub fn json_line(&mut self, value: &impl serde::Serialize) {
        self.line(serde_json::to_string(value).expect("records have string keys only"));
    }

    /// Whether something that the user asked for could not be printed, also where its reader went away.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What kept the answer from being printed, unless its reader went away (`fig6 status | head -1`): that
    /// is no error.
    pub fn failure(self) -> Option<io::Error> {
        let went_away = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        self.failure.filter(|error| !went_away(error))
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
