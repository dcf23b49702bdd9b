//! The choice of ranges and ticks: the paper's where they fit, readable ones for short runs.
//!
//! Pure functions of numbers; unaware of curves, panels and drawing.

/// An axis from 0 to `end`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub title: &'static str,
    /// In the unit of the data, not in that of the labels.
    pub end: f64,
    /// From the smallest value, 0, to the largest.
    pub ticks: Vec<Tick>,
}

/// A marked value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// From this length on the x axis counts tens of thousands of iterations, as in the paper, and
/// the start of the curves may lie above the y axis.
const LONG: u64 = 10_000;

/// More ticks than these (0 apart) crowd the x axis of a narrow panel.
const MAX_TICKS: u64 = 6;

/// Ranges of the y axis, in percent, with their gridlines. The first is that of Fig. 6.
const ERROR_TICKS: [&[u32]; 6] = [
    &[0, 5, 10, 20],
    &[0, 10, 20, 30],
    &[0, 10, 20, 30, 40],
    &[0, 20, 40, 60],
    &[0, 20, 40, 60, 80],
    &[0, 20, 40, 60, 80, 100],
];

/// The x axis for a training of this many iterations.
pub fn iterations(length: u64) -> Axis {
    let (title, unit) = if length < LONG {
        ("iter.", 1.0)
    } else {
        ("iter. (1e4)", 1e4)
    };
    counting(title, unit, length)
}

/// The x axis for networks with up to this many layers, as in Fig. 7.
pub fn layers(count: u64) -> Axis {
    counting("layer index", 1.0, count)
}

