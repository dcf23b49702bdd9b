//! The names of levels, as `--level` takes them and reports show them.

use crate::verify::{Check, Level, Status};

/// From the quickest to the longest.
pub const ALL: [Level; 6] = [
    Level::Lock,
    Level::Integrity,
    Level::Claims,
    Level::Evaluate,
    Level::Execute,
    Level::Documents,
];

pub fn name(level: Level) -> &'static str {
    match level {
        Level::Lock => "lock",
        Level::Integrity => "integrity",
        Level::Claims => "claims",
        Level::Evaluate => "evaluate",
        Level::Execute => "execute",
        Level::Documents => "documents",
    }
}

/// The checks of a level.
pub fn of(checks: &[Check], level: Level) -> impl Iterator<Item = &Check> {
    checks.iter().filter(move |check| check.level == level)
}

/// How many of a level's checks ended like this.
pub fn count(checks: &[Check], level: Level, status: Status) -> usize {
    of(checks, level)
        .filter(|check| check.status == status)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_records_and_no_level_is_left_out() {
        for level in ALL {
            let recorded = serde_json::to_value(level).unwrap();
            assert_eq!(recorded, name(level));
        }
        assert!(ALL.is_sorted());
        // The last one.
        assert_eq!(ALL[5] as usize, 5);
    }
}
