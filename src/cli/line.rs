//! The live line of one thing that is being done, never longer than the terminal is wide; nothing where
//! there is no terminal.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::{Term, measure_text_width, truncate_str};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::terminal::shown;
use step::Progress;

/// Letters between the brackets of a bar.
const BAR: usize = 20;
/// Columns that a line takes beside its words: the spinner, a space, and a free one at the end.
const BESIDE: usize = 3;

/// The live line of one thing that is being done.
#[derive(Debug)]
pub struct Line {
    pub(super) bar: ProgressBar,
    seen: Arc<Mutex<Option<Progress>>>,
}

impl Line {
    /// A line by itself.
    pub fn new(name: &str, hidden: bool) -> Line {
        let bar = ProgressBar::no_length();
        if hidden {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Line::of(bar, name)
    }

    /// A line that is drawn as this bar.
    pub fn of(bar: ProgressBar, name: &str) -> Line {
        let name = shown(name).replace(['\n', '\t'], " ");
        let seen = Arc::new(Mutex::new(None));
        let last = seen.clone();
        draw_words(&bar, "{spinner} {words}", move |elapsed, width| {
            in_words(&name, locked(&last).as_ref(), elapsed, width)
        });
        Line { bar, seen }
    }

    /// Brings the line up to date.
    pub fn update(&self, progress: &Progress) {
        if !matches!(progress, Progress::Note(_)) {
            *locked(&self.seen) = Some(progress.clone());
        }
    }

    /// Prints something above the line.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the line away.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }
}

/// Has a bar drawn as a template with `{words}`, which are made anew each time, given the time since it
/// began and how many columns there are for them.
pub fn draw_words(
    bar: &ProgressBar,
    template: &str,
    words: impl Fn(Duration, usize) -> String + Clone + Send + Sync + 'static,
) {
    let key = move |state: &ProgressState, to: &mut dyn fmt::Write| {
        // Asked each time, since windows are drawn larger and smaller.
        let (_, columns) = Term::stderr().size();
        let width = usize::from(columns).saturating_sub(BESIDE);
        let _ = to.write_str(&words(state.elapsed(), width));
    };
    let style = ProgressStyle::with_template(template).expect("the template is fixed and right");
    bar.set_style(style.with_key("words", key));
    // A thread for each bar, for nothing where nobody sees it.
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
}

/// What is behind a lock; a panic elsewhere leaves nothing behind that could not be shown.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest of these texts that fits, given longest first; if none does, the beginning of the last.
pub fn fitting(texts: impl IntoIterator<Item = String>, width: usize) -> String {
    let mut last = String::new();
    for text in texts {
        if measure_text_width(&text) <= width {
            return text;
        }
        last = text;
    }
    truncate_str(&last, width, "…").into_owned()
}

/// A part of a line: how dispensable it is, and its words.
type Part = (u8, String);

/// How dispensable the long form of how far it is; in its place a short one stays.
const LONG_COUNT: u8 = 2;
/// The most dispensable of all parts.
const ELAPSED: u8 = 8;

/// How far a thing is, in at most so many columns: what matters least is left out first, its name and how
/// much of it is done last.
fn in_words(name: &str, progress: Option<&Progress>, elapsed: Duration, width: usize) -> String {
    let elapsed = (ELAPSED, format!("{:#} so far", HumanDuration(elapsed)));
    let Some((done, total, long, mut parts)) = progress.and_then(parts_of) else {
        return fitting([format!("{name} {}", elapsed.1), name.to_owned()], width);
    };
    parts.push(elapsed);
    let filled = BAR as f64 * done as f64 / total.max(1) as f64;
    let filled = "=".repeat((filled as usize).min(BAR - 1)) + ">";
    let texts = (0..=ELAPSED).rev().map(|most| {
        let bar = match most > LONG_COUNT {
            true => format!(" [{filled:<BAR$}]"),
            false => String::new(),
        };
        let count = match most >= LONG_COUNT {
            true => long.clone(),
            false => format!("{done}/{total}"),
        };
        let parts = parts.iter().filter(|(rank, _)| *rank <= most);
        let parts = parts.map(|(_, words)| format!(", {words}"));
        format!("{name}{bar} {count}{}", parts.collect::<String>())
    });
    fitting(texts, width)
}

/// How much of how much is done, that in words, and what else there is to say.
fn parts_of(progress: &Progress) -> Option<(u64, u64, String, Vec<Part>)> {
    Some(match progress {
        Progress::Note(_) => return None,
        Progress::Bytes { done, total } => {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            let (of, all) = (megabytes(*done), megabytes(*total));
            (*done, *total, format!("{of:.1} of {all:.1} MB"), Vec::new())
        }
        Progress::Items { what, done, total } => {
            let long = format!("{done} of {total} {what}");
            (*done, *total, long, Vec::new())
        }
        Progress::Training {
            iteration,
            iterations,
            images_per_second,
            loss,
            train_error,
            test_error,
            seconds_left,
        } => {
            let long = format!("iteration {iteration} of {iterations}");
            let mut parts = vec![
                (5, format!("{images_per_second:.0} images/s")),
                (7, format!("loss {loss:.3}")),
                (6, format!("train error {train_error:.1} %")),
            ];
            parts.extend(test_error.map(|error| (4, format!("test error {error:.1} %"))));
            // What no duration can be is none.
            let left = Duration::try_from_secs_f64(*seconds_left).unwrap_or_default();
            parts.push((1, format!("{:#} left", HumanDuration(left))));
            (*iteration, *iterations, long, parts)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> Progress {
        Progress::Training {
            iteration: 16000,
            iterations: 64000,
            images_per_second: 1234.5,
            seconds_left: 7300.0,
            loss: 0.5,
            train_error: 12.34,
            test_error: Some(13.46),
        }
    }

    fn at(width: usize, name: &str, progress: Option<&Progress>) -> String {
        let line = in_words(name, progress, Duration::from_secs(2400), width);
        assert!(measure_text_width(&line) <= width, "{width}: {line}");
        line
    }

    #[test]
    fn a_training_says_as_much_as_the_terminal_is_wide() {
        let says = |width, expected: &str| {
            let line = at(width - BESIDE, "train/resnet20/seed0", Some(&training()));
            assert_eq!(line, expected);
        };
        says(
            200,
            "train/resnet20/seed0 [=====>              ] iteration 16000 of 64000, 1234 images/s, loss 0.500, \
             train error 12.3 %, test error 13.5 %, 2h left, 40m so far",
        );
        says(
            110,
            "train/resnet20/seed0 [=====>              ] iteration 16000 of 64000, test error 13.5 %, \
             2h left",
        );
        says(
            80,
            "train/resnet20/seed0 [=====>              ] iteration 16000 of 64000, 2h left",
        );
        says(40, "train/resnet20/seed0 16000/64000");
    }

    #[test]
    fn no_line_is_ever_wider_than_the_terminal() {
        let download = Progress::Bytes {
            done: 12_300_000,
            total: 170_000_000,
        };
        let images = Progress::Items {
            what: "images".into(),
            done: 120,
            total: 10_000,
        };
        for width in 1..200 {
            for progress in [None, Some(&training()), Some(&download), Some(&images)] {
                for name in ["download", "evaluate/größer/seed0", &"long".repeat(30)] {
                    at(width, name, progress);
                }
            }
        }
        let line = at(80, "download", Some(&download));
        let expected = "download [=>                  ] 12.3 of 170.0 MB, 40m so far";
        assert_eq!(line, expected);
        assert_eq!(
            at(30, "download", Some(&download)),
            "download 12.3 of 170.0 MB"
        );
        assert_eq!(at(8, "preprocess", Some(&images)), "preproc…");
        assert_eq!(at(80, "preprocess", None), "preprocess 40m so far");
    }

    #[test]
    fn numbers_that_make_no_sense_are_shown_all_the_same() {
        let strange = Progress::Training {
            iteration: u64::MAX,
            iterations: 0,
            images_per_second: f64::NAN,
            seconds_left: f64::NAN,
            loss: f64::INFINITY,
            train_error: -1.0,
            test_error: None,
        };
        let line = at(200, "a", Some(&strange));
        assert!(
            line.contains("loss inf") && line.contains("0s left"),
            "{line}"
        );
    }
}
