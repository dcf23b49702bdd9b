//! Which results each run uses, on a list that the run adds to as it goes.
//!
//! ```text
//! artifacts/runs/
//!   20261124T114320.123Z-4711.open   a run under way, which holds a lock on it, or one that was killed
//!   20261124T101500.000Z-4660.run    a run that came to its end
//! ```
//!
//! A line is a piece of JSON behind a part of its digest. Only the last line of an open list can be
//! torn; its run was killed. A key is on the list before the lock of the store is given back under
//! which its result was found, so whoever holds that lock alone knows all results that are in use.

mod profiles;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::stat::Stat;
use super::{Store, disk, lock};
use crate::key::Digest;

/// The folder of lists.
pub(super) const FOLDER: &str = "runs";
/// What the list of a run is called that has not come to its end.
const OPEN: &str = "open";
/// What it is called afterwards.
const ENDED: &str = "run";
/// Hexadecimal digits of a line's digest.
const DIGITS: usize = 16;

/// The run that this process is, if it has a list.
#[derive(Debug, Default)]
pub(super) struct OwnRun(Mutex<Option<List>>);

/// The list of a run under way.
#[derive(Debug)]
struct List {
    /// Locked.
    file: File,
    path: PathBuf,
    keys: HashSet<Digest>,
    /// All lines so far.
    text: String,
    /// How the file looked after the last of them.
    looks: Option<Stat>,
}

/// A line of a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Begin {
        profile: String,
        started: String,
    },
    Keys(Vec<Digest>),
    /// Results that the run may use.
    Perhaps(Vec<Digest>),
    End {
        ended: String,
        outcome: String,
    },
}

/// What the list of a run says.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub path: PathBuf,
    /// Whether the run is under way.
    pub live: bool,
    pub profile: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// Absent for a run that is under way or was killed.
    pub outcome: Option<String>,
    /// Keys of all results that it uses.
    pub keys: HashSet<Digest>,
    /// Keys of results that it may come to use, of no interest once it is over.
    pub perhaps: HashSet<Digest>,
    /// What is wrong with the list, if anything.
    pub damage: Option<String>,
}

