//! One HTTP request that fills a partial file, from where it ends or from the start.
//!
//! A file that changed on the server between two requests needs no `If-Range`: the digest of the
//! whole decides, and what does not fit is fetched anew. Unaware of retries, of other places, and
//! of digests.

use std::io::Read as _;

use anyhow::anyhow;
use ureq::http::{HeaderMap, StatusCode, header};

use crate::client::{self, Client};
use crate::failure::Failure;
use crate::partial_file::PartialFile;

/// Appends to `part` what it lacks, or rewrites it where the server does not resume. On success it
/// has its size, and what the server calls the content is returned where that is telling; on a
/// transient failure, it holds what arrived.
///
/// # Errors
/// See [`Failure`].
pub fn transfer(
    client: &Client,
    url: &str,
    part: &mut PartialFile,
    progress: &mut dyn FnMut(u64),
) -> Result<String, Failure> {
    let (have, bytes) = (part.length()?, part.id.bytes);
    if have == bytes {
        return Ok(String::new());
    }
    let (head, body) = client.get(url, have)?.into_parts();
    let (status, kind) = (head.status, kind(&head.headers));
    let wrong_size = |found: &str| {
        let error = anyhow!("wrong size: expected {bytes} bytes, found {found}{kind}");
        Err(Failure::Place(error))
    };

    let length = body.content_length();
    let (first, total) = content_range(&head.headers);
    let told = if status == StatusCode::OK {
        length
    } else {
        total
    };
    if let Some(found) = told.filter(|&found| found != bytes) {
        return wrong_size(&found.to_string());
    }
    if status == StatusCode::OK {
        // What is there is worth more than a log-in page that does not even tell its length.
        if length.is_none() && is_page(&head.headers) {
            return Err(Failure::Place(anyhow!(
                "the answer is text/html, which is a page and not the archive"
            )));
        }
        part.truncate(0)?;
    } else if have == 0 {
        return Err(Failure::Place(anyhow!(
            "the server answered {status}, which was not asked for"
        )));
    } else if status != StatusCode::PARTIAL_CONTENT || first != Some(have) {
        part.truncate(0)?;
        let answered = first.map_or_else(
            || format!("answered {status} without them"),
            |first| format!("sends those from {first}"),
        );
        return Err(Failure::transient(anyhow!(
            "the server was asked for the bytes from {have} and {answered}"
        )));
    }

    let mut reader = body.into_reader();
    let read = part.fill(&mut reader, &client.limits, progress)?;
    let have = part.length()?;
    if let Err(error) = read {
        // Whatever it is, it began as a file.
        let error = client::failure(error.into(), &client.limits).into_error();
        let broke = format!("the connection broke at byte {have} of {bytes}");
        return Err(Failure::transient(error.context(broke)));
    }
    if have < bytes {
        // A chunked body says where it ends, so this is the whole file; one that ends with the
        // connection may have been cut off.
        if status == StatusCode::OK && head.headers.contains_key(header::TRANSFER_ENCODING) {
            part.truncate(0)?;
            return wrong_size(&have.to_string());
        }
        return Err(Failure::transient(anyhow!(
            "the connection ended at byte {have} of {bytes}"
        )));
    }
    // Only for a better message than a wrong digest, so an error at this point is none.
    if length.is_none() && matches!(reader.read(&mut [0]), Ok(1)) {
        part.truncate(0)?;
        return wrong_size("more");
    }
    Ok(kind)
}

/// The first byte of a partial answer, and the size of the whole file.
fn content_range(headers: &HeaderMap) -> (Option<u64>, Option<u64>) {
    let range = text(headers, header::CONTENT_RANGE).strip_prefix("bytes ");
    let (span, total) = range.and_then(|it| it.split_once('/')).unwrap_or_default();
    let first = span.split_once('-').map_or("", |(first, _)| first);
    (first.parse().ok(), total.parse().ok())
}

/// What a server calls the content, where that explains why it is not the archive: a log-in page
/// in place of the file, or an encoding that was not asked for.
fn kind(headers: &HeaderMap) -> String {
    let kind = text(headers, header::CONTENT_TYPE);
    if kind.starts_with("text/") {
        return format!(" of {kind}, which is a page and not the archive");
    }
    match text(headers, header::CONTENT_ENCODING) {
        "" | "identity" => String::new(),
        encoding => format!(", sent with the encoding {encoding} (not decoded)"),
    }
}

/// Whether the content is called a page. What is called plain text may still be an archive whose
/// name the server does not know.
fn is_page(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE).starts_with("text/html")
}

/// A header's value; nothing if there is none, or one that is no text.
fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}
