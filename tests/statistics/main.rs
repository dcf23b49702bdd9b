//! Statistics against scipy, against what must not change them, and against the error rates that they
//! promise.

mod error_rates;
mod properties;
#[allow(dead_code, reason = "the tables show the rest")]
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
