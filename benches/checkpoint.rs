//! What a checkpoint costs: reading weights and momentum back from the device, and writing, flushing
//! and renaming the file, as a share of the five minutes between two of them.

use std::time::{Duration, Instant};

use nn::architecture::{Architecture, Shortcut};
use nn::checkpoint::{Checkpoint, Checkpoints, TrainProgress};
use nn::device::Backend;
use nn::resnet::ResNet;
use nn::trained_on::TrainedOn;
use nn::weights;
use serde_json::json;

/// `--checkpoint-every`, unless one says otherwise.
const EVERY: Duration = Duration::from_secs(300);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoints = Checkpoints {
        folder: folder.path().to_owned(),
        every: EVERY,
        snapshots: None,
    };
    let device = Backend::Flex.open().expect("the CPU");
    for n in [3, 18, 200] {
        let architecture = Architecture {
            n,
            shortcut: Shortcut::Zeropad,
        };
        let network = ResNet::new(&architecture, 0, &device);
        let mut times: Vec<Duration> = (1..=7)
            .map(|iteration| {
                let started = Instant::now();
                let weights = weights::state(&network).expect("the weights");
                let mut momentum_buffers = weights.clone();
                momentum_buffers.retain(|name, _| !name.contains("running_"));
                let checkpoint = Checkpoint {
                    identity: json!({ "architecture": architecture }),
                    progress: TrainProgress {
                        iteration,
                        ..TrainProgress::default()
                    },
                    trained_on: TrainedOn::default(),
                    weights,
                    momentum_buffers,
                };
                checkpoints.write(&checkpoint).expect("a checkpoint");
                started.elapsed()
            })
            .collect();
        times.sort();
        let median = times[times.len() / 2];
        println!(
            "ResNet-{}: {:.0} ms, {:.3} % of {} s",
            architecture.layers(),
            median.as_secs_f64() * 1e3,
            100.0 * median.as_secs_f64() / EVERY.as_secs_f64(),
            EVERY.as_secs()
        );
    }
}
