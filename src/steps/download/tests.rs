//! Downloads from real servers on the loopback device, and the made-up data set.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::cifar::{CLASSES, IMAGE, Images};
use crate::steps::Environment;
use crate::steps::download::fetch::{Job, Limits};
use crate::steps::download::place::places;

mod server;

use server::{Answer, Server};

/// Patience for tests.
const LIMITS: Limits = Limits {
    connect: std::time::Duration::from_secs(5),
    stall: std::time::Duration::from_millis(300),
    attempts: 3,
    pause: std::time::Duration::from_millis(1),
};

/// 100,000 bytes that repeat nowhere.
fn content() -> Vec<u8> {
    (0..100_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn source(url: impl Into<String>) -> Source {
    Source {
        url: url.into(),
        bytes: 100_000,
        sha256: sha256(&content()),
    }
}

/// A folder to download into, and what was reported meanwhile.
struct Client {
    folder: TempDir,
    reports: Vec<Progress>,
}

impl Client {
    fn new() -> Client {
        Client {
            folder: tempfile::tempdir().unwrap(),
            reports: Vec::new(),
        }
    }

    fn target(&self) -> std::path::PathBuf {
        self.folder.path().join("archive")
    }

    fn part(&self) -> std::path::PathBuf {
        self.folder
            .path()
            .join(format!("{}.part", sha256(&content())))
    }

    fn fetch(&mut self, sources: &[Source], mirrors: &[&str]) -> Result<String> {
        let mirrors: Vec<String> = mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
        let job = Job {
            places: places(sources, &mirrors),
            scratch: self.folder.path(),
            target: &self.target(),
            limits: LIMITS,
        };
        let reports = &mut self.reports;
        let place = fetch::fetch(&job, &mut |report| reports.push(report))?;
        assert_eq!(fs::read(self.target()).unwrap(), content());
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
fn a_whole_file_is_fetched_with_progress() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mut client = Client::new();
    let url = server.url("data.tar.gz");
    assert_eq!(client.fetch(&[source(&url)], &[]).unwrap(), url);
    assert_eq!(server.ranges(), [None]);
    let full = Progress::Bytes {
        done: 100_000,
        total: 100_000,
    };
    assert!(client.reports.contains(&full));
    assert!(!client.part().exists());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let server = Server::start(vec![
        Answer::Cut(content(), 30_000),
        Answer::Cut(content(), 25_000),
        Answer::Whole(content()),
    ]);
    let mut client = Client::new();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [None, Some(30_000), Some(55_000)]);
    assert!(client.notes().contains("attempt 1 of 3"));
    assert!(client.notes().contains("broke at byte 55000 of 100000"));
}

#[test]
fn gains_renew_the_patience_and_standstill_ends_it() {
    let cut = |length| Answer::Cut(content(), length);
    let server = Server::start(vec![
        cut(20_000),
        cut(20_000),
        cut(20_000),
        cut(20_000),
        cut(10_000),
        Answer::Whole(content()),
    ]);
    Client::new()
        .fetch(&[source(server.url("d"))], &[])
        .unwrap();

    let server = Server::start(vec![cut(20_000), cut(0), cut(0), cut(0)]);
    let error = Client::new().refused(&[source(server.url("d"))], &[]);
    assert!(error.contains("gave up after 3 attempts"), "{error}");
    assert_eq!(server.ranges().len(), 3);
}

#[test]
fn a_part_left_by_an_earlier_process_is_continued() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mut client = Client::new();
    fs::write(client.part(), &content()[..64_000]).unwrap();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000)]);

    // A part that only lacked its check needs no server at all.
    let server = Server::start(vec![]);
    let mut client = Client::new();
    fs::write(client.part(), content()).unwrap();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(server.ranges().is_empty());
}

#[test]
fn a_server_without_range_support_sends_everything_again() {
    let server = Server::start(vec![Answer::WholeAlways(content())]);
    let mut client = Client::new();
    fs::write(client.part(), &content()[..64_000]).unwrap();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000)]);
}

