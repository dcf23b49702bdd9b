//! The files of a report, read with the care that files from elsewhere need.
//!
//! Unaware of what is in them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use store::{is_folder, is_there};

/// The option that names the folder of reports.
pub const REPORTS: &str = "--reports";

/// Longest file that is read, in bytes: hundreds of times that of a large experiment.
const LONGEST: u64 = 256 << 20;

/// Whether a name is that of a file in a folder, and nothing else.
pub fn is_plain(name: &str) -> bool {
    let leads = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !name.is_empty() && !name.starts_with('.') && !name.contains(leads)
}

/// Reads a file of a report that is one, up to a length.
///
/// # Errors
/// If it cannot be read, is no regular file, or is longer.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = || format!("cannot read {}", path.display());
    // Before it is opened, which would wait for someone to write into a pipe.
    let found = path.metadata().with_context(name)?;
    ensure!(found.is_file(), "{} is no regular file", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(name)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .with_context(name)?;
    ensure!(
        bytes.len() as u64 <= LONGEST,
        "{} has more than {LONGEST} bytes",
        path.display()
    );
    Ok(bytes)
}

/// Reads a file of the report in this folder, as [`read`], if the report has one.
///
/// # Errors
/// If the folder, that of all reports, or the file is there and cannot be used.
pub fn read_if_there(report: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let above = report.parent().into_iter();
    let above = above.filter(|above| !above.as_os_str().is_empty());
    for folder in above.chain([report]) {
        if !is_folder(folder, REPORTS)? {
            return Ok(None);
        }
    }
    let path = report.join(name);
    match is_there(&path, REPORTS)? {
        true => read(&path).map(Some),
        false => Ok(None),
    }
}
