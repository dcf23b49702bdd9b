//! The claim that our mean is, within a margin, the published one.
//!
//! "Not significantly different" is no confirmation: the fewer the runs, the easier it is to reach. So
//! the claim has to be shown, by two one-sided tests: D. J. Schuirmann, "A comparison of the two
//! one-sided tests procedure and the power approach for assessing the equivalence of average
//! bioavailability" (Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).

use super::estimate::{Component, Estimate};
use super::evidence::{Evidence, Method, Unknown};
use super::sample::Sample;

/// A published number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    pub mean: f64,
    /// Standard deviation of its runs, with divisor n − 1; in the unit of the mean.
    pub std: Option<f64>,
    /// Number of runs that it is the mean of; 1 where the publication does not say.
    pub runs: u64,
    /// Standard uncertainty of reading it, in the same unit: of a number in print zero, of one read off
    /// a figure what reading known points there comes out wrong by.
    pub reading_error: f64,
}

/// Whether our mean is closer than `margin` to the published one, in the unit of both.
///
/// Two means over runs with a spread each are compared by Welch's test (see `degrees_of_freedom` in `estimate.rs`). A
/// published number without a spread of its own, most often that of a single run, is taken as one more
/// draw from a distribution with our spread: its distance from our mean has the standard error
/// s·√(1 + 1/n) with n − 1 degrees of freedom, which is Student's prediction interval (G. J. Hahn,
/// "Factors for Calculating Two-Sided Prediction Intervals for Samples from a Normal Distribution",
/// Journal of the American Statistical Association 64, 1969).
///
/// Confirming: the larger p-value of the two one-sided tests against −margin and margin. Refuting: the
/// two-sided p-value against no difference.
#[must_use]
pub fn agreement(ours: &Sample, published: &Published, margin: f64) -> Evidence {
    match difference(ours, published, margin) {
        Ok((difference, method)) => {
            let confirm = if difference.is_exact() && difference.value == 0.0 {
                0.0 // Also where the margin is zero.
            } else {
                difference.above(-margin).max(difference.below(margin))
            };
            difference.evidence(confirm, difference.differs_from_zero(), method)
        }
        Err(unknown) => Evidence::Unknown(unknown),
    }
}

/// Ours minus published.
fn difference(
    ours: &Sample,
    published: &Published,
    margin: f64,
) -> Result<(Estimate, Method), Unknown> {
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Unknown::BadMargin);
    }
    if !(published.reading_error >= 0.0 && published.mean.is_finite()) {
        return Err(Unknown::NotFinite);
    }
    let spread = ours.spread()?;
    let reading = Component {
        variance: published.reading_error.powi(2),
        degrees_of_freedom: f64::INFINITY,
    };
    let value = ours.mean - published.mean;
    let (estimate, method) = match published.std {
        Some(_) if published.runs < 2 => return Err(Unknown::SpreadOfOneRun),
        Some(std) => {
            let theirs = Sample {
                n: published.runs,
                mean: published.mean,
                std: Some(std),
            };
            let parts = [ours.part(1.0)?, theirs.part(1.0)?, reading];
            (Estimate::new(value, &parts), Method::WelchEquivalence)
        }
        None => {
            let runs = published.runs.max(1) as f64;
            let shared = Component {
                variance: spread.powi(2) * (1.0 / ours.n as f64 + 1.0 / runs),
                degrees_of_freedom: (ours.n - 1) as f64,
            };
            // Where equal runs met by chance, an exact comparison would be wrong for certain.
            if spread == 0.0 && value != 0.0 {
                return Err(Unknown::SpreadOfZero);
            }
            let estimate = Estimate::new(value, &[shared, reading]);
            (estimate, Method::PredictionEquivalence)
        }
    };
    let exact = estimate.is_exact();
    Ok((estimate, if exact { Method::Exact } else { method }))
}
