//! The backends by name: what they are called, which crate and which cargo feature they are. Unaware
//! of what is there on this machine.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

/// The version of burn and its backends, pinned in `Cargo.toml`.
pub const BURN_VERSION: &str = "0.22.1";

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
pub(super) fn index(rest: &str) -> Option<usize> {
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some(0),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock").replace("\r\n", "\n");
        for name in [
            "burn-core",
            "burn-cuda",
            "burn-flex",
            "burn-tch",
            "burn-wgpu",
        ] {
            let entry = format!("name = \"{name}\"\nversion = \"{BURN_VERSION}\"\n");
            assert!(lock.contains(&entry), "{name}");
        }
    }
}
