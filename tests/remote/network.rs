//! Remotes behind HTTP and S3, and what happens on the way there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use store::key::Digest;
use store::{Claimed, Store};
use testing::until;

use super::common::{Answer, Project, answer};
use super::s3::{self, KEY, SECRET};
use super::server::{Fault, counting, files, forward, harmful, serve};
use super::{STEPS, TINY, count, finished, is_whole, own, said};

/// The program, with the credentials of the tests and a server that speaks S3 on this port.
fn with_s3(project: &Project, port: u16) -> Command {
    let mut command = project.command();
    command
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env_remove("AWS_PROFILE");
    command
}

/// Runs it; whatever happens, its output has no credentials and nothing that a terminal would obey in it.
fn run(project: &Project, port: u16, arguments: &[&str]) -> Answer {
    let answer = answer(with_s3(project, port).args(arguments).output().unwrap());
    let all = format!("{}{}", answer.out, answer.err);
    assert!(!all.contains("geheim") && !all.contains('\x1b'), "{all}");
    answer
}

fn ends_well(project: &Project, port: u16, arguments: &[&str]) {
    let answer = run(project, port, arguments);
    assert_eq!(
        answer.code, 0,
        "{arguments:?}: {}{}",
        answer.out, answer.err
    );
}

/// No file below a folder has credentials in it.
fn holds_no_secret(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_file() {
            let content = fs::read(entry.path()).unwrap();
            let found = content.windows(6).any(|six| six == b"geheim");
            assert!(!found, "{}", entry.path().display());
        }
    }
}

#[test]
fn a_web_server_over_a_folder_of_artifacts_is_a_remote_that_can_be_read_without_credentials() {
    let port = serve(Box::new(files(&finished().path("artifacts"))));
    let url = format!("http://127.0.0.1:{port}");
    let project = Project::new(TINY);
    let pulled = said(&project, &["pull", "--remote", &url]);
    assert_eq!(count(&pulled["fetched"]), STEPS);
    is_whole(&project);
    let answer = project.fig6(&["push", "--remote", &url]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("nothing can be written there"),
        "{}",
        answer.err
    );
    assert_eq!(
        (answer.err.lines().count(), answer.err.contains('\x1b')),
        (1, false)
    );
    let answer = project.fig6(&["gc", "--remote", &url]);
    assert!(
        answer.code == 1 && answer.err.contains("cannot say what it has"),
        "{}",
        answer.err
    );
    let answer = project.fig6(&["pull", "--paranoid", "--remote", "http://127.0.0.1:1"]);
    assert_eq!(answer.code, 0, "nothing is missing: {}", answer.err);
}

#[test]
fn answers_that_are_cut_fail_are_slow_or_wrong_are_asked_for_again() {
    for (fault, one_of) in [
        (Fault::Cut, 4),
        (Fault::Fails, 3),
        (Fault::Slow, 2),
        (Fault::Flipped, 3),
    ] {
        let port = harmful(fault, one_of, files(&finished().path("artifacts")));
        let project = Project::new(TINY);
        let pulled = said(
            &project,
            &["pull", "--remote", &format!("http://127.0.0.1:{port}")],
        );
        assert_eq!(
            (count(&pulled["fetched"]), count(&pulled["refused"])),
            (STEPS, 0),
            "{fault:?}"
        );
        is_whole(&project);
    }
}

#[test]
fn a_server_that_always_sends_wrong_bytes_or_none_gives_nothing_that_is_used() {
    let port = harmful(Fault::Flipped, 1, files(&finished().path("artifacts")));
    let project = Project::new(TINY);
    let pulled = said(
        &project,
        &[
            "pull",
            "download",
            "--remote",
            &format!("http://127.0.0.1:{port}"),
        ],
    );
    assert_eq!(
        (count(&pulled["fetched"]), count(&pulled["refused"])),
        (0, 1),
        "{pulled}"
    );
    assert_eq!(project.reproduce(&["download"]).ran, ["download"]);
    let port = harmful(Fault::Fails, 1, files(&finished().path("artifacts")));
    for url in [
        format!("http://127.0.0.1:{port}"),
        "http://127.0.0.1:1".to_owned(),
    ] {
        let mut command = project.command();
        command
            .args(["reproduce", "--remote", &url])
            .env("FIG6_REMOTE_TIMEOUT", "1");
        let answer = answer(command.output().unwrap());
        assert_eq!(
            (answer.code, answer.err.lines().count()),
            (1, 1),
            "{}",
            answer.err
        );
        assert!(
            answer.err.contains(&format!("cannot use {url}: ")),
            "{}",
            answer.err
        );
    }
}

