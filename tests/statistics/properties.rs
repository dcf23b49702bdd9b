//! What must not change a verdict, and what can change it in one direction only; numbers that are no
//! sensible input.

use proptest::prelude::*;
use statistics::{
    Evidence, Interval, Method, Published, Relation, Sample, Seeds, Unknown, Verdict, Why,
    agreement, bound, confidence_interval, decide, holm, order, seeds_needed, student, trend,
};

const LEVEL: f64 = 0.05;

fn runs() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(5.0..12.0_f64, 2..8)
}

/// Any moments, also those that nobody would write.
fn odd_sample() -> impl Strategy<Value = Sample> {
    let number = prop_oneof![
        4 => -20.0..20.0_f64,
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(1e300),
        1 => Just(1e-300),
    ];
    (0..6_u64, number.clone(), prop::option::of(number)).prop_map(|(n, mean, std)| Sample {
        n,
        mean,
        std,
    })
}

fn sample(runs: &[f64]) -> Sample {
    Sample::of(runs).unwrap()
}

fn published(sample: &Sample) -> Published {
    Published {
        mean: sample.mean,
        std: sample.std,
        runs: sample.n,
        reading_error: 0.0,
    }
}

fn single(run: f64) -> Published {
    Published {
        mean: run,
        std: None,
        runs: 1,
        reading_error: 0.0,
    }
}

/// Both p-values, the estimate and its interval.
fn numbers(evidence: &Evidence) -> [f64; 5] {
    let test = evidence.test().unwrap();
    let Interval { low, high } = test.interval;
    [test.p_confirm, test.p_refute, test.estimate, low, high]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-7
}

/// All kinds of evidence that these samples give.
fn all_kinds(samples: &[Sample], number: f64, margin: f64) -> Vec<Evidence> {
    let (a, b) = (&samples[0], &samples[1]);
    vec![
        agreement(a, &published(b), margin),
        agreement(a, &single(number), margin),
        order(a, b),
        bound(a, number, Relation::Above),
        bound(a, number, Relation::Below),
        trend(samples, margin),
    ]
}

