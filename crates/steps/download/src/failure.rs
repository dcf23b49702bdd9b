//! Why a place did not yield the archive, as far as it decides what to try next.
//!
//! Unaware of who tries again.

use std::time::Duration;

use anyhow::Error;

/// An error, and whom it is to blame on.
#[derive(Debug)]
pub enum Failure {
    /// The same place may do better, if not before this long.
    Transient(Error, Duration),
    /// This place will not do; another one may.
    Place(Error),
    /// No place will do: the trouble is on this machine (a full disk).
    Here(Error),
}

impl Failure {
    /// A failure that may pass at any time.
    pub fn transient(error: Error) -> Failure {
        Failure::Transient(error, Duration::ZERO)
    }

    /// What happened.
    pub fn into_error(self) -> Error {
        match self {
            Failure::Transient(error, _) | Failure::Place(error) | Failure::Here(error) => error,
        }
    }

    /// The same failure, with where it happened.
    pub fn context(self, text: String) -> Failure {
        match self {
            Failure::Transient(error, pause) => Failure::Transient(error.context(text), pause),
            Failure::Place(error) => Failure::Place(error.context(text)),
            Failure::Here(error) => Failure::Here(error.context(text)),
        }
    }
}

/// An error that `?` passes on is this machine's. What comes from a place is said to.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Here(error)
    }
}