#[test]
fn eight_clients_of_a_server_that_speaks_s3_lose_nothing_whatever_happens_on_the_way() {
    let Some(port) = s3::port() else {
        return;
    };
    s3::create(port, "together");
    let faults = [Fault::None, Fault::Cut, Fault::Fails, Fault::Slow];
    let ports = faults.map(|fault| harmful(fault, 7, forward(port)));
    let remote = "s3://together/some/prefix";
    thread::scope(|scope| {
        for client in 0..8 {
            let port = ports[client % ports.len()];
            scope.spawn(move || {
                let project = own();
                // Each has a part at first, and then all.
                let part = ["train", "evaluate", "preprocess", "responses"][client % 4];
                ends_well(&project, port, &["push", part, "--remote", remote]);
                ends_well(&project, port, &["push", "--snapshots", "--remote", remote]);
                let other = Project::new(TINY);
                ends_well(&other, port, &["pull", "--remote", remote]);
                is_whole(&other);
                holds_no_secret(&other.path("artifacts"));
                holds_no_secret(&project.path("artifacts/remotes"));
            });
        }
    });
    let project = own();
    let nothing = run(&project, port, &["push", "--remote", remote]);
    assert!(
        nothing.out.contains("nothing to push"),
        "{}{}",
        nothing.out,
        nothing.err
    );
    let gone = run(
        &project,
        port,
        &["gc", "--older-than", "0", "--remote", remote],
    );
    assert!(
        gone.out.contains("removed 0 of 18 results"),
        "{}{}",
        gone.out,
        gone.err
    );
}

#[test]
fn a_bucket_that_does_not_exist_or_may_not_be_written_and_refused_credentials_are_one_clear_error_each()
 {
    let Some(port) = s3::port() else {
        return;
    };
    s3::create(port, "refused");
    let refusing = |code, all| harmful(Fault::Forbidden(code, all), 1, forward(port));
    for (port, remote, command, said) in [
        (port, "s3://nowhere", "pull", "there is no such bucket"),
        (
            port,
            "s3://nowhere/below",
            "push",
            "there is no such bucket",
        ),
        (
            refusing("AccessDenied", false),
            "s3://refused",
            "push",
            "it may not be written to",
        ),
        (
            refusing("AccessDenied", true),
            "s3://refused",
            "pull",
            "access is denied",
        ),
        (
            refusing("ExpiredToken", true),
            "s3://refused",
            "pull",
            "the credentials have expired",
        ),
        (
            refusing("ExpiredToken", false),
            "s3://refused",
            "push",
            "the credentials have expired",
        ),
        (
            refusing("RequestTimeTooSkewed", true),
            "s3://refused",
            "pull",
            "set its clock right",
        ),
        (
            refusing("InvalidAccessKeyId", true),
            "s3://refused",
            "reproduce",
            "does not know the credentials",
        ),
    ] {
        let project = if command == "push" {
            own()
        } else {
            Project::new(TINY)
        };
        let answer = run(&project, port, &[command, "--remote", remote]);
        assert_eq!(
            (answer.code, answer.err.lines().count()),
            (1, 1),
            "{}{}",
            answer.out,
            answer.err
        );
        assert!(answer.err.contains(said), "{}", answer.err);
        assert!(!project.path("artifacts/manifests").exists() || command == "push");
    }
    // Of nobody.
    let project = Project::new(TINY);
    let mut command = with_s3(&project, port);
    command
        .args(["pull", "--remote", "s3://refused"])
        .env("AWS_PROFILE", "geheim");
    let answer = answer(command.output().unwrap());
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("AWS_PROFILE names a profile"),
        "{}",
        answer.err
    );
}

