//! What is said of a report whose provenance cannot be used, whatever was to be found out by it.

use std::path::Path;

use super::check::{Check, Level, Status};
use crate::report::provenance::{FILE, Unusable};

/// A check of a level that has nothing to go by in this report.
pub fn unusable(level: Level, report: &Path, error: &Unusable) -> Check {
    let path = report.join(FILE);
    let profile = report.file_name().unwrap_or_default().display();
    let message = format!("{error}; `fig6 reproduce --profile {profile}` writes it");
    let of = |status| Check::new(level, path.display().to_string(), status, message);
    match error {
        Unusable::Absent | Unusable::OtherVersion(_) => of(Status::Undecided),
        Unusable::Wrong(_) => of(Status::Failed).at(&path, 1),
    }
}
