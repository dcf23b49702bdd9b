//! Standard output: what was asked for, and remarks on the way that `--quiet` drops.

use std::io::{self, Write};

use super::terminal::shown;

/// Where the answer goes.
#[derive(Debug)]
pub struct Out {
    quiet: bool,
}

impl Out {
    pub fn new(quiet: bool) -> Out {
        Out { quiet }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints what the user asked for, as a terminal may get it.
    pub fn result(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(shown(text).as_bytes())?;
        stdout.flush()
    }

    /// Prints a line that the user asked for.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        self.result(&format!("{line}\n"))
    }

    /// Prints a line that `--quiet` drops. A reader that went away is no reason to stop the work.
    pub fn remark(&mut self, line: &str) {
        if !self.quiet {
            let _ = self.line(line);
        }
    }

    /// Prints a value as one line of JSON; a reader that went away is no reason to stop the work.
    pub fn json_line(&mut self, value: &impl serde::Serialize) {
        let line = serde_json::to_string(value).expect("events have string keys only");
        let _ = self.line(&line);
    }
}
