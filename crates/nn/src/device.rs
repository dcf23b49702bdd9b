//! The devices that networks run on: how they are named, which of them this binary was built
//! for, which are there, and with which environment a process computes on them. The only file that
//! names concrete backends.
//!
//! Unaware of networks and of what runs on a device.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use burn::tensor::Device;

/// The version of burn and its backends, pinned in `Cargo.toml`.
pub const BURN_VERSION: &str = "0.22.1";

/// Threads of LibTorch on the CPU, however many cores there are: the way in which it splits sums, and
/// so the last bits of its results, depend on them. More than there are cores cost a quarter
/// (docs/speed.md), and several steps at once use more cores than two.
#[cfg(feature = "tch")]
const LIBTORCH_THREADS: i32 = 2;

/// Environment of a process that computes on the CPU with so many threads.
///
/// LibTorch takes the memory of every map from the C library. glibc's `malloc` gives what a step of
/// training has freed back to the system, which zeroes it for the next step, unless it is told to keep
/// it: pieces of up to 32 MiB, and 2 GiB together, the most that all its versions accept. Other C
/// libraries do not know these names.
pub fn environment(threads: usize) -> [(&'static str, String); 5] {
    let threads = threads.to_string();
    [
        ("RAYON_NUM_THREADS", threads.clone()),
        ("OMP_NUM_THREADS", threads.clone()),
        ("MKL_NUM_THREADS", threads),
        ("MALLOC_MMAP_THRESHOLD_", (32_u64 << 20).to_string()),
        ("MALLOC_TRIM_THRESHOLD_", i32::MAX.to_string()),
    ]
}

/// One device of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// burn's own CPU backend.
    Flex,
    /// LibTorch on the CPU.
    TchCpu,
    /// LibTorch on the NVIDIA GPU with this index.
    TchCuda(usize),
    /// LibTorch on Apple's GPU.
    TchMps,
    /// burn's own kernels on the NVIDIA GPU with this index.
    Cuda(usize),
    /// burn's own kernels through WebGPU.
    Wgpu,
    /// burn's own kernels through Metal.
    Metal,
}

impl Backend {
    /// One of each kind, GPUs with index 0.
    pub const ALL: [Backend; 7] = [
        Backend::TchMps,
        Backend::TchCuda(0),
        Backend::Cuda(0),
        Backend::TchCpu,
        Backend::Flex,
        Backend::Metal,
        Backend::Wgpu,
    ];

    /// The name of the kind, without the device's index: two devices of the same name are held
    /// to give the same results.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            Backend::TchCpu => "tch:cpu",
            Backend::TchCuda(_) => "tch:cuda",
            Backend::TchMps => "tch:mps",
            Backend::Cuda(_) => "cuda",
            Backend::Wgpu => "wgpu",
            Backend::Metal => "metal",
        }
    }

    /// The crate whose version stands for the backend's.
    pub fn crate_name(self) -> &'static str {
        match self {
            Backend::Flex => "burn-flex",
            Backend::TchCpu | Backend::TchCuda(_) | Backend::TchMps => "burn-tch",
            Backend::Cuda(_) => "burn-cuda",
            Backend::Wgpu | Backend::Metal => "burn-wgpu",
        }
    }

    /// The cargo feature that compiles the backend in.
    pub fn feature(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            Backend::TchCpu | Backend::TchCuda(_) | Backend::TchMps => "tch",
            Backend::Cuda(_) => "cuda",
            Backend::Wgpu => "wgpu",
            Backend::Metal => "metal",
        }
    }

    /// Whether the backend computes on the CPU, sharing its cores with other steps.
    pub fn is_cpu(self) -> bool {
        matches!(self, Backend::Flex | Backend::TchCpu)
    }

    /// Whether this binary was built with the backend.
    pub fn compiled_in(self) -> bool {
        match self {
            Backend::Flex => cfg!(feature = "flex"),
            Backend::TchCpu | Backend::TchCuda(_) | Backend::TchMps => cfg!(feature = "tch"),
            Backend::Cuda(_) => cfg!(feature = "cuda"),
            Backend::Wgpu => cfg!(feature = "wgpu"),
            Backend::Metal => cfg!(feature = "metal"),
        }
    }

    /// Whether the device can be opened here, without opening it.
    ///
    /// # Errors
    /// If the backend was not compiled in (with the feature to build with) or the device is not
    /// there.
    pub fn usable(self) -> Result<()> {
        let libtorch = match self.feature() {
            "tch" => ", with `tools/libtorch` before it if LibTorch is not installed",
            _ => "",
        };
        ensure!(
            self.compiled_in(),
            "device {self} is not compiled in: build with `cargo build --release --features {}`{libtorch}",
            self.feature()
        );
        match self {
            Backend::Flex | Backend::TchCpu => return Ok(()),
            Backend::TchMps | Backend::Metal => ensure!(
                cfg!(target_os = "macos"),
                "device {self} exists on macOS only"
            ),
            _ => {}
        }
        let index = match self {
            Backend::TchCuda(index) | Backend::Cuda(index) => index,
            _ => 0,
        };
        let count = self.gpus();
        ensure!(
            index < count,
            "device {self} is not there: {count} GPUs are visible to the backend"
        );
        Ok(())
    }

    /// How many GPUs the backend sees.
    fn gpus(self) -> usize {
        match self {
            #[cfg(feature = "tch")]
            Backend::TchCuda(_) => usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
            #[cfg(feature = "tch")]
            Backend::TchMps => usize::from(tch::utils::has_mps()),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => listed(burn::tensor::DeviceType::Wgpu),
            #[cfg(feature = "metal")]
            Backend::Metal => listed(burn::tensor::DeviceType::Metal),
            #[cfg(feature = "cuda")]
            // Asking burn-cuda would panic where NVIDIA's driver is not installed.
            Backend::Cuda(_) if nvidia_driver() => listed(burn::tensor::DeviceType::Cuda),
            _ => 0,
        }
    }

    /// Opens the device, without autodiff.
    ///
    /// # Errors
    /// If it is not [usable](Backend::usable).
    #[allow(deprecated, reason = "burn 0.23 drops LibTorch, which 0.22 deprecates")]
    pub fn open(self) -> Result<Device> {
        self.usable()?;
        match self {
            #[cfg(feature = "flex")]
            Backend::Flex => Ok(Device::flex()),
            #[cfg(feature = "tch")]
            Backend::TchCpu => {
                tch::set_num_threads(LIBTORCH_THREADS);
                Ok(Device::libtorch())
            }
            #[cfg(feature = "tch")]
            Backend::TchCuda(index) => Ok(Device::libtorch_cuda(index)),
            #[cfg(feature = "tch")]
            Backend::TchMps => Ok(Device::libtorch_mps()),
            #[cfg(feature = "cuda")]
            Backend::Cuda(index) => Ok(Device::cuda(index)),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "metal")]
            Backend::Metal => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
            #[allow(unreachable_patterns, reason = "reached where a feature is off")]
            _ => bail!("device {self} is not compiled in"),
        }
    }
}

