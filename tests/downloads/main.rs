//! Downloads by the real program: proxies and certificates from its environment, and kills.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../crates/steps/download/src/tests/relay.rs"]
mod relay;
#[path = "../../crates/steps/download/src/tests/server.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod server;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Answer as Said, Project, answer};
use relay::Relay;
use server::{Answer, Server};
use testing::until;

const TINY: &str = include_str!("../pipelines/tiny.ron");

/// What a proxy or a certificate's place could be named by, in lower case.
const VARIABLES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "ssl_cert_file",
    "ssl_cert_dir",
];

/// 4,000,000 bytes that repeat nowhere.
fn content() -> Vec<u8> {
    (0..1_000_000_u32)
        .flat_map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// A project whose data are at this URL.
fn project(url: &str) -> Project {
    let file = content();
    let sha256: String = sha256::of(&file);
    let project = Project::new(TINY);
    project.edit(
        "generated(train: 60, test: 20, seed: 6)",
        &format!(
            "archives([(url: \"{url}\", bytes: {}, sha256: \"{sha256}\")])",
            file.len()
        ),
    );
    project
}

/// The download by itself, with these of the variables set.
fn download(project: &Project, variables: &[(&str, &str)]) -> Command {
    let mut command = project.command();
    for name in VARIABLES {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .args(["reproduce", "download"])
        .envs(variables.iter().copied());
    command
}

fn run(project: &Project, variables: &[(&str, &str)]) -> Said {
    answer(download(project, variables).output().unwrap())
}

/// The objects of the store; each must be the archive.
fn objects(project: &Project) -> usize {
    let files = walkdir::WalkDir::new(project.path("artifacts/objects")).into_iter();
    let files = files.filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()));
    files
        .inspect(|file| assert!(fs::read(file.path()).unwrap() == content()))
        .count()
}

/// Such files of a step under way.
fn under_way(project: &Project, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(project.path("artifacts")).into_iter();
    files
        .filter_map(|entry| entry.ok().map(walkdir::DirEntry::into_path))
        .filter(|path| {
            path.components()
                .any(|part| part.as_os_str() == "scratch" || part.as_os_str() == "out")
        })
        .filter(|path| path.is_file() && wanted(path))
        .collect()
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "part")
}

