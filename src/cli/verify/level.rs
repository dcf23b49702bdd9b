//! The checks of a level among all.

use crate::verify::{Check, Level, Status};

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
