//! What a crate's `Cargo.toml` says that can change what the crate computes.
//!
//! Unaware of what is locked, and of which features are on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::packages::backend;
use super::{ALL, Result};

/// A crate's manifest.
pub struct Manifest {
    pub name: String,
    pub features: BTreeSet<String>,
    /// Those for development are left out, those for one platform are not.
    pub dependencies: Vec<Dependency>,
    /// What counts, as text, by the backend that it counts for.
    pub texts: BTreeMap<&'static str, String>,
}

/// A dependency on a crate or a package.
pub struct Dependency {
    pub package: String,
    /// The folder of a crate of this workspace.
    pub path: Option<String>,
    pub features: BTreeSet<String>,
    /// The backends that it counts for.
    pub backends: BTreeSet<&'static str>,
}

/// Reads a file of the workspace.
pub fn parse(root: &Path, path: &str) -> Result<Table> {
    let text = fs::read_to_string(root.join(path));
    let text = text.map_err(|error| format!("{path}: cannot be read: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{path}: cannot be parsed: {error}"))
}

/// The texts in an array.
pub fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str)
}

/// The entries of a section.
fn section<'a>(table: &'a Table, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let section = table.get(name).and_then(Value::as_table);
    section.into_iter().flatten()
}

fn entry<'a>(table: &'a Table, name: &str, key: &str) -> Option<&'a Value> {
    table.get(name)?.get(key)
}

fn flag(table: &Table, name: &str) -> Option<bool> {
    table.get(name)?.as_bool()
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").is_some()
}

impl Manifest {
    /// `workspace` is that section of the workspace's `Cargo.toml`.
    ///
    /// # Errors
    /// If the file is not as cargo wants it, or if the crate is made of more than its folder.
    pub fn read(root: &Path, workspace: &Table, folder: &str) -> Result<Manifest> {
        let path = format!("{folder}/Cargo.toml");
        let table = parse(root, &path)?;
        let name = entry(&table, "package", "name").and_then(Value::as_str);
        let mut manifest = Manifest {
            name: name.unwrap_or_default().to_owned(),
            features: section(&table, "features")
                .map(|(name, _)| name.clone())
                .collect(),
            dependencies: Vec::new(),
            texts: BTreeMap::new(),
        };
        let has_script = root.join(folder).join("build.rs").exists();
        if has_script || entry(&table, "package", "build").is_some() {
            let todo = "do its work in the crate's code";
            return Err(format!("{path}: a build script cannot be followed: {todo}"));
        }
        if entry(&table, "lib", "path").is_some() {
            let todo = "name the file src/lib.rs";
            return Err(format!("{path}: lib.path cannot be followed: {todo}"));
        }
        let edition = match entry(&table, "package", "edition") {
            Some(it) if inherits(it) => entry(workspace, "package", "edition"),
            it => it,
        };
        manifest.note(ALL, &format!("edition {edition:?}"));
        manifest.note(ALL, &format!("lib {:?}", table.get("lib")));
        for (name, asks) in section(&table, "features") {
            // Which backends are on by default chooses among them.
            let asks = texts(Some(asks)).filter(|it| name != "default" || backend(it).is_none());
            let line = format!("feature {name} {:?}", asks.collect::<BTreeSet<_>>());
            manifest.note(backend(name).unwrap_or(ALL), &line);
        }
        let all = &table;
        let targets = section(all, "target");
        let targets = targets.filter_map(|(name, value)| Some((name.as_str(), value.as_table()?)));
        for (target, table) in [("", all)].into_iter().chain(targets) {
            for (key, value) in section(table, "dependencies") {
                let mut declared = value.as_table().cloned().unwrap_or_default();
                let mut base = root.join(folder);
                if inherits(value) {
                    let shared = entry(workspace, "dependencies", key).ok_or_else(|| {
                        format!("{path}: Cargo.toml lacks {key} in workspace.dependencies: add it")
                    })?;
                    base = root.to_owned();
                    inherit(&mut declared, shared);
                }
                let mut dependency =
                    Dependency::read(root, &base, key, &declared).ok_or_else(|| {
                        format!("{path}: {key} is no crate below crates/: move it there")
                    })?;
                let is_optional = flag(&declared, "optional") == Some(true);
                if is_optional {
                    dependency.backends = switches(all, key);
                }
                for backend in &dependency.backends {
                    let (package, features) = (&dependency.package, &dependency.features);
                    let line = format!("{target} {key} {package} {is_optional} {features:?}");
                    manifest.note(backend, &format!("dependency {line}"));
                }
                manifest.dependencies.push(dependency);
            }
        }
        Ok(manifest)
    }

    fn note(&mut self, backend: &'static str, line: &str) {
        *self.texts.entry(backend).or_default() += &format!("{line}\n");
    }
}

/// Adds what a dependency has from the workspace: features add up, the rest can be overridden.
fn inherit(own: &mut Table, shared: &Value) {
    let features = texts(own.get("features")).chain(texts(shared.get("features")));
    let features: Value = features.map(Value::from).collect::<Vec<_>>().into();
    own.insert("features".to_owned(), features);
    for (name, value) in shared.as_table().into_iter().flatten() {
        own.entry(name).or_insert_with(|| value.clone());
    }
}

/// The backends that an optional dependency counts for: all, unless only features of some backends
/// switch it on. Without `dep:` it is a feature by itself, which any crate can switch on.
fn switches(manifest: &Table, key: &str) -> BTreeSet<&'static str> {
    let named = format!("dep:{key}");
    let is_it = |asked: &str| {
        let of = asked.split_once(['/', '?']).map(|(of, _)| of);
        asked == named || of == Some(key)
    };
    let asked = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<&'static str> {
        let features = section(manifest, "features");
        let features = features.filter(|(_, asks)| texts(Some(asks)).any(wanted));
        features
            .map(|(name, _)| backend(name).unwrap_or(ALL))
            .collect()
    };
    let (all, by_name) = (asked(&is_it), asked(&|asked| asked == named));
    if by_name.is_empty() || all.contains(ALL) {
        return [ALL].into();
    }
    all
}

impl Dependency {
    /// `None` if it has a path that leads elsewhere than to a folder below `crates/`.
    fn read(root: &Path, base: &Path, key: &str, table: &Table) -> Option<Dependency> {
        let text = |name| table.get(name).and_then(Value::as_str);
        let mut dependency = Dependency {
            package: text("package").unwrap_or(key).to_owned(),
            path: None,
            features: texts(table.get("features")).map(str::to_owned).collect(),
            backends: [ALL].into(),
        };
        if flag(table, "default-features") != Some(false) {
            dependency.features.insert("default".to_owned());
        }
        if let Some(path) = text("path") {
            let folder = base.join(path).canonicalize().ok()?;
            let folder = folder.strip_prefix(root.canonicalize().ok()?).ok()?;
            let folder = folder.to_str()?.replace('\\', "/");
            dependency.path = Some(folder).filter(|it| it.starts_with("crates/"));
            dependency.path.as_ref()?;
        }
        Some(dependency)
    }
}