/// Waits until this many bytes have come.
fn wait_for(project: &Project, bytes: u64) -> PathBuf {
    let mut found = None;
    until("bytes come", || {
        let enough = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() >= bytes);
        found = under_way(project, is_part).into_iter().find(enough);
        found.is_some()
    });
    found.unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_download_that_is_killed_again_and_again_goes_on_and_ends_right() {
    let silent = |length| Answer::Silent(content(), length);
    let server = Server::start(vec![
        silent(1_000_001),
        silent(1_000_000),
        Answer::Whole(content()),
    ]);
    let project = project(&server.url("c.tgz"));
    for come in [1_000_001, 2_000_001] {
        let child = download(&project, &[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let part = wait_for(&project, come);
        kill(child);
        // The server holds the line open, so nothing more can come.
        assert!(fs::read(part).unwrap() == content()[..come as usize]);
        let others = under_way(&project, |path| !is_part(path));
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(objects(&project), 0);
    }
    let done = run(&project, &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(server.ranges(), [None, Some(1_000_001), Some(2_000_001)]);
    assert_eq!(objects(&project), 1);
    assert!(under_way(&project, |_| true).is_empty());
    assert!(fs::read(project.path("artifacts/by-step/download/archive")).unwrap() == content());
}

#[test]
fn a_download_that_fails_leaves_nothing_but_a_part() {
    let mut wrong = content();
    wrong[3_999_999] ^= 1;
    let server = Server::start(vec![
        Answer::Whole(wrong),
        Answer::Cut(content(), 3_000_000),
        Answer::Status("404 Not Found", ""),
        Answer::Whole(content()),
    ]);
    let project = project(&server.url("c.tgz"));
    for words in ["wrong digest", "404 Not Found"] {
        let failed = run(&project, &[]);
        assert_eq!(failed.code, 1);
        assert!(failed.err.contains(words), "{}", failed.err);
        assert!(failed.err.contains("--mirror"), "{}", failed.err);
        assert!(under_way(&project, |path| !is_part(path)).is_empty());
        assert_eq!(objects(&project), 0);
    }
    assert_eq!(run(&project, &[]).code, 0);
    assert_eq!(
        server.ranges(),
        [None, None, Some(3_000_000), Some(3_000_000)]
    );
    assert_eq!(objects(&project), 1);
}

#[test]
fn proxies_are_taken_from_the_environment() {
    let relay = Relay::start("");
    let address = relay.address.to_string();
    let server = Server::with((0..).map(|_| Answer::Whole(content())));
    let url = server.url("c.tgz");
    let asked = format!("connect {} http/1.1", url.split('/').nth(2).unwrap());
    for (variables, through) in [
        (vec![("http_proxy", address.as_str())], true),
        (vec![("HTTP_PROXY", &address)], true),
        (vec![("ALL_PROXY", &address)], true),
        (vec![("HTTPS_PROXY", &address)], false),
        (
            vec![("http_proxy", &address), ("no_proxy", "127.0.0.1")],
            false,
        ),
    ] {
        let before = relay.requests().len();
        let done = run(&project(&url), &variables);
        assert_eq!(done.code, 0, "{}", done.err);
        let asked: &[String] = if through {
            std::slice::from_ref(&asked)
        } else {
            &[]
        };
        assert_eq!(relay.requests()[before..], *asked, "{variables:?}");
    }
    let failed = run(&project(&url), &[("HTTP_PROXY", "http://me:secret@[::1")]);
    let words = format!("{url}: HTTP_PROXY is no proxy's URL");
    assert!(failed.err.contains(&words), "{}", failed.err);
    assert!(!failed.err.contains("secret"), "{}", failed.err);
}

/// An HTTPS server of Python's with a certificate of its own making; killed with the value.
struct Secure {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

const SERVER: &str = "
import http.server, ssl
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
open('port.new', 'w').write(str(server.server_port))
__import__('os').rename('port.new', 'port')
server.serve_forever()
";

impl Secure {
    /// The server, if the machine has what it takes.
    fn start() -> Option<Secure> {
        let folder = testing::folder();
        let openssl = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(' '))
            .args("-addext subjectAltName=DNS:localhost".split(' '))
            .args("-addext basicConstraints=critical,CA:FALSE".split(' '))
            .args("-keyout key.pem -out cert.pem".split(' '))
            .current_dir(&folder)
            .stderr(Stdio::null())
            .status();
        let python = Command::new("python3")
            .args(["-c", SERVER])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let (true, Ok(child)) = (openssl.is_ok_and(|status| status.success()), python) else {
            println!("skipped: needs openssl and python3");
            return None;
        };
        fs::write(folder.path().join("c.tgz"), content()).unwrap();
        let port = folder.path().join("port");
        until("the server starts", || port.exists());
        let port = fs::read_to_string(port).unwrap().parse().unwrap();
        Some(Secure {
            child,
            folder,
            port,
        })
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn certificates_are_checked_against_those_that_the_environment_names() {
    let Some(server) = Secure::start() else {
        return;
    };
    let url = format!("https://localhost:{}/c.tgz", server.port);
    let certificate = server.folder.path().join("cert.pem");
    let trusted = ("SSL_CERT_FILE", certificate.to_str().unwrap());
    let done = run(&project(&url), &[trusted]);
    assert_eq!(done.code, 0, "{}", done.err);

    let failed = run(&project(&url), &[]);
    assert_eq!(failed.code, 1);
    let words = format!("{url}: no connection can be agreed on: invalid peer certificate");
    assert!(failed.err.contains(&words), "{}", failed.err);
    assert!(
        failed.err.contains("SSL_CERT_FILE=<file>"),
        "{}",
        failed.err
    );
    // It would not be better next time.
    assert!(!failed.err.contains("attempts"), "{}", failed.err);

    // An empty variable counts as not set.
    let unset = [("SSL_CERT_FILE", ""), ("SSL_CERT_DIR", "")];
    let failed = run(&project(&url), &unset);
    assert!(
        failed.err.contains("invalid peer certificate"),
        "{}",
        failed.err
    );

    let nothing = ("SSL_CERT_FILE", "/nowhere.pem");
    let failed = run(&project(&url), &[nothing]);
    let words = "SSL_CERT_FILE names no certificate that can be read";
    assert!(failed.err.contains(words), "{}", failed.err);

    // me:p@ss, in lower case as all that the proxy hears.
    let relay = Relay::start("proxy-authorization: basic bwu6cebzcw==");
    let through = |password| format!("http://me:{password}@{}", relay.address);
    let done = run(
        &project(&url),
        &[trusted, ("https_proxy", &through("p%40ss"))],
    );
    assert_eq!(done.code, 0, "{}", done.err);
    let tunnel = format!("connect localhost:{} http/1.1", server.port);
    assert_eq!(relay.requests(), [tunnel]);
    let failed = run(
        &project(&url),
        &[trusted, ("HTTPS_PROXY", &through("other"))],
    );
    let words = format!(
        "through the proxy http://{} (HTTPS_PROXY): no tunnel: it answered 407",
        relay.address
    );
    assert!(failed.err.contains(&words), "{}", failed.err);
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_from_one_that_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/c.tgz", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let failed = run(&project(&url), &[]);
    let words = format!("{url}: no connection can be agreed on: ");
    assert!(failed.err.contains(&words), "{}", failed.err);
}
