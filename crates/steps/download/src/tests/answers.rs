//! Answers that are not the file.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::Instant;

use super::*;

/// Of an answer that does not tell its length.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n\r\n";

/// The error of a download from a server with these answers.
fn refused(answers: Vec<Answer>) -> String {
    let server = Server::start(answers);
    Download::new().refused(&[source(server.url("d"))], &[])
}

#[test]
fn a_server_error_passes_and_a_missing_file_does_not() {
    let server = Server::start(vec![
        Answer::Status("503 Service Unavailable", ""),
        Answer::Status("429 Too Many Requests", ""),
        Answer::Whole(content()),
    ]);
    let mut download = Download::new();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(download.notes().contains("503"), "{}", download.notes());

    let first = Server::start(vec![Answer::Status("404 Not Found", "")]);
    let second = Server::start(vec![Answer::Whole(content())]);
    let mut download = Download::new();
    let sources = [source(first.url("d")), source(second.url("d"))];
    assert_eq!(download.fetch(&sources, &[]).unwrap(), second.url("d"));
    assert_eq!(first.ranges().len(), 1);
    assert!(download.notes().contains("404"), "{}", download.notes());
}

#[test]
fn a_body_of_another_length_is_refused_with_both_lengths() {
    let expectations = [
        (Answer::Whole(content()[1..].to_vec()), "found 99999"),
        (Answer::Whole([content(), vec![0]].concat()), "found 100001"),
        (Answer::Chunked(content()[1..].to_vec()), "found 99999"),
        (Answer::Endless(HEAD, vec![42; 4096]), "found more"),
    ];
    for (answer, found) in expectations {
        let server = Server::start(vec![answer]);
        let error = Download::new().refused(&[source(server.url("d"))], &[]);
        let expected = format!("wrong size: expected 100000 bytes, {found}");
        assert!(error.contains(&expected), "{error}");
        assert_eq!(server.ranges().len(), 1);
    }
}

#[test]
fn a_log_in_page_is_named_as_such() {
    let page = b"<html>please log in</html>".to_vec();
    let server = Server::start(vec![Answer::Page(page)]);
    let error = Download::new().refused(&[source(server.url("d"))], &[]);
    assert!(
        error.contains("expected 100000 bytes, found 26 of text/html, which is a page"),
        "{error}"
    );
}

#[test]
fn a_wrong_digest_is_refused_with_both_digests() {
    let mut wrong = content();
    wrong[50_000] ^= 1;
    let server = Server::start(vec![Answer::Whole(wrong.clone())]);
    let mut download = Download::new();
    let error = download.refused(&[source(server.url("d"))], &[]);
    for part in [
        &server.url("d"),
        &sha256::of(&content()),
        &sha256::of(&wrong),
    ] {
        assert!(error.contains(part.as_str()), "{error}");
    }
    assert_eq!(server.ranges().len(), 1);
    assert_eq!(fs::read(download.part()).unwrap(), b"");
}

/// Attempts where a server recovers: on a busy machine it may seem silent once more.
const ATTEMPTS: u32 = 50;

/// A server in good order.
fn whole() -> impl Iterator<Item = Answer> + Send {
    std::iter::repeat_with(|| Answer::Whole(content()))
}

#[test]
fn a_server_that_falls_silent_or_refuses_is_given_up() {
    let silent = [40_000, 0].map(|length| Answer::Silent(content(), length));
    let server = Server::with(silent.into_iter().chain(whole()));
    let mut download = Download::new();
    download.limits.stall = STALL;
    download.limits.attempts = ATTEMPTS;
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(
        download.notes().contains("silence for 0.3 s"),
        "{}",
        download.notes()
    );

    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/d", unused.local_addr().unwrap());
    drop(unused);
    let error = Download::new().refused(&[source(url)], &[]);
    assert!(error.contains("gave up after 3 attempts"), "{error}");
}

#[test]
fn more_than_the_declared_length_is_never_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let answer = [head.as_bytes(), &content(), b"and more"].concat();
    let server = Server::start(vec![Answer::Raw(answer)]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
}

