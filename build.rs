//! Gives the binary a fingerprint of what it is made of: the sources, the locked crates, and the
//! compiler. Computed from the files of the tree that is built, so a dirty or a packaged tree has
//! one as well.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use walkdir::WalkDir;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for watched in ["src", "build.rs", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rustc-env=FIG6_SOURCES={}", sources(&root)?);
    println!("cargo::rustc-env=FIG6_COMPILER={}", compiler()?);
    println!(
        "cargo::rustc-env=FIG6_BURN_VERSION={}",
        burn_version(&root)?
    );
    Ok(())
}

/// A digest of every source file under `src/` by name and content, and of `Cargo.lock`.
fn sources(root: &Path) -> Result<blake3::Hash, Box<dyn Error>> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |path: &Path| -> Result<(), Box<dyn Error>> {
        let name = path
            .strip_prefix(root)?
            .to_string_lossy()
            .replace('\\', "/");
        let content = fs::read(path)?;
        // Lengths keep neighbouring names and contents apart.
        hasher
            .update(&(name.len() as u64).to_le_bytes())
            .update(name.as_bytes());
        hasher
            .update(&(content.len() as u64).to_le_bytes())
            .update(&content);
        Ok(())
    };
    for entry in WalkDir::new(root.join("src")).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|e| e == "rs") {
            add(entry.path())?;
        }
    }
    add(&root.join("Cargo.lock"))?;
    Ok(hasher.finalize())
}

/// The compiler's name and version, as it prints them.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The version of burn in `Cargo.lock`.
fn burn_version(root: &Path) -> Result<String, Box<dyn Error>> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"burn\"")
        .ok_or("Cargo.lock does not name burn")?;
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|line| line.strip_suffix('"'))
        .ok_or("Cargo.lock gives burn no version")?;
    Ok(version.to_owned())
}
