//! What every device owes: flex's numbers but for rounding, its own bytes again, and nothing that grows.

use super::tests::{PLAIN_8, Pictures, Short, bytes, recipe};
use super::*;
use crate::architecture::{Architecture, Shortcut};
use crate::augment::Normalise;
use crate::device::tested;
use crate::predict::{logits, predict};
use crate::transfers::Transfers;

/// Logits may differ by this share of the largest one. Measured on eight layers: 4e-7 at most.
const ROUNDING: f32 = 5e-6;

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.map(f32::abs).fold(0.0, f32::max)
}

/// The logits of these weights on the device, and the classes that they name.
fn evaluated(architecture: &Architecture, weights: &[u8], backend: Backend) -> (Vec<f32>, Vec<u8>) {
    let network = weights::from_bytes(architecture, weights, &backend.open().unwrap()).unwrap();
    let pictures = Pictures::new();
    let data = pictures.data();
    let normalise = Normalise::new(data.statistics);
    let stop = AtomicBool::new(false);
    let logits = logits(&network, data.test, &normalise, &stop).unwrap();
    let classes = predict(&network, data.test, &normalise, &stop).unwrap();
    (logits.unwrap(), classes.unwrap())
}

fn evaluates_as_flex_does(
    what: &str,
    architecture: &Architecture,
    weights: &[u8],
    backend: Backend,
) {
    let (expected, classes) = evaluated(architecture, weights, Backend::Flex);
    let (found, found_classes) = evaluated(architecture, weights, backend);
    let off = largest(found.iter().zip(&expected).map(|(a, b)| a - b));
    let share = off / largest(expected.iter().copied());
    eprintln!("{what} on {backend}: logits differ by {share:.1e} of the largest");
    assert!(share <= ROUNDING, "{what} on {backend}: {share}");
    assert_eq!(found_classes, classes, "{what} on {backend}");
}

#[test]
fn every_shortcut_gives_flexs_logits() {
    for shortcut in Shortcut::ALL {
        let architecture = Architecture { n: 1, shortcut };
        let device = Backend::Flex.open().unwrap();
        let network = ResNet::new(&architecture, 5, &device);
        let trained_on = crate::trained_on::TrainedOn::default();
        let weights = weights::to_bytes(&architecture, &trained_on, &network).unwrap();
        for backend in tested() {
            evaluates_as_flex_does(&shortcut.to_string(), &architecture, &weights, backend);
        }
    }
}

#[test]
fn weights_that_a_device_has_trained_are_evaluated_alike_there_and_on_flex() {
    for backend in tested() {
        let trained = Short::on(backend).train().0.unwrap();
        let again = Short::on(backend).train().0.unwrap();
        assert!(bytes(&trained) == bytes(&again), "{backend}: another run");
        assert_eq!(trained.metrics, again.metrics);
        let weights = bytes(&trained);
        evaluates_as_flex_does("a trained net", &PLAIN_8, &weights, backend);
    }
}

#[test]
fn each_iteration_uploads_images_and_labels_and_ten_of_them_wait_once() {
    for backend in tested() {
        let mut short = Short::on(backend);
        short.recipe = recipe(100);
        short.recipe.evaluate_every = 100;
        let (config, pictures) = (short.config(), Pictures::new());
        let mut env = TrainEnv {
            backend,
            checkpoints: None,
            stop: &AtomicBool::new(false),
            observe: &mut |_| {},
        };
        let mut training = Training::begin(&config, pictures.data(), &mut env).unwrap();
        let mut until = |iteration| {
            while training.progress.iteration < iteration {
                training.advance(&mut env).unwrap();
            }
            Transfers::of_this_thread()
        };
        // Behind the window of the beginning, and before the first snapshot.
        let (before, started) = (until(5), Instant::now());
        let after = until(25);
        // A report of progress, which there is every second, waits as well.
        let reports = started.elapsed().as_secs() + 1;
        let waits = after.waits - before.waits;
        assert_eq!(after.uploads - before.uploads, 20 * 2, "{backend}");
        assert!((2..=2 + reports).contains(&waits), "{backend}: {waits}");
    }
}

/// What Linux says of this process.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Usage {
    kibibytes: u64,
    threads: u64,
    handles: usize,
}

#[cfg(target_os = "linux")]
impl Usage {
    fn now() -> Usage {
        let account = std::fs::read_to_string("/proc/self/status").unwrap();
        let number = |name: &str| -> u64 {
            let line = account.lines().find_map(|line| line.strip_prefix(name));
            let words = line.unwrap().split_whitespace().next();
            words.unwrap().parse().unwrap()
        };
        Usage {
            kibibytes: number("VmRSS:"),
            threads: number("Threads:"),
            handles: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "another test runs it, in a process of its own"]
fn many_iterations_use_what_a_quarter_of_them_used() {
    use crate::speed::TrainBenchmark;

    let quarter = testing::amount(25, 125, 500);
    for backend in tested() {
        let mut recipe = Recipe::paper(8, 64_000, 0.1);
        recipe.batch_size = 2;
        let mut training = TrainBenchmark::new(backend, &PLAIN_8, &recipe).unwrap();
        training.steps(quarter).unwrap();
        let early = Usage::now();
        for _ in 0..3 {
            training.steps(quarter).unwrap();
        }
        let late = Usage::now();
        eprintln!(
            "{backend}: {early:?}, {late:?} after {} iterations",
            4 * quarter
        );
        assert_eq!(early.threads, late.threads, "{backend}");
        assert_eq!(early.handles, late.handles, "{backend}");
        assert!(
            late.kibibytes <= early.kibibytes + 8 * 1024,
            "{backend}: {early:?}, {late:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_handles_and_threads_do_not_grow_with_iterations() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("many_iterations_use_what_a_quarter_of_them_used")
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