proptest! {
    #[test]
    fn a_shift_of_all_runs_changes_nothing(
        groups in prop::collection::vec(runs(), 3), number in 5.0..12.0_f64, shift in -50.0..50.0_f64,
    ) {
        let before: Vec<Sample> = groups.iter().map(|runs| sample(runs)).collect();
        let moved = |runs: &Vec<f64>| runs.iter().map(|run| run + shift).collect::<Vec<f64>>();
        let after: Vec<Sample> = groups.iter().map(|runs| sample(&moved(runs))).collect();
        let pairs = all_kinds(&before, number, 0.5);
        for (a, b) in pairs.iter().zip(all_kinds(&after, number + shift, 0.5)) {
            for (a, b) in numbers(a).into_iter().zip(numbers(&b)) {
                prop_assert!(close(a, b), "{} and {}", a, b);
            }
        }
    }

    #[test]
    fn another_unit_changes_no_p_value(
        groups in prop::collection::vec(runs(), 3), number in 5.0..12.0_f64, factor in 0.01..100.0_f64,
    ) {
        let before: Vec<Sample> = groups.iter().map(|runs| sample(runs)).collect();
        let scaled = |runs: &Vec<f64>| runs.iter().map(|run| run * factor).collect::<Vec<f64>>();
        let after: Vec<Sample> = groups.iter().map(|runs| sample(&scaled(runs))).collect();
        let pairs = all_kinds(&before, number, 0.5);
        for (a, b) in pairs.iter().zip(all_kinds(&after, number * factor, 0.5 * factor)) {
            prop_assert!(close(a.p_confirm(), b.p_confirm()));
            prop_assert!(close(a.p_refute(), b.p_refute()));
        }
    }

    #[test]
    fn swapped_sides_agree_as_much_and_are_ordered_the_other_way(a in runs(), b in runs()) {
        let (a, b) = (sample(&a), sample(&b));
        let there = agreement(&a, &published(&b), 0.5);
        let back = agreement(&b, &published(&a), 0.5);
        prop_assert!(close(there.p_confirm(), back.p_confirm()));
        prop_assert!(close(there.p_refute(), back.p_refute()));
        let (there, back) = (order(&a, &b), order(&b, &a));
        prop_assert!(close(there.p_confirm(), back.p_refute()));
        prop_assert!(close(there.p_refute(), back.p_confirm()));
        let (fall, rise) = (trend(&[a, b], 1e9), order(&a, &b));
        prop_assert!(close(fall.p_confirm(), rise.p_confirm()));
    }

    #[test]
    fn a_wider_margin_never_makes_a_claim_harder_to_confirm(
        groups in prop::collection::vec(runs(), 3), number in 5.0..12.0_f64,
        margin in 0.0..3.0_f64, more in 0.0..3.0_f64,
    ) {
        let samples: Vec<Sample> = groups.iter().map(|runs| sample(runs)).collect();
        let narrow = all_kinds(&samples, number, margin);
        for (narrow, wide) in narrow.iter().zip(all_kinds(&samples, number, margin + more)) {
            prop_assert!(wide.p_confirm() <= narrow.p_confirm());
            prop_assert_eq!(wide.p_refute(), narrow.p_refute());
        }
    }

    #[test]
    fn verdicts_do_not_depend_on_the_order_of_claims_and_more_claims_refute_less(
        refutations in prop::collection::vec(0.0..0.2_f64, 1..12),
    ) {
        let corrected = holm(&refutations);
        let mut reversed = refutations.clone();
        reversed.reverse();
        let mut back = holm(&reversed);
        back.reverse();
        prop_assert_eq!(&corrected, &back);
        let mut more = refutations.clone();
        more.push(0.5);
        for (place, corrected) in corrected.iter().enumerate() {
            prop_assert!(refutations[place] <= *corrected);
            prop_assert!(*corrected <= holm(&more)[place]);
        }
    }

    #[test]
    fn no_number_makes_a_nan_or_a_verdict_on_less_than_two_runs(
        samples in prop::collection::vec(odd_sample(), 3), number in odd_sample(), margin in -1.0..2.0_f64,
    ) {
        let evidence = all_kinds(&samples, number.mean, margin);
        for (evidence, verdict) in evidence.iter().zip(decide(&evidence, LEVEL)) {
            prop_assert!((0.0..=1.0).contains(&evidence.p_confirm()));
            prop_assert!((0.0..=1.0).contains(&evidence.p_refute()));
            if let Some(test) = evidence.test() {
                prop_assert!(numbers(evidence).iter().all(|number| number.is_finite()));
                prop_assert!(test.degrees_of_freedom.is_none_or(|df| df.is_finite() && df > 0.0));
            } else {
                prop_assert_eq!(verdict, Verdict::Undecided);
            }
        }
        if samples[0].n < 2 {
            prop_assert!(evidence.iter().all(|evidence| evidence.test().is_none()));
        }
        let interval = confidence_interval(&samples[0], 0.95);
        prop_assert!(interval.is_none_or(|interval| interval.low <= interval.high));
    }

    #[test]
    fn so_many_seeds_decide_and_one_less_does_not(
        ours in runs(), number in 5.0..12.0_f64, margin in 0.1..3.0_f64, claims in 1..20_usize,
    ) {
        let ours = sample(&ours);
        let evidence = |n| agreement(&ours.with_runs(n), &single(number), margin);
        let verdict = |n| {
            // Beside claims that are refuted no more easily, and by nothing else.
            let mut all = vec![evidence(n)];
            all.resize(claims, bound(&sample(&[1.0, 2.0, 3.0]), 2.0, Relation::Above));
            decide(&all, LEVEL)[0]
        };
        if let Seeds::Total(n) = seeds_needed(2, claims, LEVEL, evidence) {
            prop_assert!(n > 2);
            prop_assert_ne!(verdict(n), Verdict::Undecided);
            prop_assert!(n == 3 || verdict(n - 1) == Verdict::Undecided);
        }
    }
}

#[test]
fn confirmed_comes_before_refuted_and_the_correction_counts_for_refutations_only() {
    let a = sample(&[8.0, 8.1, 8.2, 8.1, 8.1]);
    // Significantly different, and well within the margin.
    let small = agreement(&a, &published(&sample(&[8.3, 8.4, 8.2, 8.3, 8.3])), 0.5);
    assert!(small.p_refute() < 0.01 && small.p_confirm() < 0.01);
    assert_eq!(decide(&[small], LEVEL), [Verdict::Confirmed]);
    assert_eq!(decide(&[small; 100], LEVEL), [Verdict::Confirmed; 100]);
    // Alone it is refuted, among many that are as unlikely it is not.
    let b = bound(&sample(&[8.0, 8.2, 8.1]), 8.3, Relation::Above);
    assert!(b.p_refute() < 0.05 && b.p_refute() * 10.0 > 0.05);
    assert_eq!(decide(&[b], LEVEL), [Verdict::Refuted]);
    assert_eq!(decide(&[b; 10], LEVEL), [Verdict::Undecided; 10]);
    assert!(decide(&[], LEVEL).is_empty());
    for level in [0.0, -1.0, 0.5, 1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(decide(&[small, b], level), [Verdict::Undecided; 2]);
    }
}

