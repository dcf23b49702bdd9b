//! Answers browsers: a page, and a stream of events that keeps it up to date. A thread for each
//! connection, so that a slow one holds up nobody, and one request each.
//!
//! Unaware of what the page and the events say.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::request::{self, Refusal, Request, Resource};

/// What is served.
pub trait Site: Send + Sync {
    /// The page as of now.
    ///
    /// # Errors
    /// If it cannot be made.
    fn page(&self) -> Result<String>;

    /// The newest event, on one line, with its number, once that is another than the one that was `seen`;
    /// nothing if there is none within this time. Numbers begin with 1.
    fn event(&self, seen: u64, within: Duration) -> Option<(u64, Arc<str>)>;
}

/// What a client may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Time for a request to come in.
    pub request: Duration,
    /// Time in which a client must take something of an answer.
    pub stall: Duration,
    /// Time between two signs of life in a stream without events: so long may a connection last whose
    /// client went away.
    pub heartbeat: Duration,
    /// Time that a client gets to take the end of an answer, once it is sent.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 256,
            request: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            linger: Duration::from_secs(2),
        }
    }
}

/// For all answers: nothing is loaded from elsewhere or shown within another page, and nothing is kept.
const FIELDS: &str = "Cache-Control: no-store\r\n\
    Connection: close\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";

/// From now on answers those who connect, until the process ends.
///
/// # Errors
/// If no thread can be started.
pub fn serve(listener: TcpListener, site: Arc<dyn Site>, limits: Limits) -> Result<()> {
    let connected = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => attend(stream, &site, limits, &connected),
                // Most likely too many files are open; that passes.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    thread::Builder::new()
        .name("accept".to_owned())
        .spawn(accept)
        .map(drop)
        .context("cannot start a thread")
}

/// Has a thread answer one client.
fn attend(stream: TcpStream, site: &Arc<dyn Site>, limits: Limits, connected: &Arc<AtomicUsize>) {
    let place = Place::take(connected);
    if place.number >= 2 * limits.connections {
        return; // not even told why
    }
    let is_free = place.number < limits.connections;
    let site = site.clone();
    let answer = move || {
        let _place = place;
        // The client went away, and nobody misses what it would have got.
        let _ = converse(&stream, is_free.then_some(&*site), limits);
    };
    // Without a thread the connection is closed.
    let _ = thread::Builder::new().spawn(answer);
}

/// One of the connections, as long as it lives.
struct Place {
    connected: Arc<AtomicUsize>,
    /// How many there were before.
    number: usize,
}

impl Place {
    fn take(connected: &Arc<AtomicUsize>) -> Place {
        Place {
            connected: connected.clone(),
            number: connected.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads the request and answers it; without a site there is no room for it.
fn converse(stream: &TcpStream, site: Option<&dyn Site>, limits: Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(limits.stall))?;
    let request = match site {
        Some(_) => read_request(stream, Instant::now() + limits.request)?,
        None => Err(Refusal::Busy),
    };
    match (request, site) {
        (Ok(request), Some(site)) => answer(stream, request, site, limits)?,
        (Err(refusal), _) => refuse(stream, refusal)?,
        (Ok(_), None) => {}
    }
    close(stream, limits.linger)
}

/// Reads the head of a request, in time.
fn read_request(mut stream: &TcpStream, until: Instant) -> io::Result<Result<Request, Refusal>> {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(Refusal::TooLate));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend_from_slice(&piece[..read]),
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if let Some(request) = request::parse(&head).transpose() {
            return Ok(request);
        }
    }
}

fn answer(
    mut stream: &TcpStream,
    request: Request,
    site: &dyn Site,
    limits: Limits,
) -> io::Result<()> {
    match request.resource {
        Resource::Page => {
            let Ok(page) = site.page() else {
                return refuse(stream, Refusal::Failed);
            };
            let length = page.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\n{FIELDS}Content-Type: text/html; charset=utf-8\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            match request.head_only {
                true => Ok(()),
                false => stream.write_all(page.as_bytes()),
            }
        }
        Resource::Events => {
            let head =
                format!("HTTP/1.1 200 OK\r\n{FIELDS}Content-Type: text/event-stream\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            match request.head_only {
                true => Ok(()),
                false => stream_events(stream, site, limits.heartbeat),
            }
        }
    }
}

/// Sends events until the client goes away.
fn stream_events(mut stream: &TcpStream, site: &dyn Site, heartbeat: Duration) -> io::Result<()> {
    let mut seen = 0;
    loop {
        match site.event(seen, heartbeat) {
            Some((number, event)) => {
                seen = number;
                stream.write_all(b"data: ")?;
                stream.write_all(event.as_bytes())?;
                stream.write_all(b"\n\n")?;
            }
            // A comment, which browsers pass over.
            None => stream.write_all(b":\n\n")?,
        }
    }
}

fn refuse(mut stream: &TcpStream, refusal: Refusal) -> io::Result<()> {
    let status = refusal.status();
    let allow = match refusal {
        Refusal::Method => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let length = status.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\n{FIELDS}{allow}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{status}\n"
    );
    stream.write_all(answer.as_bytes())
}

/// Closes a connection behind an answer. What the client still sends is read, for a while: otherwise the
/// kernel would tell it that the connection broke, and it might not see the answer.
fn close(mut stream: &TcpStream, linger: Duration) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let until = Instant::now() + linger;
    let mut piece = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut piece)? == 0 {
            return Ok(());
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