#[test]
fn keys_are_found_in_the_usual_files() {
    let Some(port) = s3::port() else {
        return;
    };
    s3::create(port, "files");
    let home = testing::folder();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let keys = format!("[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    let config =
        format!("[profile work]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:{port}\n");
    fs::write(home.path().join(".aws/config"), config).unwrap();
    for (project, command) in [(own(), "push"), (Project::new(TINY), "pull")] {
        let mut fig6 = project.command();
        fig6.args([command, "--remote", "s3://files"])
            .env("HOME", home.path())
            .env("AWS_PROFILE", "work");
        let answer = answer(fig6.output().unwrap());
        assert_eq!(answer.code, 0, "{}", answer.err);
        is_whole(&project);
    }
}

/// Adds a result with a content that is too large to be sent in one piece; its digest.
fn add_large(project: &Project, content: &[u8]) -> Digest {
    let store = Store::at(&project.path("artifacts"), false);
    let any = store.keys().unwrap()[0];
    let mut manifest = store.expect_manifest(&any).unwrap();
    manifest.key_inputs.parameters = "{\"large\":true}".to_owned().into();
    manifest.key = manifest.key_inputs.key();
    (manifest.carried_over, manifest.evidence) = (None, Default::default());
    let Claimed::Ours(claim) = store.claim(&manifest.key).unwrap() else {
        panic!("somebody has it");
    };
    store.begin(&claim, "download").unwrap();
    fs::write(claim.output().join("large"), content).unwrap();
    manifest.outputs = claim.collect(&["large"]).unwrap();
    store.commit(&claim, &manifest).unwrap();
    manifest.outputs["large"].digest
}

/// 20 MB.
fn large() -> Vec<u8> {
    (0..20_000_000_u32).map(|at| (at / 7 % 251) as u8).collect()
}

/// Where a bucket has a content.
fn at(digest: &Digest, bucket: &str) -> String {
    let digest = digest.to_string();
    format!("/{bucket}/objects/{}/{}", &digest[..2], &digest[2..])
}

#[test]
fn a_large_content_goes_in_parts_and_arrives_whole() {
    let Some(port) = s3::port() else {
        return;
    };
    s3::create(port, "parts");
    let (project, content) = (own(), large());
    let digest = add_large(&project, &content);
    ends_well(&project, port, &["push", "--all", "--remote", "s3://parts"]);
    assert!(s3::get(port, &at(&digest, "parts")) == content);
    // One that was altered here is not sent, neither whole nor in part.
    s3::create(port, "altered");
    let object = Store::at(&project.path("artifacts"), false).object_path(&digest);
    fs::remove_file(&object).unwrap();
    fs::write(&object, &content[1..]).unwrap();
    let answer = run(
        &project,
        port,
        &["push", "--all", "--remote", "s3://altered"],
    );
    assert_eq!(answer.code, 1);
    assert!(
        answer.out.contains("large of") && answer.out.contains("missing or damaged"),
        "{}",
        answer.out
    );
}

/// Google's storage can be asked as S3 is, and the crate for it does so: moto answers both.
#[test]
fn a_bucket_of_google_is_a_remote_as_well() {
    let Some(port) = s3::port() else {
        return;
    };
    let google = |project: &Project, arguments: &[&str]| {
        let mut fig6 = project.command();
        fig6.args(arguments)
            .env("GOOGLE_BASE_URL", format!("http://127.0.0.1:{port}"))
            .env("GOOGLE_BEARER_TOKEN", SECRET);
        let answer = answer(fig6.output().unwrap());
        let all = format!("{}{}", answer.out, answer.err);
        assert!(!all.contains("geheim"), "{all}");
        answer
    };
    s3::create(port, "google");
    let (project, content) = (own(), large());
    let digest = add_large(&project, &content);
    let remote = ["--remote", "gs://google/below"];
    let pushed = google(&project, &[&["push", "--all"], &remote[..]].concat());
    assert_eq!(pushed.code, 0, "{}{}", pushed.out, pushed.err);
    assert!(s3::get(port, &at(&digest, "google/below")) == content);
    let other = Project::new(TINY);
    let pulled = google(&other, &[&["pull"], &remote[..]].concat());
    assert_eq!(pulled.code, 0, "{}{}", pulled.out, pulled.err);
    is_whole(&other);
    // The one that was added is of no step.
    let swept = google(
        &project,
        &[&["gc", "--older-than", "0"], &remote[..]].concat(),
    );
    assert!(
        swept.out.contains("removed 1 of 19 results"),
        "{}{}",
        swept.out,
        swept.err
    );
    for (project, command) in [(other, "push"), (Project::new(TINY), "pull")] {
        let missing = google(&project, &[command, "--remote", "gs://nowhere"]);
        assert!(
            missing.code == 1 && missing.err.contains("there is no such bucket"),
            "{}",
            missing.err
        );
    }
}

#[test]
fn a_transfer_that_is_interrupted_ends_soon_leaves_nothing_half_and_goes_on_later() {
    let Some(port) = s3::port() else {
        return;
    };
    s3::create(port, "interrupted");
    let (slow, asked) = counting(Fault::Slow, 1, forward(port));
    for (project, command) in [(own(), "push"), (Project::new(TINY), "pull")] {
        let before = asked.load(Ordering::SeqCst);
        let mut fig6 = with_s3(&project, slow);
        let mut child = testing::start(fig6.args([command, "--remote", "s3://interrupted"]));
        until("it asks the server", || {
            asked.load(Ordering::SeqCst) > before + 10 || child.try_wait().unwrap().is_some()
        });
        // It may be through already.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
        let answer = answer(child.wait_with_output().unwrap());
        assert!([0, 130].contains(&answer.code), "{}", answer.err);
        if command == "pull" {
            let fsck = project.fig6(&["fsck"]);
            assert_eq!(fsck.code, 0, "{}{}", fsck.out, fsck.err);
            let left = fs::read_dir(project.path("artifacts/work"));
            assert!(left.map_or(0, Iterator::count) == 0);
        }
        ends_well(&project, port, &[command, "--remote", "s3://interrupted"]);
    }
    let other = Project::new(TINY);
    ends_well(&other, port, &["pull", "--remote", "s3://interrupted"]);
    is_whole(&other);
}
