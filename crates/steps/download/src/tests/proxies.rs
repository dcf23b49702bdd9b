//! Downloads through proxies.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::relay::Relay;
use super::*;

impl Download {
    /// A download with these environment variables.
    fn with(variables: &[(&str, &str)]) -> Download {
        let mut download = Download::new();
        download.proxies = Proxies::new(&|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        download
    }
}

#[test]
fn an_http_url_is_asked_through_a_tunnel() {
    let relay = Relay::start("");
    let server = Server::start(vec![
        Answer::Cut(content(), 60_000),
        Answer::Whole(content()),
    ]);
    let url = server.url("d?e");
    let mut download = Download::with(&[("http_proxy", &relay.address.to_string())]);
    download.fetch(&[source(&url)], &[]).unwrap();
    let host = url.split('/').nth(2).unwrap();
    let line = format!("connect {host} http/1.1");
    assert_eq!(relay.requests(), [line.clone(), line]);
    assert_eq!(server.ranges(), [None, Some(60_000)]);
    let request = &server.requests()[0];
    assert!(request.starts_with("get /d?e http/1.1"), "{request}");
    assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
    assert!(!request.contains("proxy-"), "{request}");
}

#[test]
fn user_and_password_of_proxy_and_place_reach_them_and_are_not_shown() {
    // me:p@ss, in lower case as all that the servers hear.
    let relay = Relay::start("proxy-authorization: basic bwu6cebzcw==");
    let server = Server::start(vec![Answer::Whole(content())]);
    let proxy = format!("http://me:p%40ss@{}", relay.address);
    let url = server.url("d").replace("http://", "http://you:w0rd@");
    let mut download = Download::with(&[("http_proxy", &proxy)]);
    let place = download.fetch(&[source(url)], &[]).unwrap();
    assert!(server.requests()[0].contains("authorization: basic ew91oncwcmq="));
    assert_eq!(place, server.url("d"));
    assert!(!download.notes().contains("w0rd"), "{}", download.notes());

    let proxy = format!("http://me:wrong@{}", relay.address);
    let mut download = Download::with(&[("http_proxy", &proxy)]);
    let error = download.refused(&[source(server.url("d"))], &[]);
    let words = format!("through the proxy http://{} (http_proxy)", relay.address);
    assert!(error.contains(&words), "{error}");
    assert!(
        error.contains("407 Proxy Authentication Required"),
        "{error}"
    );
    assert!(!error.contains("wrong"), "{error}");
}

#[test]
fn socks_is_spoken() {
    for (scheme, name) in [("socks5", "127.0.0.1"), ("socks5h", "localhost")] {
        let relay = Relay::start("");
        let server = Server::start(vec![Answer::Whole(content())]);
        let url = server.url("d").replace("127.0.0.1", name);
        let proxy = format!("{scheme}://{}", relay.address);
        let mut download = Download::with(&[("all_proxy", &proxy)]);
        download.fetch(&[source(&url)], &[]).unwrap();
        let target = url.split('/').nth(2).unwrap();
        assert_eq!(relay.requests(), [format!("socks {target}")]);
    }
}

#[test]
fn each_redirection_is_fetched_through_its_own_proxy() {
    let relay = Relay::start("");
    let tunnel = Relay::start("");
    let server = Server::start(vec![Answer::Redirect("https://127.0.0.1:1/e".to_owned())]);
    let mut download = Download::with(&[
        ("http_proxy", &relay.address.to_string()),
        ("https_proxy", &tunnel.address.to_string()),
    ]);
    download.limits.attempts = 1;
    let error = download.refused(&[source(server.url("d"))], &[]);
    assert_eq!(relay.requests().len(), 1);
    assert_eq!(tunnel.requests(), ["connect 127.0.0.1:1 http/1.1"]);
    let words = format!(
        "redirected to https://127.0.0.1:1/e: through the proxy http://{} (https_proxy): no tunnel: it answered 502 Bad Gateway",
        tunnel.address
    );
    assert!(error.contains(&words), "{error}");
}

#[test]
fn hosts_that_need_no_proxy_are_reached_directly() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mut download = Download::with(&[
        ("http_proxy", "http://127.0.0.1:1"),
        ("NO_PROXY", "localhost,127.0.0.0/8"),
    ]);
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
}

#[test]
fn a_proxy_that_is_not_there_or_makes_no_sense_is_named_with_its_variable() {
    for (variable, value, words) in [
        (
            "http_proxy",
            "http://me:secret@127.0.0.1:1",
            "through the proxy http://127.0.0.1:1 (http_proxy): Connection refused",
        ),
        (
            "ALL_PROXY",
            "socks5://127.0.0.1:1",
            "through the proxy socks5://127.0.0.1:1 (ALL_PROXY)",
        ),
        ("HTTP_PROXY", "http://[", "HTTP_PROXY is no proxy's URL"),
    ] {
        let mut download = Download::with(&[(variable, value)]);
        let error = download.refused(&[source("http://127.0.0.1:2/d")], &[]);
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_proxy_that_does_not_speak_socks_is_told_from_one_that_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("socks5h://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let mut download = Download::with(&[("all_proxy", &proxy)]);
    let error = download.refused(&[source("http://127.0.0.1:2/d")], &[]);
    let words = format!("through the proxy {proxy} (all_proxy): no connection can be agreed on");
    assert!(error.contains(&words), "{error}");
}
