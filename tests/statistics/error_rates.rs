//! Thousands of experiments of each kind: wrong verdicts are no more frequent than the level says, and
//! right ones frequent enough to be of use.

use statistics::Verdict;
use testing::amount;

use super::simulation::{Family, Kind, LEVEL, Normal, SIGMA, rates};

/// Simulated experiments of each kind.
fn experiments() -> usize {
    amount(2_000, 10_000, 100_000)
}

const KINDS: [Kind; 7] = [
    Kind::FiveRuns,
    Kind::SingleRun,
    Kind::SingleRunRead,
    Kind::Order,
    Kind::Bound,
    Kind::Trend,
    Kind::Dip,
];

/// Numbers of seeds and both sides' spreads, in points: those that were published lie between 0.13 and
/// 0.27.
const SETTINGS: [(usize, [f64; 2]); 3] = [(5, [SIGMA; 2]), (5, [0.27, 0.13]), (2, [0.27, 0.13])];

/// The level and three standard errors of a rate found by simulation.
fn tolerated() -> f64 {
    LEVEL + 3.0 * (LEVEL * (1.0 - LEVEL) / experiments() as f64).sqrt()
}

#[test]
fn claims_that_are_just_false_are_seldom_confirmed() {
    let mut draw = Normal::new(1);
    for kind in KINDS {
        for (n, stds) in SETTINGS {
            let experiment = || kind.experiment(kind.just_false(), n, stds, &mut draw);
            let rate = rates(experiments(), experiment).confirmed;
            assert!(rate <= tolerated(), "{kind:?}, {n} seeds, {stds:?}: {rate}");
        }
    }
}

#[test]
fn claims_that_just_hold_are_seldom_refuted() {
    let mut draw = Normal::new(2);
    for kind in KINDS {
        for (n, stds) in SETTINGS {
            // Of orders and trends: equal means. A dip holds while its last groups are equal.
            let mut refuting = || kind.experiment(0.0, n, stds, &mut draw).p_refute() <= LEVEL;
            // Also those that the verdict would not be, as the claim is confirmed.
            let wrong = (0..experiments()).filter(|_| refuting()).count();
            let rate = wrong as f64 / experiments() as f64;
            assert!(rate <= tolerated(), "{kind:?}, {n} seeds, {stds:?}: {rate}");
        }
    }
}

#[test]
fn five_seeds_confirm_what_holds_and_refute_what_is_far_off() {
    let mut draw = Normal::new(3);
    let mut rates = |kind: Kind, difference: f64| {
        rates(experiments(), || {
            kind.experiment(difference, 5, [SIGMA; 2], &mut draw)
        })
    };
    for (kind, holds, fails) in [
        (Kind::FiveRuns, 0.0, 1.0),
        (Kind::SingleRun, 0.0, 2.0),
        (Kind::SingleRunRead, 0.0, 2.0),
        (Kind::Order, 0.5, -0.5),
        (Kind::Bound, 0.5, -0.5),
        (Kind::Trend, 0.5, -0.5),
    ] {
        let (right, wrong) = (rates(kind, holds), rates(kind, fails));
        assert!(right.confirmed > 0.8, "{kind:?}: {right:?}");
        assert!(wrong.refuted > 0.9, "{kind:?}: {wrong:?}");
    }
}

#[test]
fn of_twelve_claims_that_hold_seldom_any_is_refuted() {
    // Equal means everywhere: also the order and the trend just hold.
    let family = Family {
        ours: [8.0; 5],
        five_runs: [8.0; 5],
        single_runs: [8.0; 5],
    };
    for (n, step) in [(5, 0.0), (2, 0.01)] {
        let mut draw = Normal::new(4);
        draw.step = step; // Of two runs, one in seventy pairs is equal in 10,000 images.
        let wrong = (0..experiments())
            .filter(|_| family.experiment(n, &mut draw).contains(&Verdict::Refuted))
            .count();
        let rate = wrong as f64 / experiments() as f64;
        assert!(rate <= tolerated(), "{n} seeds: {rate}");
    }
}

#[test]
fn of_twelve_claims_one_that_is_false_seldom_lets_all_be_confirmed() {
    let real = [8.5, 7.0, 6.2, 9.7, 13.0];
    let all_hold = || Family {
        ours: real,
        five_runs: real,
        single_runs: real,
    };
    let mut families = Vec::new();
    let mut with = |what, change: &dyn Fn(&mut Family)| {
        let mut family = all_hold();
        change(&mut family);
        families.push((what, family));
    };
    with("a mean of five runs", &|family| family.five_runs[0] += 0.5);
    with("a single run", &|family| family.single_runs[3] -= 1.0);
    with("the order", &|family| {
        for means in [
            &mut family.ours,
            &mut family.five_runs,
            &mut family.single_runs,
        ] {
            means[4] = means[3];
        }
    });
    let mut draw = Normal::new(5);
    let mut all_confirmed = |family: &Family| {
        let confirmed = |verdicts: Vec<Verdict>| verdicts.iter().all(|v| *v == Verdict::Confirmed);
        let right = (0..experiments())
            .filter(|_| confirmed(family.experiment(5, &mut draw)))
            .count();
        right as f64 / experiments() as f64
    };
    for (what, family) in &families {
        let rate = all_confirmed(family);
        assert!(rate <= tolerated(), "{what}: {rate}");
    }
    let rate = all_confirmed(&all_hold());
    assert!(rate > 0.5, "of claims that hold, all are confirmed: {rate}");
}
