//! What a kind of step is made of: the code and the packages that its result depends on.
//!
//! A kind is a crate, `crates/steps/KIND`. What it depends on is what cargo says it depends on: its
//! crate and all crates and packages behind it. It does not matter which function calls which: any
//! edit in one of those crates counts.
//!
//! | counts | does not count |
//! |---|---|
//! | every file of the crates: `.rs` by its tokens, others by their bytes | comments, documentation, layout, trailing commas; `*.md` beside `Cargo.toml` |
//! | their edition, features, `[lib]` and dependencies | versions asked for, lints, the package's version and description |
//! | packages behind them in `Cargo.lock`, by version and checksum | development dependencies, and what only these lead to |
//! | the features that they ask packages for | features that only other crates ask for |
//! | of the backends, the one that computes | the other backends, and which are compiled in |
//! | | tests: what is `#[cfg(test)]`, `tests/`, `benches/`, `examples/` |
//! | | `RUSTFLAGS` and the profile, although unusual flags can change the last bits |
//!
//! Never too little: what cannot be placed counts for all, and code that would read what is not
//! digested is an error (see `tokens`). Only files matter, not the features or the machine of a
//! build. Unaware of what steps do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::{Table, Value};

mod manifest;
mod packages;
mod sources;
mod tokens;

use manifest::{Dependency, Manifest};
pub use packages::Packages;

/// Where the kinds of steps lie, a crate each.
const KINDS: &str = "crates/steps";

/// Stands for a backend's feature where something counts for all of them.
const ALL: &str = "";

/// Names with what stands for them.
pub type Listing = BTreeMap<String, String>;

/// An error for people: the file, what is wrong, and what to do.
pub type Result<T> = std::result::Result<T, String>;

/// What all steps are made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// By kind, whichever backend computes.
    pub kinds: BTreeMap<String, Parts>,
    /// By feature: what the backend that computes adds.
    pub backends: BTreeMap<String, Parts>,
}

/// Named parts of what something is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Files by crate, or by crate and feature (`nn with flex`).
    pub code: BTreeMap<String, Listing>,
    /// Packages: one part, or none.
    pub crates: BTreeMap<String, Listing>,
}

/// A crate of the workspace.
struct Crate {
    manifest: Manifest,
    /// Digests of files, by the backend that they count for.
    files: BTreeMap<&'static str, Listing>,
}

/// Crates by their folders.
type Crates = BTreeMap<String, Crate>;

/// The fingerprint of the workspace in a folder.
///
/// # Errors
/// If a file cannot be read or parsed, if code would read something that is not digested, or if
/// `Cargo.lock` lacks a package.
pub fn fingerprint(root: &Path) -> Result<Fingerprint> {
    let manifest = manifest::parse(root, "Cargo.toml")?;
    let workspace = manifest.get("workspace").and_then(Value::as_table);
    let workspace = workspace.cloned().unwrap_or_default();
    let packages = Packages::read(root)?;
    let kinds = kinds(root)?;
    let mut crates = Crates::new();
    for kind in &kinds {
        load(root, &workspace, &format!("{KINDS}/{kind}"), &mut crates)?;
    }
    let mut found = Fingerprint::default();
    for kind in &kinds {
        let own = closure(&crates, [format!("{KINDS}/{kind}")], ALL);
        let parts = parts(&packages, &own, &[], ALL)?;
        found.kinds.insert(kind.clone(), parts);
    }
    for backend in packages::backends() {
        let kinds = kinds.iter().map(|kind| format!("{KINDS}/{kind}"));
        let users = closure(&crates, kinds, backend);
        if users
            .iter()
            .any(|user| user.manifest.features.contains(backend))
        {
            let added = users.iter().flat_map(|user| user.dependencies(backend));
            let own = closure(&crates, added.filter_map(|it| it.path.clone()), backend);
            let parts = parts(&packages, &own, &users, backend)?;
            found.backends.insert(backend.to_owned(), parts);
        }
    }
    Ok(found)
}

/// The kinds of steps.
fn kinds(root: &Path) -> Result<BTreeSet<String>> {
    let folders =
        fs::read_dir(root.join(KINDS)).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let folders = folders.map_err(|error| format!("{KINDS}: cannot be listed: {error}"))?;
    let folders = folders.iter().filter(|entry| entry.path().is_dir());
    Ok(folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect())
}

/// Reads a crate and all behind it, for whichever backend.
fn load(root: &Path, workspace: &Table, folder: &str, crates: &mut Crates) -> Result<()> {
    if crates.contains_key(folder) {
        return Ok(());
    }
    let manifest = Manifest::read(root, workspace, folder)?;
    let mut files = sources::read(root, folder)?;
    for (backend, text) in &manifest.texts {
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        let files = files.entry(backend).or_default();
        files.insert("Cargo.toml".to_owned(), digest);
    }
    let next = manifest
        .dependencies
        .iter()
        .filter_map(|it| it.path.clone());
    let next: Vec<String> = next.collect();
    crates.insert(folder.to_owned(), Crate { manifest, files });
    next.iter()
        .try_for_each(|folder| load(root, workspace, folder, crates))
}

impl Crate {
    /// What it depends on for all backends, or for one alone.
    fn dependencies(&self, backend: &str) -> impl Iterator<Item = &Dependency> {
        let dependencies = self.manifest.dependencies.iter();
        dependencies.filter(move |it| it.backends.contains(backend))
    }
}

/// These crates and all behind them, if this backend computes.
fn closure<'a>(
    crates: &'a Crates,
    folders: impl IntoIterator<Item = String>,
    backend: &str,
) -> Vec<&'a Crate> {
    let mut waiting: Vec<String> = folders.into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(folder) = waiting.pop() {
        if seen.insert(folder.clone()) {
            let it = &crates[&folder];
            let next = it.dependencies(ALL).chain(it.dependencies(backend));
            waiting.extend(next.filter_map(|it| it.path.clone()));
        }
    }
    seen.iter().map(|folder| &crates[folder]).collect()
}

/// What these crates are made of, with what a backend adds to its users.
fn parts(packages: &Packages, own: &[&Crate], users: &[&Crate], backend: &str) -> Result<Parts> {
    let mut parts = Parts::default();
    let mut asked = Vec::new();
    let all = own
        .iter()
        .map(|it| (it, ALL))
        .chain(users.iter().map(|it| (it, backend)));
    for (it, backend) in all {
        let name = it.manifest.name.as_str();
        let part = if backend == ALL {
            name.to_owned()
        } else {
            format!("{name} with {backend}")
        };
        if let Some(files) = it.files.get(backend) {
            parts.code.insert(part, files.clone());
        }
        let others = it.dependencies(backend).filter(|it| it.path.is_none());
        asked.extend(others.map(|it| (name, it)));
    }
    let listing = packages.listing(&asked, backend)?;
    if !listing.is_empty() {
        let of = if backend == ALL {
            String::new()
        } else {
            format!(" of {backend}")
        };
        parts.crates.insert(format!("dependencies{of}"), listing);
    }
    Ok(parts)
}
