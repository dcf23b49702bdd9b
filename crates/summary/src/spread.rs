//! Mean, sample standard deviation and confidence interval of a handful of measurements, as the
//! figure and the table report them over seeds.
//!
//! Pure arithmetic: unaware of what was measured and of files.

use statistics::{Sample, confidence_interval};

use crate::Spread;

/// Of the interval that [`Spread::half_width`] gives.
pub const CONFIDENCE: f64 = 0.95;

/// The moments (see [`Sample::of`]) and the range of a sample, in the sample's own unit; `None` for an
/// empty one and where a value is not finite.
#[must_use]
pub fn spread(sample: &[f64]) -> Option<Spread> {
    let moments = Sample::of(sample)?;
    let interval = confidence_interval(&moments, CONFIDENCE);
    Some(Spread {
        n: moments.n,
        mean: moments.mean,
        std: moments.std,
        half_width: interval.map(|interval| (interval.high - interval.low) / 2.0),
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
    fn the_confidence_interval_has_students_width() {
        // t(0.975; 7) = 2.364624 (any table); the standard error is √(32/7) / √8 = 0.755929.
        let half_width = spread(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
            .unwrap()
            .half_width;
        assert!((half_width.unwrap() - 2.364_624 * 0.755_929).abs() < 1e-5);
        // t(0.975; 1) = 12.706205; the standard error of 0 and 2 is 1.
        let half_width = spread(&[0.0, 2.0]).unwrap().half_width;
        assert!((half_width.unwrap() - 12.706_205).abs() < 1e-5);
        assert_eq!(spread(&[3.0, 3.0]).unwrap().half_width, Some(0.0));
    }

    #[test]
    fn one_value_has_a_mean_but_no_standard_deviation_and_no_interval() {
        let spread = spread(&[8.75]).unwrap();
        assert_eq!((spread.n, spread.mean, spread.std), (1, 8.75, None));
        assert_eq!(spread.half_width, None);
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
