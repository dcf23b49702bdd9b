//! The numbers of scipy and statsmodels (`benches/verdicts/reference.py` writes them).

use std::fmt::Debug;

use serde::Deserialize;
use statistics::{
    Evidence, Published, Relation, Sample, Test, agreement, bound, confidence_interval, holm,
    order, student, trend,
};

/// Relative. Both sides compute with 64 bits: what differs is the order of sums, by some units in the
/// last place of means of about 8 whose differences are about 0.1, which the statistic t then has and the
/// tail multiplies by up to t². All are within 1e-12 on the machine that this was written on.
const TOLERANCE: f64 = 1e-10;

/// Relative, for the distribution itself, where no differences are formed; statrs' functions have 11 to
/// 12 digits.
const OF_THE_DISTRIBUTION: f64 = 1e-10;

/// Relative, for tails below 1e-100: an error in their exponent counts hundreds of times.
const OF_FAR_TAILS: f64 = 1e-6;

/// Absolute, near t = 0, where statrs forms ν / (ν + t²), which rounds to one.
const NEAR_ZERO: f64 = 1e-8;

#[derive(Deserialize)]
struct Reference {
    tails: Vec<Tail>,
    quantiles: Vec<Quantile>,
    samples: Vec<Moments>,
    welch: Vec<Welch>,
    one_sample: Vec<OneSample>,
    prediction: Vec<Prediction>,
    reading_error: Vec<ReadingError>,
    contrast: Vec<Contrast>,
    holm: Vec<Holm>,
}

#[derive(Debug, Deserialize)]
struct Tail {
    t: f64,
    df: Option<f64>,
    tail: f64,
}

#[derive(Debug, Deserialize)]
struct Quantile {
    tail: f64,
    df: Option<f64>,
    quantile: f64,
}

#[derive(Debug, Deserialize)]
struct Moments {
    values: Vec<f64>,
    mean: f64,
    std: f64,
    interval90: (f64, f64),
}

#[derive(Debug, Deserialize)]
struct Welch {
    first: Vec<f64>,
    second: Vec<f64>,
    margin: f64,
    df: f64,
    standard_error: f64,
    interval: (f64, f64),
    two_sided: f64,
    greater: f64,
    less: f64,
    tost: f64,
}

#[derive(Debug, Deserialize)]
struct OneSample {
    values: Vec<f64>,
    number: f64,
    greater: f64,
    less: f64,
    interval: (f64, f64),
}

#[derive(Debug, Deserialize)]
struct Prediction {
    values: Vec<f64>,
    published: f64,
    margin: f64,
    two_sided: f64,
    tost: f64,
}

#[derive(Debug, Deserialize)]
struct ReadingError {
    values: Vec<f64>,
    published: f64,
    runs: u64,
    reading_error: f64,
    margin: f64,
    df: f64,
    two_sided: f64,
    tost: f64,
}

#[derive(Debug, Deserialize)]
struct Contrast {
    groups: Vec<Vec<f64>>,
    margin: f64,
    slope: f64,
    standard_error: f64,
    df: f64,
    confirm: f64,
    refute: f64,
}

#[derive(Debug, Deserialize)]
struct Holm {
    p_values: Vec<f64>,
    corrected: Vec<f64>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../fixtures/statistics.json")).unwrap()
}

fn sample(runs: &[f64]) -> Sample {
    Sample::of(runs).unwrap()
}

fn test(evidence: Evidence) -> Test {
    *evidence.test().unwrap()
}

/// Equal up to a relative tolerance; of differences, whose digits cancel, up to an absolute one.
#[track_caller]
fn near(ours: f64, theirs: f64, tolerance: f64, case: &dyn Debug) {
    let off = (ours - theirs).abs();
    assert!(
        off <= tolerance * theirs.abs(),
        "{ours} and not {theirs}, off by {:e}: {case:?}",
        off / theirs.abs()
    );
}

/// What more than a thousand degrees of freedom give: never less than the truth, and hardly more
/// where verdicts are made.
#[track_caller]
fn heavier(ours: f64, theirs: f64, case: &dyn Debug) {
    let (ours, theirs) = (ours.abs(), theirs.abs());
    assert!(
        ours >= theirs * (1.0 - 1e-10) || theirs > 0.5,
        "{ours}: {case:?}"
    );
    let decides = (1e-4..0.5).contains(&theirs);
    assert!(!decides || ours <= theirs * 1.02, "{ours}: {case:?}");
}

#[track_caller]
fn near_difference(ours: f64, theirs: f64, case: &dyn Debug) {
    assert!(
        (ours - theirs).abs() < 1e-12,
        "{ours} and not {theirs}: {case:?}"
    );
}

#[test]
fn tails_of_students_t_are_those_of_scipy_and_mpmath() {
    let cases = reference().tails;
    assert!(cases.len() > 300);
    for case in cases {
        let tail = student::upper_tail(case.t, case.df.unwrap_or(f64::INFINITY));
        if case.df.is_some_and(|df| df > student::MANY) {
            heavier(tail, case.tail, &case);
        } else if case.t.abs() < 1e-3 {
            assert!((tail - case.tail).abs() < NEAR_ZERO, "{tail}: {case:?}");
        } else if case.tail < 1e-100 {
            near(tail, case.tail, OF_FAR_TAILS, &case);
        } else {
            near(tail, case.tail, OF_THE_DISTRIBUTION, &case);
        }
    }
}

