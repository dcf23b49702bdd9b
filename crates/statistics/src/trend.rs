//! The claim that means fall from one group to the next.

use super::estimate::{Component, Estimate};
use super::evidence::{Evidence, Method, Unknown};
use super::sample::Sample;

/// Whether the means fall in the order of the samples; `margin`, in their unit, is the rise between
/// neighbours that would not be worth mentioning.
///
/// Confirming needs two things. The linear contrast, which weighs the means by their centred ranks (H.
/// Scheffé, "The Analysis of Variance", 1959, chapter 3), must fall significantly; its standard error and
/// degrees of freedom are Welch's and Satterthwaite's, as spreads may differ. And of each pair of
/// neighbours it must be shown that the second is not higher by the margin. As all of it is needed, the
/// largest p-value is that of the whole (intersection–union: R. L. Berger, "Multiparameter Hypothesis
/// Testing and Acceptance Sampling", Technometrics 24, 1982).
///
/// Refuting takes any one of: a contrast that rises, or a neighbour that is higher, by whatever amount.
/// As one is enough, the smallest p-value counts times their number (Bonferroni; of the smallest Holm's
/// correction is the same).
///
/// The estimate is the slope: the mean change from one group to the next, negative where they fall.
#[must_use]
pub fn trend(samples: &[Sample], margin: f64) -> Evidence {
    match slope_and_rises(samples, margin) {
        Ok((slope, rises)) => {
            let confirm = rises.iter().map(|rise| rise.below(margin));
            let refute = rises.iter().map(|rise| rise.above(0.0));
            let p_confirm = confirm.fold(slope.below(0.0), f64::max);
            let mut p_refute = refute.fold(slope.above(0.0), f64::min) * samples.len() as f64;
            let exact = slope.is_exact();
            if exact && slope.value == 0.0 {
                p_refute = 0.0; // Flat is not falling, and known to be flat.
            }
            let method = if exact {
                Method::Exact
            } else {
                Method::LinearContrast
            };
            slope.evidence(p_confirm, p_refute.min(1.0), method)
        }
        Err(unknown) => Evidence::Unknown(unknown),
    }
}

/// The slope over all groups, and the differences of neighbours.
fn slope_and_rises(samples: &[Sample], margin: f64) -> Result<(Estimate, Vec<Estimate>), Unknown> {
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Unknown::BadMargin);
    }
    if samples.len() < 2 {
        return Err(Unknown::TooFewGroups);
    }
    let middle = (samples.len() - 1) as f64 / 2.0;
    let rank = |place: usize| place as f64 - middle;
    let squares: f64 = (0..samples.len()).map(|place| rank(place).powi(2)).sum();
    let mut slope = 0.0;
    let mut parts: Vec<Component> = Vec::new();
    for (place, sample) in samples.iter().enumerate() {
        let coefficient = rank(place) / squares;
        slope += coefficient * sample.mean;
        parts.push(sample.part(coefficient)?);
    }
    let rises = samples.windows(2).map(|pair| {
        let parts = [pair[1].part(1.0)?, pair[0].part(-1.0)?];
        Ok(Estimate::new(pair[1].mean - pair[0].mean, &parts))
    });
    let rises = rises.collect::<Result<Vec<Estimate>, Unknown>>()?;
    Ok((Estimate::new(slope, &parts), rises))
}