#[test]
fn one_run_is_no_evidence_and_says_so() {
    let (one, two) = (sample(&[8.0]), sample(&[8.0, 8.1]));
    assert_eq!(one.std, None);
    let few = Evidence::Unknown(Unknown::TooFewRuns);
    assert_eq!(agreement(&one, &published(&two), 0.5), few);
    assert_eq!(agreement(&one, &single(8.0), 0.5), few);
    assert_eq!(order(&one, &two), few);
    assert_eq!(order(&two, &one), few);
    assert_eq!(bound(&one, 9.0, Relation::Below), few);
    assert_eq!(trend(&[two, one], 0.5), few);
    assert_eq!(confidence_interval(&one, 0.95), None);
    assert_eq!(
        few_message(&few),
        "at least two runs are needed to know the spread"
    );
    assert_eq!(Sample::of(&[]), None);
    assert_eq!(Sample::of(&[8.0, f64::NAN]), None);
    assert_eq!(Sample::of(&[f64::INFINITY]), None);
}

fn few_message(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Unknown(unknown) => unknown.to_string(),
        Evidence::Test(_) => String::new(),
    }
}

#[test]
fn evidence_that_cannot_be_had_names_its_reason() {
    let two = sample(&[8.0, 8.1]);
    let unknown = |evidence| match evidence {
        Evidence::Unknown(unknown) => unknown,
        Evidence::Test(test) => panic!("{test:?}"),
    };
    let of = |n, std| Sample { n, mean: 8.0, std };
    assert_eq!(unknown(order(&of(3, None), &two)), Unknown::NoSpread);
    assert_eq!(unknown(order(&of(3, Some(-0.1)), &two)), Unknown::NotFinite);
    assert_eq!(
        unknown(bound(&two, f64::NAN, Relation::Above)),
        Unknown::NotFinite
    );
    for margin in [-0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(
            unknown(agreement(&two, &single(8.0), margin)),
            Unknown::BadMargin
        );
        assert_eq!(unknown(trend(&[two, two], margin)), Unknown::BadMargin);
    }
    assert_eq!(unknown(trend(&[two], 0.5)), Unknown::TooFewGroups);
    assert_eq!(unknown(trend(&[], 0.5)), Unknown::TooFewGroups);
    let with_spread = Published {
        std: Some(0.2),
        ..single(8.0)
    };
    assert_eq!(
        unknown(agreement(&two, &with_spread, 0.5)),
        Unknown::SpreadOfOneRun
    );
    for reading_error in [-0.1, f64::NAN] {
        let read = Published {
            reading_error,
            ..single(8.0)
        };
        assert_eq!(unknown(agreement(&two, &read, 0.5)), Unknown::NotFinite);
    }
}

#[test]
fn equal_runs_are_compared_exactly() {
    let (a, b) = (sample(&[0.1; 3]), sample(&[0.1; 7]));
    assert_eq!((a.mean, a.std), (0.1, Some(0.0)));
    let same = agreement(&a, &published(&b), 0.0);
    assert_eq!((same.p_confirm(), same.p_refute()), (0.0, 1.0));
    assert_eq!(same.test().unwrap().method, Method::Exact);
    assert_eq!(same.test().unwrap().degrees_of_freedom, None);
    let other = sample(&[0.3; 2]);
    let near = agreement(&a, &published(&other), 0.5);
    assert_eq!((near.p_confirm(), near.p_refute()), (0.0, 0.0));
    let far = agreement(&a, &published(&other), 0.1);
    assert_eq!((far.p_confirm(), far.p_refute()), (1.0, 0.0));
    assert_eq!(
        (order(&other, &a).p_confirm(), order(&other, &a).p_refute()),
        (0.0, 1.0)
    );
    assert_eq!(
        (order(&a, &b).p_confirm(), order(&a, &b).p_refute()),
        (1.0, 0.0)
    );
    let falls = trend(&[other, a], 0.0);
    assert_eq!((falls.p_confirm(), falls.p_refute()), (0.0, 1.0));
    let flat = trend(&[a, b], 0.0);
    assert_eq!((flat.p_confirm(), flat.p_refute()), (1.0, 0.0));
    // A published run of a spread that nobody knows.
    assert_eq!(agreement(&a, &single(0.1), 0.5).p_confirm(), 0.0);
    let unknown = Evidence::Unknown(Unknown::SpreadOfZero);
    assert_eq!(agreement(&a, &single(0.2), 0.5), unknown);
}

