//! Small HTTP servers: one for the files of a folder, and one between a client and another server that does
//! harm on the way.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a client asks for.
pub struct Request {
    pub method: String,
    pub path: String,
    head: String,
    body: Vec<u8>,
}

/// What is done to answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// Half of the answer, and no more.
    Cut,
    /// `500 Internal Server Error`.
    Fails,
    /// In small pieces, with pauses.
    Slow,
    /// The last byte is another one.
    Flipped,
    /// `403 Forbidden` with this code, to writes only or to all.
    Forbidden(&'static str, bool),
}

type Handler = Box<dyn Fn(&Request) -> Vec<u8> + Send + Sync>;

/// Serves until the tests end.
pub fn serve(handler: Handler) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = Arc::new(handler);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let handler = handler.clone();
            thread::spawn(move || {
                let mut client = client;
                if let Some(request) = request(&mut client) {
                    // The client may have gone.
                    let _ = client.write_all(&handler(&request));
                }
            });
        }
    });
    port
}

/// Reads a request, as long as it needs.
fn request(client: &mut TcpStream) -> Option<Request> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1 << 16]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut piece).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    while bytes.len() < end + length.unwrap_or(0) {
        match client.read(&mut piece).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
    let mut words = head.split(' ');
    Some(Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        body: bytes[end..].to_vec(),
        head,
    })
}

pub fn answer(status: &str, body: &[u8], with_body: bool) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let body = if with_body { body } else { b"" };
    [head.as_bytes(), body].concat()
}

/// The files of a folder, to be read without credentials.
pub fn files(folder: &Path) -> impl Fn(&Request) -> Vec<u8> + Send + Sync + use<> {
    let folder: PathBuf = folder.to_owned();
    move |request| {
        let with_body = request.method == "GET";
        if !with_body && request.method != "HEAD" {
            return answer("405 Method Not Allowed", b"", true);
        }
        match fs::read(folder.join(request.path.trim_start_matches('/'))) {
            Ok(content) => answer("200 OK", &content, with_body),
            Err(_) => answer("404 Not Found", b"\x1b[31mno", with_body),
        }
    }
}

/// Another server on this machine.
pub fn forward(port: u16) -> impl Fn(&Request) -> Vec<u8> + Send + Sync {
    move |request| {
        let lines = request.head.trim_end().lines();
        let lines = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head: String = lines.map(|line| format!("{line}\r\n")).collect();
        let mut answer = Vec::new();
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        server
            .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
            .unwrap();
        server.write_all(&request.body).unwrap();
        let _ = server.read_to_end(&mut answer);
        answer
    }
}

/// Does harm to the first of every so many answers to the same request. Whoever asks again is served, in
/// whatever order the requests of several clients arrive.
pub fn harmful(
    fault: Fault,
    one_of: usize,
    handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> u16 {
    counting(fault, one_of, handler).0
}

/// As [`harmful`]; also how often it was asked.
pub fn counting(
    fault: Fault,
    one_of: usize,
    handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    let answers: Mutex<HashMap<(String, String), usize>> = Mutex::default();
    let port = serve(Box::new(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let same = (request.method.clone(), request.path.clone());
        let earlier = {
            let mut answers = answers.lock().unwrap();
            let answers = answers.entry(same).or_default();
            *answers += 1;
            *answers - 1
        };
        if !earlier.is_multiple_of(one_of) {
            return handler(request);
        }
        match fault {
            Fault::None => handler(request),
            Fault::Fails => answer("500 Internal Server Error", b"", true),
            Fault::Forbidden(code, all) if all || request.method == "PUT" => {
                let body = format!("<Error><Code>{code}</Code><Message>\x1b[31m</Message></Error>");
                answer("403 Forbidden", body.as_bytes(), request.method != "HEAD")
            }
            Fault::Forbidden(..) => handler(request),
            Fault::Slow => {
                thread::sleep(Duration::from_millis(30));
                handler(request)
            }
            Fault::Cut => {
                let mut whole = handler(request);
                whole.truncate(whole.len() / 2);
                whole
            }
            Fault::Flipped => {
                let mut whole = handler(request);
                let is_content = request.path.contains("/objects/") && request.method == "GET";
                if let Some(last) = whole.last_mut().filter(|_| is_content) {
                    *last ^= 1;
                }
                whole
            }
        }
    }));
    (port, asked)
}
