//! Checking 1 GB of artifacts, beside `b3sum` on the same files with as many threads, in turn.
//!
//! `cargo bench --bench fsck`; wants `b3sum` (apt-get install b3sum) and 1 GB of disk and of memory to
//! keep the files in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use store::Store;
use store::key::Digest;

/// Sizes and numbers of files: weights and metrics, images, an archive.
const FILES: [(usize, usize); 4] = [
    (20_000, 500),
    (1_100_000, 300),
    (30_000_000, 10),
    (370_000_000, 1),
];

/// Rounds of which the medians count.
const ROUNDS: usize = 7;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = Store::at(folder.path(), false);
    store.prepare().expect("the store can be written");
    let (paths, bytes) = fill(&store);
    println!("{} files, {:.0} MB", paths.len(), bytes as f64 / 1e6);
    println!(
        "{:>7} {:>12} {:>11} {:>7}",
        "threads", "b3sum, MB/s", "fsck, MB/s", "ratio"
    );
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads can be started");
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let output = Command::new("b3sum")
                .args(["--no-names", "--num-threads", &threads.to_string()])
                .args(&paths)
                .output()
                .expect("b3sum is installed (apt-get install b3sum)");
            theirs.push(started.elapsed().as_secs_f64());
            assert!(output.status.success());
            ours.push(pool.install(|| check(folder.path(), bytes)));
        }
        let (theirs, ours) = (median(theirs), median(ours));
        let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
        println!(
            "{threads:>7} {:>12.0} {:>11.0} {:>7.2}",
            speed(theirs),
            speed(ours),
            ours / theirs
        );
    }
}

/// The seconds that a check takes.
fn check(folder: &Path, bytes: u64) -> f64 {
    let store = Store::at(folder, true);
    let started = Instant::now();
    let checkup = store.fsck(false, &|_| Vec::new(), &|_, _| {});
    let checkup = checkup.expect("the store can be read");
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!((checkup.bytes, checkup.damage().count()), (bytes, 0));
    seconds
}

/// Writes objects of bytes that no file system can compress.
fn fill(store: &Store) -> (Vec<PathBuf>, u64) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for (size, count) in FILES {
        for _ in 0..count {
            let mut content = vec![0; size];
            random.fill_bytes(&mut content);
            let path = store.object_path(&Digest::of(&content));
            let folder = path.parent().expect("objects lie in folders");
            fs::create_dir_all(folder).expect("the folder can be made");
            fs::write(&path, &content).expect("there is room for 1 GB");
            bytes += size as u64;
            paths.push(path);
        }
    }
    (paths, bytes)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
