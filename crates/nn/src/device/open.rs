//! Which devices are there, and how they are opened.

use std::collections::BTreeSet;
#[cfg(feature = "wgpu")]
use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};
#[cfg(feature = "wgpu")]
use burn::backend::wgpu::{RuntimeOptions, try_init_setup};
#[cfg(feature = "wgpu")]
use burn::backend::{AutoGraphicsApi, CubeDevice, DispatchDevice, WgpuDevice, WgpuDeviceKind};
use burn::tensor::Device;
#[cfg(any(feature = "metal", feature = "wgpu"))]
use burn::tensor::DeviceKind;

use super::backend::Backend;

/// Threads of LibTorch on the CPU, however many cores there are: the way in which it splits sums, and
/// so the last bits of its results, depend on them. More than there are cores cost a quarter
/// (docs/speed.md), and several steps at once use more cores than two.
#[cfg(feature = "tch")]
const LIBTORCH_THREADS: i32 = 2;

/// The variable that lets a program on the CPU stand in for a GPU.
const SOFTWARE_GPU: &str = "FIG6_SOFTWARE_GPU";

impl Backend {
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
        let software = self == Backend::Wgpu && count == 0 && software_gpu();
        ensure!(
            !software || std::env::var_os(SOFTWARE_GPU).is_some(),
            "device {self} is not there: what Vulkan finds is a program on the CPU and no GPU \
             ({SOFTWARE_GPU}=1 takes it, for tests)"
        );
        ensure!(
            software || index < count,
            "device {self} is not there: {}",
            match count {
                0 => "the backend sees no GPU, or no driver for it".to_owned(),
                1 => "the backend sees one GPU, which is 0".to_owned(),
                _ => format!("the backend sees {count} GPUs, 0 to {}", count - 1),
            }
        );
        Ok(())
    }

    /// What the device calls itself: two of a name are held to be of a kind.
    ///
    /// # Errors
    /// As [`Backend::open`].
    pub fn identity(self) -> Result<String> {
        let device = self.open()?;
        #[cfg(any(feature = "cuda", feature = "metal", feature = "wgpu"))]
        if let Some(identity) = device.identity() {
            return Ok(identity.name);
        }
        drop(device);
        // LibTorch's bindings do not say.
        let model = match self {
            Backend::TchCuda(_) => nvidia_models(),
            _ => None,
        };
        Ok(model.unwrap_or_else(|| self.name().to_owned()))
    }

    /// How many GPUs the backend sees.
    fn gpus(self) -> usize {
        match self {
            #[cfg(feature = "tch")]
            Backend::TchCuda(_) => usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
            #[cfg(feature = "tch")]
            Backend::TchMps => usize::from(tch::utils::has_mps()),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => {
                let kinds = adapters().into_iter();
                kinds.filter(|kind| *kind != WgpuDeviceKind::Cpu).count()
            }
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
            Backend::Wgpu => start_wgpu().map(|()| Device::wgpu(DeviceKind::DefaultDevice)),
            #[cfg(feature = "metal")]
            Backend::Metal => Ok(Device::metal(DeviceKind::DefaultDevice)),
            #[allow(unreachable_patterns, reason = "reached where a feature is off")]
            _ => bail!("device {self} is not compiled in"),
        }
    }
}

/// The kinds of what WebGPU's implementation finds.
#[cfg(feature = "wgpu")]
fn adapters() -> Vec<WgpuDeviceKind> {
    let devices = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
    let kind = |device: &Device| match device.as_dispatch() {
        DispatchDevice::Cube(CubeDevice::Wgpu(device)) => Some(device.kind.clone()),
        _ => None,
    };
    devices.iter().filter_map(kind).collect()
}

/// Whether there is a program that stands in for a GPU.
fn software_gpu() -> bool {
    #[cfg(feature = "wgpu")]
    return adapters().contains(&WgpuDeviceKind::Cpu);
    #[cfg(not(feature = "wgpu"))]
    false
}

/// Starts what burn would start at the first tensor, where it could not say what is wrong.
#[cfg(feature = "wgpu")]
fn start_wgpu() -> Result<()> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        let device = WgpuDevice::new(WgpuDeviceKind::DefaultDevice);
        match try_init_setup::<AutoGraphicsApi>(&device, RuntimeOptions::default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
    let failed = |error: &String| anyhow::anyhow!("device wgpu cannot be started: {error}");
    started.as_ref().map(|()| ()).map_err(failed)
}

/// The models of NVIDIA's GPUs, as their driver for Linux names them.
fn nvidia_models() -> Option<String> {
    let gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let model = |gpu: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(gpu.ok()?.path().join("information")).ok()?;
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
        Some(model.trim().to_owned())
    };
    let models: BTreeSet<String> = gpus.filter_map(model).collect();
    (!models.is_empty()).then(|| Vec::from_iter(models).join(", "))
}

/// How many devices of a kind burn lists.
#[cfg(any(feature = "cuda", feature = "metal"))]
fn listed(kind: burn::tensor::DeviceType) -> usize {
    Device::enumerate(kind).into_vec().len()
}

/// Whether NVIDIA's kernel driver has any device.
#[cfg(feature = "cuda")]
fn nvidia_driver() -> bool {
    cfg!(windows) || std::path::Path::new("/dev/nvidiactl").exists()
}
