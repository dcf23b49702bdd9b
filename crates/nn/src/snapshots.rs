//! After which iterations a training keeps its state, so that parts of it can be computed again.
//!
//! Pure arithmetic on a schedule; unaware of states and files.

use std::collections::BTreeSet;
use std::iter;

use serde::{Deserialize, Serialize};

use super::recipe::OutOfRange;
use super::schedule::{LrSchedule, WarmUp};

/// How much of its way a training keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// Snapshots, beside the initial weights, which the seed gives, and the end of a warm-up by error,
    /// which is not known beforehand.
    pub count: u32,
    /// Iterations behind each that a replay computes again.
    pub window: u64,
}

impl Snapshots {
    /// Of a schedule that fits: at most 8 snapshots and windows of 10 iterations, fewer and shorter ones
    /// in a short training, so that a replay is about a tenth of it. The window may be given.
    pub fn fitting(schedule: &LrSchedule, window: Option<u64>) -> Snapshots {
        let iterations = schedule.iterations;
        let fits = || (iterations / 500).clamp(2, 10).min(iterations);
        let window = window.unwrap_or_else(fits);
        let a_tenth = iterations / window.max(1).saturating_mul(10);
        let wished = a_tenth.clamp(1, 9) as u32 - 1;
        let needed = needed(schedule, window).len() as u32;
        let count = wished.max(needed);
        Snapshots { count, window }
    }

    /// Refuses what does not fit a schedule whose own numbers are in range.
    ///
    /// # Errors
    /// The first number that is out of its range, `snapshots` or `window`.
    pub fn check(&self, schedule: &LrSchedule) -> Result<(), OutOfRange> {
        let iterations = schedule.iterations;
        // A change of the learning rate is seen by a window that reaches across it.
        let least = iterations.min(2);
        if !(least..=iterations).contains(&self.window) {
            let expected = format!("from {least} to the {iterations} iterations of the training");
            return Err(OutOfRange::new("window", expected, self.window));
        }
        let needed = needed(schedule, self.window).len();
        if (self.count as usize) < needed {
            let expected = format!(
                "at least {needed}: one before each change of the learning rate and one before the end"
            );
            return Err(OutOfRange::new("snapshots", expected, self.count));
        }
        if u64::from(self.count) >= iterations {
            let expected = format!(
                "below the {iterations} iterations of the training, so that no two are after the same one"
            );
            return Err(OutOfRange::new("snapshots", expected, self.count));
        }
        Ok(())
    }

    /// The iterations after which they are taken: just before each change of the learning rate, a window
    /// before the end, and for the rest in the middle of whatever is the longest stretch without one.
    pub fn iterations(&self, schedule: &LrSchedule) -> BTreeSet<u64> {
        let mut chosen = needed(schedule, self.window);
        while chosen.len() < self.count as usize {
            let starts = iter::once(0).chain(chosen.iter().copied());
            let ends = chosen.iter().copied().chain([schedule.iterations]);
            // The first of those that are as long.
            let longest = starts.zip(ends).reduce(|longest, next| {
                let is_longer = next.1 - next.0 > longest.1 - longest.0;
                if is_longer { next } else { longest }
            });
            let Some((from, to)) = longest.filter(|(from, to)| to - from > 1) else {
                break;
            };
            chosen.insert(from + (to - from) / 2);
        }
        chosen
    }
}

/// Those that no number of snapshots leaves out.
fn needed(schedule: &LrSchedule, window: u64) -> BTreeSet<u64> {
    let iterations = schedule.iterations;
    let warm_up = match schedule.warm_up {
        WarmUp::Iterations { iterations, .. } => Some(iterations),
        WarmUp::None | WarmUp::UntilError { .. } => None,
    };
    let changes = schedule.milestones.iter().copied().chain(warm_up);
    let before = changes.map(|change| change.saturating_sub(1));
    let all = before.chain([iterations.saturating_sub(window)]);
    all.filter(|&at| 0 < at && at < iterations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(iterations: u64, milestones: &[u64], warm_up: WarmUp) -> LrSchedule {
        LrSchedule {
            learning_rate: 0.1,
            milestones: milestones.to_vec(),
            factor: 10.0,
            iterations,
            warm_up,
        }
    }

    #[test]
    fn the_papers_eight_lie_before_each_change_before_the_end_and_evenly_between() {
        let paper = schedule(64_000, &[32_000, 48_000], WarmUp::None);
        let snapshots = Snapshots::fitting(&paper, None);
        assert_eq!((snapshots.count, snapshots.window), (8, 10));
        snapshots.check(&paper).unwrap();
        let expected = [
            7_999, 15_999, 23_999, 31_999, 39_999, 47_999, 55_994, 63_990,
        ];
        assert!(snapshots.iterations(&paper).into_iter().eq(expected));
    }

    #[test]
    fn a_warm_up_of_known_length_is_a_change_of_the_learning_rate() {
        let warm_up = WarmUp::Iterations {
            learning_rate: 0.01,
            iterations: 400,
            slip: false,
        };
        let known = schedule(64_000, &[32_000, 48_000], warm_up);
        assert!(
            Snapshots::fitting(&known, None)
                .iterations(&known)
                .contains(&399)
        );
    }

    #[test]
    fn what_fits_fits_every_schedule_however_short() {
        for iterations in 1..300 {
            let halves = [iterations / 2, iterations - iterations / 4];
            let mut milestones: Vec<u64> = halves.into_iter().collect();
            milestones.retain(|&at| 0 < at && at < iterations);
            milestones.dedup();
            let short = schedule(iterations, &milestones, WarmUp::None);
            let snapshots = Snapshots::fitting(&short, None);
            let said = format!("{iterations} iterations: {snapshots:?}");
            if iterations > 1 {
                snapshots.check(&short).expect(&said);
            }
            let chosen = snapshots.iterations(&short);
            assert_eq!(chosen.len(), snapshots.count as usize, "{said}");
            assert!(chosen.iter().all(|&at| 0 < at && at < iterations), "{said}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_by_name() {
        let short = schedule(20, &[10], WarmUp::None);
        let said = |count, window| {
            let wrong = Snapshots { count, window }.check(&short).unwrap_err();
            wrong.to_string()
        };
        let expected = "window must be from 2 to the 20 iterations of the training, found 1";
        assert_eq!(said(2, 1), expected);
        assert!(said(2, 21).contains("found 21"));
        assert!(said(1, 2).starts_with("snapshots must be at least 2: one before each change"));
        assert!(said(20, 2).contains("no two are after the same one, found 20"));
        Snapshots {
            count: 19,
            window: 2,
        }
        .check(&short)
        .unwrap();
        let all = Snapshots {
            count: 19,
            window: 2,
        }
        .iterations(&short);
        assert!(all.into_iter().eq(1..20));
    }
}
