//! The claims that one mean is larger than another, and that a mean lies beyond a number.

use serde::Serialize;

use super::estimate::Estimate;
use super::evidence::{Evidence, Method, Unknown};
use super::sample::Sample;

/// On which side of a number a mean is claimed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    Below,
    Above,
}

/// Whether the first mean is larger than the second: Welch's test (see `degrees_of_freedom` in `estimate.rs`), one-sided,
/// once each way.
#[must_use]
pub fn order(larger: &Sample, smaller: &Sample) -> Evidence {
    let difference = || -> Result<Estimate, Unknown> {
        let parts = [larger.part(1.0)?, smaller.part(-1.0)?];
        Ok(Estimate::new(larger.mean - smaller.mean, &parts))
    };
    one_sided(difference(), Relation::Above, Method::WelchOneSided)
}

/// Whether the mean is below or above the number, which has no uncertainty: Student's test ("The
/// Probable Error of a Mean", Biometrika 6, 1908), one-sided, once each way.
#[must_use]
pub fn bound(sample: &Sample, number: f64, relation: Relation) -> Evidence {
    let distance = || -> Result<Estimate, Unknown> {
        Ok(Estimate::new(sample.mean - number, &[sample.part(1.0)?]))
    };
    one_sided(distance(), relation, Method::OneSampleOneSided)
}

/// Whether the estimate lies on this side of zero.
fn one_sided(estimate: Result<Estimate, Unknown>, relation: Relation, method: Method) -> Evidence {
    let estimate = match estimate {
        Ok(estimate) => estimate,
        Err(unknown) => return Evidence::Unknown(unknown),
    };
    let (mut confirm, mut refute) = (estimate.above(0.0), estimate.below(0.0));
    if relation == Relation::Below {
        (confirm, refute) = (refute, confirm);
    }
    let exact = estimate.is_exact();
    if exact && estimate.value == 0.0 {
        refute = 0.0; // Equal is neither larger nor smaller, and known to be.
    }
    let method = if exact { Method::Exact } else { method };
    estimate.evidence(confirm, refute, method)
}
