//! What `Cargo.toml` says about dependencies and features.
//!
//! Unaware of what is locked, and of which features are on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Error, Files};

/// As cargo reads it, as far as it matters here.
#[derive(Deserialize)]
pub struct Manifest {
    pub package: Package,
    /// The section `[lib]`, if there is one.
    pub lib: Option<IgnoredAny>,
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    target: BTreeMap<String, Target>,
    #[serde(default)]
    pub features: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    #[serde(default)]
    pub edition: String,
    /// The build script, if one is named.
    pub build: Option<IgnoredAny>,
    /// Version, description and what else there is.
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

type Dependencies = BTreeMap<String, Dependency>;

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    dependencies: Dependencies,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Version(#[allow(dead_code, reason = "the lock file has the exact one")] String),
    Detailed(Detailed),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detailed {
    package: Option<String>,
    path: Option<String>,
    /// Whether the rest is said elsewhere.
    #[serde(default)]
    workspace: bool,
    #[serde(default)]
    optional: bool,
    default_features: Option<bool>,
    #[serde(default)]
    features: Vec<String>,
}

/// A direct dependency.
pub struct Direct {
    /// The package's name, which may differ from the crate's.
    pub package: String,
    /// Whether code knows the crate by this package's choice.
    pub renamed: bool,
    pub path: Option<String>,
    /// Whether it is a feature as well.
    pub optional: bool,
    pub features: BTreeSet<String>,
}

impl Manifest {
    /// # Errors
    /// If the file is not there or not as cargo writes it, or inherits something from a workspace.
    pub fn read(files: &dyn Files, path: &str) -> Result<Manifest, Error> {
        let manifest: Manifest = parse(files, path)?;
        let Some(name) = manifest.inherited() else {
            return Ok(manifest);
        };
        let message = format!(
            "has {name} from the workspace, which the fingerprint does not look into: say it here"
        );
        Err(Error::new(path, &message))
    }

    /// What is said in another file.
    fn inherited(&self) -> Option<&String> {
        let inherits = |dependency: &Dependency| match dependency {
            Dependency::Version(_) => false,
            Dependency::Detailed(detailed) => detailed.workspace,
        };
        let dependencies = self.dependencies();
        let dependencies = dependencies.filter(|(_, dependency)| inherits(dependency));
        let others = self.package.rest.iter();
        let others = others.filter(|(_, value)| value.get("workspace").is_some());
        let mut names = dependencies
            .map(|(name, _)| name)
            .chain(others.map(|(name, _)| name));
        names.next()
    }

    /// By their names in the file.
    fn dependencies(&self) -> impl Iterator<Item = (&String, &Dependency)> {
        let targets = self.target.values().map(|target| &target.dependencies);
        targets.chain([&self.dependencies]).flatten()
    }

    /// Direct dependencies by the name that code knows the crate by, those for one platform
    /// included. Those for development and for building are none.
    pub fn direct(&self) -> BTreeMap<String, Direct> {
        let mut direct: BTreeMap<String, Direct> = BTreeMap::new();
        for (key, dependency) in self.dependencies() {
            let new = Direct::new(key, dependency);
            match direct.get_mut(&crate_name(key)) {
                Some(known) => {
                    known.optional |= new.optional;
                    known.features.extend(new.features);
                }
                None => drop(direct.insert(crate_name(key), new)),
            }
        }
        direct
    }

    /// What a feature of this package asks of its dependencies: crates' names and their features.
    pub fn asks(&self, feature: &str) -> impl Iterator<Item = (String, &str)> {
        let asked = self.features.get(feature).into_iter().flatten();
        asked.filter_map(|asked| {
            let (name, feature) = asked.split_once('/')?;
            Some((crate_name(name.trim_end_matches('?')), feature))
        })
    }
}

fn crate_name(key: &str) -> String {
    key.replace('-', "_")
}

impl Direct {
    fn new(key: &str, dependency: &Dependency) -> Direct {
        let mut direct = Direct {
            package: key.to_owned(),
            renamed: false,
            path: None,
            optional: false,
            features: BTreeSet::from(["default".to_owned()]),
        };
        if let Dependency::Detailed(detailed) = dependency {
            if detailed.default_features == Some(false) {
                direct.features.clear();
            }
            if let Some(package) = &detailed.package {
                direct.package.clone_from(package);
                direct.renamed = true;
            }
            direct.path.clone_from(&detailed.path);
            direct.optional = detailed.optional;
            direct.features.extend(detailed.features.iter().cloned());
        }
        direct
    }
}

/// # Errors
/// If the file is not there or not as cargo writes it.
pub fn parse<T: for<'de> Deserialize<'de>>(files: &dyn Files, path: &str) -> Result<T, Error> {
    let bytes = files
        .read(path)
        .ok_or_else(|| Error::new(path, "cannot be read"))?;
    let text = String::from_utf8_lossy(&bytes);
    toml::from_str(&text).map_err(|error| Error::new(path, error.to_string().trim_end()))
}
