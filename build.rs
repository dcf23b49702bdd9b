//! Tells the binary what each kind of step is made of (see `build/fingerprint/mod.rs`), and which
//! compiler built it.
//!
//! Computed from the files of the tree that is built, so that an uncommitted edit counts as well.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "build/fingerprint/mod.rs"]
mod fingerprint;

use fingerprint::{Fingerprint, Listing, Packages, Parts};

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["Cargo.lock", "Cargo.toml", "build", "build.rs", "crates"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    // A run that finds nothing to do takes two milliseconds, a tenth of which went into relocating
    // the program's tables; at fixed addresses they need none.
    if env::var("TARGET")? == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-bin=fig6=-no-pie");
    }
    println!("cargo::rustc-env=FIG6_COMPILER={}", compiler()?);
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let packages = Packages::read(&root)?;
    let burn = packages.version("burn-core")?;
    println!("cargo::rustc-env=FIG6_BURN_VERSION={burn}");

    let source = match fingerprint::fingerprint(&root) {
        Ok(fingerprint) => tables(&fingerprint),
        // Not an end of the build: rustc shall show its own errors, which know lines and columns.
        Err(error) => {
            let message = format!("there is no fingerprint of the steps' code: {error}");
            let empty = tables(&Fingerprint::default());
            format!("compile_error!({message:?});\n{empty}")
        }
    };
    let file = Path::new(&env::var("OUT_DIR")?).join("fingerprint.rs");
    Ok(fs::write(file, source)?)
}

/// The compiler's name and version, as it prints them.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The definitions of `KINDS` and `BACKENDS` in `src/fingerprint.rs`. Equal listings stand once.
fn tables(fingerprint: &Fingerprint) -> String {
    let mut texts = BTreeMap::new();
    let kinds = table(&fingerprint.kinds, "Kind", &mut texts);
    let backends = table(&fingerprint.backends, "Backend", &mut texts);
    let texts = texts.iter();
    let texts = texts.map(|(text, name)| format!("const {name}: &str = {text:?};\n"));
    let texts: String = texts.collect();
    format!(
        "{texts}pub(super) static KINDS: &[Kind] = &{kinds};\n\
         pub(super) static BACKENDS: &[Backend] = &{backends};\n"
    )
}

fn table(
    all: &BTreeMap<String, Parts>,
    name_of_struct: &str,
    texts: &mut BTreeMap<String, String>,
) -> String {
    let mut rows = String::new();
    for (name, made_of) in all {
        let code = parts(&made_of.code, texts);
        let crates = parts(&made_of.crates, texts);
        rows +=
            &format!("{name_of_struct} {{ name: {name:?}, code: &{code}, crates: &{crates} }},\n");
    }
    format!("[\n{rows}]")
}

fn parts(listings: &BTreeMap<String, Listing>, texts: &mut BTreeMap<String, String>) -> String {
    let mut rows = String::new();
    for (name, listing) in listings {
        let lines = listing.iter();
        let lines = lines.map(|(name, value)| format!("{name}\t{value}\n"));
        let text: String = lines.collect();
        let digest = blake3::hash(format!("fig6 listing 1\n{text}").as_bytes());
        let digest = digest.as_bytes();
        let next = format!("LISTING_{}", texts.len());
        let text = texts.entry(text).or_insert(next);
        rows += &format!("Part {{ name: {name:?}, digest: {digest:?}, listing: {text} }},\n");
    }
    format!("[\n{rows}]")
}
