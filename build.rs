//! Tells the binary what it is made of: for each kind of step, digests of the code and the crates
//! that it reaches (see `build/fingerprint/mod.rs`), and the compiler.
//!
//! Computed from the files of the tree that is built, so a dirty or a packaged tree has a
//! fingerprint as well.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "build/fingerprint/mod.rs"]
mod fingerprint;
#[path = "build/project.rs"]
mod project;

use fingerprint::table;
use project::Disk;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for watched in [
        "src",
        "kernels",
        "build",
        "build.rs",
        "Cargo.lock",
        "Cargo.toml",
    ] {
        println!("cargo::rerun-if-changed={watched}");
    }
    // A run that finds nothing to do takes two milliseconds, a tenth of which went into relocating
    // the program's tables; at fixed addresses they need none.
    if env::var("TARGET")? == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-bin=fig6=-no-pie");
    }
    let variables = [
        ("FIG6_COMPILER", compiler()?),
        ("FIG6_BURN_VERSION", burn_version(&root)?),
    ];
    for (name, value) in &variables {
        println!("cargo::rustc-env={name}={value}");
    }
    let asked = |name: &str| {
        let own = variables.iter().find(|(own, _)| *own == name);
        let value = own.map(|(_, value)| value.clone());
        value.or_else(|| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var(name).ok()
        })
    };

    let files = Disk::new(root);
    let source = match project::fingerprint(&files, &features(), &asked) {
        Ok(fingerprint) => table::source(&fingerprint),
        // Not an end of the build: rustc shall show its own errors, which know lines and columns.
        Err(error) => table::error(&error.to_string()),
    };
    let outside = |path: &&String| !path.starts_with("src/") && !path.starts_with("kernels/");
    for path in files.read.borrow().iter().filter(outside) {
        println!("cargo::rerun-if-changed={path}");
    }
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("fingerprint.rs"),
        source,
    )?;
    Ok(())
}

/// The features that are on, by their names in `Cargo.toml`.
fn features() -> BTreeSet<String> {
    // Cargo writes `a-b` as `A_B`; none of ours has a dash or a capital letter.
    let variables = env::vars().filter_map(|(name, _)| {
        let feature = name.strip_prefix("CARGO_FEATURE_")?;
        Some(feature.to_lowercase())
    });
    variables.collect()
}

/// The compiler's name and version, as it prints them.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The version of burn in `Cargo.lock`; all its crates have the same.
fn burn_version(root: &Path) -> Result<String, Box<dyn Error>> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"burn-core\"")
        .ok_or("Cargo.lock does not name burn-core")?;
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|line| line.strip_suffix('"'))
        .ok_or("Cargo.lock gives burn-core no version")?;
    Ok(version.to_owned())
}
