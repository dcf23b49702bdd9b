//! The learning rate at each iteration: steps down at milestones, after one of three warm-ups.
//!
//! Pure arithmetic; unaware of optimisers, networks and images.

use serde::{Deserialize, Serialize};

/// How many iterations [`WarmUp::UntilError`] averages the training error over.
pub const WINDOW: u64 = 100;

/// The learning rate's course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LrSchedule {
    /// The learning rate up to the first milestone, warm-up aside.
    pub learning_rate: f64,
    /// Iterations before which the learning rate is divided by `factor`, ascending.
    pub milestones: Vec<u64>,
    /// What the learning rate is divided by at each milestone.
    pub factor: f64,
    /// Optimizer steps in all.
    pub iterations: u64,
    /// How training starts.
    pub warm_up: WarmUp,
}

/// How training starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WarmUp {
    /// At once with the schedule.
    None,
    /// At `learning_rate` until the training error is below `train_error` percent, as the paper
    /// trains its 110 layers: the error on the augmented images of each [`WINDOW`] iterations
    /// (0 to 99, 100 to 199, …) is judged at their end, and the schedule takes over after the
    /// first such window that is good enough.
    UntilError {
        learning_rate: f64,
        train_error: f64,
    },
    /// At `learning_rate` for a fixed number of iterations.
    Iterations {
        learning_rate: f64,
        iterations: u64,
        /// A known reproduction's slip: after the warm-up the rate is the schedule's, but from
        /// the first milestone on it is the *warm-up's* rate that is divided (0.001 and 0.0001
        /// instead of the paper's 0.01 and 0.001).
        slip: bool,
    },
}

impl LrSchedule {
    /// The schedule's rate at `iteration`, counted from 0, once the warm-up is over.
    fn after_warm_up(&self, iteration: u64) -> f64 {
        let passed = self.milestones.iter().filter(|&&m| m <= iteration).count();
        let base = match self.warm_up {
            WarmUp::Iterations {
                learning_rate,
                slip: true,
                ..
            } if passed > 0 => learning_rate,
            _ => self.learning_rate,
        };
        (0..passed).fold(base, |rate, _| rate / self.factor)
    }
}

/// What the schedule has to be told about training, because one of the warm-ups depends on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUpState {
    /// Whether the warm-up by training error is over.
    over: bool,
    window_errors: u64,
    window_images: u64,
    /// Images, and those classified wrongly, of each window up to the one that ended it.
    windows: Vec<[u64; 2]>,
}

impl WarmUpState {
    /// The largest number that it has counted to.
    pub fn largest_count(&self) -> u64 {
        self.window_errors.max(self.window_images)
    }

    /// What was judged: images, and those classified wrongly, of each window up to the one that ended it.
    pub fn windows(&self) -> &[[u64; 2]] {
        &self.windows
    }

    /// Iterations after which it ended, if it has.
    pub fn ended_after(&self) -> Option<u64> {
        self.over.then_some(self.windows.len() as u64 * WINDOW)
    }
}

/// The learning rate as training goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct LrScheduler {
    schedule: LrSchedule,
    warm_up: WarmUpState,
}

impl LrScheduler {
    /// At the start of training.
    pub fn new(schedule: &LrSchedule) -> LrScheduler {
        LrScheduler::resume(schedule, WarmUpState::default())
    }

    /// After the iterations that `warm_up` has seen.
    pub fn resume(schedule: &LrSchedule, warm_up: WarmUpState) -> LrScheduler {
        LrScheduler {
            schedule: schedule.clone(),
            warm_up,
        }
    }

    /// What [`LrScheduler::resume`] needs.
    pub fn warm_up(&self) -> &WarmUpState {
        &self.warm_up
    }

    /// The learning rate of `iteration`, counted from 0. Every iteration before the last multiple
    /// of [`WINDOW`] must have been observed.
    pub fn learning_rate(&self, iteration: u64) -> f64 {
        match self.schedule.warm_up {
            WarmUp::UntilError { learning_rate, .. } if !self.warm_up.over => learning_rate,
            WarmUp::Iterations {
                learning_rate,
                iterations,
                ..
            } if iteration < iterations => learning_rate,
            _ => self.schedule.after_warm_up(iteration),
        }
    }

    /// All learning rates of a training whose warm-up was judged by these windows, each with the
    /// iteration from which on it is used.
    pub fn course(schedule: &LrSchedule, windows: &[[u64; 2]]) -> Vec<(u64, f64)> {
        let mut scheduler = LrScheduler::new(schedule);
        let mut course: Vec<(u64, f64)> = Vec::new();
        for iteration in 0..schedule.iterations {
            let rate = scheduler.learning_rate(iteration);
            if course.last().is_none_or(|&(_, last)| last != rate) {
                course.push((iteration, rate));
            }
            let window = windows.get((iteration / WINDOW) as usize);
            let [images, errors] = window.copied().unwrap_or_default();
            if (iteration + 1).is_multiple_of(WINDOW) {
                scheduler.observe(iteration, images, errors);
            }
        }
        course
    }

