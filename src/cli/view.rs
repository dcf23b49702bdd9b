//! A run as it happens: live lines on a terminal, plain lines in a pipe, JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::left::TimeLeft;
use super::line::{Line, draw_words, locked};
use super::out::Out;
use super::terminal::{Paint, paint, paint_stderr, shown_as_one};
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
    /// The last line, once a step has begun: how long the whole run will still take.
    whole: Option<ProgressBar>,
    left: Arc<Mutex<TimeLeft>>,
    began: Instant,
}

impl View {
    /// Shows a run that has this before it, by these lines.
    pub fn new(live: MultiProgress, quiet: bool, json: bool, left: TimeLeft) -> View {
        // Without a terminal on standard error, indicatif draws nothing by itself.
        if quiet || json {
            live.set_draw_target(ProgressDrawTarget::hidden());
        }
        View {
            json,
            quiet,
            live,
            running: BTreeMap::new(),
            whole: None,
            left: Arc::new(Mutex::new(left)),
            began: Instant::now(),
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event, out: &mut Out) {
        if self.json {
            out.json_line(event);
            return;
        }
        self.reckon(event);
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
        self.whole = None;
        // A terminal that went away needs no clearing.
        let _ = self.live.clear();
    }

    fn print(&self, out: &mut Out, line: &str) {
        if !self.quiet {
            self.live.suspend(|| out.remark(line));
        }
    }

    /// Brings the time left up to date.
    fn reckon(&self, event: &Event) {
        let now = self.began.elapsed().as_secs_f64();
        let mut left = locked(&self.left);
        match event {
            Event::Started { step, .. } => left.begin(step, now),
            Event::Progress { step, progress } => left.progress(step, progress, now),
            Event::Finished { step, seconds, .. } => left.end(step, Some(*seconds)),
            Event::UpToDate { step, .. }
            | Event::CarriedOver { step, .. }
            | Event::Failed { step, .. }
            | Event::Skipped { step, .. } => left.end(step, None),
            Event::Elsewhere { .. } => {}
        }
    }

    fn open_line(&mut self, step: &str) {
        let whole = self.whole.get_or_insert_with(|| {
            let bar = self.live.add(ProgressBar::no_length());
            let (left, began) = (self.left.clone(), self.began);
            draw_words(&bar, "  {words}", move |_, width| {
                locked(&left).in_words(began.elapsed().as_secs_f64(), width)
            });
            bar
        });
        let bar = self.live.insert_before(whole, ProgressBar::no_length());
        self.running.insert(step.to_owned(), Line::of(bar, step));
    }

    fn close_line(&mut self, step: &str) {
        if let Some(line) = self.running.remove(step) {
            line.close();
            self.live.remove(&line.bar);
        }
    }
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
        _ if entry.carried_over => format!("{summary} (carried over)"),
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
        test_error,
    }) = running.training
    {
        let left = duration(seconds_left);
        words += &format!(", iteration {iteration} of {iterations}, {left} left");
        if let Some(test_error) = test_error {
            words += &format!(", test error {test_error:.2} %");
        }
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

/// So many of something, whose plural ends in s.
pub fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// A time in words, to two digits or so.
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..1.0 => "1 s".to_owned(),
        1.0..100.0 => format!("{seconds:.0} s"),
        _ => indicatif::HumanDuration(Duration::from_secs_f64(seconds.min(1e9))).to_string(),
    }
}
