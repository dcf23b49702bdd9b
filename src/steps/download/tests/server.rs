//! An HTTP server with a script: each connection gets the next answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a connection is answered with.
pub enum Answer {
    /// The file, or its end if a range is asked for.
    Whole(Vec<u8>),
    /// The file, whatever range is asked for.
    WholeAlways(Vec<u8>),
    /// As `Whole`, but the connection ends after so many bytes of the body.
    Cut(Vec<u8>, usize),
    /// As `Cut`, but the connection stays open and silent.
    Silent(Vec<u8>, usize),
    /// A range, but one that starts elsewhere.
    OtherRange(Vec<u8>, usize),
    /// The file in chunks, without its length.
    Chunked(Vec<u8>),
    /// Bytes without end, until the client hangs up.
    Endless,
    /// HTML with status 200.
    Page(Vec<u8>),
    Status(u16, &'static str),
    Redirect(String),
}

/// Serves until its answers are used up.
pub struct Server {
    address: SocketAddr,
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    pub fn start(answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for answer in answers {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                let range = request(&stream);
                seen.lock().unwrap().push(range);
                // A client that hangs up is part of the game.
                let _ = respond(stream, &answer, range);
            }
        });
        Server { address, ranges }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// For each request so far: where the range that it asked for starts.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.ranges.lock().unwrap().clone()
    }
}

/// Reads a request's head.
fn request(stream: &TcpStream) -> Option<usize> {
    let mut range = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(start) = line.strip_prefix("range: bytes=") {
            range = start.strip_suffix('-').and_then(|start| start.parse().ok());
        }
    }
    range
}

fn respond(mut stream: TcpStream, answer: &Answer, range: Option<usize>) -> std::io::Result<()> {
    match answer {
        Answer::Whole(file) => part(&mut stream, file, range, usize::MAX),
        Answer::WholeAlways(file) => part(&mut stream, file, None, usize::MAX),
        Answer::Cut(file, length) => part(&mut stream, file, range, *length),
        Answer::Silent(file, length) => {
            part(&mut stream, file, range, *length)?;
            thread::sleep(Duration::from_millis(600));
            Ok(())
        }
        Answer::OtherRange(file, start) => part(&mut stream, file, Some(*start), usize::MAX),
        Answer::Chunked(file) => {
            head(&mut stream, "200 OK", "Transfer-Encoding: chunked")?;
            for chunk in file.chunks(30_000) {
                write!(stream, "{:x}\r\n", chunk.len())?;
                stream.write_all(chunk)?;
                write!(stream, "\r\n")?;
            }
            write!(stream, "0\r\n\r\n")
        }
        Answer::Endless => {
            head(&mut stream, "200 OK", "Content-Type: application/x-tar")?;
            loop {
                stream.write_all(&[42; 4096])?;
            }
        }
        Answer::Page(page) => {
            let fields = format!("Content-Type: text/html\r\nContent-Length: {}", page.len());
            head(&mut stream, "200 OK", &fields)?;
            stream.write_all(page)
        }
        Answer::Status(code, words) => {
            head(&mut stream, &format!("{code} {words}"), "Content-Length: 0")
        }
        Answer::Redirect(url) => head(
            &mut stream,
            "302 Found",
            &format!("Content-Length: 0\r\nLocation: {url}"),
        ),
    }
}

fn part(
    stream: &mut TcpStream,
    file: &[u8],
    range: Option<usize>,
    most: usize,
) -> std::io::Result<()> {
    let start = range.unwrap_or(0);
    let body = &file[start..];
    let length = format!("Content-Length: {}", body.len());
    match range {
        None => head(stream, "200 OK", &length)?,
        Some(_) => {
            let (last, total) = (file.len() - 1, file.len());
            let fields = format!("{length}\r\nContent-Range: bytes {start}-{last}/{total}");
            head(stream, "206 Partial Content", &fields)?;
        }
    }
    stream.write_all(&body[..body.len().min(most)])
}

fn head(stream: &mut TcpStream, status: &str, fields: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\n{fields}\r\n\r\n"
    )
}
