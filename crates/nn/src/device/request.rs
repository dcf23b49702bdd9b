//! The devices as users ask for them: by what is best, by kind, or exactly.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

use super::backend::{Backend, index};

/// Every form of a [`Request`], for messages.
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
}
