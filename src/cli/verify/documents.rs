//! Documents that are held against the results, or brought up to date.
//!
//! Unaware of marks and numbers, which are `verify::prose`'s.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

use super::arguments::Arguments;
use super::scene::Scene;
use crate::cli::file::UserFile;
use crate::report::carried_over::TABLE;
use crate::report::files;
use crate::report::provenance::Statement;
use crate::verify::prose::{self, Document, Reports};
use crate::verify::{Check, Level, Status, unusable};
use store::key::Digest;

/// Numbers in documents, brought up to date first if that is wanted: all documents or none.
pub fn check(arguments: &Arguments, scene: &Scene) -> Vec<Check> {
    let source = Reports {
        folder: scene.reports.clone(),
        profile: scene.project.experiment.profile.clone(),
    };
    let of = |name: &str, message| Check::new(Level::Documents, name, Status::Failed, message);
    let mut checks = Vec::new();
    let mut documents = Vec::new();
    for path in &arguments.docs {
        match Document::read(path) {
            Ok(document) => documents.push(document),
            Err(error) => checks.push(of(&path.display().to_string(), format!("{error:#}"))),
        }
    }
    let mut quoted = BTreeSet::new();
    for mark in documents.iter().flat_map(Document::marks).flatten() {
        let profile = mark.expression.profile;
        quoted.insert(profile.unwrap_or_else(|| source.profile.clone()));
    }
    if arguments.write
        && checks.is_empty()
        && let Err(error) = write(&mut documents, &source)
    {
        // As a check, so that it also reaches those who read no output.
        let message = format!("the documents are not brought up to date: {error:#}");
        checks.push(of("--write", message));
    }
    let reports = quoted.iter().map(|profile| scene.reports.join(profile));
    checks.extend(reports.map(|report| as_recorded(&report)));
    let documents = documents.iter();
    checks.extend(documents.flat_map(|document| prose::check(document, &source)));
    checks
}

/// Brings documents up to date: all, or none where a mark in one of them is wrong.
fn write(documents: &mut [Document], source: &Reports) -> Result<()> {
    let texts = documents
        .iter()
        .map(|document| prose::rewrite(document, source));
    let texts = texts.collect::<Result<Vec<String>>>()?;
    for (document, text) in documents.iter_mut().zip(texts) {
        if text != document.text {
            let (path, about) = (document.path.display(), document.path.metadata()?);
            ensure!(about.is_file(), "{path} is no regular file");
            // Also for the superuser, who may write to any file.
            ensure!(
                !about.permissions().readonly(),
                "{path} may not be written to"
            );
            UserFile::find(&document.path, true, |_| true)?.write(text.as_bytes())?;
            *document = Document::read(&document.path)?;
        }
    }
    Ok(())
}

/// Whether the numbers that documents quote are those that the report's provenance records.
fn as_recorded(report: &Path) -> Check {
    let statement = match Statement::read(report) {
        Ok(statement) => statement,
        Err(error) => return unusable(Level::Documents, report, &error),
    };
    let differs = |name: &str| {
        let bytes = match files::read(&report.join(name)) {
            Ok(bytes) => bytes,
            Err(error) => return Some(format!("{error:#}")),
        };
        let mut subjects = statement.subject.iter();
        let recorded = subjects.find(|subject| subject.name == name);
        let same = recorded.is_some_and(|it| it.digest.blake3 == Digest::of(&bytes));
        (!same).then(|| format!("{name} is not what provenance.json records: it was edited"))
    };
    let found = match ["results.json", TABLE].into_iter().find_map(differs) {
        Some(wrong) => Err(wrong),
        None => Ok("is what its provenance records".to_owned()),
    };
    let name = report.join("results.json").display().to_string();
    Check::of(Level::Documents, name, found)
}
