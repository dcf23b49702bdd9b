//! How long a run under way will still take: what was expected of its steps, and what they say themselves
//! since.
//!
//! Unaware of clocks: each call says how many seconds the run has taken.

use std::collections::BTreeMap;

use super::line::fitting;
use super::view::duration;
use crate::plan::{Forecast, Graph, Plan, State};
use step::Progress;

/// What a run has before it.
#[derive(Debug, Default)]
pub struct TimeLeft(BTreeMap<String, Ahead>);

/// A step that has not ended.
#[derive(Debug)]
struct Ahead {
    kind: &'static str,
    /// How much work it is, as [`crate::steps::Params::amount`] has it.
    amount: f64,
    /// Expected seconds with all cores at work, where anything tells.
    seconds: Option<f64>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It may come out that it need not run.
    Perhaps,
    Waiting,
    Running {
        since: f64,
        /// When it will end, by its own account.
        end: Option<f64>,
    },
    /// Another process has it until then.
    Elsewhere {
        until: f64,
    },
}

/// How long a run will still take.
#[derive(Debug, PartialEq)]
struct Left {
    seconds: f64,
    /// Steps of kinds that never ran here, of which these seconds know nothing.
    unknown: usize,
    /// Seconds of steps that may run.
    perhaps: f64,
}

impl TimeLeft {
    /// What a plan has before it.
    pub fn of(graph: &Graph, plan: &Plan, forecast: &Forecast) -> TimeLeft {
        let steps = graph.steps().iter().zip(plan).zip(&forecast.steps);
        let ahead = steps.filter_map(|((step, assessment), outlook)| {
            let state = &assessment.as_ref()?.state;
            let stage = match (state, &outlook.running) {
                (State::UpToDate(_), _) => return None,
                (_, Some(_)) => Stage::Elsewhere {
                    until: outlook.seconds.unwrap_or_default(),
                },
                (State::MayRun(_), None) => Stage::Perhaps,
                (State::MustRun(_), None) => Stage::Waiting,
            };
            let ahead = Ahead {
                kind: step.params.kind(),
                amount: step.params.amount().max(1.0),
                seconds: outlook.seconds,
                stage,
            };
            Some((step.name.clone(), ahead))
        });
        TimeLeft(ahead.collect())
    }

    /// A step has begun.
    pub fn begin(&mut self, step: &str, now: f64) {
        if let Some(ahead) = self.0.get_mut(step) {
            ahead.stage = Stage::Running {
                since: now,
                end: None,
            };
        }
    }

    /// A training says how far it is; all else says nothing of the time.
    pub fn progress(&mut self, step: &str, progress: &Progress, now: f64) {
        let Progress::Training {
            iteration,
            iterations,
            seconds_left,
            ..
        } = *progress
        else {
            return;
        };
        let at_once = self.at_once();
        let Some(ahead) = self.0.get_mut(step) else {
            return;
        };
        if let Stage::Running { end, .. } = &mut ahead.stage {
            *end = Some(now + seconds_left);
            let (kind, amount) = (ahead.kind, ahead.amount);
            let rest = iterations.saturating_sub(iteration) as f64 / iterations.max(1) as f64;
            if rest > 0.0 {
                self.learn(kind, seconds_left / rest / at_once / amount);
            }
        }
    }

    /// A step has ended or will not run; `seconds` if it ran to its end.
    pub fn end(&mut self, step: &str, seconds: Option<f64>) {
        let at_once = self.at_once();
        if let Some(ahead) = self.0.remove(step)
            && let Some(seconds) = seconds
        {
            self.learn(ahead.kind, seconds / at_once / ahead.amount);
        }
    }

    /// Steps that share the cores right now, at least one.
    fn at_once(&self) -> f64 {
        let stages = self.0.values().map(|ahead| ahead.stage);
        let running = stages.filter(|stage| matches!(stage, Stage::Running { .. }));
        running.count().max(1) as f64
    }

    /// What one step has shown of its kind, for those of which nothing is known.
    fn learn(&mut self, kind: &str, seconds_per_amount: f64) {
        for ahead in self.0.values_mut().filter(|ahead| ahead.kind == kind) {
            ahead
                .seconds
                .get_or_insert(seconds_per_amount * ahead.amount);
        }
    }