#[test]
fn an_endless_answer_takes_no_more_room_than_the_archive() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"1000\r\n", &[42; 4096][..], b"\r\n"].concat();
    let gibberish = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n";
    for (head, bytes, words) in [
        (HEAD, vec![42; 4096], "found more"),
        (chunked, chunk, "found more"),
        (gibberish, vec![42; 4096], "404 Not Found"),
        (
            "HTTP/1.1 200 OK\r\n",
            b"X-Field: value\r\n".to_vec(),
            "header",
        ),
        ("HTTP/1.1 200 OK\r\nX-Field: ", vec![b'x'; 4096], "header"),
        ("", b"HTTP/1.1 102 Processing\r\n\r\n".to_vec(), "header"),
    ] {
        let server = Server::with((0..9).map(move |_| Answer::Endless(head, bytes.clone())));
        let mut download = Download::new();
        let error = download.refused(&[source(server.url("d"))], &[]);
        assert!(error.contains(words), "{error}");
        assert!(fs::metadata(download.part()).unwrap().len() <= 100_000);
    }
}

#[test]
fn a_redirection_is_followed_without_reading_its_body_even_if_that_is_endless() {
    let last = Server::start(vec![Answer::Whole(content())]);
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", last.url("d"));
    let server = Server::start(vec![Answer::Endless(head.leak(), vec![42; 4096])]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
}

#[test]
fn redirections_may_be_relative_and_lead_anywhere_but_out_of_http() {
    let server = Server::start(vec![
        Answer::Redirect("../e?f#g".to_owned()),
        Answer::Redirect("//LOCALHOST:1/../h".to_owned()),
    ]);
    let mut download = Download::new();
    download.limits.attempts = 1;
    let error = download.refused(&[source(server.url("a/b/c"))], &[]);
    assert!(
        server.requests()[1].starts_with("get /a/e?f http"),
        "{:?}",
        server.requests()
    );
    assert!(
        error.contains("redirected to http://LOCALHOST:1/h"),
        "{error}"
    );

    for (place, words) in [
        (
            "file:///etc/passwd",
            "302 Found with the place \"file:///etc/passwd\": file: is not followed",
        ),
        ("ftp://a.example/c", "ftp: is not followed"),
        ("http://", "302 Found with the place"),
    ] {
        let error = refused(vec![Answer::Redirect(place.to_owned())]);
        assert!(error.contains(words), "{error}");
    }
    let error = refused(vec![Answer::Status("301 Moved Permanently", "")]);
    assert!(
        error.contains("301 Moved Permanently and says no other place"),
        "{error}"
    );
}

#[test]
fn a_redirection_loop_ends_with_the_place_that_it_came_to() {
    let server = Server::with((0..).map(|round| Answer::Redirect(format!("/{round}"))));
    let error = Download::new().refused(&[source(server.url("d"))], &[]);
    let words = format!(
        "redirected more than 10 times, at last to {}",
        server.url("10")
    );
    assert!(error.contains(&words), "{error}");
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn a_redirection_cut_off_in_the_place_is_not_followed_there() {
    let last = Server::start(vec![Answer::Whole(content()), Answer::Whole(content())]);
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {}", last.url("data.tgz"));
    let cut = format!("{}\r\n", &head[..head.len() - 4]);
    let server = Server::start(vec![
        Answer::Raw(cut.into()),
        Answer::Redirect(last.url("data.tgz")),
    ]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    assert_eq!(last.requests().len(), 1);
    assert!(last.requests()[0].starts_with("get /data.tgz "));
}

#[test]
fn an_error_behind_a_redirection_names_where_it_led() {
    let last = Server::start(vec![Answer::Status("404 Not Found", "")]);
    let error = refused(vec![Answer::Redirect(last.url("e"))]);
    let words = format!("redirected to {}: the server answered 404", last.url("e"));
    assert!(error.contains(&words), "{error}");
}

#[test]
fn a_log_in_page_without_its_length_does_not_cost_what_is_there() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>log in";
    let first = Server::start(vec![Answer::Raw(page.into())]);
    let second = Server::start(vec![Answer::Whole(content())]);
    let mut download = Download::new();
    fs::write(download.part(), &content()[..64_000]).unwrap();
    let sources = [source(first.url("d")), source(second.url("d"))];
    download.fetch(&sources, &[]).unwrap();
    assert_eq!(second.ranges(), [Some(64_000)]);
    let notes = download.notes();
    assert!(notes.contains("a page and not the archive"), "{notes}");
}

#[test]
fn a_log_in_page_of_the_archives_very_size_is_named_as_such() {
    let error = refused(vec![Answer::Page(vec![b' '; 100_000])]);
    let words = "for 100000 bytes of text/html, which is a page and not the archive";
    assert!(
        error.contains("wrong digest") && error.contains(words),
        "{error}"
    );
}

#[test]
fn an_encoding_that_only_describes_the_archive_leaves_it_as_it_is() {
    // What Apache's AddEncoding says of every .tar.gz.
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n";
    let server = Server::start(vec![Answer::Raw([head.as_bytes(), &content()].concat())]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    assert!(server.requests()[0].contains("accept-encoding: identity"));
}

#[test]
fn an_encoding_that_was_not_asked_for_is_named_and_not_decoded() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let error = refused(vec![Answer::Raw(chunked.into())]);
    let words = "found 3, sent with the encoding gzip (not decoded)";
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_server_that_accepts_no_connection_or_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/d", listener.local_addr().unwrap());
    let mut download = Download::new();
    download.limits.stall = STALL;
    let error = download.refused(&[source(url)], &[]);
    assert!(error.contains("3 attempts: silence for 0.3 s"), "{error}");

    let held = |bytes: &str| Answer::Hold(bytes.into());
    for start in ["HTTP", "HTTP/1.1 200 OK\r\nContent-"] {
        let server = Server::start(vec![held(start), held(start), held(start)]);
        let error = download.refused(&[source(server.url("d"))], &[]);
        assert!(error.contains("silence for 0.3 s"), "{error}");
    }
}

#[test]
fn a_trickle_is_a_stall() {
    let pause = Duration::from_millis(20);
    let trickle = Answer::Trickle(content(), 50_000, pause);
    let server = Server::with(std::iter::once(trickle).chain(whole()));
    let mut download = Download::new();
    download.limits.stall = STALL;
    download.limits.attempts = ATTEMPTS;
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    let notes = download.notes();
    assert!(notes.contains("bytes in 0.3 s at byte "), "{notes}");
}

#[test]
fn a_trickling_head_is_a_stall_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/d", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = b"HTTP/1.1 200 OK\r\nX-Field: "
                .iter()
                .chain([b'x'].iter().cycle());
            while stream.write_all(&[*bytes.next().unwrap()]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let mut download = Download::new();
    download.limits.stall = STALL;
    let error = download.refused(&[source(url)], &[]);
    assert!(error.contains("3 attempts: silence for 0.3 s"), "{error}");
}

#[test]
fn a_refusal_is_final_and_an_overloaded_server_is_asked_again_when_it_says() {
    for status in [
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "401 Unauthorized",
    ] {
        let server = Server::start(vec![Answer::Status(status, ""), Answer::Whole(content())]);
        let error = Download::new().refused(&[source(server.url("d"))], &[]);
        assert!(error.contains(status), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::start(vec![
        Answer::Status("500 Internal Server Error", ""),
        Answer::Status("429 Too Many Requests", "Retry-After: 1"),
        Answer::Whole(content()),
    ]);
    let start = Instant::now();
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let later = "Retry-After: 86400";
    let error = refused(vec![Answer::Status("503 Service Unavailable", later)]);
    let words = "it is to be asked again in 86400 s: the server answered 503";
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_server_that_closes_without_a_word_is_asked_again() {
    let silent = || Answer::Raw(Vec::new());
    let server = Server::start(vec![silent(), silent(), Answer::Whole(content())]);
    let mut download = Download::new();
    download.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(
        download.notes().contains("the connection was closed"),
        "{}",
        download.notes()
    );
}

#[test]
fn an_answer_that_is_not_http_is_named_as_such() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "{}\r\n\r\n",
    ] {
        let error = refused(vec![Answer::Raw(answer.into())]);
        assert!(error.contains("the answer is not HTTP"), "{error}");
    }
}

#[test]
fn long_headers_do_no_harm() {
    let fields = format!("X-Cookie: {}", "x".repeat(30_000));
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: 100000\r\n\r\n");
    let server = Server::start(vec![Answer::Raw([head.as_bytes(), &content()].concat())]);
    Download::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();
}

#[test]
fn a_url_that_cannot_be_asked_is_named_with_its_fault() {
    for url in ["http://", "http://a b/", "https://[::1/"] {
        let error = Download::new().refused(&[source(url)], &[]);
        assert!(error.contains("is no URL"), "{error}");
    }
}
