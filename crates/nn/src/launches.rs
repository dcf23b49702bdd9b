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
