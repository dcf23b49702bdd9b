//! Which devices are there, and how they are opened.

use anyhow::{Result, bail, ensure};
use burn::tensor::Device;

use super::backend::Backend;

/// Threads of LibTorch on the CPU, however many cores there are: the way in which it splits sums, and
/// so the last bits of its results, depend on them. More than there are cores cost a quarter
/// (docs/speed.md), and several steps at once use more cores than two.
#[cfg(feature = "tch")]
const LIBTORCH_THREADS: i32 = 2;

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
