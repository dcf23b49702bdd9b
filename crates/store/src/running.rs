//! Which process computes a step right now and how far it is, for people who ask meanwhile.
//!
//! Whoever holds a claim writes `work/<key>/progress.json` and keeps it locked. The kernel gives the lock
//! back when that process dies, so a file that was left by one says nothing. Those who ask only ever try
//! this lock, never the claim's own: a run that starts at that moment would take the key for taken.
//! Nothing depends on what the file says, so whatever fails here is let pass.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::look::{Look, look_at};
use super::{Store, disk, lock};
use crate::key::Digest;

/// The file's name in a working folder.
pub(super) const FILE: &str = "progress.json";

/// A computation under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The process that started the step and will add its result.
    pub process: u32,
    /// The machine that process runs on.
    pub host: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// How far a training is.
    #[serde(flatten)]
    pub training: Option<TrainingProgress>,
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    pub iteration: u64,
    pub iterations: u64,
    /// Estimated.
    pub seconds_left: f64,
    /// Test error of the last evaluation, in percent, once there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_error: Option<f64>,
}

/// What the holder of a claim tells about its work as long as this lives.
#[derive(Debug)]
pub(super) struct Announcement {
    file: File,
    running: Running,
}

impl Announcement {
    /// Begins one in a working folder that has none. Nothing where the file system does not let us.
    pub fn begin(folder: &Path, host: &str) -> Option<Announcement> {
        let created = File::options()
            .write(true)
            .create_new(true)
            .open(folder.join(FILE));
        let file = created.ok()?;
        // Who asks gives it back at once.
        file.lock().ok()?;
        let announcement = Announcement {
            file,
            running: Running {
                process: std::process::id(),
                host: host.to_owned(),
                started: format!("{:.3}", jiff::Timestamp::now()),
                training: None,
            },
        };
        announcement.write();
        Some(announcement)
    }

    pub fn update(&mut self, training: TrainingProgress) {
        self.running.training = Some(training);
        self.write();
    }

    /// The first line counts; what is left of a longer one behind it does not.
    fn write(&self) {
        if let Ok(line) = serde_json::to_string(&self.running) {
            let _ = self.file.write_all_at((line + "\n").as_bytes(), 0);
        }
    }
}

impl Store {
    /// Who computes a key right now, as far as that can be told.
    ///
    /// # Errors
    /// If its working folder cannot be read.
    pub fn running(&self, key: &Digest) -> Result<Option<Running>> {
        let path = self.work_path(key).join(FILE);
        match look_at(&self.root, &path)? {
            Look::Seen(_) if lock::is_locked(&path).unwrap_or(false) => Ok(read(&path)),
            _ => Ok(None),
        }
    }
}

fn read(path: &Path) -> Option<Running> {
    let bytes = disk::read(path).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Digest {
        Digest::of(b"key")
    }

    #[test]
    fn what_the_holder_says_is_read_while_it_lives_and_nothing_afterwards() {
        let folder = testing::folder();
        let store = Store::at(folder.path(), false);
        assert_eq!(store.running(&key()).unwrap(), None);
        let work = store.work_path(&key());
        std::fs::create_dir_all(&work).unwrap();
        let mut announcement = Announcement::begin(&work, "here").unwrap();
        let running = store.running(&key()).unwrap().unwrap();
        assert_eq!(running.process, std::process::id());
        assert_eq!((&*running.host, running.training), ("here", None));
        // Shorter and shorter lines, each over the one before.
        for iteration in [1_000_000, 20_000, 300, 4] {
            let progress = TrainingProgress {
                iteration,
                iterations: 2_000_000,
                seconds_left: iteration as f64,
                test_error: (iteration > 300).then_some(12.5),
            };
            announcement.update(progress);
            let running = store.running(&key()).unwrap().unwrap();
            assert_eq!(running.training, Some(progress));
            let json = serde_json::to_value(&running).unwrap();
            assert_eq!(json["iteration"], iteration);
        }
        drop(announcement);
        assert!(work.join(FILE).exists());
        assert_eq!(store.running(&key()).unwrap(), None);
    }

    #[test]
    fn a_file_that_says_nothing_or_is_none_is_no_computation() {
        let folder = testing::folder();
        let store = Store::at(folder.path(), false);
        let path = store.work_path(&key()).join(FILE);
        std::fs::create_dir_all(&path).unwrap();
        assert_eq!(store.running(&key()).unwrap(), None);
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "{\"process\": 1").unwrap();
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        assert_eq!(store.running(&key()).unwrap(), None);
    }
}
