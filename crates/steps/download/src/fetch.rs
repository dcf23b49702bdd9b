//! Gets an archive from the first of several places that has it. Whatever is put at the target
//! has been read back from disk and has the declared size and digest.
//!
//! Unaware of what an archive holds and of how its places were chosen.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Error, Result, anyhow, bail};
use step::Progress;

use crate::client::Client;
use crate::failure::Failure;
use crate::http;
use crate::partial_file::PartialFile;
use crate::place::{Location, Place};
use crate::source::ArchiveId;

/// What to fetch, from where and to where.
pub struct Job<'a> {
    /// In the order in which they are tried.
    pub places: Vec<Place>,
    /// Where a partial download survives an interruption.
    pub scratch: &'a Path,
    /// The file to put in place, on the same file system.
    pub target: &'a Path,
    pub client: Client,
}

/// Puts the archive of the first place that has it at the target, and returns that place.
///
/// # Errors
/// If no place has it: one error that lists each place and why it failed, and says how to supply
/// the file by hand. If the disk refuses: that error, at once.
pub fn fetch<'a>(job: &'a Job, progress: &mut dyn FnMut(Progress)) -> Result<&'a Place> {
    let mut tried = String::new();
    for place in &job.places {
        let outcome = match &place.location {
            Location::File(path) => copy(job, place, path, progress),
            Location::Http(url) => download(job, place, url, progress),
            Location::Unsupported(_) => Err(Failure::Place(anyhow!(
                "expected an https:, http: or file: URL with an absolute path"
            ))),
        };
        match outcome {
            Ok(()) => {
                let name = &place.file_name;
                progress(Progress::Note(format!("{name} came from {place}")));
                return Ok(place);
            }
            Err(Failure::Here(error)) => return Err(error),
            Err(failure) => {
                let note = format!("{place}: {:#}", failure.into_error());
                tried += &format!("\n  {note}");
                progress(Progress::Note(note));
            }
        }
    }
    let mut wanted: Vec<String> = Vec::new();
    for Place { id, file_name, .. } in &job.places {
        let name = format!("{file_name} ({} bytes, sha256 {})", id.bytes, id.sha256);
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    }
    bail!(
        "no place has the data; tried:{tried}\nput {} in a folder and give it as --mirror <folder> or in FIG6_MIRROR",
        wanted.join(" or ")
    )
}

/// Downloads from one URL, resuming and trying again as long as that brings it further.
fn download(
    job: &Job,
    place: &Place,
    url: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let (id, limits) = (&place.id, &job.client.limits);
    let mut part = PartialFile::open(job.scratch.join(format!("{}.part", id.sha256)), id)?;
    if part.length()? > id.bytes {
        part.truncate(0)?;
    }
    // A worthwhile gain starts the count of attempts anew; that it is a share of the whole bounds
    // the number of attempts over all.
    let gain = (id.bytes / 32).max(1);
    let mut reached = part.length()?;
    let mut attempt = 1;
    let mut anew = false;
    loop {
        let before = part.length()?;
        let transferred = http::transfer(&job.client, url, &mut part, &mut bytes_of(id, progress));
        let (error, wait) = match transferred.map(|kind| part.verify(&kind)) {
            Ok(Ok(())) => return Ok(part.put(job.target)?),
            // The beginning may come from another place or time, so it is to blame first. All is to
            // be done again, with all patience; but not again and again.
            Ok(Err(Failure::Place(error))) if before > 0 => {
                let error = error.context("what an earlier attempt had left does not fit");
                if !anew {
                    progress(Progress::Note(format!("{place}: {error:#}; starting anew")));
                    (anew, reached, attempt) = (true, 0, 1);
                    continue;
                }
                (error, Duration::ZERO)
            }
            Err(Failure::Transient(error, wait)) => (error, wait),
            Ok(Err(failure)) | Err(failure) => return Err(failure),
        };
        let now = part.length()?;
        if now >= reached.saturating_add(gain) {
            (reached, attempt) = (now, 1);
        }
        if attempt >= limits.attempts {
            let error = error.context(format!("gave up after {attempt} attempts"));
            return Err(Failure::Place(error));
        }
        let pause = wait.max(limits.pause * 2_u32.saturating_pow(attempt - 1));
        progress(Progress::Note(format!(
            "{place}: attempt {attempt} of {}: {error:#}; trying again in {} s",
            limits.attempts,
            pause.as_secs_f64()
        )));
        thread::sleep(pause);
        attempt += 1;
    }
}

/// Copies a file of this machine.
fn copy(
    job: &Job,
    place: &Place,
    source: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let id = &place.id;
    let unreadable = |error: io::Error| {
        Failure::Place(match error.kind() {
            io::ErrorKind::NotFound => anyhow!("no such file"),
            _ => Error::new(error).context("cannot be read"),
        })
    };
    let metadata = fs::metadata(source).map_err(unreadable)?;
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
    let file = File::open(source).map_err(unreadable)?;
    let mut part = PartialFile::open(job.scratch.join(format!("{}.copy", id.sha256)), id)?;
    part.truncate(0)?;
    let copied = part.fill(file, &job.client.limits, &mut bytes_of(id, progress));
    let copied = copied.and_then(|read| read.map_err(unreadable));
    if let Err(failure) = copied.and_then(|()| part.verify("")) {
        // A copy is of no use to anyone if it fails half-way; that it may stay does no harm.
        let _ = part.remove();
        return Err(failure);
    }
    Ok(part.put(job.target)?)
}

/// Passes on the bytes that have come of an archive.
fn bytes_of(id: &ArchiveId, progress: &mut dyn FnMut(Progress)) -> impl FnMut(u64) {
    let total = id.bytes;
    move |done| progress(Progress::Bytes { done, total })
}
