//! Copies what people read out of the store, figures and tables, as `reports/<profile>/`, and writes
//! beside it what they rest on.
//!
//! A report holds nothing that is not in the store or in the pipeline file, so it can be deleted at any
//! time. All of it is the same from run to run but what says when, where and for how long steps ran:
//! `ro-crate-metadata.json` and `report.html`. Those stay as they are as long as the results do, so that a
//! run which comes to the same results changes nothing in a report.

pub mod carried_over;
mod evidence;
pub mod files;
mod one_line;
pub mod page;
pub mod provenance;
mod research_object;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use walkdir::WalkDir;

use crate::pipeline::Experiment;
use crate::plan::Graph;
use crate::run::Outcome;
use evidence::Evidence;
pub use evidence::PIPELINE;
pub use files::REPORTS;
use store::key::Digest;
use store::{Store, Unreadable, is_folder, is_there, sweep, write_whole};

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
/// Where every step has a result, what they rest on is written beside them. Otherwise that is left as it
/// is: if it does not fit any more, `fig6 verify` says so.
///
/// Returns the report's files, in the order of the graph.
///
/// # Errors
/// If an output cannot be read or a file cannot be written.
pub fn publish(
    experiment: &Experiment,
    pipeline: &str,
    graph: &Graph,
    outcome: &Outcome,
    store: &Store,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    sweep(folder);
    let mut files = Vec::new();
    let all = graph.steps().iter().zip(&outcome.results);
    for (_, result) in all.filter(|(step, _)| step.params.is_reported()) {
        let Some(entry) = result else {
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
    if let Some(evidence) = Evidence::complete(experiment, pipeline, graph, &outcome.results) {
        let of_earlier_code = attest(&evidence, store, folder)?;
        files.extend(EVIDENCE.map(|name| folder.join(name)));
        files.extend(of_earlier_code);
    }
    Ok(files)
}

/// The files of a report that say what the others rest on, and show all of it.
pub const EVIDENCE: [&str; 4] = [
    evidence::PIPELINE,
    provenance::FILE,
    research_object::FILE,
    page::FILE,
];

/// Writes what a report rests on, unless it is there already. Returns the file that names what was carried
/// over, if anything was.
fn attest(evidence: &Evidence, store: &Store, folder: &Path) -> Result<Option<PathBuf>> {
    let [pipeline, provenance, object, shown] = EVIDENCE.map(|name| folder.join(name));
    let carried_over = folder.join(carried_over::FILE);
    let carried_over = match evidence.results.iter().any(|entry| entry.carried_over) {
        true => Some(carried_over),
        false => {
            remove_if_there(&carried_over)?;
            None
        }
    };
    let source = evidence.digest();
    write_if_other(&pipeline, evidence.pipeline.as_bytes(), store)?;
    // To read all manifests would take longer than all else that an idle run does.
    let is_there = |path: &PathBuf| store.is_made_of(path, &source).unwrap_or(false);
    let made = [&provenance, &object, &shown];
    if made.into_iter().chain(&carried_over).all(is_there) {
        return Ok(carried_over);
    }
    let record = evidence.read(store)?;
    write_if_other(&provenance, record.statement.text().as_bytes(), store)?;
    // One that an earlier run has left, and that cannot be read, is as good as none.
    let earlier = files::read(&object).unwrap_or_default();
    if !research_object::describes_the_same(&earlier, &record) {
        write_if_other(&object, research_object::text(&record).as_bytes(), store)?;
    }
    if let Some(path) = &carried_over {
        let page = carried_over::page(record.statement.internal());
        write_if_other(path, page.unwrap_or_default().as_bytes(), store)?;
    }
    let page = evidence.page(&record, &files::read(&shown).unwrap_or_default(), store);
    let page = page.with_context(|| format!("cannot make {}", shown.display()))?;
    write_if_other(&shown, page.as_bytes(), store)?;
    for path in made.into_iter().chain(&carried_over) {
        store.note_made_of(path, source)?;
    }
    Ok(carried_over)
}

/// Removes a file that an earlier run may have left.
fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file unless it has this content.
fn write_if_other(path: &Path, content: &[u8], store: &Store) -> Result<()> {
    if store.content(path).ok().flatten() != Some(Digest::of(content)) {
        write_whole(path, content)?;
        // Known from now on without reading it.
        store.content(path)?;
    }
    Ok(())
}

/// Digests of all files below the folder of reports, which need not exist.
///
/// # Errors
/// If a folder or file cannot be read.
pub fn contents(reports: &Path, store: &Store) -> Result<BTreeSet<Digest>> {
    let mut contents = BTreeSet::new();
    if !is_folder(reports, REPORTS)? {
        return Ok(contents);
    }
    for entry in WalkDir::new(reports).follow_links(true) {
        let entry = entry.map_err(|error| match (error.path(), error.io_error()) {
            (Some(path), Some(cause)) => match is_there(path, REPORTS) {
                Ok(_) => Unreadable::refused(path, cause).named_by(REPORTS).into(),
                // The folder that it lies in cannot be searched.
                Err(error) => error,
            },
            _ => anyhow!(error).context("cannot read the reports"),
        })?;
        if entry.file_type().is_file() {
            contents.extend(store.content(entry.path())?);
        }
    }
    Ok(contents)
}

#[cfg(test)]
pub mod made_up_tests;
#[cfg(test)]
mod tests;
