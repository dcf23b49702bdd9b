//! What this machine is called and computes with, for the record.

/// Its name.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Its processor.
pub fn cpu() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = information.lines();
    let name = lines.find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or(std::env::consts::ARCH, |(_, name)| name)
        .to_owned()
}

/// Threads that this process computes with; see [`nn::device::environment`].
pub fn threads() -> usize {
    let told = std::env::var("RAYON_NUM_THREADS").ok();
    let told = told.and_then(|threads| threads.parse().ok());
    let told = told.filter(|&threads| threads > 0);
    told.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
