use std::io::BufReader;
use std::net::SocketAddr;

use testing::until;

use super::*;
use crate::watch::board::Board;

/// A page that says what its board does.
struct Sign(Board<String>);

impl Site for Sign {
    fn page(&self) -> Result<String> {
        Ok(self.0.now().to_string())
    }

    fn event(&self, seen: u64, within: Duration) -> Option<(u64, Arc<str>)> {
        let (number, text) = self.0.next(seen, within)?;
        Some((number, text.as_str().into()))
    }
}

/// What no test waits for.
const FAR: Duration = testing::HANG;

const LIMITS: Limits = Limits {
    connections: 100,
    request: FAR,
    stall: FAR,
    heartbeat: FAR,
    linger: FAR,
};

fn served(text: &str, limits: Limits) -> (SocketAddr, Arc<Sign>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sign = Arc::new(Sign(Board::new(text.to_owned())));
    serve(listener, sign.clone(), limits).unwrap();
    (address, sign)
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(FAR)).unwrap();
    stream
}

fn asking(address: SocketAddr, line: &str) -> io::Result<TcpStream> {
    let mut stream = connected(address);
    write!(stream, "{line} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    Ok(stream)
}

/// The whole answer of a connection that the server closes.
fn whole(mut stream: TcpStream) -> io::Result<String> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn answered(address: SocketAddr, line: &str) -> io::Result<String> {
    whole(asking(address, line)?)
}

/// The next line of a stream of events that is none of the head and not empty.
fn event(stream: &mut impl io::BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        if line.starts_with([':', 'd']) {
            return line.trim_end().to_owned();
        }
    }
}

#[test]
fn the_page_comes_with_its_length_and_is_kept_to_itself() {
    let (address, _) = served("<p>now</p>", LIMITS);
    let answer = answered(address, "GET /").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n<p>now</p>"), "{answer}");
    for field in [
        "Content-Length: 10",
        "Content-Type: text/html; charset=utf-8",
        "Connection: close",
        "X-Content-Type-Options: nosniff",
        "frame-ancestors 'none'",
    ] {
        assert!(answer.contains(field), "{field}: {answer}");
    }
    assert!(!answer.contains("Access-Control"), "{answer}");
    let head = answered(address, "HEAD /").unwrap();
    assert_eq!(head, answer.strip_suffix("<p>now</p>").unwrap());
}

#[test]
fn what_is_refused_says_so_also_to_those_who_send_more_than_is_read() {
    let (address, _) = served("", LIMITS);
    let refused = answered(address, "DELETE /").unwrap();
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(refused.contains("Allow: GET, HEAD\r\n"), "{refused}");
    let mut stream = asking(address, "POST /").unwrap();
    stream.write_all(&[b'x'; 1 << 20]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(whole(stream).unwrap().starts_with("HTTP/1.1 405 "));
    let missing = answered(address, "GET /other").unwrap();
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    let mut stream = connected(address);
    stream.write_all(b"\0\0\r\n\r\n").unwrap();
    assert!(whole(stream).unwrap().starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_stream_begins_with_what_is_and_goes_on_with_what_changes() {
    let (address, sign) = served("one", LIMITS);
    let mut first = BufReader::new(asking(address, "GET /events").unwrap());
    assert_eq!(event(&mut first), "data: one");
    sign.0.post("two".to_owned());
    assert_eq!(event(&mut first), "data: two");
    let mut second = BufReader::new(asking(address, "GET /events").unwrap());
    assert_eq!(event(&mut second), "data: two");
    sign.0.post("three".to_owned());
    assert_eq!(event(&mut first), "data: three");
    assert_eq!(event(&mut second), "data: three");
}

#[test]
fn a_stream_without_news_shows_that_it_lives() {
    let heartbeat = Duration::from_millis(1);
    let (address, _) = served(
        "one",
        Limits {
            heartbeat,
            ..LIMITS
        },
    );
    let mut stream = BufReader::new(asking(address, "GET /events").unwrap());
    let said: Vec<String> = (0..3).map(|_| event(&mut stream)).collect();
    assert_eq!(said, ["data: one", ":", ":"]);
}

#[test]
fn whoever_sends_no_request_is_told_so_and_holds_up_nobody() {
    let request = Duration::from_millis(1);
    let (address, _) = served("", Limits { request, ..LIMITS });
    assert!(
        whole(connected(address))
            .unwrap()
            .starts_with("HTTP/1.1 408 ")
    );

    let (address, _) = served("page", LIMITS);
    let silent: Vec<TcpStream> = (0..20).map(|_| connected(address)).collect();
    assert!(answered(address, "GET /").unwrap().ends_with("page"));
    drop(silent);
}

#[test]
fn who_does_not_read_holds_up_nobody_and_is_let_go() {
    let limits = Limits {
        connections: 1,
        stall: Duration::from_millis(1),
        ..LIMITS
    };
    // More than fits between the two of them.
    let (address, _) = served(&"x".repeat(64 << 20), limits);
    let deaf = asking(address, "GET /events").unwrap();
    until("its place is free", || {
        let mut start = [0; 12];
        let asked = asking(address, "GET /");
        let read = asked.and_then(|mut stream| stream.read_exact(&mut start));
        read.is_ok() && &start == b"HTTP/1.1 200"
    });
    drop(deaf);
}

#[test]
fn more_clients_than_there_is_room_for_are_sent_away_until_one_leaves() {
    let limits = Limits {
        connections: 2,
        heartbeat: Duration::from_millis(1),
        ..LIMITS
    };
    let (address, _) = served("page", limits);
    let readers = [(); 2].map(|()| {
        let mut stream = BufReader::new(asking(address, "GET /events").unwrap());
        assert_eq!(event(&mut stream), "data: page");
        stream
    });
    assert!(
        answered(address, "GET /")
            .unwrap()
            .starts_with("HTTP/1.1 503 ")
    );
    drop(readers);
    until("there is room again", || {
        answered(address, "GET /").is_ok_and(|answer| answer.ends_with("page"))
    });
}
