//! `fig6 watch` as a browser sees it: the page and its events beside runs that begin, go on, end and are
//! removed.

#[path = "../common/mod.rs"]
mod common;

mod browser;

use std::process::Child;

use common::Project;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::start;
use walkdir::WalkDir;

use browser::{Watcher, curve, standings};

const TINY: &str = include_str!("../pipelines/tiny.ron");

/// A training that never ends by itself.
struct Training(Child);

impl Training {
    /// With so many seconds between checkpoints.
    fn start(project: &Project, checkpoint_every: &str) -> Training {
        project.edit("iterations: 4,", "iterations: 4000000,");
        let target = ["reproduce", STEP, "--checkpoint-every", checkpoint_every];
        Training(start(project.command().args(target)))
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // Also where a test fails.
        let _ = kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

const STEP: &str = "train/resnet8/seed0";

/// Every file of a folder with its size and last change.
fn listing(project: &Project) -> Vec<String> {
    let entries = WalkDir::new(project.path("")).sort_by_file_name();
    let entries = entries.into_iter().map(Result::unwrap);
    let described = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        let (path, length) = (entry.path().display(), metadata.len());
        format!("{path} {length} {:?}", metadata.modified().unwrap())
    });
    described.collect()
}

/// Whether all steps of an event stand like this.
fn all_are(event: &Value, standing: &str) -> bool {
    let standings = standings(event);
    standings.len() == 18 && standings.iter().all(|(_, it)| it == standing)
}

#[test]
fn the_page_is_there_before_anything_else_and_leaves_nothing_behind() {
    let project = Project::new(TINY);
    let before = listing(&project);
    let watcher = Watcher::start(&project, &["--port", "0"]);
    let page = watcher.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(
        page.contains("EventSource") && page.contains("/events"),
        "{page}"
    );
    assert!(all_are(&watcher.events().next(), "must-run"));
    assert_eq!(watcher.end_by(Signal::INT), (Some(0), String::new()));
    assert_eq!(listing(&project), before);
}

#[test]
fn only_requests_to_read_that_are_meant_for_this_machine_are_answered() {
    let project = Project::new(TINY);
    let watcher = Watcher::start(&project, &["--port", "0"]);
    let status = |request: &str| {
        let answer = watcher.send(request);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for (request, code) in [
        ("GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
        ("GET /events HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            "405",
        ),
        (
            "GET /pipeline.ron HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "404",
        ),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
    ] {
        assert_eq!(status(request), code, "{request}");
    }
}

#[test]
fn a_curve_grows_as_its_training_runs_for_all_who_watch() {
    let project = Project::new(TINY);
    let watchers = [(); 2].map(|()| Watcher::start(&project, &[]));
    assert_ne!(watchers[0].address, watchers[1].address);
    let mut streams = watchers.each_ref().map(Watcher::events);
    let training = Training::start(&project, "0");
    for stream in &mut streams {
        let growing = |length: usize| {
            move |event: &Value| {
                let grown = curve(event, "resnet8").is_some_and(|curve| curve.len() > length);
                grown
                    && standings(event)
                        .iter()
                        .any(|(step, it)| step == STEP && it == "running")
            }
        };
        let event = stream.until("the curve has begun", growing(1));
        let begun = curve(&event, "resnet8").unwrap();
        let event = stream.until("the curve has grown", growing(begun.len()));
        let grown = curve(&event, "resnet8").unwrap();
        assert_eq!(grown[..begun.len()], begun);
        assert_eq!(begun[..2], [2, 4]);
        stream.until("its last test error is said", |event| {
            let steps = event["steps"].as_array().unwrap().iter();
            let said = steps
                .filter(|step| step["step"] == STEP)
                .map(|step| step["said"].as_str());
            said.flatten()
                .any(|said| said.contains(" left, test error "))
        });
    }
    drop(training);
    for stream in &mut streams {
        let is_over = |event: &Value| standings(event).iter().all(|(_, it)| it != "running");
        let event = stream.until("the training is dead", is_over);
        // What its checkpoint keeps is still shown.
        assert!(curve(&event, "resnet8").is_some());
    }
}

#[test]
fn a_curve_grows_between_checkpoints() {
    let project = Project::new(TINY);
    let watcher = Watcher::start(&project, &[]);
    let mut events = watcher.events();
    let _training = Training::start(&project, "1000000");
    events.until("the curve has grown", |event| {
        curve(event, "resnet8").is_some_and(|curve| curve.len() > 2)
    });
}

#[test]
fn results_come_and_go_with_the_artifacts_of_which_nothing_is_touched() {
    let project = Project::new(TINY);
    let watcher = Watcher::start(&project, &["--port", "0"]);
    let mut events = watcher.events();
    assert_eq!(project.reproduce(&[]).code, 0);
    let done = listing(&project);
    let event = events.until("all is done", |event| all_are(event, "up-to-date"));
    assert!(event["results"].is_object(), "{event}");
    assert_eq!(curve(&event, "plain8").unwrap(), [2, 4]);
    assert_eq!(listing(&project), done);
    std::fs::remove_dir_all(project.path("artifacts")).unwrap();
    let event = events.until("all is gone", |event| all_are(event, "must-run"));
    assert!(event["results"].is_null(), "{event}");
    assert!(!project.path("artifacts").exists());
    assert_eq!(project.reproduce(&[]).code, 0);
    events.until("all is done again", |event| all_are(event, "up-to-date"));
}

#[test]
fn an_edited_pipeline_is_followed_and_one_that_makes_no_sense_is_waited_out() {
    let project = Project::new(TINY);
    assert_eq!(project.reproduce(&[]).code, 0);
    let mut watcher = Watcher::start(&project, &["--port", "0"]);
    let mut events = watcher.events();
    assert!(all_are(&events.next(), "up-to-date"));
    project.edit("momentum: 0.9", "momentum: oops");
    watcher.await_warning("error: the page stays as it is: pipeline.ron:11:19: ");
    assert!(all_are(&watcher.events().next(), "up-to-date"));
    project.edit("oops", "0.8");
    let event = events.until("the edit is seen", |event| !all_are(event, "up-to-date"));
    let steps = event["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == STEP).unwrap();
    assert_eq!(step["said"], "recipe.momentum: 0.9 → 0.8");
}

#[test]
fn a_program_is_told_the_address_and_what_is_wrong_with_a_port() {
    let project = Project::new(TINY);
    let watcher = Watcher::start(&project, &["--json"]);
    let port = watcher.address.port().to_string();
    let answer = project.fig6(&["watch", "--port", &port]);
    assert_eq!(answer.code, 1);
    let expected = format!("error: cannot serve on port {port}; choose another one with --port: ");
    assert!(answer.err.starts_with(&expected), "{}", answer.err);
    assert_eq!(project.fig6(&["watch", "--port", "65536"]).code, 2);
    project.edit("(", "[");
    assert_eq!(project.fig6(&["watch", "--port", "0"]).code, 2);
    assert_eq!(watcher.end_by(Signal::TERM).0, Some(0));
}

#[test]
fn a_watcher_that_cannot_say_where_it_serves_ends() {
    let project = Project::new(TINY);
    let (code, said) = project.unread(&["watch", "--port", "0"]);
    assert_eq!((code, &*said), (0, ""));
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = project.command();
    let status = command.args(["watch", "--port", "0"]).stdout(full).status();
    assert_eq!(status.unwrap().code(), Some(1));
}
