//! One HTTP request that fills a partial file, from where it ends or from the start.
//!
//! A file that changed on the server between two requests needs no `If-Range`: the digest of the
//! whole decides, and what does not fit is fetched anew. Unaware of retries, of other places, and
//! of digests.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use ureq::Body;
use ureq::http::{HeaderMap, StatusCode, header};

use crate::client::{Answer, Client, Failure};

/// How often progress goes out, in bytes.
const REPORT_EVERY: u64 = 1 << 20;

/// Appends to `part` what it lacks of `bytes` bytes, or rewrites it where the server does not
/// resume. On success it holds exactly `bytes` bytes, and what the server calls them is returned
/// where that is telling; on a transient failure, it holds what arrived.
///
/// # Errors
/// See [`Failure`].
pub fn transfer(
    client: &Client,
    url: &str,
    bytes: u64,
    part: &mut File,
    progress: &mut dyn FnMut(u64),
) -> Result<String, Failure> {
    let have = length(part)?;
    let Answer { head, body } = client.get(url, have)?;
    let start = match head.status {
        StatusCode::OK => {
            let length = body.content_length();
            if let Some(found) = length.filter(|&found| found != bytes) {
                return Err(wrong_size(bytes, found, &head.headers));
            }
            // What is there is worth more than a log-in page that does not even tell its length.
            if length.is_none() && is_page(&head.headers) {
                return Err(Failure::Place(anyhow!(
                    "the answer is text/html, which is a page and not the archive"
                )));
            }
            0
        }
        StatusCode::PARTIAL_CONTENT if have > 0 => resumed_at(&head.headers, have, bytes, part)?,
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
            // The server's file ends before ours does: one of them is not the archive.
            let (_, total) = content_range(&head.headers);
            if let Some(found) = total.filter(|&found| found != bytes) {
                return Err(wrong_size(bytes, found, &head.headers));
            }
            clear(part)?;
            return Err(Failure::transient(anyhow!(
                "the server cannot resume at byte {have}"
            )));
        }
        status => {
            let error = anyhow!("the server answered {status}, which was not asked for");
            return Err(Failure::Place(error));
        }
    };
    part.set_len(start)
        .and_then(|()| part.seek(SeekFrom::Start(start)))
        .context("cannot write the partial download")
        .map_err(Failure::Here)?;
    let whole = head.status == StatusCode::OK;
    receive(
        client,
        body,
        &head.headers,
        whole,
        start..bytes,
        part,
        progress,
    )?;
    Ok(kind(&head.headers))
}

/// Checks that a partial answer continues our file; returns where it starts.
fn resumed_at(headers: &HeaderMap, have: u64, bytes: u64, part: &mut File) -> Result<u64, Failure> {
    let (first, total) = content_range(headers);
    if let Some(found) = total.filter(|&found| found != bytes) {
        return Err(wrong_size(bytes, found, headers));
    }
    if first == Some(have) {
        return Ok(have);
    }
    clear(part)?;
    let answered = first.map_or_else(
        || "did not say which it sends".to_owned(),
        |first| format!("sends those from {first}"),
    );
    Err(Failure::transient(anyhow!(
        "the server was asked for the bytes from {have} and {answered}"
    )))
}

/// The first byte of a partial answer, and the size of the whole file.
fn content_range(headers: &HeaderMap) -> (Option<u64>, Option<u64>) {
    let (span, total) = headers
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes "))
        .and_then(|range| range.split_once('/'))
        .unwrap_or_default();
    let first = span
        .split_once('-')
        .and_then(|(first, _)| first.parse().ok());
    (first, total.parse().ok())
}

/// Streams the body into the file, never more than the declared size; `whole` says that the body
/// is all of the server's file, and not a part of which there may be more.
fn receive(
    client: &Client,
    body: Body,
    headers: &HeaderMap,
    whole: bool,
    span: std::ops::Range<u64>,
    part: &mut File,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let announced = body.content_length().is_some();
    let mut reader = body.into_reader();
    let mut buffer = vec![0; 1 << 16];
    let bytes = span.end;
    let mut have = span.start;
    let mut pace = (Instant::now(), have);
    progress(have);
    while have < bytes {
        let room =
            usize::try_from(bytes - have).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = match reader.read(&mut buffer[..room]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let broke = format!("the connection broke at byte {have} of {bytes}");
                return Err(match client.failure(error.into()) {
                    Failure::Here(error) => Failure::Here(error),
                    // Whatever it is, it began as a file.
                    Failure::Place(error) | Failure::Transient(error, _) => {
                        Failure::transient(error.context(broke))
                    }
                });
            }
        };
        if count == 0 {
            // A chunked body says where it ends, so this is the whole file; one that ends with
            // the connection may have been cut off.
            if whole && headers.contains_key(header::TRANSFER_ENCODING) {
                clear(part)?;
                return Err(wrong_size(bytes, have, headers));
            }
            return Err(Failure::transient(anyhow!(
                "the connection ended at byte {have} of {bytes}"
            )));
        }
        part.write_all(&buffer[..count])
            .context("cannot write the partial download")
            .map_err(Failure::Here)?;
        let before = have;
        have += count as u64;
        if have / REPORT_EVERY > before / REPORT_EVERY || have == bytes {
            progress(have);
        }
        let (since, then) = pace;
        if have < bytes && since.elapsed() >= client.limits.stall {
            let (came, least) = (have - then, client.limits.least);
            if came < least {
                return Err(Failure::transient(anyhow!(
                    "only {came} bytes in {} s at byte {have} of {bytes} (expected {least})",
                    client.limits.stall.as_secs_f64()
                )));
            }
            pace = (Instant::now(), have);
        }
    }
    // Only for a better message than a wrong digest, so an error at this point is none.
    if !announced && matches!(reader.read(&mut buffer[..1]), Ok(1)) {
        clear(part)?;
        return Err(Failure::Place(anyhow!(
            "wrong size: expected {bytes} bytes, found more{}",
            kind(headers)
        )));
    }
    Ok(())
}

fn wrong_size(expected: u64, found: u64, headers: &HeaderMap) -> Failure {
    Failure::Place(anyhow!(
        "wrong size: expected {expected} bytes, found {found}{}",
        kind(headers)
    ))
}

/// What a server calls the content, where that explains why it is not the archive: a log-in page
/// in place of the file, or an encoding that was not asked for.
fn kind(headers: &HeaderMap) -> String {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let kind = text(header::CONTENT_TYPE);
    if kind.starts_with("text/") {
        return format!(" of {kind}, which is a page and not the archive");
    }
    match text(header::CONTENT_ENCODING) {
        "" | "identity" => String::new(),
        encoding => format!(", sent with the encoding {encoding} (not decoded)"),
    }
}

/// Whether the content is called a page. What is called plain text may still be an archive whose
/// name the server does not know.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Bytes in a partial file.
///
/// # Errors
/// If the file system does not tell.
pub fn length(part: &File) -> Result<u64, Failure> {
    part.metadata()
        .map(|metadata| metadata.len())
        .context("cannot read the partial download")
        .map_err(Failure::Here)
}

/// Empties a partial file.
///
/// # Errors
/// If the file system refuses.
pub fn clear(part: &File) -> Result<(), Failure> {
    part.set_len(0)
        .context("cannot empty the partial download")
        .map_err(Failure::Here)
}
