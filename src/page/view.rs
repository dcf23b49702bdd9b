//! What the sections show beside the data itself: sums over seeds, and where things lie on a line.
//!
//! Unaware of HTML.

use std::collections::BTreeMap;

use serde::Serialize;

use super::data::{ClaimKind, Data, Judged, Run, Standing, StepLine};
use records::Evaluation;
use statistics::{Interval, Verdict};

/// What the templates are told beside [`Data`].
#[derive(Debug, Serialize)]
pub struct View<'a> {
    /// How many claims got each verdict, by its name.
    pub verdicts: BTreeMap<&'static str, usize>,
    pub claims: Vec<Group<'a>>,
    pub models: Vec<ModelErrors<'a>>,
    pub classes: Vec<&'a str>,
    pub stages: Vec<Stage<'a>>,
    pub up_to_date: usize,
    /// How long all steps took together.
    pub seconds: f64,
}

/// Claims of a kind, with the axis that they share.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    pub kind: ClaimKind,
    pub ticks: Vec<Tick>,
    pub claims: Vec<Placed<'a>>,
}

/// A number on an axis.
#[derive(Debug, PartialEq, Serialize)]
pub struct Tick {
    /// In percent of the axis.
    pub at: f64,
    pub number: f64,
}

/// A claim on its axis.
#[derive(Debug, Serialize)]
pub struct Placed<'a> {
    pub claim: &'a Judged,
    pub line: Option<Line>,
}

/// Places in percent of the axis.
#[derive(Debug, PartialEq, Serialize)]
pub struct Line {
    pub zero: f64,
    pub estimate: f64,
    pub low: f64,
    pub width: f64,
    /// Where the claim holds.
    pub holds: f64,
    pub holds_width: f64,
}

/// A model's errors on the test images, over its evaluated seeds.
#[derive(Debug, Serialize)]
pub struct ModelErrors<'a> {
    pub model: &'a str,
    pub label: &'a str,
    pub seeds: usize,
    /// Mean error in percent by class; absent where there is no image.
    pub errors: Vec<Option<f64>>,
    /// Sums over the seeds, each with its share of the row in tenths.
    pub confusion: Vec<Vec<Cell>>,
}

/// How many images of a class were taken for another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub images: u64,
    pub tenths: u64,
}

/// The steps of a kind.
#[derive(Debug, Serialize)]
pub struct Stage<'a> {
    pub kind: &'a str,
    /// The kinds of the steps that they read from.
    pub reads: Vec<&'a str>,
    /// Steps by what they have in common, such as the model.
    pub rows: Vec<(&'a str, Vec<&'a StepLine>)>,
}

impl<'a> View<'a> {
    /// Of this data.
    pub fn of(data: &'a Data) -> View<'a> {
        let mut verdicts = BTreeMap::from(["confirmed", "refuted", "undecided"].map(|it| (it, 0)));
        for judged in &data.verdicts {
            let word = match judged.judgement.verdict {
                Verdict::Confirmed => "confirmed",
                Verdict::Refuted => "refuted",
                Verdict::Undecided => "undecided",
            };
            *verdicts.entry(word).or_default() += 1;
        }
        let kinds = [ClaimKind::Mean, ClaimKind::Order, ClaimKind::Count];
        let claims = kinds.map(|kind| group(kind, &data.verdicts));
        let evaluations = data.runs.iter().filter_map(|run| run.evaluation.as_ref());
        let classes = evaluations.map(|it| it.classes.iter().map(|class| class.class.as_str()));
        let up_to_date =
            |step: &&StepLine| matches!(step.standing, Standing::UpToDate | Standing::CarriedOver);
        View {
            verdicts,
            claims: claims
                .into_iter()
                .filter(|group| !group.claims.is_empty())
                .collect(),
            models: models(&data.runs),
            classes: classes.into_iter().next().into_iter().flatten().collect(),
            stages: stages(&data.steps),
            up_to_date: data.steps.iter().filter(up_to_date).count(),
            seconds: data.steps.iter().filter_map(|step| step.seconds).sum(),
        }
    }
}

fn group(kind: ClaimKind, all: &[Judged]) -> Group<'_> {
    let claims = all.iter().filter(|judged| judged.kind == kind);
    let claims: Vec<&Judged> = claims.collect();
    let tests = claims.iter().filter_map(|judged| judged.judgement.test);
    let ends = claims.iter().flat_map(|judged| judged.holds).flatten();
    let numbers = tests
        .flat_map(|test| [test.interval.low, test.interval.high, test.estimate])
        .chain(ends);
    let axis = Axis::over(numbers);
    let placed = claims.iter().map(|&claim| Placed {
        claim,
        line: claim
            .judgement
            .test
            .map(|test| axis.line(test.estimate, test.interval, claim.holds)),
    });
    let placed: Vec<Placed> = placed.collect();
    let any = placed.iter().any(|claim| claim.line.is_some());
    Group {
        kind,
        ticks: if any { axis.ticks() } else { Vec::new() },
        claims: placed,
    }
}

