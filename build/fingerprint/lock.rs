//! The third-party crates behind a direct dependency: every package that `Cargo.lock` leads to from
//! it, with what it is known by, and the features that `Cargo.toml` asks for.
//!
//! A lock file names optional dependencies whether or not they are compiled. All count, except
//! where a backend begins: which backend computes is part of a key by itself. Development and
//! build dependencies of this package never count.
//!
//! Features are known as far as `Cargo.toml` asks for them. What another dependency switches on in
//! a shared crate (cargo unites their features) is not recorded by itself: only an edit of
//! `Cargo.toml`, or a package that comes into `Cargo.lock` or leaves it, shows it, and only in what
//! it is listed under. Unaware of who uses a crate for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;

use super::known;
use super::manifest::{Direct, Manifest, parse};
use super::member::Member;
use super::source::join;
use super::{Backend, Error, Files, Listing, Settings};

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";

#[derive(Deserialize)]
struct Lock {
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

/// The packages of a package's dependencies.
pub struct Packages<'a> {
    files: &'a dyn Files,
    settings: &'a Settings<'a>,
    pub edition: String,
    /// Packages that are followed, by the name that code knows the crate by.
    pub members: BTreeMap<String, Member>,
    /// What this package itself depends on, but for members.
    own_names: BTreeSet<String>,
    /// What this package and those depend on, by the name that code knows the crate by.
    direct: BTreeMap<String, Direct>,
    locked: Vec<Locked>,
    /// Places among the locked packages by name.
    places: BTreeMap<String, Vec<usize>>,
    /// The places of this package and of those that are followed.
    own: Vec<usize>,
}

impl<'a> Packages<'a> {
    /// # Errors
    /// If one of the two files is not there or not as cargo writes it.
    pub fn read(files: &'a dyn Files, settings: &'a Settings<'a>) -> Result<Packages<'a>, Error> {
        let manifest = Manifest::read(files, MANIFEST)?;
        let Lock { package: locked } = parse(files, LOCK)?;
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, locked) in locked.iter().enumerate() {
            places.entry(locked.name.clone()).or_default().push(place);
        }
        let mut direct = manifest.direct();
        let members = take_members(files, &mut direct)?;
        let own_names = direct.keys().cloned().collect();
        join_direct(&mut direct, &members)?;
        let packages = members.values().map(|member| &member.manifest.package.name);
        let mut own = Vec::new();
        for name in [&manifest.package.name].into_iter().chain(packages) {
            let is_it = |locked: &Locked| locked.source.is_none() && locked.name == *name;
            let place = locked.iter().position(is_it);
            own.push(place.ok_or_else(|| Error::new(LOCK, &format!("does not name {name}")))?);
        }
        let taken = |(name, direct): &(&String, &Direct)| {
            direct.renamed && known::is_taken(name, &direct.package)
        };
        if let Some((name, direct)) = direct.iter().find(taken) {
            let message = format!(
                "gives {} the name {name}, which the fingerprint takes for another crate's",
                direct.package
            );
            return Err(Error::new(MANIFEST, &message));
        }
        let counts = |feature: &&String| !settings.backend_features.contains(&feature.as_str());
        for feature in settings.features.iter().filter(counts) {
            for (name, asked) in manifest.asks(feature) {
                if let Some(direct) = direct.get_mut(&name) {
                    direct.features.insert(asked.to_owned());
                }
            }
        }
        Ok(Packages {
            files,
            settings,
            edition: manifest.package.edition,
            members,
            own_names,
            direct,
            locked,
            places,
            own,
        })
    }

