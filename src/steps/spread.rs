//! Mean and sample standard deviation of a handful of measurements, as the figure and the table
//! report them over seeds.
//!
//! Pure arithmetic: unaware of what was measured and of files.

use crate::results::Spread;

/// The moments and the range of a sample, in the sample's own unit; `None` for an empty one.
///
/// The standard deviation has the divisor n − 1 and is absent for a single value, which says
/// nothing about spread. It is computed by the corrected two-pass algorithm of Chan, Golub and
/// LeVeque, "Algorithms for Computing the Sample Variance: Analysis and Recommendations" (The
/// American Statistician 37, 1983), equation 1.7: the second sum would be zero in exact
/// arithmetic and takes out the rounding of the mean.
#[must_use]
pub fn spread(sample: &[f64]) -> Option<Spread> {
    if sample.is_empty() {
        return None;
    }
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
    let rest: f64 = sample.iter().map(|value| value - mean).sum();
    let std = (sample.len() > 1).then(|| ((squares - rest * rest / n).max(0.0) / (n - 1.0)).sqrt());
    Some(Spread {
        n: sample.len() as u64,
        mean,
        std,
        min: sample.iter().copied().fold(f64::INFINITY, f64::min),
        max: sample.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_equals_the_numbers_computed_by_hand() {
        // Deviations from 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over n − 1 = 7.
        let spread = spread(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(spread.n, 8);
        assert!((spread.mean - 5.0).abs() < 1e-12);
        assert!((spread.std.unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!((spread.min, spread.max), (2.0, 9.0));
    }

    #[test]
    fn one_value_has_a_mean_but_no_standard_deviation() {
        let spread = spread(&[8.75]).unwrap();
        assert_eq!((spread.n, spread.mean, spread.std), (1, 8.75, None));
        assert_eq!((spread.min, spread.max), (8.75, 8.75));
    }

    #[test]
    fn no_value_has_no_spread() {
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn equal_values_have_a_standard_deviation_of_zero_and_not_nan() {
        let spread = spread(&[0.1, 0.1, 0.1]).unwrap();
        assert!(spread.std.unwrap() < 1e-15);
    }

    #[test]
    fn a_large_common_offset_does_not_spoil_the_standard_deviation() {
        let spread = spread(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap();
        assert!((spread.std.unwrap() - 30.0_f64.sqrt()).abs() < 1e-9);
    }
}