/// An axis that zero is on.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// One that has these numbers on it, and some room.
    fn over(numbers: impl Iterator<Item = f64>) -> Axis {
        let numbers = numbers.filter(|number| number.is_finite());
        let ends = (0.0_f64, 0.0_f64);
        let (low, high) = numbers.fold(ends, |(low, high), it| (low.min(it), high.max(it)));
        let room = ((high - low) * 0.04).max(0.01);
        Axis {
            low: low - room,
            high: high + room,
        }
    }

    /// In percent, to a hundredth.
    fn place(&self, number: f64) -> f64 {
        let part = (number - self.low) / (self.high - self.low);
        (part.clamp(0.0, 1.0) * 10_000.0).round() / 100.0
    }

    fn line(&self, estimate: f64, interval: Interval, holds: [Option<f64>; 2]) -> Line {
        let span = |from: f64, to: f64| {
            let (from, to) = (self.place(from), self.place(to));
            (from, ((to - from) * 100.0).round() / 100.0)
        };
        let (low, width) = span(interval.low, interval.high);
        let [from, to] = holds;
        let (holds, holds_width) = span(from.unwrap_or(self.low), to.unwrap_or(self.high));
        Line {
            zero: self.place(0.0),
            estimate: self.place(estimate),
            low,
            width,
            holds,
            holds_width,
        }
    }

    /// Round numbers, three to seven of them.
    fn ticks(&self) -> Vec<Tick> {
        let width = self.high - self.low;
        let unit = 10_f64.powf((width / 3.0).log10().floor());
        let steps = [10.0, 5.0, 2.0, 1.0].map(|factor| factor * unit);
        let fits = |step: &f64| width / step >= 3.0;
        let step = steps.into_iter().find(fits).unwrap_or(unit);
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let count = (last - first).clamp(0.0, 20.0) as u32;
        let ticks = (0..=count).map(|place| {
            let number = (first + f64::from(place)) * step;
            Tick {
                at: self.place(number),
                number,
            }
        });
        ticks.collect()
    }
}

/// Each model of which a run was evaluated.
fn models(runs: &[Run]) -> Vec<ModelErrors<'_>> {
    let mut models: Vec<(&Run, Vec<&Evaluation>)> = Vec::new();
    for run in runs {
        let Some(evaluation) = &run.evaluation else {
            continue;
        };
        match models.last_mut() {
            Some((first, evaluations)) if first.model == run.model => evaluations.push(evaluation),
            _ => models.push((run, vec![evaluation])),
        }
    }
    let models = models.into_iter().map(|(run, evaluations)| ModelErrors {
        model: &run.model,
        label: &run.label,
        seeds: evaluations.len(),
        errors: class_errors(&evaluations),
        confusion: confusion(&evaluations),
    });
    models.collect()
}

