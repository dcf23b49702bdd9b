//! One HTTP request that fills a partial file, from where it ends or from the start.
//!
//! Unaware of retries, of other places, and of digests.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow};
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body};

/// How often progress goes out, in bytes.
const REPORT_EVERY: u64 = 1 << 20;

/// Why a place did not yield the archive, as far as it decides what to try next.
#[derive(Debug)]
pub enum Failure {
    /// The same place may do better in a moment.
    Transient(Error),
    /// This place will not do; another one may.
    Place(Error),
    /// No place will do: the trouble is on this machine (a full disk).
    Here(Error),
}

/// An agent with these time-outs. It takes its proxy from the environment (`HTTPS_PROXY`,
/// `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), follows redirects, and leaves bodies encoded as they
/// come.
pub fn agent(connect: Duration, stall: Duration) -> Agent {
    Agent::config_builder()
        .user_agent(concat!("fig6/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .timeout_resolve(Some(connect))
        .timeout_connect(Some(connect))
        .timeout_recv_response(Some(stall))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall))
        .build()
        .new_agent()
}

/// Appends to `part` what it lacks of `bytes` bytes, or rewrites it where the server does not
/// resume. On success it holds exactly `bytes` bytes; on a transient failure, what arrived.
///
/// # Errors
/// See [`Failure`].
pub fn transfer(
    agent: &Agent,
    url: &str,
    bytes: u64,
    part: &mut File,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let have = length(part)?;
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let (head, body) = request.call().map_err(classify)?.into_parts();
    let start = match head.status {
        StatusCode::OK => {
            if let Some(found) = body.content_length().filter(|&found| found != bytes) {
                return Err(wrong_size(bytes, found, &head.headers));
            }
            0
        }
        StatusCode::PARTIAL_CONTENT if have > 0 => resumed_at(&head.headers, have, bytes, part)?,
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
            // The server's file ends before ours does: what we have is no beginning of it.
            clear(part)?;
            return Err(Failure::Transient(anyhow!(
                "the server cannot resume at byte {have}"
            )));
        }
        status => {
            let error = anyhow!("the server answered {status}");
            let again = status.is_server_error()
                || status == StatusCode::REQUEST_TIMEOUT
                || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(if again {
                Failure::Transient(error)
            } else {
                Failure::Place(error)
            });
        }
    };
    part.set_len(start)
        .and_then(|()| part.seek(SeekFrom::Start(start)))
        .context("cannot write the partial download")
        .map_err(Failure::Here)?;
    receive(body, &head.headers, start, bytes, part, progress)
}

/// Checks that a partial answer continues our file; returns where it starts.
fn resumed_at(headers: &HeaderMap, have: u64, bytes: u64, part: &mut File) -> Result<u64, Failure> {
    let range = headers
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (span, total) = range
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .unwrap_or_default();
    if let Some(found) = total.parse().ok().filter(|&found: &u64| found != bytes) {
        return Err(wrong_size(bytes, found, headers));
    }
    let first = span
        .split_once('-')
        .and_then(|(first, _)| first.parse().ok());
    if first == Some(have) {
        return Ok(have);
    }
    clear(part)?;
    Err(Failure::Transient(anyhow!(
        "the server was asked for the bytes from {have} and answered with {range:?}"
    )))
}

/// Streams the body into the file, never more than the declared size.
fn receive(
    body: Body,
    headers: &HeaderMap,
    start: u64,
    bytes: u64,
    part: &mut File,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let announced = body.content_length().is_some();
    let mut reader = body.into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut have = start;
    progress(have);
    while have < bytes {
        let room =
            usize::try_from(bytes - have).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = match reader.read(&mut buffer[..room]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let cause = Error::new(error);
                return Err(Failure::Transient(cause.context(format!(
                    "the connection broke at byte {have} of {bytes}"
                ))));
            }
        };
        if count == 0 {
            // A chunked body says where it ends, so this is the whole file; one that ends with
            // the connection may have been cut off.
            if headers.contains_key(header::TRANSFER_ENCODING) {
                clear(part)?;
                return Err(wrong_size(bytes, have, headers));
            }
            return Err(Failure::Transient(anyhow!(
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

/// The content's type where it is telling: a log-in page in place of the file.
fn kind(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|kind| kind.starts_with("text/"))
        .map(|kind| format!(" of {kind}, which is a page and not the archive"))
        .unwrap_or_default()
}

/// Which errors before the body may pass: those of the connection, not those of what was asked.
fn classify(error: ureq::Error) -> Failure {
    let again = matches!(
        error,
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed
    );
    let error = Error::new(error);
    if again {
        Failure::Transient(error)
    } else {
        Failure::Place(error)
    }
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
