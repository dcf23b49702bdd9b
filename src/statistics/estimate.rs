//! A number with the uncertainty that it was estimated with: what all tests here have in common.
//!
//! Unaware of samples and claims.

use super::evidence::{Evidence, Interval, Method, Test, Unknown};
use super::student;

/// Confidence of the intervals that go with tests.
const CONFIDENCE: f64 = 0.95;

/// One of the independent parts that a variance is the sum of.
#[derive(Clone, Copy)]
pub(super) struct Part {
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
    ///
    /// The degrees of freedom are those of F. E. Satterthwaite, "An Approximate Distribution of
    /// Estimates of Variance Components" (Biometrics Bulletin 2, 1946), which for two means is the
    /// approximation of B. L. Welch, "The generalization of 'Student's' problem when several different
    /// population variances are involved" (Biometrika 34, 1947).
    pub fn new(value: f64, parts: &[Part]) -> Estimate {
        let variance: f64 = parts.iter().map(|part| part.variance).sum();
        // By shares and not by squares of variances, which could overflow.
        let share = |part: &Part| (part.variance / variance).powi(2) / part.degrees_of_freedom;
        Estimate {
            value,
            standard_error: variance.sqrt(),
            degrees_of_freedom: if variance > 0.0 {
                1.0 / parts.iter().map(share).sum::<f64>()
            } else {
                f64::INFINITY
            },
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
