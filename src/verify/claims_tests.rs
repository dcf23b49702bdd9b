use super::*;
use crate::pipeline::Pipeline;
use records::Dataset;
use statistics::Seeds;
use summary::SeedResult;
use summary::spread as spread_of;
use table::ResultRow;

const OURS: &str = include_str!("../../pipeline.ron");

/// Five runs with this mean and standard deviation.
fn five(mean: f64, std: f64) -> Vec<f64> {
    let unit = 2.5_f64.sqrt();
    [-2.0, -1.0, 0.0, 1.0, 2.0]
        .map(|place| mean + place * std / unit)
        .to_vec()
}

fn row(model: &str, parameters: u64, test: &[f64], train: &[f64]) -> ResultRow {
    let runs = test.iter().zip(train).enumerate();
    ResultRow {
        model: model.to_owned(),
        label: model.to_owned(),
        layers: 20,
        parameters,
        multiply_adds: 1,
        iterations: 64_000,
        backends: vec![],
        test_error: spread_of(test).unwrap(),
        train_error: spread_of(train).unwrap(),
        response: spread_of(&vec![1.0; test.len()]).unwrap(),
        runs: runs
            .map(|(seed, (&test_error, &train_error))| SeedResult {
                seed: seed as u64,
                test_error,
                train_error,
                response: 1.0,
            })
            .collect(),
        he: None,
        reproduction: None,
        difference_to_he: None,
        difference_to_reproduction: None,
    }
}

fn results(rows: Vec<ResultRow>) -> Results {
    Results {
        profile: "core".to_owned(),
        comparable: true,
        caveats: vec![],
        dataset: Dataset {
            archive_sha256: String::new(),
            train: 45_000,
            validation: 5_000,
            test: 10_000,
        },
        rows,
        missing: vec![],
    }
}

/// The reproduction's table (PAPER: nabla0001/resnet) as if it were ours.
fn as_s_has_it() -> Results {
    let train = |mean: f64| five(mean, 0.1);
    results(vec![
        row("plain20", 269_722, &five(9.78, 0.13), &train(1.3)),
        row("plain56", 853_018, &five(12.95, 0.22), &train(5.85)),
        row("resnet20", 269_722, &five(8.51, 0.22), &train(0.7)),
        row("resnet56", 853_018, &five(7.40, 0.27), &train(0.15)),
        row("resnet110", 1_727_962, &five(7.14, 0.20), &train(0.15)),
    ])
}

/// The verdicts on the claims of a profile, by the claim's name.
fn verdicts(pipeline: &str, profile: &str, results: &Results) -> Vec<(String, Verdict)> {
    let pipeline = Pipeline::parse(pipeline, "pipeline.ron").unwrap();
    let claims = pipeline.claims(pipeline.experiment(Some(profile)).unwrap());
    let judged = judge(&claims, results, pipeline.significance());
    judged
        .into_iter()
        .map(|judgement| (judgement.claim, judgement.verdict))
        .collect()
}

fn verdict_on(name: &str, results: &Results) -> Verdict {
    let verdicts = verdicts(OURS, "core", results);
    let found = verdicts.iter().find(|(claim, _)| claim == name);
    found.unwrap_or_else(|| panic!("{name}: {verdicts:#?}")).1
}

#[test]
fn the_reproductions_numbers_get_the_verdicts_that_a_careful_person_would_give() {
    use Verdict::{Confirmed, Refuted, Undecided};
    let results = as_s_has_it();
    for (claim, expected) in [
        // Within a point of the single run, with 5 runs of spread 0.2.
        ("test_error(resnet20) = 8.75 [he]", Confirmed),
        ("test_error(plain20) = 9.67 [he]", Confirmed),
        ("test_error(plain56) = 13.25 [he]", Confirmed),
        // 0.43 above a single run: neither shown to be the same nor to be another number.
        ("test_error(resnet56) = 6.97 [he]", Undecided),
        // What the slip costs is seen: 7.14 ± 0.20 is not 6.61 ± 0.16.
        ("test_error(resnet110) = 6.61 ± 0.16 (5 runs) [he]", Refuted),
        ("test_error(resnet56) = 7.40 ± 0.27 (5 runs) [s]", Confirmed),
        ("test_error(plain56) > test_error(plain20) [he]", Confirmed),
        (
            "train_error(plain56) > train_error(plain20) [he]",
            Confirmed,
        ),
        ("test_error(plain20) > test_error(resnet20) [he]", Confirmed),
        ("test_error(plain56) > test_error(resnet56) [he]", Confirmed),
        (
            "test_error(resnet20) > test_error(resnet56) [he]",
            Confirmed,
        ),
        (
            "test_error(resnet20) > test_error(resnet56) > test_error(resnet110) [he]",
            Confirmed,
        ),
        ("parameters(resnet110) = 1.7M [he]", Confirmed),
        ("parameters(resnet110) = 1.732M [s]", Refuted),
        ("parameters(resnet20) = 0.270M [s]", Confirmed),
    ] {
        assert_eq!(verdict_on(claim, &results), expected, "{claim}");
    }
}