#[test]
fn a_part_that_the_server_cannot_continue_is_dropped() {
    let server = Server::start(vec![
        Answer::Status(416, "Range Not Satisfiable"),
        Answer::Whole(content()),
    ]);
    let mut client = Client::new();
    fs::write(client.part(), &content()[..64_000]).unwrap();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000), None]);

    let server = Server::start(vec![
        Answer::OtherRange(content(), 10),
        Answer::Whole(content()),
    ]);
    let mut client = Client::new();
    fs::write(client.part(), &content()[..64_000]).unwrap();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert_eq!(server.ranges(), [Some(64_000), None]);
    let notes = client.notes();
    assert!(notes.contains("asked for the bytes from 64000"), "{notes}");
}

#[test]
fn a_part_with_wrong_bytes_or_too_many_is_fetched_anew() {
    for junk in [vec![7; 64_000], vec![7; 100_000], vec![7; 100_001]] {
        let server = Server::start(vec![Answer::Whole(content()), Answer::Whole(content())]);
        let mut client = Client::new();
        fs::write(client.part(), &junk).unwrap();
        client.fetch(&[source(server.url("d"))], &[]).unwrap();
        assert_eq!(server.ranges().last(), Some(&None), "{}", junk.len());
    }
}

#[test]
fn a_server_error_passes_and_a_missing_file_does_not() {
    let server = Server::start(vec![
        Answer::Status(503, "Service Unavailable"),
        Answer::Status(429, "Too Many Requests"),
        Answer::Whole(content()),
    ]);
    let mut client = Client::new();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(client.notes().contains("503"), "{}", client.notes());

    let first = Server::start(vec![Answer::Status(404, "Not Found")]);
    let second = Server::start(vec![Answer::Whole(content())]);
    let mut client = Client::new();
    let sources = [source(first.url("d")), source(second.url("d"))];
    assert_eq!(client.fetch(&sources, &[]).unwrap(), second.url("d"));
    assert_eq!(first.ranges().len(), 1);
    assert!(client.notes().contains("404"), "{}", client.notes());
}

#[test]
fn another_place_continues_what_the_first_began() {
    let cut = |length| Answer::Cut(content(), length);
    let first = Server::start(vec![cut(40_000), Answer::Status(404, "Not Found")]);
    let second = Server::start(vec![Answer::Whole(content())]);
    let sources = [source(first.url("d")), source(second.url("d"))];
    Client::new().fetch(&sources, &[]).unwrap();
    assert_eq!(second.ranges(), [Some(40_000)]);
}

#[test]
fn redirections_are_followed_and_keep_the_range() {
    let last = Server::start(vec![Answer::Whole(content())]);
    let first = Server::start(vec![Answer::Redirect(last.url("d"))]);
    let mut client = Client::new();
    fs::write(client.part(), &content()[..64_000]).unwrap();
    client.fetch(&[source(first.url("d"))], &[]).unwrap();
    assert_eq!(last.ranges(), [Some(64_000)]);
}

#[test]
fn a_body_of_another_length_is_refused_with_both_lengths() {
    let expectations = [
        (Answer::Whole(content()[1..].to_vec()), "found 99999"),
        (Answer::Chunked(content()[1..].to_vec()), "found 99999"),
        (Answer::Endless, "found more"),
    ];
    for (answer, found) in expectations {
        let server = Server::start(vec![answer]);
        let error = Client::new().refused(&[source(server.url("d"))], &[]);
        let expected = format!("wrong size: expected 100000 bytes, {found}");
        assert!(error.contains(&expected), "{error}");
        assert_eq!(server.ranges().len(), 1);
    }
}

#[test]
fn a_log_in_page_is_named_as_such() {
    let page = b"<html>please log in</html>".to_vec();
    let server = Server::start(vec![Answer::Page(page)]);
    let error = Client::new().refused(&[source(server.url("d"))], &[]);
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
    let mut client = Client::new();
    let error = client.refused(&[source(server.url("d"))], &[]);
    for part in [&server.url("d"), &sha256(&content()), &sha256(&wrong)] {
        assert!(error.contains(part.as_str()), "{error}");
    }
    assert_eq!(server.ranges().len(), 1);
    assert_eq!(fs::read(client.part()).unwrap(), b"");
}

#[test]
fn a_server_that_falls_silent_or_refuses_is_given_up() {
    let server = Server::start(vec![
        Answer::Silent(content(), 40_000),
        Answer::Silent(content(), 0),
        Answer::Whole(content()),
    ]);
    let mut client = Client::new();
    client.fetch(&[source(server.url("d"))], &[]).unwrap();
    assert!(client.notes().contains("imeout"), "{}", client.notes());

    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/d", unused.local_addr().unwrap());
    drop(unused);
    let error = Client::new().refused(&[source(url)], &[]);
    assert!(error.contains("gave up after 3 attempts"), "{error}");
}

