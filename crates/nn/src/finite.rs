//! The error of a training whose numbers are no longer finite.
//!
//! Unaware of where the numbers come from.

use std::error::Error;
use std::fmt;

use anyhow::Result;

use super::weights::{State, Values};

/// A training that has left the finite numbers; it says where.
#[derive(Debug)]
pub struct NotFinite(pub String);

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NotFinite {}

/// Makes sure that all numbers are finite, after `iteration` steps, the last with this rate.
///
/// # Errors
/// [`NotFinite`] with the first tensor that has another one.
pub fn ensure_finite(tensors: &State, iteration: u64, learning_rate: f64) -> Result<()> {
    let broken = |tensor: &Values| !tensor.values.iter().all(|x| x.is_finite());
    match tensors.iter().find(|(_, tensor)| broken(tensor)) {
        None => Ok(()),
        Some((name, _)) => Err(NotFinite(format!(
            "{name} is not finite after {iteration} iterations, the last with learning rate {learning_rate:?}"
        ))
        .into()),
    }
}