/// How many devices of a kind burn lists.
#[cfg(any(feature = "cuda", feature = "metal", feature = "wgpu"))]
fn listed(kind: burn::tensor::DeviceType) -> usize {
    Device::enumerate(kind).into_vec().len()
}

/// Whether NVIDIA's kernel driver has any device.
#[cfg(feature = "cuda")]
fn nvidia_driver() -> bool {
    cfg!(windows) || std::path::Path::new("/dev/nvidiactl").exists()
}

impl fmt::Display for Backend {
    /// The exact form that [`Backend::from_str`] reads: `tch:cuda:0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::TchCuda(index) | Backend::Cuda(index) => {
                write!(f, "{}:{index}", self.name())
            }
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Backend {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Backend> {
        for kind in Backend::ALL {
            let backend = match (kind, text.strip_prefix(kind.name())) {
                (Backend::TchCuda(_), Some(rest)) => index(rest).map(Backend::TchCuda),
                (Backend::Cuda(_), Some(rest)) => index(rest).map(Backend::Cuda),
                (_, Some("")) => Some(kind),
                _ => None,
            };
            if let Some(backend) = backend {
                return Ok(backend);
            }
        }
        let forms = Backend::ALL.map(|kind| kind.to_string());
        bail!(
            "unknown device {text:?}: expected one of {}",
            forms.join(", ")
        )
    }
}

/// The index in what follows a GPU's name: nothing for 0, or `:1`.
fn index(rest: &str) -> Option<usize> {
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some(0),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    }
}

/// What `--device` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The best that is there: Apple's GPU, an NVIDIA GPU, the CPU.
    Auto,
    /// The fastest backend for the CPU that was compiled in.
    Cpu,
    /// An NVIDIA GPU, the first where no index is given.
    Cuda(Option<usize>),
    /// Apple's GPU.
    Mps,
    /// Exactly this.
    Exact(Backend),
}

impl Request {
    /// The device that is meant.
    ///
    /// # Errors
    /// If what was asked for was not compiled in or is not there; a GPU that was asked for is
    /// never replaced by the CPU.
    pub fn resolve(&self) -> Result<Backend> {
        let index = match self {
            Request::Cuda(index) => index.unwrap_or(0),
            _ => 0,
        };
        let mps = [Backend::TchMps, Backend::Metal];
        let cuda = [Backend::TchCuda(index), Backend::Cuda(index)];
        // By measurement: `benches/train.rs`.
        let cpu = [Backend::Flex, Backend::TchCpu];
        match self {
            Request::Auto => first_usable(&[mps, cuda, cpu].concat()),
            Request::Cpu => first_usable(&cpu),
            Request::Cuda(_) => first_usable(&cuda),
            Request::Mps => first_usable(&mps),
            Request::Exact(backend) => backend.usable().map(|()| *backend),
        }
    }
}