impl Store {
    /// Begins the list of this process's run with the results that it has found. To be called under
    /// the lock under which they were found: once that is given back, results that are on no list may
    /// be removed.
    ///
    /// # Errors
    /// If the store cannot be written to or locked.
    pub fn begin_run(&self, profile: &str, keys: impl IntoIterator<Item = Digest>) -> Result<()> {
        self.prepare()?;
        let lock = self.share()?;
        ensure!(
            lock.is_held(),
            "cannot write {}",
            self.path(&["lock"]).display()
        );
        let folder = self.path(&[FOLDER]);
        disk::create_folder(&folder)?;
        let keys: HashSet<Digest> = keys.into_iter().collect();
        let now = jiff::Timestamp::now();
        let started = now.strftime("%Y%m%dT%H%M%S%.3fZ");
        let name = format!("{started}-{}", std::process::id());
        let begin = || -> io::Result<List> {
            // Another machine may have a process of the same number.
            for attempt in 0.. {
                let path = folder.join(format!("{name}{}.{OPEN}", "a".repeat(attempt)));
                match List::create(&path) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    file => {
                        let file = file?;
                        return Ok(List {
                            looks: Some(Stat::of(&file.metadata()?)),
                            text: String::new(),
                            file,
                            path,
                            keys,
                        });
                    }
                }
            }
            Err(ErrorKind::AlreadyExists.into())
        };
        let mut list =
            begin().with_context(|| format!("cannot begin a list in {}", folder.display()))?;
        list.add(&Line::Begin {
            profile: profile.to_owned(),
            started: format!("{now:.3}"),
        })?;
        let keys = list.keys.iter().copied().collect();
        list.add(&Line::Keys(keys))?;
        disk::sync_folder(&folder).with_context(|| format!("cannot flush {}", folder.display()))?;
        *self.own_run() = Some(list);
        Ok(())
    }

    /// Puts a result on the list of this process's run, if it has one. To be called under the lock
    /// under which the result was found, or before it is made.
    ///
    /// # Errors
    /// If the list cannot be written.
    pub fn rely_on(&self, keys: &[Digest]) -> Result<()> {
        let mut run = self.own_run();
        let Some(list) = &mut *run else {
            return Ok(());
        };
        let new = keys.iter().filter(|key| !list.keys.contains(key));
        let new: Vec<Digest> = new.copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        list.keys.extend(&new);
        list.add(&Line::Keys(new))
    }

    /// Notes results that this process's run may come to use, if it has a list: they are kept as long as
    /// it lives. To be called under the lock under which they were found.
    ///
    /// # Errors
    /// If the list cannot be written.
    pub fn may_rely_on(&self, keys: Vec<Digest>) -> Result<()> {
        match &mut *self.own_run() {
            Some(list) if !keys.is_empty() => list.add(&Line::Perhaps(keys)),
            _ => Ok(()),
        }
    }

    /// Ends the list of this process's run, if it has one.
    ///
    /// # Errors
    /// If it cannot be written; it then looks like that of a run that was killed.
    pub fn end_run(&self, outcome: &str) -> Result<()> {
        let _lock = self.share()?;
        let Some(mut list) = self.own_run().take() else {
            return Ok(());
        };
        list.add(&Line::End {
            ended: format!("{:.3}", jiff::Timestamp::now()),
            outcome: outcome.to_owned(),
        })?;
        let end = || {
            fs::rename(&list.path, list.path.with_extension(ENDED))?;
            disk::sync_folder(&self.path(&[FOLDER]))
        };
        end().with_context(|| format!("cannot end {}", list.path.display()))
    }

    /// The lists of all runs, newest first. One that is damaged has what can be read of it.
    ///
    /// # Errors
    /// If the folder cannot be read, or the file system has no locks.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let paths = self.list(FOLDER)?.into_iter().rev().map(|found| found.path);
        let lists = paths.filter(|path| is_called(path, OPEN) || is_called(path, ENDED));
        Ok(lists.map(Run::read).collect())
    }

    fn own_run(&self) -> MutexGuard<'_, Option<List>> {
        // What a panic leaves behind is a list that has a key too few, of a run that ends with it.
        self.own_run
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_called(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

impl List {
    /// Adds a line, durably; what a full disk lets through of it is taken back.
    fn add(&mut self, line: &Line) -> Result<()> {
        let line = line.sealed();
        let add = |list: &mut List| -> io::Result<()> {
            let now = list.path.symlink_metadata().ok();
            if now.map(|found| Stat::of(&found)) != list.looks {
                list.write_anew()?;
            }
            let length = list.text.len() as u64;
            let added = list.file.write_all_at(line.as_bytes(), length);
            if added.is_err() {
                // The line counts for nothing, whole or not, as what it is for is not done.
                let _ = list.file.set_len(length);
            }
            added?;
            list.file.sync_data()?;
            list.text += &line;
            list.looks = Some(Stat::of(&list.file.metadata()?));
            Ok(())
        };
        add(self).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Writes the whole list again, since somebody has changed or removed the file: what this run uses is
    /// not to be lost by that.
    fn write_anew(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let _ = fs::remove_file(&self.path);
        self.file = List::create(&self.path)?;
        self.file.write_all_at(self.text.as_bytes(), 0)
    }

    /// Creates a list's file and locks it. Nobody looks in between, for the store's lock is held.
    fn create(path: &Path) -> io::Result<File> {
        let file = File::options().write(true).create_new(true).open(path)?;
        file.lock().map_err(disk::without_locks)?;
        Ok(file)
    }
}

impl Line {
    /// The line with its digest and its end.
    fn sealed(&self) -> String {
        let json = serde_json::to_string(self).expect("plain data has a JSON form");
        format!(
            "{} {json}\n",
            &Digest::of(json.as_bytes()).to_hex()[..DIGITS]
        )
    }

    /// A line without its end, if it is what its digest says.
    fn parse(line: &str) -> Option<Line> {
        let (digest, json) = line.split_at_checked(DIGITS)?;
        let json = json.strip_prefix(' ')?;
        (Digest::of(json.as_bytes()).to_hex()[..DIGITS] == *digest)
            .then(|| serde_json::from_str(json).ok())?
    }
}

impl Run {
    fn read(path: PathBuf) -> Run {
        let mut run = Run::default();
        // What has ended is not under way, whatever it looks like.
        let ended = is_called(&path, ENDED);
        run.live = !ended
            && lock::is_locked(&path).unwrap_or_else(|error| {
                run.damage = Some(format!("{error:#}"));
                // As far as anybody knows.
                true
            });
        match disk::read(&path) {
            Ok(bytes) => run.take(&bytes, ended),
            Err(error) => run.damage = Some(format!("cannot be read: {error}")),
        }
        run.path = path;
        run
    }

    /// Takes over what the lines say that are whole.
    fn take(&mut self, bytes: &[u8], ended: bool) {
        let text = String::from_utf8_lossy(bytes);
        let mut begun = false;
        let count = text.split_inclusive('\n').count();
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            match line.strip_suffix('\n').and_then(Line::parse) {
                Some(Line::Begin { profile, started }) => {
                    begun = true;
                    (self.profile, self.started) = (profile, started);
                }
                Some(Line::Keys(keys)) => self.keys.extend(keys),
                Some(Line::Perhaps(keys)) => self.perhaps.extend(keys),
                Some(Line::End { outcome, .. }) => self.outcome = Some(outcome),
                // Cut short when its run was killed.
                None if number == count && !ended && !line.ends_with('\n') => {}
                None => self.damage = Some(format!("line {number} is cut short or altered")),
            }
        }
        if self.damage.is_none() && (!begun || ended && self.outcome.is_none()) {
            self.damage = Some("it is cut short".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
