//! Images per second of training and of evaluation, on every CPU backend that is compiled in and on
//! PyTorch, interleaved: each round runs every contestant once, each in a process of its own, and
//! the medians of the rounds are given, with the largest resident size.
//!
//! Beside them: the machine's measured peak of `f32` multiply-adds and its memory bandwidth, each
//! contestant's share of that peak, and the time of each kind of layer.
//!
//! ```text
//! FIG6_TORCH=<python with torch> cargo bench --bench train [-- --rounds 5 --nets 3,9 --threads 1,2]
//! cargo bench --bench train -- --layers | --scaling | --jobs
//! ```
//!
//! Without `FIG6_TORCH` PyTorch is left out.

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use nn::architecture::{Architecture, Shortcut};
use nn::device::{self, Backend};
use nn::recipe::Recipe;
use nn::speed::{LayerBenchmark, TrainBenchmark};
use pulp::{Arch, Simd, WithSimd};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let rounds = option("--rounds").map_or(5, |rounds| rounds.parse().unwrap());
    let nets = option("--nets").unwrap_or("3,9".to_owned());
    let nets: Vec<u32> = nets.split(',').map(|n| n.parse().unwrap()).collect();
    let threads = option("--threads").unwrap_or("1,2".to_owned());
    let threads: Vec<usize> = threads.split(',').map(|n| n.parse().unwrap()).collect();
    if let Some(backend) = option("--one") {
        let number = |name| option(name).unwrap().parse::<u32>().unwrap();
        return one(
            &backend,
            number("--n"),
            number("--batch"),
            number("--steps"),
        );
    }
    if flag("--layers") {
        return layers(rounds);
    }
    if flag("--scaling") {
        return scaling(rounds);
    }
    if flag("--jobs") {
        return jobs(rounds);
    }
    let roofline = Roofline::measure();
    println!(
        "one core: {:.1} GFLOP/s of f32 multiply-adds; both: {:.1} GB/s copied",
        roofline.flops / 1e9,
        roofline.bandwidth / 1e9
    );
    for n in nets {
        for &threads in &threads {
            compare(n, threads, rounds, &roofline);
        }
    }
}

/// A contestant: its name, and the command that measures it.
struct Contestant {
    name: String,
    program: String,
    arguments: Vec<String>,
    /// Variables that its process is given for a number of threads.
    environment: fn(usize) -> Vec<(&'static str, String)>,
}

impl Contestant {
    fn backend(backend: Backend) -> Contestant {
        let own = std::env::current_exe().unwrap();
        Contestant {
            name: format!("fig6 {backend}"),
            program: own.to_str().unwrap().to_owned(),
            arguments: vec!["--one".to_owned(), backend.to_string()],
            environment: |threads| device::environment(threads).into(),
        }
    }

    fn all() -> Vec<Contestant> {
        let backends = Backend::ALL
            .into_iter()
            .filter(|b| b.is_cpu() && b.compiled_in());
        let mut all: Vec<Contestant> = backends.map(Contestant::backend).collect();
        if let Ok(python) = std::env::var("FIG6_TORCH") {
            for layout in ["nchw", "channels-last", "compiled"] {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch/speed.py");
                all.push(Contestant {
                    name: format!("PyTorch {layout}"),
                    program: python.clone(),
                    arguments: [script, "--layout", layout].map(str::to_owned).to_vec(),
                    environment: |_| Vec::new(),
                });
            }
        }
        all
    }

    /// What one process measures; nothing if it fails.
    fn run(&self, n: u32, batch: u32, steps: u32, cores: &[usize]) -> Option<Value> {
        let list: Vec<String> = cores.iter().map(usize::to_string).collect();
        let output = Command::new("taskset")
            .args(["-c", &list.join(","), &self.program])
            .args(&self.arguments)
            .args(["--n", &n.to_string(), "--batch", &batch.to_string()])
            .args([
                "--steps",
                &steps.to_string(),
                "--threads",
                &cores.len().to_string(),
            ])
            .envs((self.environment)(cores.len()))
            .output()
            .expect("taskset is there (util-linux)");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok());
        if line.is_none() {
            let error = String::from_utf8_lossy(&output.stderr);
            eprintln!(
                "{}: {}",
                self.name,
                error.lines().last().unwrap_or("nothing")
            );
        }
        line
    }
}

