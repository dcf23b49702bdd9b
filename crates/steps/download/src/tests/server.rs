//! An HTTP server with a script: each connection gets the next answer.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
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
    /// As `Cut`, but the connection stays open and silent until the client hangs up.
    Silent(Vec<u8>, usize),
    /// As `Silent`, but then one byte comes after the other, with this pause.
    Trickle(Vec<u8>, usize, Duration),
    /// A range, but one that starts elsewhere.
    OtherRange(Vec<u8>, usize),
    /// The file in chunks, without its length.
    Chunked(Vec<u8>),
    /// Bytes without end, until the client hangs up: after this head, these again and again.
    Endless(&'static str, Vec<u8>),
    /// HTML with status 200.
    Page(Vec<u8>),
    /// A status line's code and words, and header fields, without a body.
    Status(&'static str, &'static str),
    Redirect(String),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then silence until the client hangs up.
    Hold(Vec<u8>),
}

/// Serves until its answers are used up.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answers: Vec<Answer>) -> Server {
        Server::with(answers.into_iter())
    }

    /// Serves answers as long as they come.
    pub fn with(answers: impl Iterator<Item = Answer> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for answer in answers {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                // A client that hangs up is part of the game.
                let Ok(head) = head_of(&stream) else { continue };
                let range = range_of(&head);
                seen.lock().unwrap().push(head);
                let _ = respond(stream, &answer, range);
            }
        });
        Server { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The head of each request so far, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// For each request so far: where the range that it asked for starts.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests()
            .iter()
            .map(|request| range_of(request))
            .collect()
    }
}

/// Reads a request's head, in lower case.
pub fn head_of(stream: &TcpStream) -> std::io::Result<String> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head.to_ascii_lowercase())
}

fn range_of(head: &str) -> Option<usize> {
    let lines = head.lines();
    let mut starts = lines.filter_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
    starts.next().map(|start| start.parse().unwrap())
}

fn respond(mut stream: TcpStream, answer: &Answer, range: Option<usize>) -> std::io::Result<()> {
    match answer {
        Answer::Whole(file) => part(&mut stream, file, range, usize::MAX),
        Answer::WholeAlways(file) => part(&mut stream, file, None, usize::MAX),
        Answer::Cut(file, length) => part(&mut stream, file, range, *length),
        Answer::Silent(file, length) => {
            part(&mut stream, file, range, *length)?;
            until_closed(&mut stream)
        }
        Answer::Trickle(file, length, pause) => {
            part(&mut stream, file, range, *length)?;
            for byte in &file[range.unwrap_or(0) + length..] {
                thread::sleep(*pause);
                stream.write_all(&[*byte])?;
            }
            Ok(())
        }
        Answer::OtherRange(file, start) => part(&mut stream, file, Some(*start), usize::MAX),
        Answer::Chunked(file) => stream.write_all(&chunked(file, 30_000)),
        Answer::Endless(head, bytes) => {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(bytes)?;
            }
        }
        Answer::Page(page) => {
            let fields = format!("Content-Type: text/html\r\nContent-Length: {}", page.len());
            head(&mut stream, "200 OK", &fields)?;
            stream.write_all(page)
        }
        Answer::Status(status, fields) => {
            let fields = format!("Content-Length: 0\r\n{fields}");
            head(&mut stream, status, fields.trim_end())
        }
        Answer::Redirect(url) => head(
            &mut stream,
            "302 Found",
            &format!("Content-Length: 0\r\nLocation: {url}"),
        ),
        Answer::Raw(bytes) => stream.write_all(bytes),
        Answer::Hold(bytes) => {
            stream.write_all(bytes)?;
            until_closed(&mut stream)
        }
    }
}

/// A whole answer whose body comes in chunks of this size.
pub fn chunked(file: &[u8], size: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in file.chunks(size) {
        answer.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0]).map(drop)
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