#[test]
fn a_reversed_order_is_refuted_and_a_close_one_is_undecided_with_a_number_of_seeds() {
    let mut results = as_s_has_it();
    results.rows[1] = row("plain56", 853_018, &five(9.0, 0.2), &five(1.0, 0.1));
    let claim = "test_error(plain56) > test_error(plain20) [he]";
    assert_eq!(verdict_on(claim, &results), Verdict::Refuted);
    results.rows[1] = row("plain56", 853_018, &five(9.85, 0.2), &five(1.0, 0.1));
    assert_eq!(verdict_on(claim, &results), Verdict::Undecided);
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let claims = pipeline.claims(pipeline.experiment(Some("core")).unwrap());
    let judged = judge(&claims, &results, 0.05);
    let judged = judged.iter().find(|judged| judged.claim == claim).unwrap();
    let Some(Seeds::Total(n)) = judged.seeds else {
        panic!("{judged:#?}");
    };
    assert!((10..200).contains(&n), "{n}");
    assert!(
        judged.found.contains("seeds would decide it"),
        "{}",
        judged.found
    );
}

#[test]
fn a_single_seed_decides_nothing_and_it_is_said_why() {
    let mut results = as_s_has_it();
    results.rows[2] = row("resnet20", 269_722, &[8.75], &[0.7]);
    let checks = checks_on(&results);
    let check = checks
        .iter()
        .find(|check| check.name == "test_error(resnet20) = 8.75 [he]")
        .unwrap();
    assert_eq!(check.status, Status::Undecided);
    assert!(
        check.message.contains("at least two runs are needed"),
        "{}",
        check.message
    );
    assert!(
        check.message.contains("at least 2 seeds"),
        "{}",
        check.message
    );
}

fn checks_on(results: &Results) -> Vec<Check> {
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let experiment = pipeline.experiment(Some("core")).unwrap();
    checks(&pipeline.claims(experiment), experiment, results, 0.05)
}

fn status_of(name: &str, results: &Results) -> Status {
    let checks = checks_on(results);
    let found = checks.iter().find(|check| check.name == name);
    found
        .unwrap_or_else(|| panic!("no {name}: {checks:#?}"))
        .status
}

#[test]
fn a_disputed_claim_passes_where_it_is_refuted_and_fails_where_it_is_confirmed() {
    let mut results = as_s_has_it();
    let name = "parameters(resnet110) = 1.732M [s]";
    assert_eq!(status_of(name, &results), Status::Passed);
    results.rows[4].parameters = 1_732_001;
    assert_eq!(status_of(name, &results), Status::Failed);
}

#[test]
fn a_seed_that_is_missing_or_left_out_of_the_mean_never_passes() {
    let whole = as_s_has_it();
    assert_eq!(status_of("seeds of resnet20", &whole), Status::Passed);
    let mut results = whole.clone();
    results.rows[2].runs.pop();
    assert_eq!(status_of("seeds of resnet20", &results), Status::Undecided);
    for change in [
        (|row: &mut ResultRow| row.test_error.mean += 0.01) as fn(&mut ResultRow),
        |row| row.test_error.n = 4,
        |row| row.test_error.std = None,
        |row| row.train_error.std = Some(0.0),
        |row| row.test_error.min -= 0.01,
        |row| row.train_error.max += 0.01,
        |row| row.runs[0].test_error += 0.01,
        |row| row.runs.push(row.runs[0].clone()),
    ] {
        let mut results = whole.clone();
        change(&mut results.rows[2]);
        assert_eq!(status_of("seeds of resnet20", &results), Status::Failed);
    }
    let mut results = whole.clone();
    results.rows.remove(2);
    assert_eq!(status_of("seeds of resnet20", &results), Status::Undecided);
    let name = "test_error(resnet20) = 8.75 [he]";
    assert_eq!(status_of(name, &results), Status::Undecided);
}

#[test]
fn where_nothing_is_claimed_nothing_passes() {
    let none = Claims::default();
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let mut experiment = pipeline.experiment(Some("core")).unwrap().clone();
    experiment.models.clear();
    let status = |claims: &Claims| {
        let checks = checks(claims, &experiment, &as_s_has_it(), 0.05);
        crate::verify::overall(&checks)
    };
    assert_eq!(status(&none), Status::Undecided);
    let elsewhere = Claims {
        here: vec![],
        elsewhere: 7,
    };
    assert_eq!(status(&elsewhere), Status::Undecided);
}

#[test]
fn short_trainings_are_undecided_about_what_was_published() {
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    let experiment = pipeline.experiment(Some("quick")).unwrap();
    let checks = checks(
        &pipeline.claims(experiment),
        experiment,
        &as_s_has_it(),
        0.05,
    );
    let mut claims = checks
        .iter()
        .filter(|check| check.name.contains("test_error"));
    assert!(claims.clone().count() > 5);
    assert!(claims.all(|check| check.status == Status::Undecided
        && check.message.contains("1,000 of 64,000 iterations")));
}
