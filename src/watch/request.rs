//! One request of a browser: what it asks for, and whether it may.
//!
//! Unaware of connections and of what is answered.

use httparse::{EMPTY_HEADER, Status};

/// Longest head of a request that is read, in bytes.
pub const LONGEST: usize = 16 << 10;
/// Most header fields in it.
const FIELDS: usize = 100;

/// Where the page gets its events.
pub const EVENTS: &str = "/events";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub resource: Resource,
    /// Only the head of the answer is wanted.
    pub head_only: bool,
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Page,
    Events,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request.
    Malformed,
    /// It is meant for another host: a page from elsewhere may have had its name lead here.
    ForeignHost,
    NotFound,
    /// It wants to change something.
    Method,
    TooLate,
    TooLong,
    /// Too many others are connected.
    Busy,
    /// The page cannot be made.
    Failed,
}

impl Refusal {
    /// The status code with its reason.
    pub fn status(self) -> &'static str {
        match self {
            Refusal::Malformed => "400 Bad Request",
            Refusal::ForeignHost => "403 Forbidden",
            Refusal::NotFound => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::TooLate => "408 Request Timeout",
            Refusal::TooLong => "431 Request Header Fields Too Large",
            Refusal::Busy => "503 Service Unavailable",
            Refusal::Failed => "500 Internal Server Error",
        }
    }
}

/// Parses what has come in so far; `None` as long as the head is not whole.
///
/// # Errors
/// Why the request is refused.
pub fn parse(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if bytes.len() < LONGEST => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLong),
        Err(_) => return Err(Refusal::Malformed),
    }
    let mut hosts = request.headers.iter();
    let mut hosts = hosts
        .by_ref()
        .filter(|field| field.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::Malformed);
    };
    if !is_this_machine(host.value) {
        return Err(Refusal::ForeignHost);
    }
    let head_only = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Refusal::Method),
    };
    let target = request.path.unwrap_or_default();
    let resource = match target.split_once('?').map_or(target, |(path, _)| path) {
        "/" => Resource::Page,
        EVENTS => Resource::Events,
        _ => return Err(Refusal::NotFound),
    };
    Ok(Some(Request {
        resource,
        head_only,
    }))
}

/// Whether a `Host` is this machine's own name, with any port: that of a tunnel is another than ours.
fn is_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<Request>, Refusal> {
        parse(text.as_bytes())
    }

    fn asked(line: &str, host: &str) -> Result<Option<Request>, Refusal> {
        parsed(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    #[test]
    fn a_browser_gets_the_page_and_its_events() {
        for (line, resource, head_only) in [
            ("GET /", Resource::Page, false),
            ("HEAD /", Resource::Page, true),
            ("GET /?from=a-link", Resource::Page, false),
            ("GET /events", Resource::Events, false),
            ("HEAD /events?again", Resource::Events, true),
        ] {
            let request = Request {
                resource,
                head_only,
            };
            assert_eq!(asked(line, "localhost:3446"), Ok(Some(request)), "{line}");
        }
    }

    #[test]
    fn only_this_machines_own_names_are_answered_to_at_any_port() {
        for host in [
            "localhost",
            "LocalHost:1",
            "127.0.0.1:65535",
            "127.0.0.1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(asked("GET /", host).is_ok(), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.org",
            "example.org:3446",
            "localhost.example.org",
            "localhost.",
            "127.0.0.1.nip.io:3446",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::1",
            "[::2]:80",
            "localhost:80:80",
            "localhost@example.org",
            "localhost, example.org",
        ] {
            assert_eq!(asked("GET /", host), Err(Refusal::ForeignHost), "{host}");
            // Before anything else is said.
            assert_eq!(asked("POST /x", host), Err(Refusal::ForeignHost), "{host}");
        }
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_malformed() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n",
            "GET /\r\n\r\n",
            "\0\r\n\r\n",
            "GET / HTTP/9\r\n",
        ] {
            assert_eq!(parsed(text), Err(Refusal::Malformed), "{text}");
        }
    }

    #[test]
    fn what_would_change_something_or_is_not_there_is_refused() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"] {
            let refused = asked(&format!("{method} /"), "localhost");
            assert_eq!(refused, Err(Refusal::Method), "{method}");
        }
        for target in [
            "/index.html",
            "//",
            "/events/",
            "/../pipeline.ron",
            "*",
            "http://localhost/",
        ] {
            let refused = asked(&format!("GET {target}"), "localhost");
            assert_eq!(refused, Err(Refusal::NotFound), "{target}");
        }
    }

    #[test]
    fn a_head_is_waited_for_only_up_to_a_length() {
        let whole = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(parsed(&whole[..end]), Ok(None), "{end}");
        }
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LONGEST));
        assert_eq!(parsed(&endless), Err(Refusal::TooLong));
        let fields = "X: x\r\n".repeat(FIELDS + 1);
        let many = parsed(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        assert_eq!(many, Err(Refusal::TooLong));
    }
}
