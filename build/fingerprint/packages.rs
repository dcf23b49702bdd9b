//! The packages of others: all that `Cargo.lock` leads to from a dependency, and which of them make
//! up a backend.
//!
//! A lock file names dependencies of all systems, and optional ones whether or not a feature that is on
//! asks for them. All count, but where another backend begins, and but for what no build of ours
//! compiles. `tests/fingerprint/golden.rs` holds that against what cargo compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::{Table, Value};

use super::manifest::{Dependency, parse, texts};
use super::{Listing, Result};

/// The features that choose backends, and the packages by which alone anything enters them.
const BACKENDS: &[(&str, &[&str])] = &[
    ("cuda", &["burn-cuda", "cubecl-cuda"]),
    ("flex", &["burn-flex"]),
    ("metal", &["burn-wgpu", "cubecl-metal", "cubecl-wgpu"]),
    ("tch", &["burn-tch", "tch", "torch-sys"]),
    ("wgpu", &["burn-wgpu", "cubecl-metal", "cubecl-wgpu"]),
];

/// The same of backends that burn's packages list, though no feature of ours chooses them.
const NEVER: &[&str] = &[
    "burn-cpu",
    "burn-ndarray",
    "burn-rocm",
    "cubecl-cpu",
    "cubecl-hip",
];

/// Packages for other systems, by which alone the rest of those is entered.
const OTHER_SYSTEMS: &[&str] = &[
    "android_system_properties",
    "hermit-abi",
    "js-sys",
    "r-efi",
    "redox_syscall",
    "schannel",
    "wasi",
    "wasip2",
    "wasm-bindgen",
    "wasm-bindgen-futures",
    "web-sys",
    "winapi-util",
    "windows-core",
    "windows-link",
    "windows-sys",
    "windows-targets",
];

/// Optional packages that no feature asks for which a step's code has: a database of
/// `cubecl-environment`, its clock for microcontrollers, the matrices of `statrs`, and what the feature
/// `remote` wants of `futures-util`.
const NOT_ASKED_FOR: &[&str] = &[
    "embassy-time",
    "futures-macro",
    "futures-sink",
    "nalgebra",
    "turso",
];

/// Packages that backends on GPUs share, and that burn computes nothing with by itself.
const SHARED: &[&str] = &[
    "burn-cubecl",
    "burn-cubecl-fusion",
    "burn-fusion",
    "burn-remote",
    "burn-router",
    "cubecl",
    "cubek",
];

const SHARING: &[&str] = &["cuda", "metal", "wgpu"];

const LOCK: &str = "Cargo.lock";

/// What to do if the lock file does not fit the manifests.
const UPDATE: &str = "run `cargo update --workspace`";

/// The features that choose backends.
pub fn backends() -> impl Iterator<Item = &'static str> {
    BACKENDS.iter().map(|(feature, _)| *feature)
}

/// The backend that a feature chooses.
pub fn backend(feature: &str) -> Option<&'static str> {
    backends().find(|known| *known == feature)
}

/// The locked packages by name.
pub struct Packages(BTreeMap<String, Vec<Table>>);

impl Packages {
    pub fn read(root: &Path) -> Result<Packages> {
        let mut packages = BTreeMap::<_, Vec<Table>>::new();
        let lock = parse(root, LOCK)?;
        let locked = lock.get("package").and_then(Value::as_array);
        for package in locked.into_iter().flatten().filter_map(Value::as_table) {
            let name = text(package, "name").to_owned();
            packages.entry(name).or_default().push(package.clone());
        }
        Ok(Packages(packages))
    }

    /// The version of a package.
    pub fn version(&self, name: &str) -> Result<&str> {
        Ok(text(self.find(name)?[0], "version"))
    }

    /// The packages behind what crates ask for, those of a backend included if there is one, and
    /// the features that the crates ask for.
    pub fn listing(&self, asked: &[(&str, &Dependency)], backend: &str) -> Result<Listing> {
        let own = BACKENDS.iter().find(|(feature, _)| *feature == backend);
        let own = own.map_or(&[][..], |(_, packages)| packages);
        let foreign = BACKENDS.iter().flat_map(|(_, packages)| *packages);
        let never = [NEVER, OTHER_SYSTEMS, NOT_ASKED_FOR].concat();
        let mut cut: BTreeSet<&str> = foreign.copied().chain(never).collect();
        cut.retain(|name| !own.contains(name));
        if !SHARING.contains(&backend) {
            cut.extend(SHARED);
        }
        let mut listing = BTreeMap::<String, BTreeSet<&str>>::new();
        let mut waiting = Vec::new();
        // Burn's package leads to the others.
        for name in own.iter().take(1) {
            waiting.extend(self.find(name)?);
        }
        for (name, dependency) in asked {
            let package = dependency.package.as_str();
            let users = self
                .find(name)?
                .into_iter()
                .filter(|user| !user.contains_key("source"));
            let locked = users.flat_map(|user| texts(user.get("dependencies")));
            let locked: Vec<_> = locked.filter(|locked| name_in(locked) == package).collect();
            if locked.is_empty() {
                return Err(format!("{LOCK}: {name} lacks {package}: {UPDATE}"));
            }
            for locked in locked {
                waiting.extend(self.find(locked)?);
            }
            let features = listing.entry(format!("features of {package}")).or_default();
            features.extend(dependency.features.iter().map(String::as_str));
        }
        while let Some(package) = waiting.pop() {
            let name = format!("{} {}", text(package, "name"), text(package, "version"));
            // One version can come from several sources: all count.
            if !listing.entry(name).or_default().insert(identity(package)?) {
                continue;
            }
            let next = texts(package.get("dependencies"));
            for next in next.filter(|next| !cut.contains(name_in(next))) {
                waiting.extend(self.find(next)?);
            }
        }
        let join = |values: BTreeSet<&str>| values.into_iter().collect::<Vec<_>>().join(", ");
        Ok(listing
            .into_iter()
            .map(|(name, values)| (name, join(values)))
            .collect())
    }

    /// The packages that a locked dependency stands for: `name`, `name version` or `name version
    /// (source)`, as short as is clear.
    fn find(&self, asked: &str) -> Result<Vec<&Table>> {
        let mut parts = asked.splitn(3, ' ').skip(1);
        let (version, source) = (parts.next(), parts.next());
        let source = source.map(|source| source.trim_matches(['(', ')']));
        let fits = |package: &&Table| {
            version.is_none_or(|version| text(package, "version") == version)
                && source.is_none_or(|source| text(package, "source") == source)
        };
        let named = self.0.get(name_in(asked)).into_iter().flatten();
        let found: Vec<_> = named.filter(fits).collect();
        match found.is_empty() {
            true => Err(format!("{LOCK}: lacks {asked}: {UPDATE}")),
            false => Ok(found),
        }
    }
}

fn text<'a>(package: &'a Table, name: &str) -> &'a str {
    package
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What a package is known by: its checksum, or the revision in its source.
fn identity(package: &Table) -> Result<&str> {
    let (checksum, source) = (text(package, "checksum"), text(package, "source"));
    if checksum.is_empty() && !source.starts_with("git+") {
        let name = text(package, "name");
        let todo = "use a published version or one by git, or move it below crates/";
        return Err(format!(
            "{LOCK}: {name} has neither a checksum nor a revision: {todo}"
        ));
    }
    Ok(if checksum.is_empty() {
        source
    } else {
        checksum
    })
}

/// The name in a locked dependency.
fn name_in(asked: &str) -> &str {
    asked.split(' ').next().unwrap_or(asked)
}