/// Measures one backend in this process.
fn one(backend: &str, n: u32, batch: u32, steps: u32) {
    let architecture = residual(n);
    let mut recipe = Recipe::paper(architecture.layers(), 64_000, 0.1);
    recipe.batch_size = batch;
    let backend: Backend = backend.parse().unwrap();
    let mut benchmark = TrainBenchmark::new(backend, &architecture, &recipe).unwrap();
    benchmark.steps(2).unwrap();
    let start = Instant::now();
    let loading = benchmark.steps(steps as usize).unwrap().as_secs_f64();
    let train = start.elapsed().as_secs_f64();
    let size = peak();
    benchmark.evaluate(1).unwrap();
    let start = Instant::now();
    black_box(benchmark.evaluate(steps as usize).unwrap());
    let evaluate = start.elapsed().as_secs_f64();
    let images = f64::from(batch * steps);
    println!(
        "{}",
        json!({
            "train": images / train,
            "evaluate": images / evaluate,
            "loading": loading / train,
            "peak_bytes": size,
        })
    );
}

/// All contestants at one net.
fn compare(n: u32, threads: usize, rounds: usize, roofline: &Roofline) {
    let contestants = Contestant::all();
    let steps = (48 / n).max(3);
    let cores: Vec<usize> = (0..threads).collect();
    let mut found = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, found) in contestants.iter().zip(&mut found) {
            found.extend(contestant.run(n, 128, steps, &cores));
        }
    }
    let get = |lines: &[Value], field: &str| {
        median(
            lines
                .iter()
                .map(|line| line[field].as_f64().unwrap_or(0.0))
                .collect(),
        )
    };
    let pairs = || {
        contestants
            .iter()
            .zip(&found)
            .filter(|(_, lines)| !lines.is_empty())
    };
    let best = pairs()
        .filter(|(c, _)| c.name.starts_with("PyTorch") && !c.name.ends_with("compiled"))
        .map(|(_, lines)| get(lines, "train"))
        .fold(f64::NAN, f64::max);
    let flops = 6.0 * residual(n).multiply_adds() as f64;
    println!(
        "\nResNet-{}, batch 128, {threads} threads, {rounds} rounds",
        6 * n + 2
    );
    println!(
        "| | train, images/s | of PyTorch's best eager | of peak | evaluate, images/s | loading | peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (contestant, lines) in pairs() {
        let train = get(lines, "train");
        println!(
            "| {} | {train:.0} | {:.2} | {:.0} % | {:.0} | {:.1} % | {:.0} |",
            contestant.name,
            train / best,
            100.0 * train * flops / (roofline.flops * threads as f64),
            get(lines, "evaluate"),
            100.0 * get(lines, "loading"),
            get(lines, "peak_bytes") / f64::from(1 << 20),
        );
    }
}

/// The time of each kind of layer, forward and backward, and its share of the machine's peak.
fn layers(rounds: usize) {
    let roofline = Roofline::measure();
    let threads = std::thread::available_parallelism().unwrap().get();
    println!("| layer, batch 128 | backend | forward, ms | of peak | backward, ms | of peak |");
    println!("|---|---|---|---|---|---|");
    let kinds = [
        (3, 32, 16, 1),
        (16, 32, 16, 1),
        (16, 32, 32, 2),
        (32, 16, 32, 1),
        (32, 16, 64, 2),
        (64, 8, 64, 1),
    ];
    let backends = Backend::ALL
        .into_iter()
        .filter(|b| b.is_cpu() && b.compiled_in());
    let backends: Vec<Backend> = backends.collect();
    for (channels, side, filters, stride) in kinds {
        let layer = LayerBenchmark {
            images: 128,
            channels,
            side,
            filters,
            stride,
        };
        for &backend in &backends {
            layer.time(backend, 2).unwrap();
            let times: Vec<[f64; 2]> = (0..rounds.max(5))
                .map(|_| layer.time(backend, 4).unwrap().map(|seconds| seconds / 4.0))
                .collect();
            let part = |way: usize| median(times.iter().map(|time| time[way]).collect());
            let (forward, backward) = (part(0), part(1));
            let flops = 2.0 * layer.multiply_adds() as f64 / (roofline.flops * threads as f64);
            println!(
                "| {channels} → {filters}, {side}² / {stride} | {backend} | {:.2} | {:.0} % | {:.2} | {:.0} % |",
                1e3 * forward,
                100.0 * flops / forward,
                1e3 * backward,
                200.0 * flops / backward,
            );
        }
    }
}

