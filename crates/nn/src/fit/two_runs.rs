//! Whether a device computes the same twice: the first steps of a training, two times.
//!
//! Keeps nothing and decides nothing.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Data, TrainConfig, TrainEnv, Training, check};
use crate::weights::State;

/// Steps that are taken twice.
const STEPS: u64 = 5;

/// How far two runs of the same steps on one device were from each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoRuns {
    /// As the device names itself: two of a name are held to be of a kind.
    pub device: String,
    pub steps: u64,
    /// The largest difference of a number, as a share of the largest number of its tensor; 0 for the same
    /// bytes.
    pub distance: f64,
}

impl TwoRuns {
    /// Whether the device gave the same bytes.
    pub fn are_equal(&self) -> bool {
        self.distance == 0.0
    }
}

/// Takes the first steps of a training twice; neither leaves anything.
///
/// # Errors
/// As [`super::fit`]; [`super::InterruptedTraining`] once `stop` is set.
pub fn two_runs(config: &TrainConfig, data: Data, env: &TrainEnv) -> Result<TwoRuns> {
    check(config, data)?;
    let steps = STEPS.min(config.recipe.schedule.iterations);
    let run = || -> Result<State> {
        let mut silent = TrainEnv {
            backend: env.backend,
            checkpoints: None,
            stop: env.stop,
            observe: &mut |_| {},
        };
        let mut training = Training::after(config, data, env.backend, Value::Null, None)?;
        training.stretch.to = steps;
        training.stretch.evaluated = false;
        while training.progress.iteration < steps {
            training.advance(&mut silent)?;
        }
        Ok(training.checkpoint()?.tensors())
    };
    let (one, other) = (run()?, run()?);
    Ok(TwoRuns {
        device: env.backend.identity()?,
        steps,
        distance: apart(&one, &other).context("two runs left other tensors")?,
    })
}

/// Nothing if they are not the same tensors.
fn apart(one: &State, other: &State) -> Option<f64> {
    let mut largest = 0.0_f64;
    if !one.keys().eq(other.keys()) {
        return None;
    }
    for (one, other) in one.values().zip(other.values()) {
        if one.values.len() != other.values.len() {
            return None;
        }
        let size = one.values.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
        for (one, other) in one.values.iter().zip(&other.values) {
            if one.to_bits() != other.to_bits() {
                let share = f64::from((one - other).abs()) / f64::from(size).max(1e-30);
                // Zeros of both signs, and what is no number, differ too.
                largest = largest.max(if share > 0.0 {
                    share
                } else {
                    f64::MIN_POSITIVE
                });
            }
        }
    }
    Some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Values;

    fn state(values: &[f32]) -> State {
        let shape = vec![values.len()];
        let values = values.to_vec();
        State::from([("a".to_owned(), Values { shape, values })])
    }

    #[test]
    fn the_distance_is_the_largest_difference_as_a_share_of_its_tensor() {
        let one = state(&[1.0, -4.0, 0.0]);
        assert_eq!(apart(&one, &one), Some(0.0));
        assert_eq!(apart(&one, &state(&[1.5, -4.0, 0.0])), Some(0.125));
        assert!(apart(&one, &state(&[1.0, -4.0, -0.0])).unwrap() > 0.0);
        assert!(apart(&one, &state(&[f32::NAN, -4.0, 0.0])).unwrap() > 0.0);
        assert_eq!(apart(&one, &state(&[1.0])), None);
        assert_eq!(apart(&one, &State::new()), None);
    }
}
