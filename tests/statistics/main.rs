//! Statistics against scipy, against what must not change them, and against the error rates that they
//! promise.

mod error_rates;
mod properties;
#[path = "../../benches/verdicts/published.rs"]
mod published;
mod reference;
#[allow(dead_code, reason = "the tables use the rest")]
#[path = "../../benches/verdicts/simulation.rs"]
mod simulation;

#[test]
fn published_numbers_are_judged_as_a_careful_reader_would() {
    for family in published::families() {
        for (claim, verdict) in family.claims.iter().zip(family.verdicts()) {
            assert_eq!(verdict, claim.expected, "{}: {}", family.name, claim.name);
        }
    }
}

#[test]
fn the_documentation_has_the_verdicts_that_are_given() {
    let documentation = include_str!("../../docs/statistics.md");
    for family in published::families() {
        let table = published::table(&family);
        assert!(
            documentation.contains(&table),
            "docs/statistics.md has no longer the table that `cargo bench --bench verdicts` prints:\n{table}"
        );
    }
}
