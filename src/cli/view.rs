//! A run as it happens: live lines on a terminal, plain lines in a pipe, JSON lines for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out::Out;
use super::terminal::{Paint, paint, paint_stderr, shown, shown_as_one};
use crate::plan::{Forecast, Offer, Sum};
use crate::run::Event;
use records::Evaluation;
use step::Progress;
use store::{Entry, Running, TrainingProgress};

/// Reasons that are spelt out; more are only counted.
pub const REASONS_SHOWN: usize = 2;

/// What shows the events of one run.
#[derive(Debug)]
pub struct View {
    json: bool,
    quiet: bool,
    live: MultiProgress,
    running: BTreeMap<String, Line>,
}

impl View {
    pub fn new(quiet: bool, json: bool) -> View {
        // Without a terminal on standard error, indicatif draws nothing by itself.
        let live = MultiProgress::new();
        if quiet || json {
            live.set_draw_target(ProgressDrawTarget::hidden());
        }
        View {
            json,
            quiet,
            live,
            running: BTreeMap::new(),
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event, out: &mut Out) {
        if self.json {
            out.json_line(event);
            return;
        }
        match event {
            Event::UpToDate { .. } => {}
            Event::Started { step, reasons, .. } => {
                self.print(
                    out,
                    &format!(
                        "{} {step}: {}",
                        paint(Paint::Dim, "start"),
                        shortened_list(reasons, REASONS_SHOWN)
                    ),
                );
                self.open_line(step);
            }
            Event::Elsewhere { step } => {
                self.print(
                    out,
                    &format!("{step}: another fig6 computes it; waiting for its result"),
                );
            }
            Event::Progress {
                step,
                progress: Progress::Note(note),
            } => {
                self.print(out, &format!("{step}: {note}"));
            }
            Event::Progress { step, progress } => {
                if let Some(line) = self.running.get(step) {
                    line.update(progress);
                }
            }
            Event::Finished {
                step,
                summary,
                seconds,
                same_bytes,
            } => {
                self.close_line(step);
                let same = if *same_bytes == Some(true) {
                    ", same bytes as before"
                } else {
                    ""
                };
                let mark = paint(Paint::Green, "done");
                self.print(
                    out,
                    &format!("{mark}  {step}: {summary} ({seconds:.1} s{same})"),
                );
            }
            Event::CarriedOver {
                step,
                summary,
                from,
                iterations,
                seconds,
            } => {
                self.close_line(step);
                let mark = paint(Paint::Green, "kept");
                let from = from.short();
                self.print(
                    out,
                    &format!(
                        "{mark}  {step}: {summary} (carried over from key {from}: a replay of {iterations} \
                         iterations came out the same, {seconds:.1} s)"
                    ),
                );
            }
            Event::Failed { step, cause, log } => {
                self.close_line(step);
                let mark = paint_stderr(Paint::Red, "error:");
                let text = format!("{mark} {step}: {cause}\n  log: {}", log.display());
                let text = shown_as_one(&text);
                // An error is said even by a quiet run.
                self.live.suspend(|| {
                    let mut stderr = std::io::stderr().lock();
                    drop(std::io::Write::write_fmt(
                        &mut stderr,
                        format_args!("{text}\n"),
                    ));
                });
            }
            Event::Skipped { step, because } => {
                self.close_line(step);
                self.print(
                    out,
                    &format!("{} {step}: {because}", paint(Paint::Yellow, "skip")),
                );
            }
        }
    }

    /// Takes all live lines away.
    pub fn close(&mut self) {
        self.running.clear();
        // A terminal that went away needs no clearing.
        let _ = self.live.clear();
    }

    fn print(&self, out: &mut Out, line: &str) {
        if !self.quiet {
            self.live.suspend(|| out.remark(line));
        }
    }

    fn open_line(&mut self, step: &str) {
        let bar = self.live.add(ProgressBar::no_length());
        self.running.insert(step.to_owned(), Line::of(bar, step));
    }

    fn close_line(&mut self, step: &str) {
        if let Some(line) = self.running.remove(step) {
            line.close();
            self.live.remove(&line.0);
        }
    }
}

/// The live line of one thing that is being done; nothing where there is no terminal.
#[derive(Debug)]
pub struct Line(ProgressBar);

impl Line {
    /// A line by itself.
    pub fn new(name: &str, hidden: bool) -> Line {
        let bar = ProgressBar::no_length();
        if hidden {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Line::of(bar, name)
    }

    fn of(bar: ProgressBar, name: &str) -> Line {
        let template = "{spinner} {prefix} [{bar:20}] {msg} {elapsed}";
        let appearance = ProgressStyle::with_template(template)
            .expect("the template is fixed and right")
            .progress_chars("=> ");
        bar.set_style(appearance);
        bar.set_prefix(shown(name).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Line(bar)
    }

    /// Brings the line up to date.
    pub fn update(&self, progress: &Progress) {
        let Some((done, total, message)) = in_words(progress) else {
            return;
        };
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_message(message);
    }

    /// Prints something above the line.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// Takes the line away.
    pub fn close(&self) {
        self.0.finish_and_clear();
    }
}

/// How much of how much is done, and all of it in words.
fn in_words(progress: &Progress) -> Option<(u64, u64, String)> {
    Some(match progress {
        Progress::Note(_) => return None,
        Progress::Bytes { done, total } => {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            (
                *done,
                *total,
                format!("{:.1} of {:.1} MB", megabytes(*done), megabytes(*total)),
            )
        }
        Progress::Items { what, done, total } => {
            (*done, *total, format!("{done} of {total} {what}"))
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
            let test =
                test_error.map_or_else(String::new, |error| format!(", test error {error:.1} %"));
            let left =
                indicatif::HumanDuration(Duration::from_secs_f64(seconds_left.clamp(0.0, 1e9)));
            let message = format!(
                "iteration {iteration} of {iterations}, {images_per_second:.0} images/s, loss {loss:.3}, \
                 train error {train_error:.1} %{test}, {left:#} left,"
            );
            (*iteration, *iterations, message)
        }
    })
}

/// The first of several texts; the others are only counted.
pub fn shortened_list<T: ToString>(texts: &[T], most: usize) -> String {
    let shown: Vec<String> = texts.iter().take(most).map(T::to_string).collect();
    let shown = shown.join(", ");
    match texts.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a result says, and who computed it if it was another backend than the one that would now.
pub fn line_of(entry: &Entry, backend: &str) -> String {
    let summary = &entry.summary;
    match &entry.backend {
        Some(other) if other != backend => format!("{summary} (by {other} on {})", entry.host),
        _ => summary.clone(),
    }
}

/// How many steps are running, must and may run, and how long that will take as far as earlier runs tell.
pub fn forecast_in_words(forecast: &Forecast) -> String {
    let time = |sum: &Sum, word: &str| match (sum.steps, sum.unknown) {
        (steps, unknown) if steps == unknown => String::new(),
        (_, 0) => format!(" ({word} {})", duration(sum.seconds)),
        (_, unknown) => format!(
            " ({word} {}, and {unknown} that never ran here)",
            duration(sum.seconds)
        ),
    };
    let Forecast {
        must, may, running, ..
    } = forecast;
    let elsewhere = match running.steps {
        0 => String::new(),
        steps => format!("{steps} running{}, ", time(running, "about")),
    };
    format!(
        "{elsewhere}{} must run{}, {} may run{}",
        must.steps,
        time(must, "about"),
        may.steps,
        time(may, "up to")
    )
}

/// Which process computes a step, seen from the machine of this name, and how far it is.
pub fn running_in_words(running: &Running, host: &str) -> String {
    let mut words = format!("process {}", running.process);
    if running.host != host {
        words += &format!(" on {}", running.host);
    }
    if let Some(TrainingProgress {
        iteration,
        iterations,
        seconds_left,
    }) = running.training
    {
        let left = duration(seconds_left);
        words += &format!(", iteration {iteration} of {iterations}, {left} left");
    }
    words
}

/// What a replay would spare.
pub fn offer_in_words(offer: &Offer) -> String {
    format!(
        "only code differs: {}, or a replay of {} iterations: about {} (--replay)",
        duration(offer.training_seconds),
        offer.iterations,
        duration(offer.seconds)
    )
}

/// The test error in one line.
pub fn in_points(evaluation: &Evaluation) -> String {
    format!(
        "test error {:.2} % ({} of {} images)",
        evaluation.test_error, evaluation.errors, evaluation.images
    )
}

/// The errors of each class, a line each.
pub fn by_class(evaluation: &Evaluation) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for class in &evaluation.classes {
        let error = class
            .test_error
            .map_or_else(|| "–".to_owned(), |error| format!("{error:.2} %"));
        table.add_row([
            class.class.clone(),
            error,
            format!("({} of {})", class.errors, class.images),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// A time in words, to two digits or so.
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..1.0 => "1 s".to_owned(),
        1.0..100.0 => format!("{seconds:.0} s"),
        _ => indicatif::HumanDuration(Duration::from_secs_f64(seconds.min(1e9))).to_string(),
    }
}
