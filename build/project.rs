//! What the fingerprint has to be told of this project: its kinds of steps, its backends, and where
//! its files lie.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use walkdir::WalkDir;

use crate::fingerprint::{self, Backend, Error, Files, Fingerprint, Settings};

/// The kinds of steps, and where the work of each starts. What chooses among them (`steps::Params`)
/// and what surrounds them (`run`, `plan`, `cli`) is part of none.
const KINDS: &[(&str, &[&str])] = &[
    (
        "aggregate",
        &["steps::aggregate::run", "steps::aggregate::OUTPUTS"],
    ),
    (
        "download",
        &["steps::download::run", "steps::download::OUTPUTS"],
    ),
    (
        "evaluate",
        &["steps::evaluate::run", "steps::evaluate::OUTPUTS"],
    ),
    ("plot", &["steps::plot::run", "steps::plot::OUTPUTS"]),
    (
        "preprocess",
        &["steps::preprocess::run", "steps::preprocess::OUTPUTS"],
    ),
    ("table", &["steps::table::run", "steps::table::OUTPUTS"]),
    ("train", &["steps::train::run", "steps::train::OUTPUTS"]),
];

/// The backends by their crates (`Backend::crate_name` in `src/nn/device.rs`), and those that
/// burn's crates list though fig6 has no feature for them.
const BACKENDS: &[Backend] = &[
    backend("burn-cpu", &["burn-cpu", "cubecl-cpu"], true),
    backend("burn-cuda", &["burn-cuda", "cubecl-cuda"], true),
    backend("burn-flex", &["burn-flex"], false),
    backend("burn-ndarray", &["burn-ndarray"], false),
    backend("burn-rocm", &["burn-rocm", "cubecl-hip"], true),
    backend("burn-tch", &["burn-tch", "tch", "torch-sys"], false),
    backend(
        "burn-wgpu",
        &["burn-wgpu", "cubecl-metal", "cubecl-wgpu"],
        true,
    ),
];

const fn backend(
    name: &'static str,
    entries: &'static [&'static str],
    shares: bool,
) -> Backend<'static> {
    Backend {
        name,
        entries,
        shares,
    }
}

/// What several backends share and burn itself computes nothing with.
const BACKEND_CRATES: &[&str] = &[
    "burn-cubecl",
    "burn-cubecl-fusion",
    "burn-fusion",
    "burn-remote",
    "burn-router",
    "cubecl",
    "cubek",
];

/// Features of this package that choose backends.
const BACKEND_FEATURES: &[&str] = &["cuda", "default", "flex", "metal", "tch", "wgpu"];

/// Files below a folder on disk; remembers which were read.
pub struct Disk {
    root: PathBuf,
    pub read: RefCell<BTreeSet<String>>,
}

impl Disk {
    pub fn new(root: PathBuf) -> Disk {
        Disk {
            root,
            read: RefCell::default(),
        }
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let content = fs::read(self.root.join(path)).ok()?;
        self.read.borrow_mut().insert(path.to_owned());
        Some(content)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = WalkDir::new(self.root.join(folder)).sort_by_file_name();
        let files = entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file());
        files
            .filter_map(|entry| {
                let path = entry.path().strip_prefix(&self.root).ok()?;
                Some(path.to_str()?.replace('\\', "/"))
            })
            .collect()
    }
}

/// The fingerprint of this project with these features on and these variables set.
///
/// # Errors
/// If there is none: see [`fingerprint::fingerprint`].
pub fn fingerprint(
    files: &dyn Files,
    features: &BTreeSet<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Fingerprint, Error> {
    fingerprint::fingerprint(
        files,
        &Settings {
            kinds: KINDS,
            backends: BACKENDS,
            backend_crates: BACKEND_CRATES,
            backend_features: BACKEND_FEATURES,
            features,
            environment,
        },
    )
}
