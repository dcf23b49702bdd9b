//! A number with the uncertainty that it was estimated with: what all tests here have in common.
//!
//! Unaware of samples and claims.

use super::evidence::{Evidence, Interval, Method, Test, Unknown};
use super::student;

/// Confidence of the intervals that go with tests.
const CONFIDENCE: f64 = 0.95;

/// One of the independent parts that a variance is the sum of.
#[derive(Clone, Copy)]
pub(super) struct Component {
    pub variance: f64,
    /// Infinite where the variance is known and not estimated.
    pub degrees_of_freedom: f64,
}

/// A linear combination of means, in their unit.
#[derive(Clone, Copy)]
pub(super) struct Estimate {
    pub value: f64,
    pub standard_error: f64,
    /// Infinite where the standard error is known and not estimated.
    pub degrees_of_freedom: f64,
}

impl Estimate {
    /// An estimate whose variance is the sum of these.
    pub fn new(value: f64, parts: &[Component]) -> Estimate {
        Estimate {
            value,
            standard_error: parts.iter().map(|part| part.variance).sum::<f64>().sqrt(),
            degrees_of_freedom: degrees_of_freedom(parts),
        }
    }

    /// No run differs from another: the estimate is no estimate but exact.
    pub fn is_exact(&self) -> bool {
        self.standard_error == 0.0
    }

    /// The p-value of the hypothesis that the truth is at most this.
    pub fn above(&self, bound: f64) -> f64 {
        if self.is_exact() {
            return f64::from(u8::from(self.value <= bound));
        }
        let t = (self.value - bound) / self.standard_error;
        student::upper_tail(t, self.degrees_of_freedom)
    }

    /// The p-value of the hypothesis that the truth is at least this.
    pub fn below(&self, bound: f64) -> f64 {
        let mirrored = Estimate {
            value: -self.value,
            ..*self
        };
        mirrored.above(-bound)
    }

    /// The two-sided p-value of the hypothesis that the truth is zero.
    pub fn differs_from_zero(&self) -> f64 {
        if self.is_exact() {
            return f64::from(u8::from(self.value == 0.0));
        }
        let t = self.value.abs() / self.standard_error;
        2.0 * student::upper_tail(t, self.degrees_of_freedom)
    }

    /// Student's two-sided confidence interval.
    pub fn interval(&self, confidence: f64) -> Interval {
        if self.is_exact() {
            return Interval {
                low: self.value,
                high: self.value,
            };
        }
        let tail = (1.0 - confidence) / 2.0;
        let half = student::upper_quantile(tail, self.degrees_of_freedom) * self.standard_error;
        Interval {
            low: self.value - half,
            high: self.value + half,
        }
    }

    /// Evidence with these p-values, unless something is beyond the range of the numbers.
    pub fn evidence(&self, p_confirm: f64, p_refute: f64, method: Method) -> Evidence {
        let interval = self.interval(CONFIDENCE);
        let numbers = [
            self.value,
            self.standard_error,
            interval.low,
            interval.high,
            p_confirm,
            p_refute,
        ];
        if !numbers.iter().all(|number| number.is_finite()) {
            return Evidence::Unknown(Unknown::NotFinite);
        }
        let df = self.degrees_of_freedom;
        Evidence::Test(Test {
            estimate: self.value,
            standard_error: self.standard_error,
            degrees_of_freedom: df.is_finite().then_some(df),
            interval,
            p_confirm: p_confirm.clamp(0.0, 1.0),
            p_refute: p_refute.clamp(0.0, 1.0),
            method,
        })
    }
}

/// Fewer degrees of freedom than five runs have are few.
const FEW: f64 = 4.0;

/// The degrees of freedom of a sum of variances.
///
/// Those of F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components"
/// (Biometrics Bulletin 2, 1946), which for two means is the approximation of B. L. Welch, "The
/// generalization of 'Student's' problem when several different population variances are involved"
/// (Biometrika 34, 1947).
///
/// It is an approximation, and a poor one where a part of few degrees of freedom meets one of more: two
/// runs against five of half the spread are found different at the level 0.05 with a probability of
/// 0.10, and at the levels that many claims ask for still worse. There, and beside a part that is known,
/// the least degrees of freedom are taken, with which the test is never too lenient (J. Hájek,
/// "Inequalities for the generalized Student's distribution and their applications", Selected
/// Translations in Mathematical Statistics and Probability 2, 1962; for two means M. R. Mickey and M. B.
/// Brown, "Bounds on the Distribution Functions of the Behrens-Fisher Statistic", Annals of Mathematical
/// Statistics 37, 1966).
fn degrees_of_freedom(parts: &[Component]) -> f64 {
    let known_to_be_zero =
        |part: &&Component| part.variance == 0.0 && part.degrees_of_freedom.is_infinite();
    let parts: Vec<&Component> = parts
        .iter()
        .filter(|part| !known_to_be_zero(part))
        .collect();
    let degrees = || parts.iter().map(|part| part.degrees_of_freedom);
    let (least, most) = (
        degrees().fold(f64::INFINITY, f64::min),
        degrees().fold(0.0, f64::max),
    );
    let variance: f64 = parts.iter().map(|part| part.variance).sum();
    if variance == 0.0 {
        return f64::INFINITY;
    }
    if least < most && (least < FEW || most.is_infinite()) {
        return least;
    }
    // By shares and not by squares of variances, which could overflow.
    let share = |part: &&Component| (part.variance / variance).powi(2) / part.degrees_of_freedom;
    1.0 / parts.iter().map(share).sum::<f64>()
}
