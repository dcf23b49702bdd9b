//! A small workspace on disk, with two kinds of steps:
//!
//! ```text
//! draw ──► util ──► plain ──► deep          packages: plain, deep, ink, burn-core, …
//!  └─────► ink
//! learn ─► util
//!  └─────► net ───► burn-core ──► burn-dispatch ──► burn-flex, burn-tch
//!            ├┄┄flex┄┄► fast ──► simd
//!            └┄┄tch┄┄┄► tch
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::fingerprint::{Fingerprint, Listing, Parts, Result, fingerprint};

const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        r#"
[workspace.package]
edition = "2024"
[workspace.dependencies]
plain = { version = "1", features = ["std"], default-features = false }
util = { path = "crates/util" }
"#,
    ),
    (
        "crates/steps/draw/Cargo.toml",
        r#"
package = { name = "draw", edition.workspace = true, version = "0.1.0" }
[dependencies]
ink = "1"
util.workspace = true
[dev-dependencies]
checks = "1"
"#,
    ),
    (
        "crates/steps/draw/src/lib.rs",
        "pub fn run() { ink::go(); }",
    ),
    (
        "crates/steps/learn/Cargo.toml",
        r#"
package = { name = "learn", edition.workspace = true }
[dependencies]
net = { path = "../../net" }
util.workspace = true
"#,
    ),
    (
        "crates/steps/learn/src/lib.rs",
        "pub fn run() { net::go(); }",
    ),
    (
        "crates/util/Cargo.toml",
        r#"
package = { name = "util", edition.workspace = true }
[dependencies]
plain.workspace = true
"#,
    ),
    ("crates/util/src/lib.rs", "pub fn go() {}"),
    (
        "crates/net/Cargo.toml",
        r#"
package = { name = "net", edition.workspace = true }
[features]
default = ["flex"]
flex = ["burn/flex", "dep:fast"]
tch = ["burn/tch", "dep:tch"]
[dependencies]
burn = { package = "burn-core", version = "1", features = ["std"] }
fast = { path = "../fast", optional = true }
tch = { version = "1", optional = true }
"#,
    ),
    (
        "crates/net/src/lib.rs",
        r#"#[cfg(feature = "flex")] mod flex; #[cfg(feature = "tch")] mod tch; pub fn go() {}"#,
    ),
    ("crates/net/src/flex.rs", "mod below;"),
    ("crates/net/src/flex/below.rs", "pub fn go() {}"),
    ("crates/net/src/tch.rs", "pub fn go() {}"),
    (
        "crates/fast/Cargo.toml",
        r#"
package = { name = "fast", edition.workspace = true }
[dependencies]
simd = "1"
"#,
    ),
    ("crates/fast/src/lib.rs", "pub fn go() {}"),
];

/// The packages of the lock file, all in version 1.0.0, with what they depend on.
const LOCKED: &[(&str, &[&str])] = &[
    ("burn-core", &["burn-dispatch", "cubecl"]),
    ("burn-dispatch", &["burn-flex", "burn-tch"]),
    ("burn-flex", &["deep"]),
    ("burn-tch", &["tch"]),
    ("checks", &[]),
    ("cubecl", &[]),
    ("deep", &[]),
    ("ink", &[]),
    ("plain", &["deep"]),
    ("simd", &[]),
    ("tch", &["torch-sys"]),
    ("torch-sys", &[]),
];

const OURS: &[(&str, &[&str])] = &[
    ("draw", &["checks", "ink", "util"]),
    ("fast", &["simd"]),
    ("learn", &["net", "util"]),
    ("net", &["burn-core", "fast", "tch"]),
    ("util", &["plain"]),
];

#[derive(Clone)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    pub fn new() -> Tree {
        let mut lock = String::new();
        for (all, source) in [(OURS, ""), (LOCKED, "source = \"registry+x\"\n")] {
            for (name, dependencies) in all {
                lock += &format!("[[package]]\nname = {name:?}\nversion = \"1.0.0\"\n{source}");
                if !source.is_empty() {
                    lock += &format!("checksum = \"sum of {name}\"\n");
                }
                lock += &format!("dependencies = {dependencies:?}\n");
            }
        }
        let files = FILES.iter();
        let files = files.map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let mut files: BTreeMap<_, _> = files.collect();
        files.insert("Cargo.lock".to_owned(), lock);
        Tree { files }
    }

    /// The tree with another text in a file of it, or with a new file.
    #[must_use]
    pub fn with(&self, path: &str, text: &str) -> Tree {
        let mut tree = self.clone();
        tree.files.insert(path.to_owned(), text.to_owned());
        tree
    }

    /// The tree with this as the code of `draw`.
    #[must_use]
    pub fn drawing(&self, code: &str) -> Tree {
        self.with("crates/steps/draw/src/lib.rs", code)
    }

    /// The tree with a text that occurs once in a file replaced.
    #[must_use]
    pub fn edit(&self, path: &str, old: &str, new: &str) -> Tree {
        let text = &self.files[path];
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {path}: {text}");
        self.with(path, &text.replace(old, new))
    }

    /// Writes the tree into a folder.
    pub fn written(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    pub fn fingerprint(&self) -> Result<Fingerprint> {
        fingerprint(self.written().path())
    }

    /// The error with which there is no fingerprint.
    #[track_caller]
    pub fn fails(&self, expected: &str) {
        let error = self.fingerprint().unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    /// What differs in another tree: `kind part` or `feature part`, and the names in its listing.
    #[track_caller]
    pub fn changes(&self, other: &Tree, expected: &[&str]) {
        let (old, new) = (entries(self), entries(other));
        let changed: BTreeSet<&str> = old
            .symmetric_difference(&new)
            .map(|it| it.0.as_str())
            .collect();
        assert_eq!(changed.into_iter().collect::<Vec<_>>(), expected);
    }

    #[track_caller]
    pub fn same(&self, other: &Tree) {
        self.changes(other, &[]);
    }
}

/// Each entry of each listing by where it stands.
#[track_caller]
fn entries(tree: &Tree) -> BTreeSet<(String, String)> {
    let found = tree.fingerprint().unwrap();
    let all = found.kinds.iter().chain(&found.backends);
    let parts = |parts: &Parts| -> Vec<(String, Listing)> {
        let parts = parts.code.iter().chain(&parts.crates);
        parts
            .map(|(name, listing)| (name.clone(), listing.clone()))
            .collect()
    };
    let mut entries = BTreeSet::new();
    for (owner, of_owner) in all {
        for (part, listing) in parts(of_owner) {
            for (name, value) in listing {
                entries.insert((format!("{owner}, {part}: {name}"), value));
            }
        }
    }
    entries
}
