//! `by-step/<step>/`: links to the newest outputs, manifest and log of each step, for people.
//! Nothing but explanations depends on them.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::key::Digest;
use super::look::{Look, is_damage, look_at};
use super::stat::Stat;
use super::tree::{digest_in, list};
use super::{Entry, Store, disk};

/// The link in a step's folder that leads to the manifest of the result shown there.
pub(super) const SHOWN: &str = "manifest.json";

impl Store {
    /// Makes the readable view `by-step/<step>/` show this result.
    ///
    /// # Errors
    /// If a link cannot be written.
    pub fn show(&self, step: &str, entry: &Entry) -> Result<()> {
        let folder = self.step_folder(step);
        let before = match look_at(&self.root, &folder)? {
            Look::Seen(found) if found.is_dir() => Some(Stat::of(&found)),
            _ => None,
        };
        let shown = before.and_then(|looks| self.index.noted(step, looks));
        if shown == Some(entry.key) && !self.paranoid {
            return Ok(());
        }
        self.clear_for_folder(&folder)?;
        disk::create_folder(&folder)?;
        // Two runs may show different results of the step; where folders have no locks, the next run puts
        // right what they mixed up.
        let guard = fs::File::open(&folder);
        let _guard = guard.and_then(|folder| folder.lock().map(|()| folder));
        let manifest = self.manifest_path(&entry.key);
        // The link that tells which result is shown goes first and comes last.
        let link = folder.join(SHOWN);
        let other = fs::read_link(&link).is_ok_and(|to| to != self.link_to(step, &manifest));
        if other {
            disk::remove(&link)?;
        }
        let mut changed = other;
        for (name, output) in &entry.outputs {
            changed |= self.link(step, name, &self.object_path(&output.digest))?;
        }
        let log = self.log_path(&entry.key);
        if entry.carried_over && !log.exists() {
            // Its own run's log is gone, and the replay's is none of it.
            disk::remove(&folder.join("log"))?;
            changed = true;
        } else {
            changed |= self.show_log(step, &log)?;
        }
        changed |= self.link(step, SHOWN, &manifest)?;
        let looks = match before.filter(|_| !changed) {
            Some(looks) => looks,
            None => Stat::of_new(&fs::metadata(&folder)?),
        };
        self.index.note(step, looks, entry.key);
        Ok(())
    }

    /// Makes `by-step/<step>/log` lead to a log of the store; returns whether it did not.
    pub(super) fn show_log(&self, step: &str, log: &Path) -> Result<bool> {
        self.clear_for_folder(&self.step_folder(step))?;
        self.link(step, "log", log)
    }

    /// As [`disk::link`] in a step's folder, whatever lies there.
    fn link(&self, step: &str, name: &str, path: &Path) -> Result<bool> {
        let link = self.step_folder(step).join(name);
        let found = fs::symlink_metadata(&link);
        if found.is_ok_and(|found| !found.is_symlink()) {
            self.set_aside(&link)?;
        }
        disk::link(&self.link_to(step, path), &link)
    }

    /// A path of the store as a link in a step's folder gives it.
    pub(super) fn link_to(&self, step: &str, path: &Path) -> PathBuf {
        let up = "../".repeat(step.split('/').count() + 1);
        Path::new(&up).join(self.relative(path))
    }

    /// The key of the result that the step's folder shows.
    pub(super) fn shown_by(&self, step: &str) -> Result<Option<Digest>> {
        let link = self.step_folder(step).join(SHOWN);
        match fs::read_link(&link) {
            Ok(target) => Ok(key_in(&target)),
            Err(error) => {
                // Where the folder is in order the link is missing or something else; it is for people.
                look_at(&self.root, &link)?;
                match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                    _ if is_damage(&error) => Ok(None),
                    _ => Err(error).with_context(|| format!("cannot read {}", link.display())),
                }
            }
        }
    }

    /// The log of a step's newest run, finished or not.
    pub fn newest_log(&self, step: &str) -> PathBuf {
        self.step_folder(step).join("log")
    }

    /// What the log of a step's newest run says, finished or not; `None` if it never ran.
    ///
    /// # Errors
    /// If it cannot be read, or is gone.
    pub fn read_newest_log(&self, step: &str) -> Result<Option<Vec<u8>>> {
        let path = self.newest_log(step);
        let cannot = || format!("cannot read {}", path.display());
        match look_at(&self.root, &path)? {
            Look::Seen(found) => {
                // Before it is opened, which would wait for someone to write into a pipe.
                ensure!(found.is_file(), "{} is no regular file", path.display());
                fs::read(&path).map(Some).with_context(cannot)
            }
            Look::Absent => Ok(None),
            Look::Damaged(what) => Err(anyhow!(what)).with_context(cannot),
        }
    }
}

/// The key of the result that a link of a step's folder leads to.
pub(super) fn key_behind(link: &Path) -> Option<Digest> {
    key_in(&fs::read_link(link).ok()?)
}

/// The key of the manifest or log that has this path.
fn key_in(path: &Path) -> Option<Digest> {
    // The log of a step under way lies in its working folder, which has the key's name.
    let named = match path.ends_with("log") {
        true => path.parent()?,
        false => Path::new(path.file_stem()?),
    };
    digest_in(named, "")
}

/// Adds the steps whose folders lie in this one, which is that of `step`, by the keys that they show.
pub(super) fn steps_by_key(folder: &Path, step: &str, steps: &mut HashMap<Digest, String>) {
    if let Some(key) = key_behind(&folder.join(SHOWN)) {
        steps.insert(key, step.to_owned());
    }
    for below in list(folder, folder).unwrap_or_default() {
        if below.metadata.is_dir() {
            steps_by_key(&below.path, &step_below(step, below.name()), steps);
        }
    }
}

/// The step or group of steps whose folder has this name in that of another.
pub(super) fn step_below(step: &str, name: &str) -> String {
    match step {
        "" => name.to_owned(),
        step => format!("{step}/{name}"),
    }
}