#[test]
fn seeds_that_would_decide_are_counted_and_where_none_would_the_reason_is_given() {
    let of = |n, mean, std| Sample {
        n,
        mean,
        std: Some(std),
    };
    let needed = |ours: Sample, published: Published, margin: f64| {
        seeds_needed(ours.n, 12, LEVEL, |n| {
            agreement(&ours.with_runs(n), &published, margin)
        })
    };
    let five = published(&of(5, 8.0, 0.2));
    // Two runs are few, three more would do.
    assert!(matches!(
        needed(of(2, 8.1, 0.2), five, 0.5),
        Seeds::Total(3..=6)
    ));
    assert_eq!(
        needed(of(5, 8.3, 0.9), single(8.0), 0.5),
        Seeds::Never(Why::PublishedSide)
    );
    // The margin itself: the five published runs are uncertain, however many ours are.
    assert_eq!(
        needed(of(5, 8.02, 0.2), five, 0.02),
        Seeds::Never(Why::PublishedSide)
    );
    let one = sample(&[8.0]);
    assert_eq!(needed(one, five, 0.5), Seeds::AtLeast(2));
    assert_eq!(needed(one, single(8.0), 0.5), Seeds::AtLeast(2));
    let unknown = Seeds::Never(Why::NoEvidence(Unknown::BadMargin));
    assert_eq!(needed(of(5, 8.0, 0.2), five, -1.0), unknown);
    // An order of equal means.
    let order = |difference: f64| {
        let (a, b) = (of(5, 8.0 + difference, 0.2), of(5, 8.0, 0.2));
        seeds_needed(5, 12, LEVEL, |n| order(&a.with_runs(n), &b.with_runs(n)))
    };
    assert_eq!(order(0.0), Seeds::Never(Why::TooClose));
    assert_eq!(order(0.001), Seeds::Never(Why::TooClose));
    assert!(matches!(order(0.1), Seeds::Total(20..=25)));
}

#[test]
fn the_distribution_has_no_gap_at_the_ends_of_the_numbers() {
    for df in [1e-3, 1.0, 4.0, 999.0, 1e5, 1e15, 1e300, f64::INFINITY] {
        for t in [0.0, 5e-324, 1e-200, 1e30, 1e160, f64::MAX, f64::INFINITY] {
            let (tail, other) = (student::upper_tail(t, df), student::upper_tail(-t, df));
            assert!((0.0..=0.5).contains(&tail), "{t}, {df}: {tail}");
            assert!((0.5..=1.0).contains(&other), "{t}, {df}: {other}");
        }
        for tail in [1e-300, 1e-12, 0.025, 0.5 - 1e-9, 0.5, 0.975] {
            let quantile = student::upper_quantile(tail, df);
            assert!(!quantile.is_nan(), "{tail}, {df}");
        }
        for tail in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(student::upper_quantile(tail, df).is_nan());
        }
    }
    assert_eq!(student::upper_quantile(0.5, 4.0), 0.0);
    for df in [0.0, -1.0, f64::NAN] {
        assert!(student::upper_tail(1.0, df).is_nan());
        assert!(student::upper_quantile(0.1, df).is_nan());
    }
}

#[test]
fn evidence_is_written_for_other_programs() {
    let a = sample(&[8.0, 8.1]);
    let json = serde_json::to_value(order(&a, &a)).unwrap();
    assert_eq!(json["test"]["method"], "welch-one-sided");
    assert!(json["test"]["interval"]["low"].is_f64());
    let json = serde_json::to_value(order(&a, &sample(&[8.0]))).unwrap();
    assert_eq!(json["unknown"], "too-few-runs");
    let json = serde_json::to_value(Verdict::Confirmed).unwrap();
    assert_eq!(json, "confirmed");
    assert!(Verdict::Confirmed < Verdict::Undecided && Verdict::Undecided < Verdict::Refuted);
}