/// The first of several devices that is usable.
fn first_usable(candidates: &[Backend]) -> Result<Backend> {
    // What was not compiled in needs no error that nobody reads.
    let mut compiled_in = candidates.iter().filter(|backend| backend.compiled_in());
    if let Some(&backend) = compiled_in.find(|backend| backend.usable().is_ok()) {
        return Ok(backend);
    }
    let reasons = candidates
        .iter()
        .filter_map(|backend| backend.usable().err());
    let reasons: Vec<String> = reasons.map(|reason| reason.to_string()).collect();
    bail!("no such device: {}", reasons.join("; "))
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Auto => f.write_str("auto"),
            Request::Cpu => f.write_str("cpu"),
            Request::Cuda(None) => f.write_str("cuda"),
            Request::Cuda(Some(index)) => write!(f, "cuda:{index}"),
            Request::Mps => f.write_str("mps"),
            Request::Exact(backend) => backend.fmt(f),
        }
    }
}

impl FromStr for Request {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Request> {
        match text {
            "auto" => return Ok(Request::Auto),
            "cpu" => return Ok(Request::Cpu),
            "cuda" => return Ok(Request::Cuda(None)),
            "mps" => return Ok(Request::Mps),
            _ => {}
        }
        if let Some(index) = text.strip_prefix("cuda").and_then(index) {
            return Ok(Request::Cuda(Some(index)));
        }
        if let Ok(backend) = text.parse() {
            return Ok(Request::Exact(backend));
        }
        const FORMS: [&str; 11] = [
            "auto",
            "cpu",
            "cuda",
            "cuda:0",
            "mps",
            "flex",
            "tch:cpu",
            "tch:cuda:0",
            "tch:mps",
            "wgpu",
            "metal",
        ];
        let nearest = FORMS
            .into_iter()
            .max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)))
            .filter(|form| strsim::jaro_winkler(form, text) > 0.7);
        let hint = nearest.map_or(String::new(), |form| format!(" (did you mean {form}?)"));
        bail!(
            "unknown device {text:?}{hint}: expected one of {}",
            FORMS.join(", ")
        )
    }
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

    #[test]
    fn the_exact_form_of_every_device_reads_back() {
        let more = [Backend::TchCuda(3), Backend::Cuda(12)];
        for backend in Backend::ALL.into_iter().chain(more) {
            assert_eq!(backend.to_string().parse::<Backend>().unwrap(), backend);
        }
        for broken in ["tch:cuda:x", "tch:cuda:", "flexy", "cuda:-1", "cuda:+1", ""] {
            assert!(broken.parse::<Backend>().is_err(), "{broken}");
        }
    }

    #[test]
    fn requests_are_read_and_shown_in_the_same_form() {
        for text in [
            "auto",
            "cpu",
            "cuda",
            "cuda:1",
            "mps",
            "flex",
            "tch:cpu",
            "tch:cuda:0",
            "tch:mps",
            "wgpu",
            "metal",
        ] {
            assert_eq!(text.parse::<Request>().unwrap().to_string(), text);
        }
        let error = "tch:cud:0".parse::<Request>().unwrap_err().to_string();
        assert!(error.contains("did you mean tch:cuda:0?"), "{error}");
        assert!(error.contains("auto, cpu, cuda,"), "{error}");
        let error = "quantum".parse::<Request>().unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_and_never_another_device() {
        for request in ["cuda:77", "tch:cuda:77"] {
            assert!(request.parse::<Request>().unwrap().resolve().is_err());
        }
        for backend in Backend::ALL {
            if !backend.compiled_in() {
                let error = Request::Exact(backend).resolve().unwrap_err().to_string();
                let hint = format!("--features {}", backend.feature());
                assert!(error.contains(&hint), "{error}");
                assert!(backend.open().is_err());
            }
        }
    }

    #[cfg(all(feature = "flex", not(feature = "tch")))]
    #[test]
    fn the_cpu_is_flex_where_libtorch_is_not_compiled_in() {
        assert_eq!(Request::Cpu.resolve().unwrap(), Backend::Flex);
        assert!(Backend::Flex.open().is_ok());
    }

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock").replace("\r\n", "\n");
        for backend in Backend::ALL {
            let name = backend.crate_name();
            let entry = format!("name = \"{name}\"\nversion = \"{BURN_VERSION}\"\n");
            assert!(lock.contains(&entry), "{name}");
        }
    }
}
