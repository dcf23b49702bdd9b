//! What a step of training costs a GPU's driver: kernels launched, bytes copied to the device and back, and how
//! often the host waits. Counted on the device that is named, at sizes that change no count.
//!
//! ```text
//! cargo bench --features wgpu --bench launches [-- --device wgpu --nets 3,9 --batch 8 --kernels]
//! ```

use nn::architecture::{Architecture, Shortcut};
use nn::device::Backend;
use nn::launches::{Launches, count};
use nn::recipe::Recipe;
use nn::speed::TrainBenchmark;
use nn::transfers::Transfers;

/// Steps that are counted, after one that compiles.
const STEPS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let place = arguments.iter().position(|argument| argument == name);
        let value = place.and_then(|place| arguments.get(place + 1)).cloned();
        value.unwrap_or(default.to_owned())
    };
    let backend: Backend = option("--device", "wgpu").parse().unwrap();
    let batch: u32 = option("--batch", "8").parse().unwrap();
    println!("{backend}, batches of {batch}, per step of training:");
    for n in option("--nets", "3").split(',') {
        let n: u32 = n.parse().unwrap();
        let (launches, moved) = counted(backend, n, batch);
        let total: u64 = launches.values().sum();
        println!(
            "ResNet-{}: {:.1} launches, {} uploads of {} bytes",
            6 * n + 2,
            per_step(total),
            moved.uploads / STEPS as u64,
            moved.uploaded_bytes / STEPS as u64,
        );
        if arguments.iter().any(|argument| argument == "--kernels") {
            let mut kernels = Vec::from_iter(launches);
            kernels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            for (kernel, count) in kernels {
                println!("{:>8.1} {kernel}", per_step(count));
            }
        }
    }
}

fn per_step(count: u64) -> f64 {
    count as f64 / STEPS as f64
}

fn counted(backend: Backend, n: u32, batch: u32) -> (Launches, Transfers) {
    let architecture = Architecture {
        n,
        shortcut: Shortcut::Zeropad,
    };
    let mut recipe = Recipe::paper(architecture.layers(), 64_000, 0.1);
    recipe.batch_size = batch;
    let mut training = TrainBenchmark::new(backend, &architecture, &recipe).unwrap();
    // The second has momentum buffers.
    training.steps(2).unwrap();
    let before = Transfers::of_this_thread();
    let (done, launches) = count(|| training.steps(STEPS));
    done.unwrap();
    let after = Transfers::of_this_thread();
    let moved = Transfers {
        uploads: after.uploads - before.uploads,
        uploaded_bytes: after.uploaded_bytes - before.uploaded_bytes,
        waits: after.waits - before.waits,
        read_bytes: after.read_bytes - before.read_bytes,
    };
    (launches, moved)
}