#[test]
fn a_file_url_and_a_mirrors_folder_are_read_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my data.tgz");
    fs::write(&path, content()).unwrap();
    let url = format!("file://{}/my%20data.tgz", folder.path().display());
    let found = Client::new().fetch(&[source(&url)], &[]).unwrap();
    assert_eq!(Path::new(&found), path);

    // The mirror comes first, even though the source would do.
    let server = Server::start(vec![Answer::Whole(content())]);
    let mirror = folder.path().to_str().unwrap();
    let source_url = server.url("my%20data.tgz?download=1");
    let found = Client::new().fetch(&[source(source_url)], &[mirror]);
    assert_eq!(Path::new(&found.unwrap()), path);
    assert!(server.ranges().is_empty());

    let mut wrong = content();
    wrong[0] ^= 1;
    for (bytes, words) in [(&wrong[..], "wrong digest"), (&wrong[1..], "found 99999")] {
        fs::write(&path, bytes).unwrap();
        let mut client = Client::new();
        let error = client.refused(&[source(&url)], &[]);
        assert!(error.contains(words), "{error}");
        assert_eq!(fs::read_dir(client.folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_mirrors_url_is_asked_for_the_files_name() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let mirror = server.url("pub/");
    let found = Client::new().fetch(&[source("http://[::1]:1/x/c.tgz")], &[&mirror]);
    assert_eq!(found.unwrap(), server.url("pub/c.tgz"));
}

#[test]
fn when_all_fail_the_error_lists_each_place_and_says_what_to_do() {
    let server = Server::start(vec![Answer::Status(404, "Not Found")]);
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().to_str().unwrap();
    let sources = [
        source(server.url("c.tgz")),
        source("file:///none/such"),
        source("ftp://a.example/c.tgz"),
    ];
    let error = Client::new().refused(&sources, &[mirror]);
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
            sha256(&content())
        )
    );
    assert_eq!(lines.len(), 7);
}

