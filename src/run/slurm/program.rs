//! The program that jobs run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::ticket::write_atomically;
use store::key::Digest;

/// Copies this program to where the nodes see it, unless it is there; returns its path and digest.
///
/// # Errors
/// If it cannot be read or copied.
pub fn keep_program(root: &Path) -> Result<(PathBuf, Digest)> {
    let program = Path::new("/proc/self/exe");
    let program = match program.exists() {
        true => program.to_owned(),
        false => std::env::current_exe().context("cannot find out the path of fig6 itself")?,
    };
    let digest = Digest::of_file(&program).context("cannot read the program itself")?;
    let folder = std::path::absolute(root.join("programs"))
        .with_context(|| format!("cannot use the path {}", root.display()))?;
    let kept = folder.join(format!("fig6-{}", digest.short()));
    if Digest::of_file(&kept).ok() != Some(digest) {
        let content = fs::read(&program).context("cannot read the program itself")?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        write_atomically(&kept, 0o755, &content)?;
    }
    Ok((kept, digest))
}