/// Time and memory of a step as depth and batch grow.
fn scaling(rounds: usize) {
    println!("| layers | batch | backend | ms a step | images/s | peak MiB |");
    println!("|---|---|---|---|---|---|");
    let backends = Backend::ALL
        .into_iter()
        .filter(|b| b.is_cpu() && b.compiled_in());
    let contestants: Vec<Contestant> = backends.map(Contestant::backend).collect();
    let depths = [3, 5, 7, 9, 18].map(|n| (n, 128));
    let batches = [32, 64, 256, 512].map(|batch| (3, batch));
    for (n, batch) in depths.into_iter().chain(batches) {
        for contestant in &contestants {
            let runs =
                (0..rounds).filter_map(|_| contestant.run(n, batch, (24 / n).max(2), &[0, 1]));
            let runs: Vec<Value> = runs.collect();
            let get = |field: &str| {
                median(
                    runs.iter()
                        .map(|run| run[field].as_f64().unwrap())
                        .collect(),
                )
            };
            let train = get("train");
            println!(
                "| {} | {batch} | {} | {:.0} | {train:.0} | {:.0} |",
                6 * n + 2,
                contestant.name,
                1e3 * f64::from(batch) / train,
                get("peak_bytes") / f64::from(1 << 20)
            );
        }
    }
}

/// One training on two cores against two trainings on one core each.
fn jobs(rounds: usize) {
    let backends = Backend::ALL
        .into_iter()
        .filter(|b| b.is_cpu() && b.compiled_in());
    for contestant in backends.map(Contestant::backend) {
        for n in [3, 9] {
            let steps = 48 / n;
            let get = |run: Option<Value>| run.unwrap()["train"].as_f64().unwrap();
            let (mut together, mut apart) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                together.push(get(contestant.run(n, 128, steps, &[0, 1])));
                let both = std::thread::scope(|scope| {
                    let other = scope.spawn(|| get(contestant.run(n, 128, steps, &[1])));
                    get(contestant.run(n, 128, steps, &[0])) + other.join().unwrap()
                });
                apart.push(both);
            }
            let (together, apart) = (median(together), median(apart));
            println!(
                "{}, ResNet-{}: one job on two cores {together:.0} images/s, two jobs on one each {apart:.0}: {:.2}",
                contestant.name,
                6 * n + 2,
                apart / together
            );
        }
    }
}

fn residual(n: u32) -> Architecture {
    Architecture {
        n,
        shortcut: Shortcut::Zeropad,
    }
}

/// What the machine can do at most.
struct Roofline {
    /// Multiplications and additions of `f32` per second, on one core.
    flops: f64,
    /// Bytes read and written per second by a copy, on all cores.
    bandwidth: f64,
}

impl Roofline {
    fn measure() -> Roofline {
        let flops = (0..5).map(|_| Arch::new().dispatch(MultiplyAdd)).collect();
        let size = 32 << 20;
        let from = vec![1.0_f32; size];
        let mut to = vec![0.0_f32; size];
        let half = size / 2;
        let bandwidth = (0..5).map(|_| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for (to, from) in to.chunks_mut(half).zip(from.chunks(half)) {
                    scope.spawn(|| to.copy_from_slice(from));
                }
            });
            (2 * 4 * size) as f64 / start.elapsed().as_secs_f64()
        });
        let bandwidth = median(bandwidth.collect());
        black_box(&to);
        Roofline {
            flops: median(flops),
            bandwidth,
        }
    }
}

/// Multiply-adds on registers alone, twelve chains of them: operations per second.
struct MultiplyAdd;

impl WithSimd for MultiplyAdd {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let factor = simd.splat_f32s(black_box(1.000_000_1));
        let term = simd.splat_f32s(black_box(0.5));
        let mut sums = [simd.splat_f32s(0.0); 12];
        let count = 20_000_000;
        let start = Instant::now();
        for _ in 0..count {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(factor, *sum, term);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        for sum in sums {
            black_box(simd.reduce_sum_f32s(sum));
        }
        (2 * count * sums.len() * S::F32_LANES) as f64 / seconds
    }
}

/// This process's largest resident size, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|kb| kb.parse::<u64>().ok())
        .map_or(0, |kb| kb * 1024)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
