//! What a test found about a claim, or why it could find nothing.
//!
//! Unaware of what is made of it: one claim's evidence is no verdict, since how far to trust it depends
//! on how many claims are judged together.

use std::fmt;

use serde::Serialize;

/// What the runs say about one claim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    Test(Test),
    /// Nothing, and why. Never confirms and never refutes.
    Unknown(Unknown),
}

/// The result of a test; all numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// The difference that the claim is about, in the unit of the samples: ours minus published, first
    /// minus second, mean minus bound, or the mean change from one group of a trend to the next.
    pub estimate: f64,
    /// In the same unit; zero where no run differs from another.
    pub standard_error: f64,
    /// Absent where nothing had to be estimated for the standard error.
    pub degrees_of_freedom: Option<f64>,
    /// The two-sided 95% confidence interval of the difference. For a single published run it is a
    /// prediction interval, shifted.
    pub interval: Interval,
    /// The p-value of the hypothesis that the claim is false: small where the claim holds.
    pub p_confirm: f64,
    /// The p-value of the hypothesis that the claim holds exactly (an agreement: no difference at all):
    /// small where it does not.
    pub p_refute: f64,
    pub method: Method,
}

/// From low to high, in the unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Which test it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Two means with a spread each: equivalence, and Welch's two-sided test.
    WelchEquivalence,
    /// A published number without a spread of its own, taken to have ours: equivalence, and whether it
    /// lies outside of the prediction interval.
    PredictionEquivalence,
    /// Two means with a spread each, one-sided.
    WelchOneSided,
    /// One mean against a number, one-sided.
    OneSampleOneSided,
    /// A linear contrast that falls, and no neighbour that rises by the margin.
    LinearContrast,
    /// No run differs from another; the numbers are compared as they are.
    Exact,
}

/// Why there is no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// A spread is needed, and a sample has fewer than two runs.
    TooFewRuns,
    /// A sample of two or more runs comes without its standard deviation.
    NoSpread,
    /// All of our runs are equal, and the published number differs and has no spread of its own: nothing
    /// says how far a run may lie from another.
    SpreadOfZero,
    /// A standard deviation is given for a single published run.
    SpreadOfOneRun,
    /// A trend of fewer than two groups.
    TooFewGroups,
    /// A margin that is negative or no number.
    BadMargin,
    /// A number that is not finite, or a standard deviation below zero.
    NotFinite,
}

impl Evidence {
    /// The test, if there was one.
    #[must_use]
    pub fn test(&self) -> Option<&Test> {
        match self {
            Evidence::Test(test) => Some(test),
            Evidence::Unknown(_) => None,
        }
    }

    /// Where there was no test, one: nothing speaks for the claim.
    #[must_use]
    pub fn p_confirm(&self) -> f64 {
        self.test().map_or(1.0, |test| test.p_confirm)
    }

    /// Where there was no test, one: nothing speaks against the claim.
    #[must_use]
    pub fn p_refute(&self) -> f64 {
        self.test().map_or(1.0, |test| test.p_refute)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Method::WelchEquivalence => "TOST and Welch's t-test",
            Method::PredictionEquivalence => {
                "TOST and t-test for a published run of the same spread"
            }
            Method::WelchOneSided => "Welch's one-sided t-test",
            Method::OneSampleOneSided => "one-sided one-sample t-test",
            Method::LinearContrast => "linear contrast and non-inferiority of neighbours",
            Method::Exact => "exact comparison",
        })
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Unknown::TooFewRuns => "at least two runs are needed to know the spread",
            Unknown::NoSpread => "the standard deviation of the runs is not given",
            Unknown::SpreadOfZero => {
                "all runs are equal, which does not say how far a published run may lie from them"
            }
            Unknown::SpreadOfOneRun => "a single published run has no standard deviation",
            Unknown::TooFewGroups => "a trend needs at least two groups",
            Unknown::BadMargin => "the margin is not a number of zero or more",
            Unknown::NotFinite => "a number is not finite or a standard deviation is negative",
        })
    }
}
