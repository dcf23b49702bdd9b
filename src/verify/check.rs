//! A check: what was looked at, how it ended, and what was found.
//!
//! Unaware of what there is to look at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// How deep a verification goes; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The report against its provenance, and that against today's code, parameters and data digests.
    Lock,
    /// Every artifact behind the report, and the report against what the artifacts give.
    Integrity,
    /// The claims of the pipeline file against the results.
    Claims,
    /// The test errors again, from the kept weights.
    Evaluate,
    /// Parts of the trainings again, from the snapshots that they have left.
    Replay,
    /// Steps again, in a fresh store.
    Execute,
    /// Numbers in documents against the results; asked for by naming documents.
    Documents,
}

impl Level {
    /// All levels, in order.
    pub const ALL: [Level; 7] = [
        Level::Lock,
        Level::Integrity,
        Level::Claims,
        Level::Evaluate,
        Level::Replay,
        Level::Execute,
        Level::Documents,
    ];

    /// All levels that a verification can go to, in order; documents are asked for by name.
    pub const RISING: &[Level] = Level::ALL.split_at(6).0;

    /// Its name.
    pub fn name(self) -> &'static str {
        self.in_words().0
    }

    /// What holds if it passes.
    pub fn holds(self) -> &'static str {
        self.in_words().1
    }

    fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Level::Lock => (
                "lock",
                "report matches its record; code, parameters and data unchanged",
            ),
            Level::Integrity => (
                "integrity",
                "every artifact is whole and gives the report byte for byte",
            ),
            Level::Claims => ("claims", "results bear out what was published"),
            Level::Evaluate => (
                "evaluate",
                "kept weights give the recorded test errors and responses",
            ),
            Level::Replay => (
                "replay",
                "parts of trainings, from their snapshots, come out the same with today's code",
            ),
            Level::Execute => ("execute", "steps give the same bytes when they run again"),
            Level::Documents => ("documents", "numbers in documents are those of the results"),
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Passed,
    /// It could not be decided, or the evidence is missing. Never as good as passed.
    Undecided,
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub level: Level,
    /// What was looked at (`train/resnet20/seed0`, `results.md`, `he/resnet56`, `README.md:12`).
    pub name: String,
    pub status: Status,
    /// What was found, in one sentence without a full stop.
    pub message: String,
    /// Where a person would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    #[serde(serialize_with = "store::displayed")]
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl Check {
    /// A check that ended like this.
    pub fn new(
        level: Level,
        name: impl Into<String>,
        status: Status,
        message: impl Into<String>,
    ) -> Check {
        Check {
            level,
            name: name.into(),
            status,
            message: message.into(),
            place: None,
            details: None,
        }
    }

    /// A check that has passed or failed.
    pub fn of(level: Level, name: impl Into<String>, found: Result<String, String>) -> Check {
        match found {
            Ok(message) => Check::new(level, name, Status::Passed, message),
            Err(message) => Check::new(level, name, Status::Failed, message),
        }
    }

    /// The same check, to be mended at this line.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: usize) -> Check {
        self.place = Some(Place {
            file: file.into(),
            line,
        });
        self
    }
}

/// Checks by their level, each level's in the order in which they came.
pub fn by_level(checks: &[Check]) -> BTreeMap<Level, Vec<&Check>> {
    let mut levels: BTreeMap<Level, Vec<&Check>> = BTreeMap::new();
    for check in checks {
        levels.entry(check.level).or_default().push(check);
    }
    levels
}

/// The worst of all; where nothing was checked, nothing is known.
pub fn overall(checks: &[Check]) -> Status {
    let worst = checks.iter().map(|check| check.status).max();
    worst.unwrap_or(Status::Undecided)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_levels_are_those_of_the_records_and_none_is_left_out() {
        for level in Level::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
        assert!(Level::ALL.is_sorted());
        // The last one.
        assert_eq!(Level::ALL[6] as usize, 6);
    }

    #[test]
    fn the_worst_check_counts_and_no_check_is_no_pass() {
        let of = |statuses: &[Status]| {
            let checks = statuses.iter();
            let checks: Vec<Check> = checks
                .map(|&status| Check::new(Level::Lock, "x", status, "y"))
                .collect();
            overall(&checks)
        };
        assert_eq!(of(&[]), Status::Undecided);
        assert_eq!(of(&[Status::Passed]), Status::Passed);
        assert_eq!(of(&[Status::Passed, Status::Undecided]), Status::Undecided);
        assert_eq!(of(&[Status::Failed, Status::Undecided]), Status::Failed);
    }
}
