//! What snapshots and trace cost a training, in bytes and as a share of its time, and how fast a replay is
//! beside the training: ResNet-20 in batches of 128, on a shortened training.
//!
//! Trainings with few and with many snapshots run in turn. What one state in the trace and one snapshot cost
//! comes of the difference, and what a training of 64,000 iterations pays for its own of that.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use cifar::Images;
use nn::architecture::{Architecture, Shortcut};
use nn::checkpoint::{self, Checkpoints};
use nn::device::Backend;
use nn::fit::{Data, TrainConfig, TrainEnv, TrainEvent, fit, replay};
use nn::recipe::Recipe;
use nn::snapshots::Snapshots;
use nn::trace::Trace;
use records::Statistics;

const ITERATIONS: u64 = 20;
const ROUNDS: usize = 3;

fn main() {
    let train = noise(1280);
    let test = noise(10);
    let none = Images::default();
    let statistics = Statistics {
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    let classes: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let data = Data {
        train: &train,
        validation: &none,
        test: &test,
        statistics: &statistics,
        classes: &classes,
    };
    let mut recipe = Recipe::paper(20, ITERATIONS, 0.1);
    recipe.evaluate_every = ITERATIONS;
    recipe.schedule.milestones.clear();
    let config = |count| {
        let mut recipe = recipe.clone();
        recipe.snapshots = Snapshots { count, window: 2 };
        TrainConfig {
            architecture: Architecture {
                n: 3,
                shortcut: Shortcut::Zeropad,
            },
            seed: 0,
            recipe,
        }
    };
    let (few, many) = (config(1), config(ITERATIONS as u32 - 1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut times = [vec![], vec![]];
    let mut trace = Trace::default();
    for _ in 0..ROUNDS {
        for (config, times) in [&few, &many].into_iter().zip(&mut times) {
            let started = Instant::now();
            trace = trained(config, data, folder.path());
            times.push(started.elapsed().as_secs_f64());
        }
    }
    let [few, many_seconds] = times.map(median);
    let each = (many_seconds - few).max(0.0) / (ITERATIONS - 4) as f64;
    let iteration = few / ITERATIONS as f64;
    let snapshot = folder.path().join(checkpoint::snapshot(1));
    let bytes = fs::metadata(&snapshot).expect("a snapshot").len();
    // 9 windows of 11 states, and 64 evaluations; 8 of these with a snapshot.
    let states = 9 * 11 + 64;
    println!(
        "an iteration {:.1} ms; a state in the trace with its snapshot {:.2} ms, {:.2} MB",
        iteration * 1e3,
        each * 1e3,
        bytes as f64 / 1e6
    );
    println!(
        "a training of 64,000 iterations: 8 snapshots {:.1} MB; {states} states cost at most {:.4} % of its time",
        8.0 * bytes as f64 / 1e6,
        100.0 * states as f64 * each / (64_000.0 * iteration)
    );

    let stretches = trace.segments(&many.recipe);
    let mut again = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for stretch in &stretches[1..] {
            let snapshot = folder.path().join(checkpoint::snapshot(stretch.from));
            let mut quiet = |_| {};
            let mut env = env(None, &mut quiet);
            let replayed = replay(&many, data, *stretch, Some(&snapshot), &mut env);
            let replayed = replayed.expect("a replay");
            assert_eq!(trace.difference(stretch, &replayed.trace), None);
        }
        again.push(started.elapsed().as_secs_f64() / (stretches.len() - 1) as f64);
    }
    let again = median(again);
    println!(
        "an iteration replayed by itself, its snapshot read and images digested anew: {:.1} ms, {:.2} × the training's",
        again * 1e3,
        again / iteration
    );
    let window = iteration * 9.0 + again;
    println!(
        "a window of 10 iterations: {:.2} s, {:.2} × as many of the training's; 9 windows {:.1} s, 1/{:.0} of 64,000",
        window,
        window / (10.0 * iteration),
        9.0 * window,
        64_000.0 * iteration / (9.0 * window)
    );
}

/// Trains with snapshots in a folder.
fn trained(config: &TrainConfig, data: Data, folder: &Path) -> Trace {
    let checkpoints = Checkpoints {
        folder: folder.to_owned(),
        every: std::time::Duration::MAX,
        snapshots: Some(folder.to_owned()),
    };
    for (_, left) in checkpoint::snapshots(folder).expect("the folder") {
        fs::remove_file(left).expect("a snapshot");
    }
    let mut quiet = |_| {};
    let trained = fit(config, data, &mut env(Some(&checkpoints), &mut quiet));
    trained.expect("a training").trace
}

fn env<'a>(
    checkpoints: Option<&'a Checkpoints>,
    observe: &'a mut dyn FnMut(TrainEvent),
) -> TrainEnv<'a> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    TrainEnv {
        backend: Backend::Flex,
        checkpoints,
        stop: &NEVER,
        observe,
    }
}

/// Images of noise, ten classes in turn.
fn noise(count: usize) -> Images {
    let mut images = Images::default();
    let mut state: u32 = 1;
    for index in 0..count {
        let pixels: Vec<u8> = (0..cifar::IMAGE)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let pushed = images.push((index % 10) as u8, &pixels);
        pushed.expect("an image");
    }
    images
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
