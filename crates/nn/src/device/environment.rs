//! The environment of a process that computes. Unaware of backends.

/// Environment of a process that computes with so many threads.
///
/// NVIDIA's libraries compute in full single precision, not in TF32, which has 10 bits of mantissa, and cuBLAS
/// sums in an order that does not depend on what else runs (PyTorch's notes on reproducibility).
///
/// LibTorch takes the memory of every map from the C library. glibc's `malloc` gives what a step of
/// training has freed back to the system, which zeroes it for the next step, unless it is told to keep
/// it: pieces of up to 32 MiB, and 2 GiB together, the most that all its versions accept. Other C
/// libraries do not know these names.
pub fn environment(threads: usize) -> [(&'static str, String); 7] {
    let threads = threads.to_string();
    [
        ("RAYON_NUM_THREADS", threads.clone()),
        ("OMP_NUM_THREADS", threads.clone()),
        ("MKL_NUM_THREADS", threads),
        ("NVIDIA_TF32_OVERRIDE", "0".to_owned()),
        ("CUBLAS_WORKSPACE_CONFIG", ":4096:8".to_owned()),
        ("MALLOC_MMAP_THRESHOLD_", (32_u64 << 20).to_string()),
        ("MALLOC_TRIM_THRESHOLD_", i32::MAX.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minor page faults of this process since it began, from the tenth field of Linux's account.
    #[cfg(target_os = "linux")]
    fn page_faults() -> u64 {
        let account = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (_, after_the_name) = account.rsplit_once(')').unwrap();
        let field = after_the_name.split_whitespace().nth(7).unwrap();
        field.parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "another test runs it, in a process of its own"]
    fn twenty_steps_take_eight_maps_each_and_free_them() {
        let before = page_faults();
        for _ in 0..20 {
            let maps: Vec<Vec<u8>> = (0..8).map(|_| vec![1; 8 << 20]).collect();
            std::hint::black_box(maps);
        }
        println!("page faults: {}", page_faults() - before);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn memory_that_one_step_frees_is_there_for_the_next_without_the_system() {
        let faults = |variables: &[(&str, String)]| -> u64 {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .arg("twenty_steps_take_eight_maps_each_and_free_them")
                .args(["--ignored", "--nocapture"])
                // Memory like the first thread's, on which steps are computed.
                .env("MALLOC_ARENA_MAX", "1")
                .env_remove("MALLOC_TRIM_THRESHOLD_")
                .env_remove("MALLOC_MMAP_THRESHOLD_")
                .envs(variables.iter().cloned())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let (_, number) = text.split_once("page faults: ").unwrap();
            number.lines().next().unwrap().parse().unwrap()
        };
        // Eight times 8 MiB in pages of 4 KiB or larger are 16,384 at most.
        let kept = faults(&environment(1));
        assert!(kept < 20_000, "{kept} page faults");
        let given_back = faults(&[]);
        assert!(kept * 4 < given_back, "{kept} of {given_back} page faults");
    }
}
