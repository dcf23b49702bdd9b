//! Downloads from real servers on the loopback device, and the made-up data set.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::client::Client;
use crate::fetch::Job;
use crate::limits::DownloadLimits;
use crate::place::places;
use crate::proxy::Proxies;

mod answers;
mod generated;
mod proxies;
mod relay;
mod resume;
mod server;

use server::{Answer, Server};

/// Patience for tests.
const LIMITS: DownloadLimits = DownloadLimits {
    connect: Duration::from_secs(60),
    stall: Duration::from_secs(60),
    least: 100,
    attempts: 3,
    pause: Duration::from_millis(1),
    longest_pause: Duration::from_secs(3),
};

/// Patience with silence, where that is what a test is about: elsewhere a busy machine is no stall.
const STALL: Duration = Duration::from_millis(300);

/// 100,000 bytes that repeat nowhere.
fn content() -> Vec<u8> {
    (0..100_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn source(url: impl Into<String>) -> Source {
    source_of(url, &content())
}

fn source_of(url: impl Into<String>, bytes: &[u8]) -> Source {
    Source {
        url: url.into(),
        bytes: bytes.len() as u64,
        sha256: sha256::of(bytes),
    }
}

/// A folder to download into, and what was reported meanwhile.
struct Download {
    folder: TempDir,
    reports: Vec<Progress>,
    limits: DownloadLimits,
    proxies: Proxies,
}

impl Download {
    fn new() -> Download {
        Download {
            folder: testing::folder(),
            reports: Vec::new(),
            limits: LIMITS,
            proxies: Proxies::default(),
        }
    }

    fn target(&self) -> std::path::PathBuf {
        self.folder.path().join("archive")
    }

    fn part(&self) -> std::path::PathBuf {
        self.folder
            .path()
            .join(format!("{}.part", sha256::of(&content())))
    }

    fn fetch(&mut self, sources: &[Source], mirrors: &[&str]) -> Result<String> {
        let mirrors: Vec<PathBuf> = mirrors.iter().map(|&mirror| mirror.into()).collect();
        let job = Job {
            places: places(sources, &mirrors),
            scratch: self.folder.path(),
            target: &self.target(),
            client: Client {
                limits: self.limits,
                proxies: self.proxies.clone(),
            },
        };
        let target = self.target();
        let reports = &mut self.reports;
        let place = fetch::fetch(&job, &mut |report| {
            // Nothing lies under the final name while anything is under way.
            let over = matches!(&report, Progress::Note(note) if note.contains(" came from "));
            assert_eq!(target.exists(), over);
            reports.push(report);
        })?;
        assert_eq!(
            sha256::of(&fs::read(self.target()).unwrap()),
            place.id.sha256
        );
        Ok(place.to_string())
    }

    /// The error of a download that must fail; nothing may be at the target then.
    fn refused(&mut self, sources: &[Source], mirrors: &[&str]) -> String {
        let error = format!("{:#}", self.fetch(sources, mirrors).unwrap_err());
        assert!(!self.target().exists());
        error
    }

    fn notes(&self) -> String {
        let notes = self.reports.iter().filter_map(|report| match report {
            Progress::Note(note) => Some(note.as_str()),
            _ => None,
        });
        notes.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn a_file_url_and_a_mirrors_folder_are_read_and_checked() {
    let folder = testing::folder();
    let path = folder.path().join("my data.tgz");
    fs::write(&path, content()).unwrap();
    let url = format!("file://{}/my%20data.tgz", folder.path().display());
    let found = Download::new().fetch(&[source(&url)], &[]).unwrap();
    assert_eq!(Path::new(&found), path);

    // The mirror comes first, even though the source would do.
    let server = Server::start(vec![Answer::Whole(content())]);
    let mirror = folder.path().to_str().unwrap();
    let source_url = server.url("my%20data.tgz?download=1");
    let found = Download::new().fetch(&[source(source_url)], &[mirror]);
    assert_eq!(Path::new(&found.unwrap()), path);
    assert!(server.ranges().is_empty());

    let mut wrong = content();
    wrong[0] ^= 1;
    for (bytes, words) in [(&wrong[..], "wrong digest"), (&wrong[1..], "found 99999")] {
        fs::write(&path, bytes).unwrap();
        let mut download = Download::new();
        let error = download.refused(&[source(&url)], &[]);
        assert!(error.contains(words), "{error}");
        assert_eq!(fs::read_dir(download.folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_mirrors_url_is_asked_for_the_files_name() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mirror = server.url("pub/");
    let found = Download::new().fetch(&[source("http://[::1]:1/x/c.tgz")], &[&mirror]);
    assert_eq!(found.unwrap(), server.url("pub/c.tgz"));
}

#[test]
fn when_all_fail_the_error_lists_each_place_and_says_what_to_do() {
    let server = Server::start(vec![Answer::Status("404 Not Found", "")]);
    let folder = testing::folder();
    let mirror = folder.path().to_str().unwrap();
    let sources = [
        source(server.url("c.tgz")),
        source("file:///none/such"),
        source("ftp://a.example/c.tgz"),
    ];
    let error = Download::new().refused(&sources, &[mirror]);
    let lines: Vec<&str> = error.lines().map(str::trim).collect();
    assert_eq!(lines[0], "no place has the data; tried:");
    assert_eq!(lines[1], format!("{mirror}/c.tgz: no such file"));
    assert_eq!(lines[2], format!("{mirror}/such: no such file"));
    assert_eq!(
        lines[3],
        format!("{}: the server answered 404 Not Found", server.url("c.tgz"))
    );
    assert_eq!(lines[4], "/none/such: no such file");
    assert!(lines[5].starts_with("ftp://a.example/c.tgz: expected an https:"));
    assert_eq!(
        lines[6],
        format!(
            "put c.tgz (100000 bytes, sha256 {0}) or such (100000 bytes, sha256 {0}) in a folder and give it as --mirror <folder> or in FIG6_MIRROR",
            sha256::of(&content())
        )
    );
    assert_eq!(lines.len(), 7);
}

#[test]
fn a_folder_that_cannot_be_written_ends_the_download_at_once() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let download = Download::new();
    let job = Job {
        places: places(&[source(server.url("d")), source(server.url("e"))], &[]),
        scratch: &download.folder.path().join("missing"),
        target: &download.target(),
        client: Client {
            limits: LIMITS,
            proxies: Proxies::default(),
        },
    };
    let error = fetch::fetch(&job, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(server.ranges().is_empty());
}

/// Runs the step in a fresh folder; returns its sentence and the archive.
fn step(params: &Params, sources: Vec<Source>) -> Result<(String, Vec<u8>)> {
    let folder = testing::folder();
    let mut context = Context {
        inputs: BTreeMap::new(),
        output: folder.path().to_owned(),
        evidence: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        stop: &std::sync::atomic::AtomicBool::new(false),
        progress: &mut |_| (),
    };
    let summary = run(params, &[], &sources, &mut context)?;
    Ok((summary, fs::read(folder.path().join("archive"))?))
}

#[test]
fn the_step_fetches_only_what_its_parameters_name() {
    let folder = testing::folder();
    let path = folder.path().join("d");
    fs::write(&path, content()).unwrap();
    let wanted = source(format!("file://{}", path.display()));
    let mut other = wanted.clone();
    other.sha256 = "ab".repeat(32);
    let params = Params::Archives(vec![wanted.id()]);
    let (summary, bytes) = step(&params, vec![other.clone(), wanted]).unwrap();
    assert_eq!(bytes, content());
    let expected = format!("0.1 MB, sha256 {}…", &sha256::of(&content())[..8]);
    assert_eq!(summary, expected);
    let error = step(&params, vec![other]).unwrap_err().to_string();
    assert!(error.contains("none of the data sources"), "{error}");
}
