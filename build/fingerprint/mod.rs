//! What each kind of step is made of: the items of the source that it can reach, with a digest
//! each, and the third-party crates behind them.
//!
//! ```text
//! files ──► source ──► item ──► facts ──► reach ──► Fingerprint
//!           modules    tokens   digests   per kind     ▲
//!           names      scan     scope                lock
//! ```
//!
//! Two rules hold everywhere. *Never too little*: what cannot be followed counts as reached, or is
//! an error. *As little as pays*: what provably cannot change a result (comments, layout, tests,
//! code that nothing reaches) is left out. Names are the ground of it: code acts only where a path
//! leads to it, but for the few ways in which it acts unnamed, which `reach` lists.
//!
//! A pure function of the files that it is handed: unaware of disk, cargo and this project's
//! steps, which `build.rs` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod attribute;
mod body;
mod clean;
mod dormant;
mod expand;
mod facts;
mod foreign;
mod import;
mod item;
mod known;
mod lock;
mod manifest;
mod member;
mod nested;
mod plain;
mod reach;
mod scan;
mod scope;
mod source;
mod surroundings;
pub mod table;
mod token;

use facts::Code;
use lock::Packages;
use plain::Plain;
use reach::Reaches;
use scope::Scopes;
use source::Crate;

/// Where files come from. Paths are relative to the package's root, with `/`.
pub trait Files {
    fn read(&self, path: &str) -> Option<Vec<u8>>;

    /// All files below a folder.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// What the fingerprint depends on beside the files.
pub struct Settings<'a> {
    /// The kinds, each with the paths of the items that the work starts from.
    pub kinds: &'a [(&'a str, &'a [&'a str])],
    /// Backends by the name of their crate.
    pub backends: &'a [Backend<'a>],
    /// Crates that some of the backends share, and that no other code computes with.
    pub backend_crates: &'a [&'a str],
    /// Features that only choose backends: whether they are on must not change a digest.
    pub backend_features: &'a [&'a str],
    /// The features that are on.
    pub features: &'a BTreeSet<String>,
    /// Variables as `env!` sees them.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A backend: its own crate, and all the crates that nothing else enters it by.
pub struct Backend<'a> {
    pub name: &'a str,
    pub entries: &'a [&'a str],
    /// Whether it computes with the crates that backends share.
    pub shares: bool,
}

/// What everything is made of.
#[derive(Debug, Default)]
pub struct Fingerprint {
    pub kinds: BTreeMap<String, KindParts>,
    /// A listing of crates by the name of the backend's crate.
    pub backends: BTreeMap<String, Listing>,
}

/// What steps of one kind are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindParts {
    /// Items by module.
    pub code: BTreeMap<String, Listing>,
    /// Packages by direct dependency.
    pub crates: BTreeMap<String, Listing>,
}

/// What a kind reaches in the sources.
#[derive(Default)]
struct Reach {
    modules: BTreeMap<String, Listing>,
    crates: BTreeSet<String>,
}

/// Names with what stands for them, sorted: the smallest thing that a result can be compared by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entries: BTreeMap<String, Vec<String>>,
}

impl Listing {
    /// Adds a value; several of one name (variants behind `#[cfg]`) stand side by side.
    fn add(&mut self, name: &str, value: &str) {
        let values = self.entries.entry(name.to_owned()).or_default();
        values.push(value.to_owned());
        values.sort();
    }

    /// Adds a value unless it is there.
    fn note(&mut self, name: &str, value: &str) {
        if !self
            .entries
            .get(name)
            .is_some_and(|values| values.iter().any(|known| known == value))
        {
            self.add(name, value);
        }
    }

    /// One line per name: the name, a tab, and the value.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, values) in &self.entries {
            let value = match &values[..] {
                [single] => single.clone(),
                several => blake3::hash(several.join("\n").as_bytes())
                    .to_hex()
                    .to_string(),
            };
            text += &format!("{name}\t{value}\n");
        }
        text
    }

    pub fn digest(&self) -> blake3::Hash {
        blake3::hash(format!("fig6 listing 1\n{}", self.text()).as_bytes())
    }
}

/// Why there is no fingerprint.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    pub file: String,
    pub message: String,
}

impl Error {
    fn new(file: &str, message: &str) -> Error {
        Error {
            file: file.to_owned(),
            message: message.to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for Error {}

/// The fingerprint of a package.
///
/// # Errors
/// If a file cannot be read or parsed, something reached cannot be followed, or a package has
/// nothing to be known by.
pub fn fingerprint(files: &dyn Files, settings: &Settings) -> Result<Fingerprint, Error> {
    let packages = Packages::read(files, settings)?;
    let krate = Crate::read(files, &packages.members)?;
    let crates = packages.names();
    let scopes = Scopes {
        krate: &krate,
        crates: &crates,
    };
    let code = Code {
        plain: Plain::new(&scopes),
        nameless: foreign::nameless(&scopes, packages.guessed()),
        scopes,
        files,
        settings,
    };
    let reaches = Reaches::new(&code);
    let mut fingerprint = Fingerprint::default();
    let mut listings = BTreeMap::new();
    for (kind, roots) in settings.kinds {
        let reach = reaches.from(roots)?;
        let mut parts = KindParts {
            code: reach.modules,
            crates: BTreeMap::new(),
        };
        let root = parts.code.entry("crate".to_owned()).or_default();
        root.add("edition", &packages.edition);
        for (name, member) in &packages.members {
            let below = format!("{name}::");
            let is_reached = |path: &String| path == name || path.starts_with(&below);
            if parts.code.keys().any(is_reached) {
                let root = parts.code.entry(name.clone()).or_default();
                root.add("edition", &member.manifest.package.edition);
            }
        }
        for name in reach.crates {
            if !listings.contains_key(&name) {
                listings.insert(name.clone(), packages.of(&name)?);
            }
            let (package, listing) = &listings[&name];
            parts.crates.insert(package.clone(), listing.clone());
        }
        fingerprint.kinds.insert((*kind).to_owned(), parts);
    }
    for backend in settings.backends {
        if let Some(listing) = packages.of_backend(backend)? {
            fingerprint
                .backends
                .insert(backend.name.to_owned(), listing);
        }
    }
    Ok(fingerprint)
}
