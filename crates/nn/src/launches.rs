//! Kernels that burn's own GPU backends launch, counted by name.
//!
//! Unaware of what launches them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cubecl_runtime::config::{TypeNameFormatLevel, type_name_format};
use cubecl_runtime::logging::{LaunchObservation, LaunchObserver};

/// Launches by the kernel's name.
pub type Launches = BTreeMap<String, u64>;

#[derive(Default)]
struct Counter(Mutex<BTreeMap<&'static str, u64>>);

impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kernel).or_default() += 1;
    }
}

/// Does some work, and counts what all threads launch meanwhile.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Launches) {
    let counter = Arc::new(Counter::default());
    let observation = LaunchObservation::new(counter.clone());
    let done = work();
    drop(observation);
    let counts = counter.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut launches = Launches::new();
    for (kernel, count) in counts.iter() {
        let name = type_name_format(kernel, TypeNameFormatLevel::Short);
        *launches.entry(name).or_default() += count;
    }
    (done, launches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, Shortcut};
    use crate::device::tested;
    use crate::recipe::Recipe;
    use crate::speed::TrainBenchmark;

    /// What a step of ResNet-8 launches on llvmpipe (docs/gpu.md), and a tenth more for other GPUs.
    const MOST: u64 = 286;

    #[test]
    fn a_step_of_eight_layers_launches_no_more_than_was_counted() {
        for backend in tested().into_iter().filter(|it| !it.is_cpu()) {
            let architecture = Architecture {
                n: 1,
                shortcut: Shortcut::Zeropad,
            };
            let mut recipe = Recipe::paper(architecture.layers(), 64_000, 0.1);
            recipe.batch_size = 2;
            let mut training = TrainBenchmark::new(backend, &architecture, &recipe).unwrap();
            training.steps(2).unwrap();
            let (done, launches) = count(|| training.steps(1));
            done.unwrap();
            let total: u64 = launches.values().sum();
            eprintln!("{total} launches on {backend}: {launches:?}");
            assert!(0 < total && total <= MOST, "{total} on {backend}");
        }
    }
}
