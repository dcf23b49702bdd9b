//! Whether a claim about a handful of runs is confirmed, refuted, or cannot be decided: pure
//! functions, each with its source. `docs/statistics.md` explains the rules to readers of verdicts and
//! gives the error rates and the power that were found by simulation.
//!
//! A kind of claim is a function from [`Sample`]s to [`Evidence`]: [`agreement`] with a published
//! number, an [`order`] of two means, a [`bound`], a [`trend`]. Evidence has two p-values, one for each
//! way in which a verdict can be wrong, and [`decide`] turns the evidence of all claims that are judged
//! together into [`Verdict`]s. [`seeds_needed`] says how many runs would decide what is undecided.
//!
//! Unaware of pipelines, results and files, and of units: an estimate is in the unit of the samples.

mod agreement;
mod decide;
mod estimate;
mod evidence;
mod order;
mod sample;
mod seeds;
pub mod student;
mod trend;

pub use agreement::{Published, agreement};
pub use decide::{Verdict, decide, holm};
pub use evidence::{Evidence, Interval, Method, Test, Unknown};
pub use order::{Relation, bound, order};
pub use sample::{Sample, confidence_interval};
pub use seeds::{Seeds, Why, seeds_needed};
pub use trend::trend;
