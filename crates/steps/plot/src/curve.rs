//! From the metrics of several seeds to one curve with a band, cut where it leaves the axes.
//!
//! Unaware of colours, labels and drawing.

use anyhow::{Result, ensure};

use records::Metrics;
use summary::Spread;
use summary::spread;

/// The errors of all seeds after the same number of iterations, in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub iteration: u64,
    pub train: Spread,
    pub test: Spread,
}

impl Point {
    /// The highest value that is drawn here, the bands included.
    pub fn tallest(&self) -> f64 {
        let top = |spread: &Spread| spread.mean + spread.std.unwrap_or(0.0);
        top(&self.train).max(top(&self.test))
    }
}

/// Which of a point's errors.
pub type Which = fn(&Point) -> &Spread;

/// A place in the coordinate system: iteration and error in percent.
pub type Vertex = (f64, f64);

/// One point for each row of the metrics. Each run is given with the name of its input.
///
/// # Errors
/// If there is no run, a run has no rows, or the runs were measured at different iterations.
pub fn average(runs: &[(String, Vec<Metrics>)]) -> Result<Vec<Point>> {
    let Some((first_name, first)) = runs.first() else {
        anyhow::bail!("it has no seeds; give it at least one");
    };
    ensure!(!first.is_empty(), "input {first_name} has no rows");
    for (name, rows) in runs {
        let differs = (0..first.len().max(rows.len())).find(|&row| {
            first.get(row).map(|line| line.iteration) != rows.get(row).map(|line| line.iteration)
        });
        if let Some(row) = differs {
            let at = |rows: &[Metrics]| {
                rows.get(row).map_or_else(
                    || "nothing".to_owned(),
                    |line| format!("iteration {}", line.iteration),
                )
            };
            anyhow::bail!(
                "line {} has {} in {first_name} and {} in {name}; \
                 seeds that are averaged must be measured at the same iterations",
                row + 1,
                at(first),
                at(rows),
            );
        }
    }
    let over = |row: usize, value: fn(&Metrics) -> f64| {
        let sample: Vec<f64> = runs.iter().map(|(_, rows)| value(&rows[row])).collect();
        spread(&sample).expect("there is at least one run")
    };
    Ok((0..first.len())
        .map(|row| Point {
            iteration: first[row].iteration,
            train: over(row, |line| line.train_error),
            test: over(row, |line| line.test_error),
        })
        .collect())
}

/// The mean curve.
pub fn line(points: &[Point], error: Which) -> Vec<Vertex> {
    points
        .iter()
        .map(|point| (point.iteration as f64, error(point).mean))
        .collect()
}

/// The outline of one standard deviation about the mean, from 0 to `top`; `None` where there is
/// only one run and so no spread.
pub fn band(points: &[Point], error: Which, top: f64) -> Option<Vec<Vertex>> {
    let edge = |sign: f64| -> Option<Vec<Vertex>> {
        let edge: Option<Vec<Vertex>> = points
            .iter()
            .map(|point| {
                let Spread { mean, std, .. } = error(point);
                std.map(|std| (point.iteration as f64, (mean + sign * std).max(0.0)))
            })
            .collect();
        let cut = with_crossings(&edge?, top).into_iter();
        Some(cut.map(|(x, y)| (x, y.min(top))).collect())
    };
    let mut outline = edge(1.0)?;
    outline.extend(edge(-1.0)?.into_iter().rev());
    Some(outline)
}

/// The parts of a line that lie at or below `top`, cut exactly where it crosses.
pub fn below(line: &[Vertex], top: f64) -> Vec<Vec<Vertex>> {
    with_crossings(line, top)
        .split(|&(_, y)| y > top)
        .filter(|piece| !piece.is_empty())
        .map(<[Vertex]>::to_vec)
        .collect()
}