#[test]
fn quantiles_of_students_t_are_those_of_scipy() {
    let cases = reference().quantiles;
    assert!(cases.len() > 200);
    for case in cases {
        let quantile = student::upper_quantile(case.tail, case.df.unwrap_or(f64::INFINITY));
        if case.df.is_some_and(|df| df > student::MANY) {
            heavier(quantile, case.quantile, &case);
        } else {
            near(quantile, case.quantile, OF_THE_DISTRIBUTION, &case);
        }
    }
}

#[test]
fn moments_and_confidence_intervals_are_those_of_scipy() {
    for case in reference().samples {
        let sample = sample(&case.values);
        near(sample.mean, case.mean, 1e-14, &case);
        near(sample.std.unwrap(), case.std, 1e-12, &case);
        let interval = confidence_interval(&sample, 0.9).unwrap();
        near_difference(interval.low, case.interval90.0, &case);
        near_difference(interval.high, case.interval90.1, &case);
    }
}

#[test]
fn welchs_tests_are_those_of_scipy_and_the_equivalence_that_of_statsmodels() {
    for case in reference().welch {
        let (first, second) = (sample(&case.first), sample(&case.second));
        let ordered = test(order(&first, &second));
        near(ordered.p_confirm, case.greater, TOLERANCE, &case);
        near(ordered.p_refute, case.less, TOLERANCE, &case);
        let published = Published {
            mean: second.mean,
            std: second.std,
            runs: second.n,
            reading_error: 0.0,
        };
        let agreed = test(agreement(&first, &published, case.margin));
        near(agreed.p_confirm, case.tost, TOLERANCE, &case);
        near(agreed.p_refute, case.two_sided, TOLERANCE, &case);
        for test in [ordered, agreed] {
            near(test.standard_error, case.standard_error, TOLERANCE, &case);
            near(test.degrees_of_freedom.unwrap(), case.df, TOLERANCE, &case);
            near_difference(test.interval.low, case.interval.0, &case);
            near_difference(test.interval.high, case.interval.1, &case);
        }
    }
}

#[test]
fn a_bound_is_tested_as_scipy_tests_one_sample() {
    for case in reference().one_sample {
        let sample = sample(&case.values);
        let above = test(bound(&sample, case.number, Relation::Above));
        near(above.p_confirm, case.greater, TOLERANCE, &case);
        near(above.p_refute, case.less, TOLERANCE, &case);
        near_difference(above.interval.low, case.interval.0, &case);
        near_difference(above.interval.high, case.interval.1, &case);
        let below = test(bound(&sample, case.number, Relation::Below));
        near(below.p_confirm, case.less, TOLERANCE, &case);
        near(below.p_refute, case.greater, TOLERANCE, &case);
    }
}

#[test]
fn a_single_published_run_is_scipys_pooled_test_with_a_sample_of_one() {
    for case in reference().prediction {
        let published = Published {
            mean: case.published,
            std: None,
            runs: 1,
            reading_error: 0.0,
        };
        let test = test(agreement(&sample(&case.values), &published, case.margin));
        near(test.p_confirm, case.tost, TOLERANCE, &case);
        near(test.p_refute, case.two_sided, TOLERANCE, &case);
    }
}

#[test]
fn a_reading_error_and_runs_without_a_spread_follow_the_formula_on_scipys_distribution() {
    for case in reference().reading_error {
        let published = Published {
            mean: case.published,
            std: None,
            runs: case.runs,
            reading_error: case.reading_error,
        };
        let test = test(agreement(&sample(&case.values), &published, case.margin));
        near(test.degrees_of_freedom.unwrap(), case.df, TOLERANCE, &case);
        near(test.p_confirm, case.tost, TOLERANCE, &case);
        near(test.p_refute, case.two_sided, TOLERANCE, &case);
    }
}

#[test]
fn trends_follow_the_formula_with_scipys_welch_tests_between_neighbours() {
    for case in reference().contrast {
        let groups: Vec<Sample> = case.groups.iter().map(|runs| sample(runs)).collect();
        let test = test(trend(&groups, case.margin));
        near_difference(test.estimate, case.slope, &case);
        near(test.standard_error, case.standard_error, TOLERANCE, &case);
        near(test.degrees_of_freedom.unwrap(), case.df, TOLERANCE, &case);
        near(test.p_confirm, case.confirm, TOLERANCE, &case);
        near(test.p_refute, case.refute, TOLERANCE, &case);
    }
}

#[test]
fn holms_correction_is_that_of_statsmodels() {
    for case in reference().holm {
        for (ours, theirs) in holm(&case.p_values).iter().zip(&case.corrected) {
            near(*ours, *theirs, 1e-14, &case);
        }
    }
}
