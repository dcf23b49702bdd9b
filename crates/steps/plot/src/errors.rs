//! Fig. 6: training and test error over the iterations, one panel beside the other.
//!
//! Reads and checks; `curve` averages over seeds, `draw` is the layout.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Curve;
use super::{axis, curve, draw, palette};
use records::{Metrics, parse_metrics};
use step::Context;

/// What the figure shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCurves {
    /// From left to right.
    pub panels: Vec<Panel>,
    /// Length of the x axis; it grows where a training is longer.
    pub iterations: u64,
    /// A sentence under the figure, such as the reasons why it cannot be compared with the
    /// published one.
    pub note: Option<String>,
}

/// One coordinate system of the figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    /// Training error (dashed) and test error (solid) of each model, in the order in which they are
    /// drawn, the last on top.
    pub curves: Vec<Curve>,
}

/// Reads `metrics/<model>/seed<k>` of every curve and writes `fig6.svg`.
///
/// # Errors
/// If an input is missing, malformed or empty, a curve has no seeds, the seeds of one curve were
/// measured at different iterations, or there is no panel to draw.
pub fn run(params: &ErrorCurves, context: &mut Context) -> Result<String> {
    let svg = figure(params, |name| {
        let path = context.input(name)?;
        parse_metrics(&context.read_text(name)?, path)
            .with_context(|| format!("input {name} is not as expected"))
    })?;
    context.write("fig6.svg", svg)?;
    let curves: usize = params.panels.iter().map(|panel| panel.curves.len()).sum();
    Ok(format!("panels: {}, curves: {curves}", params.panels.len()))
}

/// The figure as SVG; `metrics` reads what `metrics/<model>/seed<k>` names.
///
/// # Errors
/// As [`run`].
pub fn figure(
    params: &ErrorCurves,
    metrics: impl Fn(&str) -> Result<Vec<Metrics>>,
) -> Result<String> {
    ensure!(
        !params.panels.is_empty(),
        "the figure has no panels; give it at least one"
    );
    let colors = palette::colors(
        params
            .panels
            .iter()
            .flat_map(|panel| &panel.curves)
            .map(|curve| curve.layers),
    );
    let mut panels = Vec::with_capacity(params.panels.len());
    for panel in &params.panels {
        let mut curves = Vec::with_capacity(panel.curves.len());
        for curve in &panel.curves {
            curves.push(draw::Curve {
                label: curve.label.clone(),
                color: colors[&curve.layers],
                points: average(curve, &metrics)?,
            });
        }
        panels.push(draw::Panel {
            title: panel.title.clone(),
            curves,
        });
    }
    let points = || {
        panels
            .iter()
            .flat_map(|panel| &panel.curves)
            .flat_map(|curve| &curve.points)
    };
    let last = points().map(|point| point.iteration).max().unwrap_or(0);
    let iterations = params.iterations.max(last).max(1);
    let tallest = points()
        .filter(|point| axis::must_be_seen(point.iteration, iterations))
        .map(curve::Point::tallest)
        .fold(0.0, f64::max);
    draw::figure(&draw::Figure {
        panels,
        x: axis::iterations(iterations),
        y: axis::errors(tallest),
        note: params.note.clone(),
    })
}

fn average(
    curve: &Curve,
    metrics: &impl Fn(&str) -> Result<Vec<Metrics>>,
) -> Result<Vec<curve::Point>> {
    let mut runs = Vec::with_capacity(curve.seeds.len());
    for seed in &curve.seeds {
        let name = format!("metrics/{}/seed{seed}", curve.model);
        let rows = metrics(&name)?;
        runs.push((name, rows));
    }
    curve::average(&runs).with_context(|| format!("cannot draw {}", curve.label))
}
