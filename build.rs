//! Tells the binary what it is made of: every step of all crates below `crates/` and of
//! `Cargo.lock`, and the compiler. Never too little, and for the time being far too much.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use walkdir::WalkDir;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for watched in ["crates", "build.rs", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    // A run that finds nothing to do takes two milliseconds, a tenth of which went into relocating
    // the program's tables; at fixed addresses they need none.
    if env::var("TARGET")? == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-bin=fig6=-no-pie");
    }
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let compiler = String::from_utf8(output.stdout)?;
    println!("cargo::rustc-env=FIG6_COMPILER={}", compiler.trim());
    println!("cargo::rustc-env=FIG6_BURN_VERSION=0.22.1");
    let mut code = String::new();
    for entry in WalkDir::new(root.join("crates")).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(&root)?.display().to_string();
            let hash = blake3::hash(&fs::read(entry.path())?);
            code += &format!("{path}\t{hash}\n");
        }
    }
    let lock = blake3::hash(&fs::read(root.join("Cargo.lock"))?);
    let crates = format!("Cargo.lock\t{lock}\n");
    let part = |name: &str, listing: &str| {
        let digest = blake3::hash(format!("fig6 listing 1\n{listing}").as_bytes());
        let digest = digest.as_bytes();
        format!("Part {{ name: {name:?}, digest: {digest:?}, listing: {listing:?} }},")
    };
    let (code, crates_part) = (part("crates", &code), part("dependencies", &crates));
    let kinds = [
        "aggregate",
        "download",
        "evaluate",
        "plot",
        "preprocess",
        "table",
        "train",
    ];
    let kinds: String = kinds
        .iter()
        .map(|kind| {
            format!("Kind {{ name: {kind:?}, code: &[{code}], crates: &[{crates_part}] }},\n")
        })
        .collect();
    let backends = ["burn-flex", "burn-tch", "burn-cuda", "burn-wgpu"];
    let backends: String = backends.iter().map(|name| part(name, &crates)).collect();
    let source = format!(
        "pub(super) static KINDS: &[Kind] = &[{kinds}];\npub(super) static BACKENDS: &[Part] = &[{backends}];\n"
    );
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("fingerprint.rs"),
        source,
    )?;
    Ok(())
}
