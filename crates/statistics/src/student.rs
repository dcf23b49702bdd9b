//! Student's t distribution: tail probabilities by `statrs`, and the quantiles that belong to them.
//!
//! `statrs` sums a fixed number of terms, too few for thousands of degrees of freedom, so more than
//! [`MANY`] count as so many: their tails are a little heavier, so no verdict gets bolder by it. With
//! infinitely many it is the normal distribution. Near t = 0 the tails have eight digits. Its own
//! quantiles are off by percents far out or panic. `tests/statistics` holds both against scipy.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// The most degrees of freedom that are told apart.
pub const MANY: f64 = 1_000.0;

/// The probability that a variable with Student's t distribution is greater than `t`.
///
/// NaN for a NaN and for degrees of freedom that are not positive.
#[must_use]
pub fn upper_tail(t: f64, degrees_of_freedom: f64) -> f64 {
    if t.is_nan() || degrees_of_freedom.is_nan() {
        return f64::NAN;
    }
    if degrees_of_freedom == f64::INFINITY {
        return Normal::standard().sf(t);
    }
    StudentsT::new(0.0, 1.0, degrees_of_freedom.min(MANY)).map_or(f64::NAN, |student| student.sf(t))
}

/// The value that a variable with Student's t distribution exceeds with this probability; infinite
/// where it is beyond the range of the numbers.
///
/// NaN unless the probability is strictly between 0 and 1 and the degrees of freedom are positive.
#[must_use]
pub fn upper_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    if !(probability > 0.0 && probability < 1.0 && degrees_of_freedom > 0.0) {
        return f64::NAN;
    }
    if probability > 0.5 {
        return -upper_quantile(1.0 - probability, degrees_of_freedom);
    }
    let exceeds = |t: f64| upper_tail(t, degrees_of_freedom) > probability;
    let (mut low, mut high) = (0.0, 1.0);
    while exceeds(high) {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return low;
        }
        if exceeds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}