#[test]
fn a_folder_that_cannot_be_written_ends_the_download_at_once() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let client = Client::new();
    let job = Job {
        places: places(&[source(server.url("d")), source(server.url("e"))], &[]),
        scratch: &client.folder.path().join("missing"),
        target: &client.target(),
        limits: LIMITS,
    };
    let error = fetch::fetch(&job, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(server.ranges().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_target_on_another_file_system_gets_a_checked_copy() {
    use std::os::unix::fs::MetadataExt as _;
    let mut client = Client::new();
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let other = Path::new("/dev/shm");
    if [None, device(client.folder.path())].contains(&device(other)) {
        println!("skipped: there is no second file system at /dev/shm");
        return;
    }
    let folder = tempfile::tempdir_in(other).unwrap();
    let server = Server::start(vec![Answer::Whole(content())]);
    let job = Job {
        places: places(&[source(server.url("d"))], &[]),
        scratch: client.folder.path(),
        target: &folder.path().join("archive"),
        limits: LIMITS,
    };
    fetch::fetch(&job, &mut |report| client.reports.push(report)).unwrap();
    assert_eq!(fs::read(job.target).unwrap(), content());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Runs the step in a fresh folder; returns its sentence and the archive.
fn step(params: &Params, sources: Vec<Source>) -> Result<(String, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let mut context = Context {
        inputs: BTreeMap::new(),
        output: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        environment: Environment {
            sources,
            ..Environment::default()
        },
        stop: &std::sync::atomic::AtomicBool::new(false),
        progress: &mut |_| (),
    };
    let summary = run(params, &mut context)?;
    Ok((summary, fs::read(folder.path().join("archive"))?))
}

#[test]
fn the_step_fetches_only_what_its_parameters_name() {
    let server = Server::start(vec![Answer::Whole(content())]);
    let wanted = source(server.url("d"));
    let mut other = wanted.clone();
    other.sha256 = "ab".repeat(32);
    let params = Params::Archives(vec![wanted.id()]);
    let (summary, bytes) = step(&params, vec![other.clone(), wanted]).unwrap();
    assert_eq!(bytes, content());
    let expected = format!("0.1 MB, sha256 {}…", &sha256(&content())[..8]);
    assert_eq!(summary, expected);
    let error = step(&params, vec![other]).unwrap_err().to_string();
    assert!(error.contains("none of the data sources"), "{error}");
}

fn generated(train: u32, test: u32, seed: u64) -> Params {
    Params::Generated(Generated { train, test, seed })
}

/// The training and test images of a made-up archive.
fn images(archive: &[u8]) -> (Images, Images) {
    let (mut train, mut test) = (Images::default(), Images::default());
    let mut members = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for member in members.entries().unwrap() {
        let mut member = member.unwrap();
        let path = member.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        if path.starts_with("cifar-10-batches-bin/data_batch_") {
            train.push_records(&bytes).unwrap();
        } else if path == "cifar-10-batches-bin/test_batch.bin" {
            test.push_records(&bytes).unwrap();
        }
    }
    (train, test)
}

#[test]
fn made_up_archives_have_the_same_bytes_every_time() {
    let (summary, first) = step(&generated(55, 20, 1), vec![]).unwrap();
    assert_eq!(
        summary,
        "55 training and 20 test images, generated from seed 1"
    );
    assert_eq!(step(&generated(55, 20, 1), vec![]).unwrap().1, first);
    assert_ne!(step(&generated(55, 20, 2), vec![]).unwrap().1, first);
    // These very bytes, on every machine: whoever changes the images changes this line.
    assert_eq!(
        sha256(&first),
        "9a27318c732591186008089767a03d030de7fdff7d375e1ef990390dabee31cf"
    );
}

#[test]
fn made_up_splits_are_balanced_and_share_no_image() {
    let (train, test) = images(&step(&generated(203, 50, 0), vec![]).unwrap().1);
    assert_eq!((train.len(), test.len()), (203, 50));
    for class in 0..CLASSES {
        let count = |images: &Images| {
            let labels = images.labels().iter();
            labels.filter(|&&label| usize::from(label) == class).count()
        };
        assert_eq!(count(&test), 5);
        assert!((20..=21).contains(&count(&train)));
    }
    let all: std::collections::HashSet<&[u8]> = (0..203)
        .map(|index| train.image(index))
        .chain((0..50).map(|index| test.image(index)))
        .collect();
    assert_eq!(all.len(), 253);
}

#[test]
fn neither_mean_images_nor_mean_colours_tell_made_up_classes_apart() {
    let (train, test) = images(&step(&generated(2000, 500, 0), vec![]).unwrap().1);
    let statistics = crate::steps::preprocess::statistics::of(&train).unwrap();
    for (mean, std) in statistics.mean.iter().zip(statistics.std) {
        assert!((0.4..0.6).contains(mean) && (0.2..0.4).contains(&std));
    }
    let mut means = vec![vec![0.0; IMAGE]; CLASSES];
    for index in 0..train.len() {
        let mean = &mut means[usize::from(train.label(index))];
        for (sum, &pixel) in mean.iter_mut().zip(train.image(index)) {
            *sum += f64::from(pixel) / 200.0;
        }
    }
    let colours = |image: &[f64]| -> Vec<f64> {
        let planes = image.chunks(crate::cifar::PLANE);
        planes.map(|plane| plane.iter().sum::<f64>()).collect()
    };
    let distance =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum() };
    let (mut by_pixels, mut by_colours) = (0, 0);
    for index in 0..test.len() {
        let image: Vec<f64> = test.image(index).iter().map(|&p| f64::from(p)).collect();
        let nearest = |to: &dyn Fn(&[f64]) -> f64| {
            let order = |&a: &usize, &b: &usize| to(&means[a]).total_cmp(&to(&means[b]));
            (0..CLASSES).min_by(order).unwrap()
        };
        let label = usize::from(test.label(index));
        by_pixels += usize::from(nearest(&|mean| distance(mean, &image)) != label);
        let own = colours(&image);
        by_colours += usize::from(nearest(&|mean| distance(&colours(mean), &own)) != label);
    }
    let errors = [by_pixels, by_colours].map(|errors| 100 * errors / test.len());
    assert!(errors.iter().all(|&error| error >= 70), "{errors:?} %");
}

#[test]
fn impossible_numbers_of_made_up_images_are_refused() {
    for (train, test) in [(0, 10), (10, 0), (100_001, 10)] {
        let error = step(&generated(train, test, 0), vec![]).unwrap_err();
        assert!(format!("{error:#}").contains("expected 1 to 100000"));
    }
}
