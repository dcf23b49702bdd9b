//! The digest of a 2 GB artifact, beside `b3sum` on the same file with as many threads, in turn.
//!
//! `cargo bench --bench hash`; wants `b3sum` (apt-get install b3sum) and 2 GB of disk and of memory
//! to keep the file in.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use store::key::Digest;

const BYTES: usize = 2_000_000_000;

/// Rounds of which the medians count.
const ROUNDS: usize = 7;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("artifact");
    write(&path);
    println!(
        "{:>7} {:>9} {:>9} {:>7}",
        "threads", "b3sum, s", "fig6, s", "ratio"
    );
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads can be started");
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let output = Command::new("b3sum")
                .args(["--no-names", "--num-threads", &threads.to_string()])
                .arg(&path)
                .output()
                .expect("b3sum is installed (apt-get install b3sum)");
            theirs.push(started.elapsed().as_secs_f64());
            let started = Instant::now();
            let digest = pool.install(|| Digest::of_file(&path));
            ours.push(started.elapsed().as_secs_f64());
            let digest = digest.expect("the file can be read").to_string();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), digest);
        }
        let (theirs, ours) = (median(theirs), median(ours));
        println!(
            "{threads:>7} {theirs:>9.3} {ours:>9.3} {:>7.2}",
            ours / theirs
        );
    }
}

/// Writes bytes that no file system can compress.
fn write(path: &Path) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    let mut block = vec![0; 1 << 20];
    let mut file = File::create(path).expect("the file can be made");
    let mut left = BYTES;
    while left > 0 {
        random.fill_bytes(&mut block);
        let size = left.min(block.len());
        file.write_all(&block[..size])
            .expect("there is room for 2 GB");
        left -= size;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
