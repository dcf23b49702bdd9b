//! A package in memory, with one kind of step that starts from `crate::run`.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::{Backend, Error, Files, KindParts, Listing, Settings, fingerprint};

const MANIFEST: &str = r#"
[package]
name = "it"
edition = "2024"
[features]
fast = []
gpu = []
[dependencies]
anyhow = "1"
serde = { version = "1", features = ["derive"] }
clap = "4"
paste = "1"
rand-core = "0.9"
[dev-dependencies]
divan = "0.1"
"#;

const LOCK: &str = r#"
[[package]]
name = "it"
version = "0.1.0"
dependencies = ["anyhow", "clap", "divan", "paste", "rand-core", "serde"]
[[package]]
name = "anyhow"
version = "1.0.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "a1"
[[package]]
name = "clap"
version = "4.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "c1"
[[package]]
name = "divan"
version = "0.1.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "d1"
[[package]]
name = "paste"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "p1"
[[package]]
name = "rand-core"
version = "0.9.0"
source = "git+https://example.org/rand#abc"
[[package]]
name = "serde"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "s1"
"#;

#[derive(Clone)]
pub struct Package {
    files: BTreeMap<String, String>,
    features: BTreeSet<String>,
    environment: BTreeMap<String, String>,
}

impl Files for Package {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).map(|text| text.clone().into_bytes())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let below = format!("{folder}/");
        let paths = self.files.keys().filter(|path| path.starts_with(&below));
        paths.cloned().collect()
    }
}

impl Package {
    /// With this as `src/lib.rs`.
    pub fn new(lib: &str) -> Package {
        let files = [
            ("Cargo.toml", MANIFEST),
            ("Cargo.lock", LOCK),
            ("src/lib.rs", lib),
        ];
        Package {
            files: files
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .into(),
            features: BTreeSet::new(),
            environment: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Package {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    #[must_use]
    pub fn with_feature(mut self, name: &str) -> Package {
        self.features.insert(name.to_owned());
        self
    }

    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Package {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Replaces a text that occurs once in all files.
    #[must_use]
    pub fn replaced(&self, old: &str, new: &str) -> Package {
        let mut package = self.clone();
        let found: usize = self
            .files
            .values()
            .map(|text| text.matches(old).count())
            .sum();
        assert_eq!(found, 1, "{old:?} must occur once");
        for text in package.files.values_mut() {
            *text = text.replace(old, new);
        }
        package
    }

    /// What that makes of the fingerprint.
    pub fn edit(&self, old: &str, new: &str) -> Edit {
        self.becomes(&self.replaced(old, new))
    }

    pub fn becomes(&self, after: &Package) -> Edit {
        Edit {
            before: self.parts().unwrap(),
            after: after.parts().unwrap(),
        }
    }

    pub fn parts(&self) -> Result<KindParts, Error> {
        let settings = Settings {
            kinds: &[("work", &["run"])],
            backends: &[
                Backend {
                    name: "slow-backend",
                    entries: &["slow-backend"],
                    shares: false,
                },
                Backend {
                    name: "gpu-backend",
                    entries: &["gpu-backend", "gpu-kernels"],
                    shares: true,
                },
            ],
            backend_crates: &["kernels"],
            backend_features: &["gpu"],
            features: &self.features,
            environment: &|name| self.environment.get(name).cloned(),
        };
        let mut fingerprint = fingerprint(self, &settings)?;
        let mut parts = fingerprint.kinds.remove("work").unwrap();
        // Beside the direct dependencies, so that tests see changes in them as well.
        for (name, listing) in fingerprint.backends {
            parts.crates.insert(format!("backend {name}"), listing);
        }
        Ok(parts)
    }

    /// There is no fingerprint, and the reason says so.
    #[track_caller]
    pub fn fails(&self, reason: &str) {
        match self.parts() {
            Ok(_) => panic!("there is a fingerprint"),
            Err(error) => assert!(error.to_string().contains(reason), "{error}"),
        }
    }

    /// Names of the items that are reached.
    pub fn reached(&self) -> BTreeSet<String> {
        self.parts()
            .unwrap()
            .code
            .values()
            .flat_map(names)
            .collect()
    }
}

/// A fingerprint before and after an edit.
pub struct Edit {
    before: KindParts,
    after: KindParts,
}

impl Edit {
    #[track_caller]
    pub fn changes_nothing(&self) {
        self.changes(&[]);
    }

    /// Exactly the entries of these names differ, whatever module or crate they belong to.
    #[track_caller]
    pub fn changes(&self, names: &[&str]) {
        let differing = self.differing();
        let differing: Vec<&str> = differing.iter().map(String::as_str).collect();
        assert_eq!(
            differing, names,
            "the entries that differ, and those that should"
        );
        let same = digests(&self.before) == digests(&self.after);
        assert_eq!(
            same,
            names.is_empty(),
            "digests must differ where entries do"
        );
    }

    fn differing(&self) -> BTreeSet<String> {
        let (before, after) = (entries(&self.before), entries(&self.after));
        let differing = before.symmetric_difference(&after);
        differing
            .map(|(_, line)| line.split('\t').next().unwrap().to_owned())
            .collect()
    }
}

/// The names in a listing.
pub fn names(listing: &Listing) -> Vec<String> {
    let name = |line: &str| line.split('\t').next().unwrap().to_owned();
    listing.text().lines().map(name).collect()
}

fn listings(parts: &KindParts) -> impl Iterator<Item = (&String, &Listing)> {
    parts.code.iter().chain(&parts.crates)
}

fn entries(parts: &KindParts) -> BTreeSet<(String, String)> {
    let mut entries = BTreeSet::new();
    for (name, listing) in listings(parts) {
        entries.extend(
            listing
                .text()
                .lines()
                .map(|line| (name.clone(), line.to_owned())),
        );
    }
    entries
}

fn digests(parts: &KindParts) -> BTreeMap<String, String> {
    let digests =
        listings(parts).map(|(name, listing)| (name.clone(), listing.digest().to_string()));
    digests.collect()
}
