//! Gets an archive from the first of several places that has it. Whatever is put at the target
//! has been read back from disk and has the declared size and digest.
//!
//! Unaware of what an archive holds and of how its places were chosen.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::ArchiveId;
use crate::client::{Client, Failure, Limits};
use crate::http;
use crate::place::{Location, Place};
use crate::proxy::Proxies;
use anyhow::{Context as _, Error, Result, anyhow, bail};
use sha256::Hasher;
use step::Progress;

/// What to fetch, from where and to where.
pub struct Job<'a> {
    /// In the order in which they are tried.
    pub places: Vec<Place>,
    /// Where a partial download survives an interruption.
    pub scratch: &'a Path,
    /// The file to put in place.
    pub target: &'a Path,
    pub limits: Limits,
    pub proxies: Proxies,
}

/// Puts the archive of the first place that has it at the target, and returns that place.
///
/// # Errors
/// If no place has it: one error that lists each place and why it failed, and says how to supply
/// the file by hand. If the disk refuses: that error, at once.
pub fn fetch(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Place> {
    let client = Client::new(job.limits, job.proxies.clone());
    let mut failures: Vec<(&Place, Error)> = Vec::new();
    for place in &job.places {
        let outcome = match &place.location {
            Location::File(path) => copy(job, place, path, progress),
            Location::Http(url) => download(job, place, &client, url, progress),
            Location::Unsupported(_) => Err(Failure::Place(anyhow!(
                "expected an https:, http: or file: URL with an absolute path"
            ))),
        };
        match outcome {
            Ok(()) => {
                progress(Progress::Note(format!(
                    "{} came from {place}",
                    place.file_name
                )));
                return Ok(place.clone());
            }
            Err(Failure::Here(error)) => return Err(error),
            Err(Failure::Place(error) | Failure::Transient(error, _)) => {
                progress(Progress::Note(format!("{place}: {error:#}")));
                failures.push((place, error));
            }
        }
    }
    bail!(all_failed(&failures))
}

/// The error when every place failed.
fn all_failed(failures: &[(&Place, Error)]) -> String {
    let mut text = String::from("no place has the data; tried:");
    for (place, error) in failures {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {place}: {error:#}");
    }
    let mut wanted: Vec<String> = Vec::new();
    for (Place { id, file_name, .. }, _) in failures {
        let name = format!("{file_name} ({} bytes, sha256 {})", id.bytes, id.sha256);
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    let _ = write!(
        text,
        "\nput {} in a folder and give it as --mirror <folder> or in FIG6_MIRROR",
        wanted.join(" or ")
    );
    text
}

/// Downloads from one URL, resuming and trying again as long as that brings it further.
fn download(
    job: &Job,
    place: &Place,
    client: &Client,
    url: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let id = &place.id;
    let path = job.scratch.join(format!("{}.part", id.sha256));
    let mut part = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failure::Here)?;
    if http::length(&part)? > id.bytes {
        http::clear(&part)?;
    }
    // A worthwhile gain starts the count of attempts anew; that it is a share of the whole bounds
    // the number of attempts over all.
    let gain = (id.bytes / 32).max(1);
    let mut reached = http::length(&part)?;
    let mut attempt = 1;
    let mut anew = false;
    loop {
        let before = http::length(&part)?;
        let outcome = if before == id.bytes {
            Ok(String::new())
        } else {
            http::transfer(client, url, id.bytes, &mut part, &mut |done| {
                progress(Progress::Bytes {
                    done,
                    total: id.bytes,
                });
            })
        };
        let (error, wait) = match outcome {
            Ok(kind) => match verify(&mut part, id, &kind) {
                Ok(()) => {
                    drop(part);
                    return put(&path, job, id).map_err(Failure::Here);
                }
                // The beginning may come from another place or time, so it is to blame first. All
                // is to be done again, with all patience; but not again and again.
                Err(Failure::Place(error)) if before > 0 => {
                    http::clear(&part)?;
                    let error = error.context("what an earlier attempt had left does not fit");
                    if !anew {
                        progress(Progress::Note(format!("{place}: {error:#}; starting anew")));
                        (anew, reached, attempt) = (true, 0, 1);
                        continue;
                    }
                    (error, Duration::ZERO)
                }
                Err(failure) => {
                    http::clear(&part)?;
                    return Err(failure);
                }
            },
            Err(Failure::Transient(error, wait)) => (error, wait),
            // What is there stays: another place may go on from it.
            Err(failure) => return Err(failure),
        };
        let now = http::length(&part)?;
        if now >= reached.saturating_add(gain) {
            reached = now;
            attempt = 1;
        }
        if attempt >= job.limits.attempts {
            return Err(Failure::transient(
                error.context(format!("gave up after {attempt} attempts")),
            ));
        }
        let pause = wait.max(job.limits.pause * 2_u32.saturating_pow(attempt - 1));
        progress(Progress::Note(format!(
            "{place}: attempt {attempt} of {}: {error:#}; trying again in {} s",
            job.limits.attempts,
            pause.as_secs_f64()
        )));
        thread::sleep(pause);
        attempt += 1;
    }
}

/// Reads a whole file and compares its digest; `kind` is what its server calls it.
fn verify(file: &mut File, id: &ArchiveId, kind: &str) -> Result<(), Failure> {
    let found = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| sha256::of_reader(file))
        .context("cannot read back the download")
        .map_err(Failure::Here)?;
    check(&found, id, kind).map_err(Failure::Place)
}

fn check(found: &str, id: &ArchiveId, kind: &str) -> Result<()> {
    if found.eq_ignore_ascii_case(&id.sha256) {
        return Ok(());
    }
    bail!(
        "wrong digest: expected sha256 {}, found {found}, for {} bytes{kind}",
        id.sha256,
        id.bytes
    )
}

/// Copies a file of this machine; the digest is that of the copied bytes.
fn copy(
    job: &Job,
    place: &Place,
    source: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let id = &place.id;
    let metadata = fs::metadata(source).map_err(|error| Failure::Place(reading(error)))?;
    if !metadata.is_file() {
        return Err(Failure::Place(anyhow!("is no file")));
    }
    if metadata.len() != id.bytes {
        return Err(Failure::Place(anyhow!(
            "wrong size: expected {} bytes, found {}",
            id.bytes,
            metadata.len()
        )));
    }
    let path = job.scratch.join(format!("{}.copy", id.sha256));
    let outcome = copy_checked(source, &path, id, &mut |done| {
        progress(Progress::Bytes {
            done,
            total: id.bytes,
        });
    })
    .and_then(|()| put(&path, job, id).map_err(Failure::Here));
    if outcome.is_err() {
        // A copy that failed half-way is of no use to anyone; that it may stay does no harm.
        let _ = fs::remove_file(&path);
    }
    outcome
}

/// Copies `source` to `path` and checks the bytes on their way.
fn copy_checked(
    source: &Path,
    path: &Path,
    id: &ArchiveId,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut from = File::open(source).map_err(|error| Failure::Place(reading(error)))?;
    let mut to = File::create(path)
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failure::Here)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Place(reading(error))),
        };
        done += count as u64;
        if done > id.bytes {
            return Err(Failure::Place(anyhow!("it grew while it was read")));
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(Failure::Here)?;
        progress(done);
    }
    check(&hasher.finish(), id, "").map_err(Failure::Place)
}

fn reading(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!("no such file"),
        _ => Error::new(error).context("cannot be read"),
    }
}

/// Moves a verified file to the target; where that crosses file systems, by a checked copy beside
/// the target.
fn put(path: &Path, job: &Job, id: &ArchiveId) -> Result<()> {
    if fs::rename(path, job.target).is_ok() {
        return Ok(());
    }
    let beside = job.target.with_extension("copy");
    let moved = copy_checked(path, &beside, id, &mut |_| {})
        .map_err(|failure| match failure {
            Failure::Here(error) | Failure::Place(error) | Failure::Transient(error, _) => error,
        })
        .and_then(|()| Ok(fs::rename(&beside, job.target)?));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved.with_context(|| format!("cannot write {}", job.target.display()))
}