    /// Takes note of how many of an iteration's images were classified wrongly. To be called for
    /// each iteration, in order.
    pub fn observe(&mut self, iteration: u64, images: u64, errors: u64) {
        let WarmUp::UntilError { train_error, .. } = self.schedule.warm_up else {
            return;
        };
        let state = &mut self.warm_up;
        state.window_images += images;
        state.window_errors += errors;
        if (iteration + 1).is_multiple_of(WINDOW) {
            let error = 100.0 * state.window_errors as f64 / state.window_images as f64;
            if !state.over {
                let window = [state.window_images, state.window_errors];
                state.windows.push(window);
            }
            state.over |= error < train_error;
            (state.window_images, state.window_errors) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(warm_up: WarmUp) -> LrSchedule {
        LrSchedule {
            learning_rate: 0.1,
            milestones: vec![32_000, 48_000],
            factor: 10.0,
            iterations: 64_000,
            warm_up,
        }
    }

    #[track_caller]
    fn assert_rates(scheduler: &LrScheduler, expected: &[(u64, f64)]) {
        for &(iteration, rate) in expected {
            let actual = scheduler.learning_rate(iteration);
            assert!(
                (actual / rate - 1.0).abs() < 1e-12,
                "at {iteration}: {actual}, not {rate}"
            );
        }
    }

    #[test]
    fn the_papers_schedule_steps_down_at_32k_and_48k() {
        let scheduler = LrScheduler::new(&paper(WarmUp::None));
        let expected = [
            (0, 0.1),
            (31_999, 0.1),
            (32_000, 0.01),
            (47_999, 0.01),
            (48_000, 0.001),
            (63_999, 0.001),
        ];
        assert_rates(&scheduler, &expected);
    }

    #[test]
    fn every_one_of_the_64k_iterations_has_the_rate_of_its_stage() {
        let scheduler = LrScheduler::new(&paper(WarmUp::None));
        let mut counts = [0; 3];
        for iteration in 0..64_000 {
            let rate = scheduler.learning_rate(iteration);
            let stage = [0.1, 0.01, 0.001]
                .iter()
                .position(|expected| (rate / expected - 1.0).abs() < 1e-12)
                .unwrap_or_else(|| panic!("{rate} at {iteration}"));
            counts[stage] += 1;
            assert!(counts[stage + 1..].iter().all(|&later| later == 0));
        }
        assert_eq!(counts, [32_000, 16_000, 16_000]);
    }

    #[test]
    fn a_warm_up_of_400_iterations_leaves_the_rest_as_it_is() {
        let scheduler = LrScheduler::new(&paper(WarmUp::Iterations {
            learning_rate: 0.01,
            iterations: 400,
            slip: false,
        }));
        let expected = [
            (0, 0.01),
            (399, 0.01),
            (400, 0.1),
            (31_999, 0.1),
            (32_000, 0.01),
            (47_999, 0.01),
            (48_000, 0.001),
            (63_999, 0.001),
        ];
        assert_rates(&scheduler, &expected);
    }

    #[test]
    fn the_slip_divides_the_warm_ups_rate_at_the_milestones() {
        let scheduler = LrScheduler::new(&paper(WarmUp::Iterations {
            learning_rate: 0.01,
            iterations: 400,
            slip: true,
        }));
        let expected = [
            (0, 0.01),
            (399, 0.01),
            (400, 0.1),
            (31_999, 0.1),
            (32_000, 0.001),
            (47_999, 0.001),
            (48_000, 0.000_1),
            (63_999, 0.000_1),
        ];
        assert_rates(&scheduler, &expected);
    }

    #[test]
    fn the_papers_warm_up_ends_after_the_first_window_below_80_percent() {
        let mut scheduler = LrScheduler::new(&paper(WarmUp::UntilError {
            learning_rate: 0.01,
            train_error: 80.0,
        }));
        // 128 images an iteration; 102 wrong ones are 79.7 %, 103 are 80.5 %.
        for iteration in 0..300 {
            assert_eq!(scheduler.learning_rate(iteration), 0.01);
            let good = iteration >= 150;
            scheduler.observe(iteration, 128, if good { 102 } else { 103 });
        }
        assert_rates(&scheduler, &[(300, 0.1), (32_000, 0.01), (48_000, 0.001)]);
        // It stays over, however bad the error gets.
        for iteration in 300..500 {
            scheduler.observe(iteration, 128, 128);
        }
        assert_rates(&scheduler, &[(500, 0.1)]);
    }

    #[test]
    fn exactly_80_percent_is_not_below_80_percent() {
        let mut scheduler = LrScheduler::new(&paper(WarmUp::UntilError {
            learning_rate: 0.01,
            train_error: 80.0,
        }));
        for iteration in 0..WINDOW {
            scheduler.observe(iteration, 100, 80);
        }
        assert_eq!(scheduler.learning_rate(WINDOW), 0.01);
    }
}