/// An axis of whole numbers up to `length`.
fn counting(title: &'static str, unit: f64, length: u64) -> Axis {
    let step = step(length);
    let ticks = (0..=length / step)
        .map(|index| {
            let value = (index * step) as f64;
            Tick {
                value,
                label: (value / unit).to_string(),
            }
        })
        .collect();
    Axis {
        title,
        end: length as f64,
        ticks,
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that needs no more than [`MAX_TICKS`].
fn step(length: u64) -> u64 {
    let mut decade = 1;
    loop {
        for factor in [1, 2, 5] {
            if length / (factor * decade) <= MAX_TICKS {
                return factor * decade;
            }
        }
        decade *= 10;
    }
}

/// Whether the y axis must reach up to the errors at this iteration.
///
/// A long run is judged by its last quarter, which lies after both steps of the learning rate:
/// the paper, too, lets the curves enter through the top. Of a short run all is shown.
pub fn must_be_seen(iteration: u64, length: u64) -> bool {
    length < LONG || iteration > length / 4 * 3
}

/// The y axis that holds errors up to `tallest` percent.
pub fn errors(tallest: f64) -> Axis {
    let ticks = ERROR_TICKS
        .iter()
        .find(|ticks| ticks.last().is_some_and(|&end| tallest <= f64::from(end)))
        .unwrap_or(&ERROR_TICKS[ERROR_TICKS.len() - 1]);
    let ticks: Vec<Tick> = ticks
        .iter()
        .map(|&value| Tick {
            value: f64::from(value),
            label: value.to_string(),
        })
        .collect();
    Axis {
        title: "error (%)",
        end: ticks.last().map_or(100.0, |tick| tick.value),
        ticks,
    }
}

/// Most gridlines (0 apart) of the axis of standard deviations.
const MAX_DEVIATION_TICKS: f64 = 4.0;

/// The y axis that holds standard deviations up to `tallest`: a little higher, with marks at multiples of
/// 1, 2 or 5 times a power of ten, as 1, 2 and 3 in Fig. 7.
pub fn deviations(tallest: f64) -> Axis {
    const TITLE: &str = "std";
    let tallest = tallest.clamp(1e-3, 1e30);
    // In thousandths, so that labels are exact.
    let end = tallest * 1000.0 * 1.05;
    let mut decade = 1.0;
    let step = loop {
        let steps = [1.0, 2.0, 5.0].map(|factor| factor * decade);
        match steps
            .into_iter()
            .find(|step| end / step < MAX_DEVIATION_TICKS + 1.0)
        {
            Some(step) => break step,
            None => decade *= 10.0,
        }
    };
    let ticks = (0..=(end / step) as u32).map(|index| {
        let value = f64::from(index) * step / 1000.0;
        Tick {
            value,
            label: value.to_string(),
        }
    });
    Axis {
        title: TITLE,
        end: end / 1000.0,
        ticks: ticks.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn a_full_run_has_the_axes_of_the_paper() {
        let x = iterations(64_000);
        assert_eq!((x.title, x.end), ("iter. (1e4)", 64_000.0));
        assert_eq!(labels(&x), ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(x.ticks[3].value, 30_000.0);
        let y = errors(14.1);
        assert_eq!((y.title, y.end), ("error (%)", 20.0));
        assert_eq!(labels(&y), ["0", "5", "10", "20"]);
    }

    #[test]
    fn short_runs_count_single_iterations() {
        let x = iterations(100);
        assert_eq!((x.title, x.end), ("iter.", 100.0));
        assert_eq!(labels(&x), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&iterations(1_000))[1..3], ["200", "400"]);
        assert_eq!(labels(&iterations(3)), ["0", "1", "2", "3"]);
    }

    #[test]
    fn runs_just_long_enough_count_fractions_of_ten_thousand() {
        let x = iterations(12_000);
        assert_eq!(x.title, "iter. (1e4)");
        assert_eq!(labels(&x), ["0", "0.2", "0.4", "0.6", "0.8", "1", "1.2"]);
    }

    #[test]
    fn no_length_has_too_many_or_too_few_ticks() {
        for length in (1..2_000).chain([9_999, 10_000, 64_400, 1_000_000]) {
            let ticks = iterations(length).ticks.len() as u64;
            assert!((2..=MAX_TICKS + 1).contains(&ticks), "{length}: {ticks}");
        }
    }

    #[test]
    fn the_y_axis_grows_to_hold_the_curves_and_ends_at_one_hundred() {
        let end = |tallest| errors(tallest).end;
        assert_eq!(
            [0.0, 20.0, 20.1, 33.0, 55.0, 61.0, 90.0, 120.0].map(end),
            [20.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0, 100.0]
        );
        assert_eq!(labels(&errors(90.0)), ["0", "20", "40", "60", "80", "100"]);
    }

    #[test]
    fn deviations_have_the_marks_of_the_paper_and_others_where_they_do_not_fit() {
        let marks = |tallest| labels(&deviations(tallest)).join(" ");
        assert_eq!(marks(3.3), "0 1 2 3");
        assert_eq!(marks(0.9), "0 0.2 0.4 0.6 0.8");
        assert_eq!(marks(0.3), "0 0.1 0.2 0.3");
        assert_eq!(marks(17.0), "0 5 10 15");
        assert_eq!(marks(0.0), "0 0.001");
        for tallest in [
            1e-9,
            0.0123,
            0.49,
            1.0,
            4.99,
            123.0,
            1e6,
            1e300,
            f64::INFINITY,
        ] {
            let axis = deviations(tallest);
            assert!((2..=6).contains(&axis.ticks.len()), "{tallest}: {axis:?}");
            assert!(axis.ticks.last().unwrap().value <= axis.end, "{axis:?}");
            assert!(axis.end >= tallest.min(1e30), "{axis:?}");
        }
    }

    #[test]
    fn only_the_last_quarter_of_a_long_run_must_be_seen() {
        assert!(!must_be_seen(1_000, 64_000));
        assert!(!must_be_seen(48_000, 64_000));
        assert!(must_be_seen(48_001, 64_000));
        assert!(must_be_seen(1, 9_999));
    }
}