/// The line with a vertex added wherever it crosses `top`.
fn with_crossings(line: &[Vertex], top: f64) -> Vec<Vertex> {
    let mut result = Vec::with_capacity(line.len());
    for (index, &(x, y)) in line.iter().enumerate() {
        if let Some(&(x0, y0)) = index.checked_sub(1).map(|before| &line[before])
            && (y0 > top && y < top || y0 < top && y > top)
        {
            result.push((x0 + (x - x0) * (top - y0) / (y - y0), top));
        }
        result.push((x, y));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(iteration: u64, train_error: f64, test_error: f64) -> Metrics {
        Metrics {
            iteration,
            epoch: 0,
            learning_rate: 0.1,
            train_loss: 1.0,
            train_error,
            validation_error: None,
            test_error,
        }
    }

    fn run(name: &str, rows: &[(u64, f64, f64)]) -> (String, Vec<Metrics>) {
        let rows = rows.iter().map(|&(x, a, b)| row(x, a, b)).collect();
        (name.to_owned(), rows)
    }

    #[test]
    fn every_row_becomes_one_point_with_the_mean_over_the_seeds() {
        let points = average(&[
            run("a", &[(10, 80.0, 70.0), (20, 40.0, 50.0)]),
            run("b", &[(10, 82.0, 76.0), (20, 44.0, 50.0)]),
        ])
        .unwrap();
        assert_eq!(
            line(&points, |point| &point.train),
            [(10.0, 81.0), (20.0, 42.0)]
        );
        assert_eq!(
            line(&points, |point| &point.test),
            [(10.0, 73.0), (20.0, 50.0)]
        );
        assert!((points[0].tallest() - (81.0 + 2.0_f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn one_seed_has_no_band_and_two_have_one() {
        let one = run("a", &[(10, 8.0, 7.0), (20, 4.0, 5.0)]);
        let two = run("b", &[(10, 8.0, 9.0), (20, 4.0, 5.0)]);
        let points = average(std::slice::from_ref(&one)).unwrap();
        assert_eq!(band(&points, |point| &point.test, 20.0), None);
        let points = average(&[one, two]).unwrap();
        let std = 2.0_f64.sqrt();
        assert_eq!(
            band(&points, |point| &point.test, 20.0).unwrap(),
            [
                (10.0, 8.0 + std),
                (20.0, 5.0),
                (20.0, 5.0),
                (10.0, 8.0 - std)
            ]
        );
    }

    #[test]
    fn seeds_measured_at_different_iterations_are_refused() {
        let first = run("metrics/a/seed0", &[(10, 1.0, 1.0), (20, 1.0, 1.0)]);
        let other = run("metrics/a/seed1", &[(10, 1.0, 1.0), (30, 1.0, 1.0)]);
        let error = average(&[first.clone(), other]).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 2 has iteration 20 in metrics/a/seed0 and iteration 30 in metrics/a/seed1; \
             seeds that are averaged must be measured at the same iterations"
        );
        let shorter = run("metrics/a/seed1", &[(10, 1.0, 1.0)]);
        let error = average(&[first, shorter]).unwrap_err().to_string();
        assert!(error.contains("and nothing in metrics/a/seed1"), "{error}");
    }

    #[test]
    fn a_curve_without_seeds_or_rows_is_refused() {
        assert!(average(&[]).unwrap_err().to_string().contains("no seeds"));
        let error = average(&[run("metrics/a/seed0", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "input metrics/a/seed0 has no rows");
    }

    #[test]
    fn a_line_is_cut_exactly_where_it_leaves_the_axes() {
        let line = [
            (0.0, 40.0),
            (10.0, 10.0),
            (20.0, 20.0),
            (30.0, 30.0),
            (40.0, 10.0),
        ];
        assert_eq!(
            below(&line, 20.0),
            [
                vec![(20.0 / 3.0, 20.0), (10.0, 10.0), (20.0, 20.0)],
                vec![(35.0, 20.0), (40.0, 10.0)],
            ]
        );
        assert_eq!(below(&line, 100.0), [line.to_vec()]);
    }
}