    /// Names that paths may begin with, by the crate in which: `crate`, or that of a member.
    pub fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let members = self.members.iter();
        let members = members.map(|(name, member)| {
            let direct = member.manifest.direct();
            (name.clone(), direct.into_keys().collect())
        });
        let own = ("crate".to_owned(), self.own_names.clone());
        [own].into_iter().chain(members).collect()
    }

    /// Those that are taken from the package's name, which its library need not have.
    pub fn guessed(&self) -> BTreeSet<String> {
        let direct = self.direct.iter().filter(|(_, direct)| !direct.renamed);
        direct.map(|(name, _)| name.clone()).collect()
    }

    /// A direct dependency's package and the listing of all packages behind it.
    ///
    /// # Errors
    /// If the lock file lacks one of them, or one has nothing to be known by.
    pub fn of(&self, name: &str) -> Result<(String, Listing), Error> {
        let package = &self.direct[name].package;
        let backends = self.settings.backends.iter();
        let mut cut: BTreeSet<&str> = backends
            .flat_map(|backend| backend.entries)
            .copied()
            .collect();
        cut.extend(self.settings.backend_crates);
        let mut roots = Vec::new();
        let own = self.own.iter().map(|place| &self.locked[*place]);
        let asked = own.flat_map(|own| &own.dependencies);
        for asked in asked.filter(|asked| name_in(asked) == package) {
            roots.extend(self.find(asked)?);
        }
        if roots.is_empty() {
            let message = format!("lacks {package}, which {MANIFEST} depends on");
            return Err(Error::new(LOCK, &message));
        }
        let listing = self.closure(roots, &cut)?;
        Ok((package.clone(), listing))
    }

    /// The listing of a backend's packages, without those that only other backends use; `None` if
    /// the lock file does not know the backend.
    ///
    /// # Errors
    /// As for [`Packages::of`].
    pub fn of_backend(&self, backend: &Backend) -> Result<Option<Listing>, Error> {
        let others = self.settings.backends.iter();
        let others = others.filter(|other| other.name != backend.name);
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
            let message = format!("lacks {asked}, which another package depends on");
            return Err(Error::new(LOCK, &message));
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
            let name = format!("{} {}", locked.name, locked.version);
            listing.add(&name, &self.identity(locked)?);
            // What this package asks of a dependency holds wherever that is used.
            for direct in self.direct_of(&locked.name) {
                let features: Vec<&str> = direct.features.iter().map(String::as_str).collect();
                listing.note(
                    &format!("features of {}", locked.name),
                    &features.join(", "),
                );
            }
            let asked = locked.dependencies.iter();
            for asked in asked.filter(|asked| !cut.contains(name_in(asked))) {
                let new = self
                    .find(asked)?
                    .into_iter()
                    .filter(|place| seen.insert(*place));
                waiting.extend(new);
            }
        }
        Ok(listing)
    }

    fn direct_of(&self, package: &str) -> impl Iterator<Item = &Direct> {
        self.direct
            .values()
            .filter(move |direct| direct.package == package)
    }

    /// What a package is known by: its checksum, its revision, or its files.
    fn identity(&self, locked: &Locked) -> Result<String, Error> {
        let path = || {
            self.direct_of(&locked.name)
                .find_map(|direct| direct.path.as_deref())
        };
        match (&locked.checksum, &locked.source) {
            (Some(checksum), _) => Ok(checksum.clone()),
            (None, Some(source)) if source.starts_with("git+") => Ok(source.clone()),
            (None, None) if let Some(path) = path() => self.folder(path),
            _ => {
                let message = format!(
                    "{} {} has no checksum, no revision and no path in {MANIFEST} to know it by",
                    locked.name, locked.version
                );
                Err(Error::new(LOCK, &message))
            }
        }
    }

    /// A digest of all files of a folder, by name and content.
    fn folder(&self, path: &str) -> Result<String, Error> {
        let mut hasher = blake3::Hasher::new();
        for file in self.files.list(&join("", path)) {
            let content = self.files.read(&file);
            let content = content.ok_or_else(|| Error::new(&file, "cannot be read"))?;
            for part in [file.as_bytes(), &content] {
                hasher
                    .update(&(part.len() as u64).to_le_bytes())
                    .update(part);
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// The name in a locked package's dependency.
fn name_in(asked: &str) -> &str {
    asked.split(' ').next().unwrap_or(asked)
}

/// Takes those out of the direct dependencies that can be followed.
fn take_members(
    files: &dyn Files,
    direct: &mut BTreeMap<String, Direct>,
) -> Result<BTreeMap<String, Member>, Error> {
    let mut members = BTreeMap::new();
    for (name, direct) in &*direct {
        if let Some(path) = &direct.path
            && let Some(member) = Member::at(files, path)?
        {
            members.insert(name.clone(), member);
        }
    }
    direct.retain(|name, _| !members.contains_key(name));
    Ok(members)
}

/// Puts in what members depend on.
fn join_direct(
    direct: &mut BTreeMap<String, Direct>,
    members: &BTreeMap<String, Member>,
) -> Result<(), Error> {
    for member in members.values() {
        for (name, new) in member.manifest.direct() {
            let taken = match (members.get(&name), direct.get(&name)) {
                (Some(member), _) => Some(&member.manifest.package.name),
                (None, Some(known)) if known.package != new.package => Some(&known.package),
                _ => None,
            };
            if let Some(taken) = taken {
                let message = format!(
                    "gives {} the name {name}, which is {taken}'s in {MANIFEST}",
                    new.package
                );
                return Err(Error::new(&join(&member.folder, MANIFEST), &message));
            }
            match direct.get_mut(&name) {
                Some(known) => known.features.extend(new.features),
                None => drop(direct.insert(name, new)),
            }
        }
    }
    Ok(())
}