    /// How long all of it will take; nothing as long as nothing is known.
    fn at(&self, now: f64) -> Option<Left> {
        let at_once = self.at_once();
        // Together they take as long as all cores have work, and no less than the longest of them.
        let (mut work, mut longest) = (0.0, 0.0_f64);
        let (mut known, mut unknown, mut perhaps) = (0, 0, 0.0);
        for ahead in self.0.values() {
            let seconds = match (ahead.stage, ahead.seconds) {
                (Stage::Perhaps, seconds) => {
                    perhaps += seconds.unwrap_or_default();
                    continue;
                }
                (Stage::Elsewhere { until }, _) => {
                    longest = longest.max(until - now);
                    known += 1;
                    continue;
                }
                (Stage::Running { end: Some(end), .. }, _) => (end - now).max(0.0) / at_once,
                (Stage::Running { since, end: None }, Some(seconds)) => {
                    (seconds - (now - since) / at_once).max(0.0)
                }
                (Stage::Waiting, Some(seconds)) => seconds,
                (Stage::Running { .. } | Stage::Waiting, None) => {
                    unknown += 1;
                    continue;
                }
            };
            known += 1;
            work += seconds;
            if let Stage::Running { .. } = ahead.stage {
                longest = longest.max(seconds * at_once);
            }
        }
        (known > 0).then(|| Left {
            seconds: longest.max(work),
            unknown,
            perhaps,
        })
    }

    /// The time left in words, in at most so many columns.
    pub fn in_words(&self, now: f64, width: usize) -> String {
        let Some(left) = self.at(now) else {
            return fitting(["time left: not known yet".to_owned()], width);
        };
        let about = format!("about {} left", duration(left.seconds));
        let unknown = match left.unknown {
            0 => String::new(),
            unknown => format!(", and {unknown} that never ran here"),
        };
        let perhaps = match left.perhaps {
            0.0 => String::new(),
            perhaps => format!(", up to {} more", duration(perhaps)),
        };
        let texts = [
            format!("{about}{unknown}{perhaps}"),
            format!("{about}{unknown}"),
            about,
        ];
        fitting(texts, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(kind: &'static str, amount: f64, seconds: Option<f64>, stage: Stage) -> Ahead {
        Ahead {
            kind,
            amount,
            seconds,
            stage,
        }
    }

    fn of<const N: usize>(steps: [(&str, Ahead); N]) -> TimeLeft {
        let steps = steps.into_iter();
        TimeLeft(
            steps
                .map(|(name, ahead)| (name.to_owned(), ahead))
                .collect(),
        )
    }

    fn training(iteration: u64, seconds_left: f64) -> Progress {
        Progress::Training {
            iteration,
            iterations: 100,
            images_per_second: 1.0,
            seconds_left,
            loss: 1.0,
            train_error: 50.0,
            test_error: None,
        }
    }

    #[test]
    fn what_is_expected_and_what_running_steps_say_add_up_to_the_time_left() {
        let mut left = of([
            ("a", ahead("train", 1.0, Some(60.0), Stage::Waiting)),
            ("b", ahead("train", 1.0, Some(60.0), Stage::Waiting)),
            ("c", ahead("table", 1.0, Some(10.0), Stage::Waiting)),
        ]);
        assert_eq!(left.in_words(0.0, 80), "about 2 minutes left");
        left.begin("a", 0.0);
        left.begin("b", 0.0);
        // Side by side each takes twice as long.
        assert_eq!(left.in_words(100.0, 80), "about 30 s left");
        // One of them knows better.
        left.progress("a", &training(10, 200.0), 100.0);
        assert_eq!(left.in_words(100.0, 80), "about 3 minutes left");
        assert_eq!(left.in_words(250.0, 80), "about 50 s left");
        left.end("a", Some(300.0));
        left.end("b", Some(300.0));
        assert_eq!(left.in_words(300.0, 80), "about 10 s left");
    }

    #[test]
    fn the_first_training_tells_how_long_the_others_will_take() {
        let mut left = of([
            ("a", ahead("train", 1.0, None, Stage::Waiting)),
            ("b", ahead("train", 3.0, None, Stage::Waiting)),
            ("c", ahead("table", 1.0, None, Stage::Waiting)),
        ]);
        assert_eq!(left.in_words(0.0, 80), "time left: not known yet");
        left.begin("a", 0.0);
        left.progress("a", &training(50, 10.0), 10.0);
        let said = left.in_words(10.0, 80);
        assert_eq!(said, "about 70 s left, and 1 that never ran here");
        left.end("a", Some(20.0));
        assert_eq!(left.at(20.0).unwrap().seconds, 60.0);
    }

    #[test]
    fn what_may_run_and_what_others_run_is_not_work_of_this_run() {
        let mut left = of([
            (
                "a",
                ahead("train", 1.0, Some(40.0), Stage::Elsewhere { until: 90.0 }),
            ),
            ("b", ahead("train", 1.0, Some(40.0), Stage::Waiting)),
            ("c", ahead("table", 1.0, Some(5.0), Stage::Perhaps)),
        ]);
        assert_eq!(left.in_words(0.0, 80), "about 90 s left, up to 5 s more");
        assert_eq!(left.in_words(0.0, 20), "about 90 s left");
        assert_eq!(left.in_words(0.0, 10), "about 90 …");
        left.end("c", None);
        assert_eq!(left.in_words(60.0, 80), "about 40 s left");
    }
}
