//! Who submits jobs for a folder of artifacts. Locks keep processes of one machine apart; those of two login
//! nodes need not see each other's, so each tells by a file that it is alive.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::ticket::write_atomically;
use crate::run::machine::host;

/// The file's name in the folder of artifacts.
const FILE: &str = "lease.json";

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(5);

/// How long a lease is watched for a sign of life before it counts as left by a process that died: longer
/// than file systems of clusters show what is old, and than a beat.
const PATIENCE: Duration = Duration::from_secs(70);

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sign {
    /// Machine and mount namespace: processes of one place see each other's locks.
    place: String,
    process: u32,
    beat: u64,
}

/// The right of this place to submit jobs; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    own: Sign,
    lost: Arc<AtomicBool>,
    /// Dropped to end the thread.
    ends: Option<Mutex<Sender<()>>>,
    beats: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease of a folder of artifacts; watches a lease of another place first.
    ///
    /// # Errors
    /// If a process at another place is alive, or the file cannot be written.
    pub fn take(root: &Path) -> Result<Lease> {
        Lease::take_at(root, &place(), BEAT, PATIENCE)
    }

    fn take_at(root: &Path, place: &str, beat: Duration, patience: Duration) -> Result<Lease> {
        let path = root.join(FILE);
        let began = Instant::now();
        let first = read(&path);
        if let Some(other) = first.as_ref().filter(|sign| sign.place != place) {
            while began.elapsed() < patience {
                std::thread::sleep(beat / 5);
                match read(&path) {
                    now if now == first => {}
                    None => break,
                    Some(_) => bail!(
                        "fig6 submits jobs from {} (process {}) for this folder of artifacts; wait for it, or stop \
                         it, which leaves its jobs",
                        other.place,
                        other.process
                    ),
                }
            }
        }
        let own = Sign {
            place: place.to_owned(),
            process: std::process::id(),
            beat: 0,
        };
        own.write(&path)?;
        let lost = Arc::new(AtomicBool::new(false));
        let (ends, end) = channel();
        let (sign, at, is_lost) = (own.clone(), path.clone(), lost.clone());
        let beats = std::thread::spawn(move || {
            let mut sign = sign;
            while end.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
                match read(&at) {
                    Some(other) if other.place != sign.place => {
                        is_lost.store(true, Ordering::Relaxed);
                        break;
                    }
                    // What cannot be written now is tried again.
                    _ => {
                        sign.beat += 1;
                        let _ = sign.write(&at);
                    }
                }
            }
        });
        Ok(Lease {
            path,
            own,
            lost,
            ends: Some(Mutex::new(ends)),
            beats: Some(beats),
        })
    }

    /// Whether a process at another place has taken it, which saw no sign of life of this one.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ends.take();
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        let own = |sign: &Sign| (&sign.place, sign.process) == (&self.own.place, self.own.process);
        if read(&self.path).as_ref().is_some_and(own) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Sign {
    fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, 0o644, &serde_json::to_vec(self)?)
    }
}

/// What is no lease of this version is none.
fn read(path: &Path) -> Option<Sign> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// This machine, and its view of the file systems.
fn place() -> String {
    let view = fs::read_link("/proc/self/ns/mnt");
    let view = view.map_or_else(|_| String::new(), |view| format!(" {}", view.display()));
    format!("{}{view}", host())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(5);
    /// Far longer than any machine needs for a beat.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn take(root: &Path, place: &str, patience: Duration) -> Result<Lease> {
        Lease::take_at(root, place, BEAT, patience)
    }

    #[test]
    fn only_one_place_at_a_time_submits() {
        let folder = testing::folder();
        let root = folder.path();
        let first = take(root, "a", PATIENCE).unwrap();
        let error = take(root, "b", PATIENCE).unwrap_err().to_string();
        assert!(
            error.starts_with("fig6 submits jobs from a (process"),
            "{error}"
        );
        // Processes of one place see each other's locks.
        drop(take(root, "a", PATIENCE).unwrap());
        drop(first);
        take(root, "b", PATIENCE).unwrap();
        assert!(!root.join(FILE).exists());
    }

    #[test]
    fn a_lease_that_shows_no_sign_of_life_is_taken_and_its_holder_notices() {
        let folder = testing::folder();
        let root = folder.path();
        let dead = Sign {
            place: "dead".to_owned(),
            process: 1,
            beat: 7,
        };
        dead.write(&root.join(FILE)).unwrap();
        let lease = take(root, "b", BEAT).unwrap();
        assert!(!lease.is_lost());
        // As if it had been suspended meanwhile.
        dead.write(&root.join(FILE)).unwrap();
        testing::until("it notices", || lease.is_lost());
        drop(lease);
        assert_eq!(read(&root.join(FILE)), Some(dead));
        fs::write(root.join(FILE), "nonsense").unwrap();
        take(root, "c", PATIENCE).unwrap();
    }
}
