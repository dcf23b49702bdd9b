//! A handful of runs of the same thing, by their moments.
//!
//! Unaware of what was measured.

use serde::Serialize;

use super::estimate::{Component, Estimate};
use super::evidence::{Interval, Unknown};

/// Independent runs that differ in their seed only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Number of runs.
    pub n: u64,
    pub mean: f64,
    /// Standard deviation with divisor n − 1, in the unit of the mean; absent for one run.
    pub std: Option<f64>,
}

impl Sample {
    /// The moments of these runs; `None` where there is no run, or one that is no finite number.
    ///
    /// The standard deviation is computed by the corrected two-pass algorithm of Chan, Golub and
    /// LeVeque, "Algorithms for Computing the Sample Variance: Analysis and Recommendations" (The
    /// American Statistician 37, 1983), equation 1.7. Equal runs give exactly their value and zero: no
    /// verdict may rest on the rounding of a mean.
    #[must_use]
    pub fn of(runs: &[f64]) -> Option<Sample> {
        let &first = runs.first()?;
        let n = runs.len() as f64;
        let mut sample = Sample {
            n: runs.len() as u64,
            mean: first,
            std: (runs.len() > 1).then_some(0.0),
        };
        if runs.iter().any(|run| *run != first) {
            sample.mean = runs.iter().sum::<f64>() / n;
            let squares: f64 = runs.iter().map(|run| (run - sample.mean).powi(2)).sum();
            let rest: f64 = runs.iter().map(|run| run - sample.mean).sum();
            let variance = (squares - rest * rest / n).max(0.0) / (n - 1.0);
            sample.std = Some(variance.sqrt());
        }
        sample.is_finite().then_some(sample)
    }

    /// The same moments, as if so many runs had given them.
    #[must_use]
    pub fn with_runs(self, n: u64) -> Sample {
        Sample { n, ..self }
    }

    /// The standard deviation, or why there is none.
    pub(super) fn spread(&self) -> Result<f64, Unknown> {
        if !self.is_finite() {
            return Err(Unknown::NotFinite);
        }
        if self.n < 2 {
            return Err(Unknown::TooFewRuns);
        }
        self.std.ok_or(Unknown::NoSpread)
    }

    /// What this mean, times a coefficient, adds to the variance of a sum.
    pub(super) fn part(&self, coefficient: f64) -> Result<Component, Unknown> {
        Ok(Component {
            variance: (coefficient * self.spread()?).powi(2) / self.n as f64,
            degrees_of_freedom: (self.n - 1) as f64,
        })
    }

    fn is_finite(&self) -> bool {
        let std = self.std.unwrap_or(0.0);
        self.mean.is_finite() && std.is_finite() && std >= 0.0
    }
}

/// Student's two-sided confidence interval of the mean ("The Probable Error of a Mean", Biometrika 6,
/// 1908), for a confidence such as 0.95; `None` for fewer than two runs, for a confidence that is not
/// strictly between 0 and 1, and where it is beyond the range of the numbers.
#[must_use]
pub fn confidence_interval(sample: &Sample, confidence: f64) -> Option<Interval> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let part = sample.part(1.0).ok()?;
    let interval = Estimate::new(sample.mean, &[part]).interval(confidence);
    (interval.low.is_finite() && interval.high.is_finite()).then_some(interval)
}
