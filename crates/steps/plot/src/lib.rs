//! Draws Fig. 6: training and test error over the iterations, one panel beside the other.
//!
//! This file reads and checks; `curve` averages over seeds, `axis` chooses ranges and ticks,
//! `palette` the colours, `draw` is the layout and `canvas` alone knows how SVG is written. None
//! of them knows which networks exist, what was published, or for which profile the figure is.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use records::{Metrics, parse_metrics};
use step::Context;

mod axis;
mod canvas;
mod curve;
mod draw;
mod labels;
mod palette;

/// What the figure shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
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
    /// In the order in which they are drawn, the last on top.
    pub curves: Vec<Curve>,
}

/// One model's pair of curves: training error (dashed) and test error (solid).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    pub model: String,
    /// Stands at the end of the solid curve (`ResNet-20`).
    pub label: String,
    /// Weighted layers; they decide the colour.
    pub layers: u32,
    /// The runs that are averaged.
    pub seeds: Vec<u64>,
}

/// The files that the step writes.
pub const OUTPUTS: &[&str] = &["fig6.svg"];

/// Reads `metrics/<model>/seed<k>` of every curve and writes `fig6.svg`.
///
/// # Errors
/// If an input is missing, malformed or empty, a curve has no seeds, the seeds of one curve were
/// measured at different iterations, or there is no panel to draw.
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
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
pub fn figure<'a>(
    params: &'a Params,
    metrics: impl Fn(&str) -> Result<Vec<Metrics>>,
) -> Result<String> {
    ensure!(
        !params.panels.is_empty(),
        "the figure has no panels; give it at least one"
    );
    let curves = params.panels.iter().flat_map(|panel| &panel.curves);
    let colors = palette::colors(curves.map(|curve| curve.layers));
    let draw_curve = |curve: &'a Curve| {
        let runs = curve.seeds.iter().map(|seed| {
            let name = format!("metrics/{}/seed{seed}", curve.model);
            let rows = metrics(&name)?;
            Ok((name, rows))
        });
        let runs: Vec<_> = runs.collect::<Result<_>>()?;
        let points = curve::average(&runs);
        Ok(draw::Curve {
            label: &curve.label,
            color: colors[&curve.layers],
            points: points.with_context(|| format!("cannot draw {}", curve.label))?,
        })
    };
    let panels = params.panels.iter().map(|panel| {
        Ok(draw::Panel {
            title: &panel.title,
            curves: panel.curves.iter().map(draw_curve).collect::<Result<_>>()?,
        })
    });
    let panels: Vec<draw::Panel> = panels.collect::<Result<_>>()?;
    let curves = panels.iter().flat_map(|panel| &panel.curves);
    let points: Vec<&curve::Point> = curves.flat_map(|curve| &curve.points).collect();
    let last = points.iter().map(|point| point.iteration).max();
    let iterations = params.iterations.max(last.unwrap_or(0)).max(1);
    let tallest = points
        .iter()
        .filter(|point| axis::must_be_seen(point.iteration, iterations))
        .map(|point| point.tallest())
        .fold(0.0, f64::max);
    Ok(draw::figure(&draw::Figure {
        panels,
        x: axis::iterations(iterations),
        y: axis::errors(tallest),
        note: params.note.as_deref(),
    }))
}

#[cfg(test)]
mod tests;