fn class_errors(evaluations: &[&Evaluation]) -> Vec<Option<f64>> {
    let classes = evaluations.iter().map(|it| it.classes.len()).max();
    let classes = (0..classes.unwrap_or(0)).map(|place| {
        let classes = evaluations.iter().filter_map(|it| it.classes.get(place));
        let errors: Vec<f64> = classes.filter_map(|class| class.test_error).collect();
        (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
    });
    classes.collect()
}

fn confusion(evaluations: &[&Evaluation]) -> Vec<Vec<Cell>> {
    let mut sums: Vec<Vec<u64>> = Vec::new();
    for evaluation in evaluations {
        for (row, counts) in evaluation.confusion.iter().enumerate() {
            sums.resize_with(sums.len().max(row + 1), Vec::new);
            let sum = &mut sums[row];
            sum.resize(sum.len().max(counts.len()), 0);
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum = sum.saturating_add(*count);
            }
        }
    }
    let rows = sums.into_iter().map(|row| {
        let all = row.iter().copied().fold(0, u64::saturating_add).max(1);
        let cells = row.into_iter().map(|images| Cell {
            images,
            tenths: (images as f64 / all as f64 * 10.0).ceil() as u64,
        });
        cells.collect()
    });
    rows.collect()
}

/// Steps by kind, and within a kind by the middle of their names: `train/resnet20/seed0` by `resnet20`.
fn stages(steps: &[StepLine]) -> Vec<Stage<'_>> {
    let mut stages: Vec<Stage> = Vec::new();
    for step in steps {
        let middle = step.step.split('/').nth(1).unwrap_or(&step.step);
        let place = stages.iter().position(|stage| stage.kind == step.kind);
        let place = place.unwrap_or_else(|| {
            stages.push(Stage {
                kind: &step.kind,
                reads: Vec::new(),
                rows: Vec::new(),
            });
            stages.len() - 1
        });
        for input in step.inputs.values() {
            let kind = input.from.split('/').next().unwrap_or(&input.from);
            let reads = &mut stages[place].reads;
            if !reads.contains(&kind) {
                reads.push(kind);
            }
        }
        let rows = &mut stages[place].rows;
        match rows.iter_mut().find(|(name, _)| *name == middle) {
            Some((_, row)) => row.push(step),
            None => rows.push((middle, vec![step])),
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_zero_and_a_few_round_numbers_on_it() {
        for (low, high) in [(-0.9, 0.4), (3.0, 31.0), (-44.0, -32.0), (0.0, 0.0)] {
            let axis = Axis::over([low, high].into_iter());
            let ticks = axis.ticks();
            assert!((3..=8).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(
                ticks.iter().any(|tick| tick.number.abs() < 1e-9),
                "{ticks:?}"
            );
            assert!(ticks.iter().all(|tick| (0.0..=100.0).contains(&tick.at)));
        }
    }

    #[test]
    fn an_interval_lies_where_its_numbers_are() {
        let axis = Axis {
            low: -1.0,
            high: 1.0,
        };
        let interval = Interval {
            low: -0.5,
            high: 0.5,
        };
        let line = axis.line(0.25, interval, [Some(0.0), None]);
        let expected = Line {
            zero: 50.0,
            estimate: 62.5,
            low: 25.0,
            width: 50.0,
            holds: 50.0,
            holds_width: 50.0,
        };
        assert_eq!(line, expected);
    }

    #[test]
    fn confusions_of_all_seeds_are_added_up() {
        let evaluation = |confusion: [[u64; 2]; 2]| Evaluation {
            images: 10,
            errors: 0,
            test_error: 0.0,
            classes: Vec::new(),
            confusion: confusion.map(Vec::from).into(),
        };
        let (one, two) = (evaluation([[4, 1], [0, 5]]), evaluation([[5, 0], [0, 5]]));
        let cell = |images, tenths| Cell { images, tenths };
        assert_eq!(
            confusion(&[&one, &two]),
            [vec![cell(9, 9), cell(1, 1)], vec![cell(0, 0), cell(10, 10)]]
        );
    }
}
