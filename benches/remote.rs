//! Results to and from a remote: a push and a pull of 10,000 steps, and once more when there is nothing to do;
//! then 256 MB in four files beside boto3, which runs in Python, with the same server. Whole processes.
//!
//! `cargo bench --bench remote` takes a folder. `cargo bench --features remote --bench remote -- s3://bucket
//! [STEPS]` takes a bucket, empty at first, of the server and with the credentials that the environment
//! names; for moto: `moto_server -p 5000 & AWS_ENDPOINT_URL=http://127.0.0.1:5000`.

mod many;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use fig6::pipeline::Pipeline;
use fig6::plan::Graph;
use many::{fill, pipeline};
use store::{Claimed, Store};

/// Steps that are there however many trainings there are.
const OTHERS: usize = 6;

const FILES: usize = 4;
const BYTES: usize = 64_000_000;

/// Sends and fetches files as boto3 does by default; prints the seconds of both.
const BOTO3: &str = "
import boto3, sys, time, concurrent.futures as futures
bucket, paths = sys.argv[1], sys.argv[2:]
client = boto3.client('s3')
def timed(work):
    started = time.time()
    with futures.ThreadPoolExecutor(4) as pool: list(pool.map(work, paths))
    return time.time() - started
print(timed(lambda path: client.upload_file(path, bucket, 'boto3/' + path.rsplit('/', 1)[1])),
      timed(lambda path: client.download_file(bucket, 'boto3/' + path.rsplit('/', 1)[1], path + '.back')))
";

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let remote = arguments.next();
    let remote = remote.unwrap_or_else(|| folder.join("remote").display().to_string());
    let steps = arguments
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap_or(10_000);
    many_results(folder, &format!("{remote}/many"), steps);
    large_files(folder, &remote);
}

fn many_results(folder: &Path, remote: &str, steps: usize) {
    let text = pipeline(steps.saturating_sub(OTHERS).div_ceil(3).max(1));
    let pipeline = Pipeline::parse(&text, "pipeline.ron").expect("the pipeline is right");
    let experiment = pipeline.experiment(None).expect("it has a default profile");
    let graph = Graph::of(experiment).expect("its steps make a graph");
    let project = |name: &str| {
        let project = folder.join(name);
        fs::create_dir(&project).expect("a folder can be made");
        fs::write(project.join("pipeline.ron"), &text).expect("the pipeline file can be written");
        project
    };
    let (one, other) = (project("one"), project("other"));
    fill(&graph, &one.join("artifacts"));
    println!("{} steps", graph.steps().len());
    for (name, project, command) in [("push", &one, "push"), ("pull", &other, "pull")] {
        let first = time(project, &[command, "--quiet", "--remote", remote]);
        let again = |_| time(project, &[command, "--quiet", "--remote", remote]);
        println!(
            "{name}: {first:.2} s, nothing to do: {:.2} s",
            median((0..5).map(again))
        );
    }
}

/// Results with one large output each.
fn large_files(folder: &Path, remote: &str) {
    let project = folder.join("large");
    let store = Store::at(&project.join("artifacts"), false);
    store.prepare().expect("the folder can be written");
    fs::write(project.join("pipeline.ron"), pipeline(1)).expect("the pipeline file can be written");
    let source = Store::at(&folder.join("one/artifacts"), false);
    let any = source.keys().expect("it can be read")[0];
    let mut manifest = source.expect_manifest(&any).expect("it is there");
    let mut files: Vec<PathBuf> = Vec::new();
    for number in 0..FILES {
        manifest.key_inputs.parameters = format!("{{\"number\":{number}}}").into();
        manifest.key = manifest.key_inputs.key();
        let Ok(Claimed::Ours(claim)) = store.claim(&manifest.key) else {
            panic!("it cannot be claimed");
        };
        store.begin(&claim, "large").expect("it can be written");
        let content: Vec<u8> = (0..BYTES)
            .map(|at| (at * (number + 3) / 11 % 251) as u8)
            .collect();
        fs::write(claim.output().join("large"), content).expect("it can be written");
        manifest.outputs = claim.collect(&["large"]).expect("it is there");
        store.commit(&claim, &manifest).expect("it can be added");
        files.push(store.object_path(&manifest.outputs["large"].digest));
    }
    let there = format!("{remote}/large");
    let sent = time(&project, &["push", "--all", "--quiet", "--remote", &there]);
    let fetched = fetch(folder, &store, &there);
    let speed = |seconds: f64| (FILES * BYTES) as f64 / 1e6 / seconds;
    println!(
        "fig6: {:.0} MB/s up, {:.0} MB/s down",
        speed(sent),
        speed(fetched)
    );
    if let Some(bucket) = remote.strip_prefix("s3://") {
        let mut python = Command::new("python3");
        python.args(["-c", BOTO3, bucket]).args(&files);
        let output = python
            .stderr(Stdio::inherit())
            .output()
            .expect("there is Python");
        let text = String::from_utf8_lossy(&output.stdout);
        let seconds: Vec<f64> = text
            .split_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect();
        let [up, down] = seconds[..] else {
            return println!("boto3 did not run");
        };
        println!(
            "boto3: {:.0} MB/s up, {:.0} MB/s down",
            speed(up),
            speed(down)
        );
        println!("ratio: {:.2} up, {:.2} down", up / sent, down / fetched);
    }
}

/// Seconds to fetch all results of a store from a remote into another one.
fn fetch(folder: &Path, store: &Store, remote: &str) -> f64 {
    let into = Store::at(&folder.join("fetched"), false);
    into.prepare().expect("the folder can be written");
    let address = remote_store::Address::parse(remote).expect("it is an address");
    let keys = store.keys().expect("it can be read");
    let started = Instant::now();
    let remote = remote_store::Remote::open(&address, &Default::default()).expect("it answers");
    let fetched = remote_store::each(&keys, 4, |&key| {
        let wanted = remote_store::Wanted {
            key,
            outputs: &["large"],
            snapshots: false,
        };
        remote.fetch(&into, &wanted).map(drop)
    });
    fetched.expect("all is there");
    started.elapsed().as_secs_f64()
}

/// Seconds that the program takes.
fn time(folder: &Path, arguments: &[&str]) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fig6"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{arguments:?}");
    started.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
