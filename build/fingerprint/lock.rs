//! The third-party crates behind a direct dependency: every package that `Cargo.lock` leads to from
//! it, with what it is known by, and the features that `Cargo.toml` asks for.
//!
//! A lock file names optional dependencies whether or not they are compiled. All count, except
//! where a backend begins: which backend computes is part of a key by itself. Development and
//! build dependencies of this package never count. Unaware of who uses a crate for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;

use super::source::join;
use super::{Backend, Error, Files, Listing, Settings};

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    target: BTreeMap<String, Target>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
}

type Dependencies = BTreeMap<String, Dependency>;

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    edition: String,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    dependencies: Dependencies,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Version(#[allow(dead_code)] String),
    Detailed(Detailed),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detailed {
    package: Option<String>,
    path: Option<String>,
    default_features: Option<bool>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

/// A package of the lock file.
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    /// Each as `name`, `name version` or `name version (source)`, as short as is clear.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// A direct dependency.
struct Direct {
    /// The package's name, which may differ from the crate's.
    package: String,
    path: Option<String>,
    features: BTreeSet<String>,
}

/// The packages of a package's dependencies.
pub struct Packages<'a> {
    files: &'a dyn Files,
    settings: &'a Settings<'a>,
    edition: String,
    /// By the name that code knows the crate by.
    direct: BTreeMap<String, Direct>,
    locked: Vec<Locked>,
    /// Places among the locked packages by name.
    places: BTreeMap<String, Vec<usize>>,
    /// This package's place.
    own: usize,
}

impl<'a> Packages<'a> {
    /// # Errors
    /// If one of the two files is not there or not as cargo writes it.
    pub fn read(files: &'a dyn Files, settings: &'a Settings<'a>) -> Result<Packages<'a>, Error> {
        let manifest: Manifest = parse(files, MANIFEST)?;
        let Lock { package: locked } = parse(files, LOCK)?;
        let own = |locked: &Locked| locked.source.is_none() && locked.name == manifest.package.name;
        let own = locked.iter().position(own);
        let own = own.ok_or_else(|| Error::new(LOCK, "does not name the package itself"))?;
        let mut direct: BTreeMap<String, Direct> = BTreeMap::new();
        let targets = manifest
            .target
            .into_values()
            .map(|target| target.dependencies);
        for (key, dependency) in targets.chain([manifest.dependencies]).flatten() {
            let name = key.replace('-', "_");
            let new = Direct::new(&key, dependency);
            match direct.get_mut(&name) {
                Some(known) => known.features.extend(new.features),
                None => {
                    direct.insert(name, new);
                }
            }
        }
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, locked) in locked.iter().enumerate() {
            places.entry(locked.name.clone()).or_default().push(place);
        }
        let mut packages = Packages {
            files,
            settings,
            edition: manifest.package.edition,
            direct,
            locked,
            places,
            own,
        };
        packages.apply(&manifest.features);
        Ok(packages)
    }

    /// Adds what the active features of this package ask of its dependencies.
    fn apply(&mut self, features: &BTreeMap<String, Vec<String>>) {
        let counts =
            |feature: &&String| !self.settings.backend_features.contains(&feature.as_str());
        for feature in self.settings.features.iter().filter(counts) {
            for asked in features.get(feature).into_iter().flatten() {
                if let Some((name, feature)) = asked.split_once('/') {
                    let name = name.trim_end_matches('?').replace('-', "_");
                    if let Some(direct) = self.direct.get_mut(&name) {
                        direct.features.insert(feature.to_owned());
                    }
                }
            }
        }
    }

    /// Names that paths may begin with.
    pub fn names(&self) -> BTreeSet<String> {
        self.direct.keys().cloned().collect()
    }

    pub fn edition(&self) -> &str {
        &self.edition
    }

    /// A direct dependency's package and the listing of all packages behind it.
    ///
    /// # Errors
    /// If the lock file lacks one of them, or one has nothing to be known by.
    pub fn of(&self, name: &str) -> Result<(String, Listing), Error> {
        let direct = &self.direct[name];
        let mut cut: BTreeSet<&str> = self.settings.backend_crates.iter().copied().collect();
        cut.extend(
            self.settings
                .backends
                .iter()
                .flat_map(|backend| backend.entries),
        );
        cut.remove(direct.package.as_str());
        let mut roots = Vec::new();
        for asked in self.locked[self.own]
            .dependencies
            .iter()
            .filter(|asked| name_in(asked) == direct.package)
        {
            roots.extend(self.find(asked)?);
        }
        if roots.is_empty() {
            return Err(Error::new(
                LOCK,
                &format!("lacks {}: run cargo to update it", direct.package),
            ));
        }
        let listing = self.closure(roots, &cut)?;
        Ok((direct.package.clone(), listing))
    }

    /// The listing of a backend's packages, without those that only other backends use; `None` if
    /// the lock file does not know the backend.
    ///
    /// # Errors
    /// As for [`Packages::of`].
    pub fn of_backend(&self, backend: &Backend) -> Result<Option<Listing>, Error> {
        let others = self
            .settings
            .backends
            .iter()
            .filter(|other| other.name != backend.name);
        let mut cut: BTreeSet<&str> = others.flat_map(|other| other.entries).copied().collect();
        if !backend.shares {
            cut.extend(self.settings.backend_crates);
        }
        let roots = self.places.get(backend.name);
        roots
            .map(|roots| self.closure(roots.clone(), &cut))
            .transpose()
    }

    /// The packages that a dependency of a locked package stands for.
    fn find(&self, asked: &str) -> Result<Vec<usize>, Error> {
        let mut parts = asked.splitn(3, ' ');
        let (name, version, source) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        let source = source.map(|source| source.trim_matches(['(', ')']));
        let fits = |place: &usize| {
            let locked = &self.locked[*place];
            version.is_none_or(|version| locked.version == version)
                && source.is_none_or(|source| locked.source.as_deref() == Some(source))
        };
        let places = self.places.get(name).into_iter().flatten().copied();
        let found: Vec<usize> = places.filter(fits).collect();
        if found.is_empty() {
            return Err(Error::new(
                LOCK,
                &format!("lacks {asked}, which another package depends on"),
            ));
        }
        Ok(found)
    }

    /// All packages behind `roots`, these included, without those named in `cut`.
    fn closure(&self, roots: Vec<usize>, cut: &BTreeSet<&str>) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut seen: BTreeSet<usize> = roots.iter().copied().collect();
        let mut waiting = VecDeque::from(roots);
        while let Some(place) = waiting.pop_front() {
            let locked = &self.locked[place];
            listing.add(
                &format!("{} {}", locked.name, locked.version),
                &self.identity(locked)?,
            );
            // What this package asks of a dependency holds wherever it is used.
            for direct in self
                .direct
                .values()
                .filter(|direct| direct.package == locked.name)
            {
                let features: Vec<&str> = direct.features.iter().map(String::as_str).collect();
                listing.note(
                    &format!("features of {}", locked.name),
                    &features.join(", "),
                );
            }
            for asked in locked
                .dependencies
                .iter()
                .filter(|asked| !cut.contains(name_in(asked)))
            {
                let new = self
                    .find(asked)?
                    .into_iter()
                    .filter(|place| seen.insert(*place));
                waiting.extend(new);
            }
        }
        Ok(listing)
    }

    /// What a package is known by: its checksum, its revision, or its files.
    fn identity(&self, locked: &Locked) -> Result<String, Error> {
        if let Some(checksum) = &locked.checksum {
            return Ok(checksum.clone());
        }
        match &locked.source {
            Some(source) if source.starts_with("git+") => Ok(source.clone()),
            _ => {
                let direct = self
                    .direct
                    .values()
                    .find(|direct| direct.package == locked.name);
                let path = direct.and_then(|direct| direct.path.as_deref());
                let path = path.filter(|_| locked.source.is_none());
                let path = path.ok_or_else(|| {
                    let message = format!("{} {} has no checksum, no revision and no path in Cargo.toml to know it by", locked.name, locked.version);
                    Error::new(LOCK, &message)
                })?;
                Ok(self.folder(path))
            }
        }
    }

    /// A digest of all files of a folder, by name and content.
    fn folder(&self, path: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in self.files.list(&join("", path)) {
            let content = self.files.read(&file).unwrap_or_default();
            for part in [file.as_bytes(), &content] {
                hasher
                    .update(&(part.len() as u64).to_le_bytes())
                    .update(part);
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The name in a locked package's dependency.
fn name_in(asked: &str) -> &str {
    asked.split(' ').next().unwrap_or(asked)
}

impl Direct {
    fn new(key: &str, dependency: Dependency) -> Direct {
        let mut direct = Direct {
            package: key.to_owned(),
            path: None,
            features: BTreeSet::from(["default".to_owned()]),
        };
        if let Dependency::Detailed(detailed) = dependency {
            if detailed.default_features == Some(false) {
                direct.features.clear();
            }
            direct.package = detailed.package.unwrap_or(direct.package);
            direct.path = detailed.path;
            direct.features.extend(detailed.features);
        }
        direct
    }
}

fn parse<T: for<'de> Deserialize<'de>>(files: &dyn Files, path: &str) -> Result<T, Error> {
    let bytes = files
        .read(path)
        .ok_or_else(|| Error::new(path, "cannot be read"))?;
    let text = String::from_utf8_lossy(&bytes);
    toml::from_str(&text).map_err(|error| Error::new(path, error.to_string().trim_end()))
}
