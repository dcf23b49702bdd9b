use super::*;
use crate::pipeline::Pipeline;

/// The repository's own file, on which the edits below are made.
const OURS: &str = include_str!("../../pipeline.ron");

fn edited(from: &str, to: &str) -> String {
    assert!(OURS.contains(from), "the file has no {from:?} to edit");
    OURS.replacen(from, to, 1)
}

/// The complaint about our file after one edit.
fn complaint(from: &str, to: &str) -> String {
    let error = Pipeline::parse(&edited(from, to), "pipeline.ron");
    error.unwrap_err().to_string()
}

fn claims(profile: &str) -> Claims {
    let pipeline = Pipeline::parse(OURS, "pipeline.ron").unwrap();
    pipeline.claims(pipeline.experiment(Some(profile)).unwrap())
}

fn names(claims: &Claims) -> Vec<String> {
    claims.here.iter().map(Claim::name).collect()
}

#[test]
fn both_tables_are_claims_row_by_row_with_their_sources() {
    let claims = claims("core");
    let names = names(&claims);
    for name in [
        "test_error(plain20) = 9.67 [he]",
        "test_error(plain20) = 9.78 ± 0.13 (5 runs) [s]",
        "test_error(resnet110) = 6.61 ± 0.16 (5 runs) [he]",
        "test_error(plain56) > test_error(plain20) [he]",
        "parameters(resnet110) = 1.732M [s]",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name}: {names:#?}"
        );
    }
    // The slip's number is about the net that had the slip.
    assert!(
        !names.iter().any(|name| name.contains("7.14")),
        "{names:#?}"
    );
    assert!(claims.elsewhere > 5);
    assert!(
        claims
            .here
            .iter()
            .all(|claim| claim.applies == Applies::Yes)
    );
    let of = |name: &str| {
        claims
            .here
            .iter()
            .find(|claim| claim.name() == name)
            .unwrap()
    };
    let he = of("test_error(resnet56) = 6.97 [he]");
    assert_eq!(he.cited(), "He, Zhang, Ren and Sun 2015, Table 6");
    assert_eq!(he.margin, Some(1.0));
    let five = of("test_error(resnet110) = 6.61 ± 0.16 (5 runs) [he]");
    assert_eq!(five.margin, Some(0.5));
    let Assertion::Mean { published, .. } = &of("test_error(plain20) = 9.67 [he]").assertion else {
        panic!("no mean");
    };
    assert_eq!((published.runs, published.reading_error), (1, 0.15));
    let disputed: Vec<&Claim> = claims
        .here
        .iter()
        .filter(|claim| claim.disputed.is_some())
        .collect();
    assert_eq!(disputed.len(), 1);
}

#[test]
fn the_slips_number_is_claimed_of_the_net_with_the_slip() {
    let claims = claims("slip");
    let names = names(&claims);
    assert!(names.contains(&"test_error(resnet110-slip) = 7.14 ± 0.20 (5 runs) [s]".to_owned()));
    assert!(names.contains(&"test_error(resnet110-slip) > test_error(resnet110) [s]".to_owned()));
}

#[test]
fn a_short_training_cannot_bear_out_what_was_published_but_counts_and_its_own_claims_stand() {
    let quick = claims("quick");
    for claim in &quick.here {
        let exact = matches!(claim.assertion, Assertion::Exact { .. });
        assert_eq!(claim.applies == Applies::Yes, exact, "{}", claim.name());
    }
    let smoke = claims("smoke");
    assert_eq!(names(&smoke).len(), 10, "{:?}", names(&smoke));
    assert!(smoke.here.iter().all(|claim| claim.applies == Applies::Yes));
}

#[test]
fn a_claim_that_leads_nowhere_is_refused_with_its_place() {
    let degradation = "says: \"test_error(plain56) > test_error(plain20)\", source: \"he\"";
    for (from, to, said) in [
        (
            degradation,
            "says: \"test_error(plain65) > test_error(plain20)\", source: \"he\"",
            "did you mean \"plain56\"?",
        ),
        (
            degradation,
            "says: \"test_eror(plain56) > test_error(plain20)\", source: \"he\"",
            "unknown metric \"test_eror\"; did you mean \"test_error\"?",
        ),
        (
            degradation,
            "says: \"test_error(plain56) > test_error(plain20)\", source: \"hee\"",
            "unknown source \"hee\"; did you mean \"he\"?",
        ),
        (
            degradation,
            "says: \"test_error(plain56) > test_error(plain20)\"",
            "missing field named `source`",
        ),
        (
            degradation,
            "says: \"test_error(plain56) > test_error(plain20)\", source: \"he\", within: \"1 points\"",
            "have no tolerance",
        ),
        (
            degradation,
            "says: \"train_error(plain56) > train_error(plain20)\", source: \"he\"",
            "is claimed twice",
        ),
        (
            "profiles: [\"smoke\"]",
            "profiles: [\"smok\"]",
            "did you mean \"smoke\"?",
        ),
        (
            "profiles: [\"smoke\"]",
            "profiles: [\"core\"]",
            "profile \"core\" does not train plain8",
        ),
        (
            "profiles: [\"smoke\"]",
            "profiles: []",
            "at least one profile",
        ),
        (
            "within: \"1 points\"",
            "within: 1",
            "a tolerance with its unit",
        ),
        (
            "within: \"1 points\"",
            "within: \"1\"",
            "a tolerance with its unit",
        ),
        (
            "            within: \"1 points\",\n",
            "",
            "expected `within` here or in source \"he\"",
        ),
        (
            "Fig. 6, left\", within: \"0.5 points\"",
            "Fig. 6, left\"",
            "a trend needs `within`",
        ),
        (
            "he: (mean: 8.75, at",
            "he: (mean: 8.75, std: 0.2, at",
            "without its number of runs",
        ),
        (
            "with: \"resnet110-slip\"",
            "with: \"resnet110-slop\"",
            "did you mean \"resnet110-slip\"?",
        ),
        (
            "cite: \"nabla0001/resnet\"",
            "cite: \"\"",
            "expected a text",
        ),
        (
            "significance: 0.05",
            "significance: 5",
            "a probability between 0 and 0.5",
        ),
        (
            "disputed: \"with",
            "disputed: \" \", at: \"with",
            "why it is wrong",
        ),
        (
            "        \"s\": (\n",
            "        \"t\": (\n",
            "unknown source \"s\"",
        ),
    ] {
        let error = complaint(from, to);
        assert!(error.contains(said), "{to}: {error}");
        let place = error
            .strip_prefix("pipeline.ron:")
            .and_then(|rest| rest.split(':').next());
        let line: usize = place.unwrap().parse().unwrap();
        assert!(line > 70, "{error}");
    }
}
