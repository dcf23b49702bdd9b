//! Copies what people read out of the store: figures and tables, as `reports/<profile>/`.
//!
//! A report holds nothing that is not in the store, so it can be deleted at any time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use walkdir::WalkDir;

use crate::key::Digest;
use crate::plan::Graph;
use crate::run::Outcome;
use crate::store::{Store, sweep, write_whole};

/// Makes sure that a report can be written into `folder`, before hours are spent on its content.
///
/// # Errors
/// If the folder cannot be created or written to.
pub fn prepare(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder))
        .map(drop)
        .with_context(|| {
            let folder = folder.display();
            format!(
                "cannot write in {folder}; choose a folder that you can write to with --reports"
            )
        })
}

/// Writes the outputs of all steps that make something to read; files that are right stay untouched.
///
/// Returns the report's files, in the order of the graph.
///
/// # Errors
/// If an output cannot be read or a file cannot be written.
pub fn publish(
    graph: &Graph,
    outcome: &Outcome,
    store: &Store,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    sweep(folder);
    let mut files = Vec::new();
    for step in graph
        .steps()
        .iter()
        .filter(|step| step.params.is_reported())
    {
        let Some(entry) = outcome.reported.get(&step.name) else {
            continue;
        };
        for (name, output) in &entry.outputs {
            let path = folder.join(name);
            if store.content(&path).ok().flatten() != Some(output.digest) {
                write_whole(&path, &store.read(output)?)?;
                // Known from now on without reading it.
                store.content(&path)?;
            }
            files.push(path);
        }
    }
    Ok(files)
}

/// Digests of all files below the folder of reports, which need not exist.
///
/// # Errors
/// If a folder or file cannot be read.
pub fn contents(reports: &Path, store: &Store) -> Result<BTreeSet<Digest>> {
    let mut contents = BTreeSet::new();
    let there = reports.try_exists();
    if !there.with_context(|| format!("cannot look at {}", reports.display()))? {
        return Ok(contents);
    }
    for entry in WalkDir::new(reports).follow_links(true) {
        let entry = entry.context("cannot read the reports")?;
        if entry.file_type().is_file() {
            contents.extend(store.content(entry.path())?);
        }
    }
    Ok(contents)
}
