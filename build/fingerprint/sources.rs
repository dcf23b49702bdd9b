//! The files of a crate, and whether they count for all backends, for one alone, or not at all.
//!
//! The modules are followed from `src/lib.rs` only to see which files tests or backends alone
//! reach. A file that no module leads to counts for all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Attribute, File, Item, Meta};
use walkdir::{DirEntry, WalkDir};

use super::packages::backends;
use super::{ALL, Listing, Result, tokens};

/// Folders beside `src/` that only tests and measurements use.
const ASIDE: &[&str] = &["benches", "examples", "tests"];

/// Stands for a backend's feature where something is compiled for tests only.
pub const TEST: &str = "test";

/// The Rust files of a crate by their paths.
type Files = BTreeMap<String, File>;

/// What files are compiled for.
type Reached = BTreeMap<String, BTreeSet<&'static str>>;

/// Digests of a crate's files by their paths, by the backend that they count for.
///
/// # Errors
/// If a file cannot be read, parsed or followed.
pub fn read(root: &Path, folder: &str) -> Result<BTreeMap<&'static str, Listing>> {
    let mut digests = BTreeMap::from([(ALL, Listing::new())]);
    let mut files = Files::new();
    let entries = WalkDir::new(root.join(folder))
        .follow_links(true)
        .sort_by_file_name();
    for entry in entries.into_iter().filter_entry(counts) {
        let entry = entry.map_err(|error| format!("{folder}: {error}"))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(root.join(folder));
        let path = path
            .expect("the walk stays below its start")
            .to_string_lossy()
            .replace('\\', "/");
        let error = |error: &dyn std::fmt::Display| format!("{folder}/{path}: {error}");
        let content = fs::read(entry.path()).map_err(|it| error(&it))?;
        if path.ends_with(".rs") {
            // Line ends as rustc reads them, whatever git made of them.
            let text = String::from_utf8_lossy(&content).replace("\r\n", "\n");
            let file = syn::parse_file(&text).map_err(|it| error(&it))?;
            files.insert(path, file);
        } else {
            let digest = blake3::hash(&content).to_hex().to_string();
            digests.entry(ALL).or_default().insert(path, digest);
        }
    }
    let mut reached = Reached::new();
    walk(&files, "src/lib.rs", "src", ALL, &mut reached);
    for (path, file) in files {
        let mut backends = reached.remove(&path).unwrap_or_else(|| [ALL].into());
        if backends == [TEST].into() {
            continue;
        }
        if backends.contains(ALL) {
            backends = [ALL].into();
        }
        let digest = tokens::digest(file).map_err(|error| format!("{folder}/{path}: {error}"))?;
        for backend in backends.into_iter().filter(|it| *it != TEST) {
            let digests = digests.entry(backend).or_default();
            digests.insert(path.clone(), digest.clone());
        }
    }
    Ok(digests)
}

/// Whether a file or a folder may count.
fn counts(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    match entry.depth() {
        0 => true,
        // `Cargo.toml` counts by what it says (see `manifest`).
        1 if ASIDE.contains(&&*name) || name == "Cargo.toml" || name.ends_with(".md") => false,
        // Editors' files: no module has such a name, and nothing may embed them (see `tokens`).
        _ => !name.starts_with('.'),
    }
}

/// Notes what a file's module and those below it, which lie in `folder`, are compiled for.
fn walk(files: &Files, path: &str, folder: &str, backend: &'static str, reached: &mut Reached) {
    let Some(file) = files.get(path) else { return };
    let backend = both(backend, condition(&file.attrs));
    if reached.entry(path.to_owned()).or_default().insert(backend) {
        walk_items(files, &file.items, folder, backend, reached);
    }
}

fn walk_items(
    files: &Files,
    items: &[Item],
    folder: &str,
    backend: &'static str,
    reached: &mut Reached,
) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let backend = both(backend, condition(&module.attrs));
        let name = module.ident.to_string();
        let below = format!("{folder}/{}", name.trim_start_matches("r#"));
        match &module.content {
            Some((_, items)) => walk_items(files, items, &below, backend, reached),
            None => {
                walk(files, &format!("{below}.rs"), &below, backend, reached);
                walk(files, &format!("{below}/mod.rs"), &below, backend, reached);
            }
        }
    }
}

/// What an item with these attributes is compiled for. In doubt, for all.
pub fn condition(attributes: &[Attribute]) -> &'static str {
    let conditions = attributes.iter().filter(|it| it.path().is_ident("cfg"));
    let conditions = conditions.map(|it| match &it.meta {
        Meta::List(list) => list.tokens.to_string().replace(' ', ""),
        _ => String::new(),
    });
    let known = conditions.map(|text| {
        if text == "test" || text.starts_with("all(test,") {
            return TEST;
        }
        let is_it = |backend: &&str| text == format!("feature=\"{backend}\"");
        backends().find(is_it).unwrap_or(ALL)
    });
    known.fold(ALL, both)
}

/// Under both conditions. Of code for two backends at once it is not known which one computes.
fn both(one: &'static str, other: &'static str) -> &'static str {
    match (one, other) {
        (TEST, _) | (_, TEST) => TEST,
        (ALL, it) | (it, ALL) => it,
        _ if one == other => one,
        _ => ALL,
    }
}
