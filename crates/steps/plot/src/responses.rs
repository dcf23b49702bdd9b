//! Fig. 7: the standard deviation of each 3 × 3 layer's response, in layer order and sorted by size; plain
//! nets dashed, residual ones solid.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::canvas::Pen;
use super::frame::{Card, Entry, Sample, draw_axes, draw_frame};
use super::palette::{self, Rgb};
use super::{Curve, axis};
use records::Responses;
use step::Context;

/// What the figure shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseCurves {
    /// In the order in which they are drawn, the last on top.
    pub curves: Vec<ResponseCurve>,
    /// A sentence under the figure, such as the reasons why it cannot be compared with the
    /// published one.
    pub note: Option<String>,
}

/// One model's curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseCurve {
    pub curve: Curve,
    /// Whether the network has shortcuts; its line is solid then, and dashed otherwise.
    pub residual: bool,
}

/// Right of a plot, in pixels.
const BESIDE: f64 = 12.0;

/// Reads `responses/<model>/seed<k>` of every curve and writes `fig7.svg`.
///
/// # Errors
/// If an input is missing or malformed, a curve has no seeds or no layers, its seeds are of networks with
/// other layers, or there is no curve to draw.
pub fn run(params: &ResponseCurves, context: &mut Context) -> Result<String> {
    let svg = figure(params, |name| context.read_json(name))?;
    context.write("fig7.svg", svg)?;
    Ok(format!("curves: {}", params.curves.len()))
}

/// A model's line in the panels.
struct Line {
    label: String,
    color: Rgb,
    pen: Pen,
    /// Of each layer, over the seeds.
    in_order: Vec<f64>,
    /// Of the layers of each seed, the strongest first, over the seeds.
    sorted: Vec<f64>,
}

/// The figure as SVG; `read` reads what `responses/<model>/seed<k>` names.
///
/// # Errors
/// As [`run`].
pub fn figure(params: &ResponseCurves, read: impl Fn(&str) -> Result<Responses>) -> Result<String> {
    ensure!(
        !params.curves.is_empty(),
        "the figure has no curves; give it at least one"
    );
    let colors = palette::colors(params.curves.iter().map(|shown| shown.curve.layers));
    let mut lines = Vec::with_capacity(params.curves.len());
    for ResponseCurve { curve, residual } in &params.curves {
        let (in_order, sorted) =
            average(curve, &read).with_context(|| format!("cannot draw {}", curve.label))?;
        lines.push(Line {
            label: curve.label.clone(),
            color: colors[&curve.layers],
            pen: if *residual { Pen::Bold } else { Pen::Dashed },
            in_order,
            sorted,
        });
    }
    let longest = lines
        .iter()
        .map(|line| line.in_order.len())
        .max()
        .unwrap_or(1);
    let values = lines
        .iter()
        .flat_map(|line| line.in_order.iter().chain(&line.sorted));
    let x = axis::layers(longest as u64);
    let y = axis::deviations(values.copied().fold(0.0, f64::max));

    let panels = ["responses by layer", "sorted by size"];
    let key = lines.iter().map(|line| Entry {
        label: line.label.clone(),
        sample: Sample::Line(line.color, line.pen),
    });
    let card = Card::new(panels.len(), BESIDE, key.collect(), params.note.as_deref());
    card.draw(
        &describe(&lines, params.note.as_deref()),
        |canvas, index, frame| {
            let plane = frame.plane(canvas, &x, &y);
            draw_axes(canvas, &plane, frame, &x, &y)?;
            for line in &lines {
                let values = [&line.in_order, &line.sorted][index];
                let points = (1..).zip(values);
                let points = points.map(|(layer, &std)| (f64::from(layer), std));
                plane.line(points.collect(), line.color, line.pen)?;
            }
            draw_frame(canvas, frame, panels[index])
        },
    )
}

/// The layers' deviations over the seeds of a curve, in layer order and sorted.
fn average(
    curve: &Curve,
    read: impl Fn(&str) -> Result<Responses>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut runs: Vec<Vec<f64>> = Vec::with_capacity(curve.seeds.len());
    let mut names: Vec<String> = Vec::new();
    for seed in &curve.seeds {
        let name = format!("responses/{}/seed{seed}", curve.model);
        let responses = read(&name)?;
        ensure!(!responses.layers.is_empty(), "input {name} has no layers");
        let layers = responses.layers.iter().map(|layer| layer.layer.clone());
        let layers: Vec<String> = layers.collect();
        ensure!(
            names.is_empty() || names == layers,
            "input {name} is of a network with other layers than that of seed {}",
            curve.seeds[0]
        );
        names = layers;
        let finite = responses
            .layers
            .iter()
            .all(|layer| layer.std.is_finite() && layer.std >= 0.0);
        ensure!(
            finite,
            "input {name} has a deviation that is negative or no number"
        );
        runs.push(responses.layers.iter().map(|layer| layer.std).collect());
    }
    ensure!(!runs.is_empty(), "it has no seeds; give it at least one");
    let in_order = mean(&runs);
    for run in &mut runs {
        run.sort_by(|a, b| b.total_cmp(a));
    }
    Ok((in_order, mean(&runs)))
}

/// The mean at each place over runs of one length.
fn mean(runs: &[Vec<f64>]) -> Vec<f64> {
    let places = 0..runs.first().map_or(0, Vec::len);
    let sum = |place: usize| runs.iter().map(|run| run[place]).sum::<f64>();
    places.map(|place| sum(place) / runs.len() as f64).collect()
}

/// What someone learns who cannot see the figure.
fn describe(lines: &[Line], note: Option<&str>) -> String {
    let mut text = "Standard deviation of the response of each 3 × 3 layer, in layer order and sorted by size; \
                    plain nets dashed, residual ones solid. Means over the layers: "
        .to_owned();
    let means = lines.iter().map(|line| {
        let mean = line.in_order.iter().sum::<f64>() / line.in_order.len() as f64;
        format!("{} {mean:.2}", line.label)
    });
    let _ = write!(text, "{}.", means.collect::<Vec<_>>().join(", "));
    if let Some(note) = note {
        let _ = write!(text, " {note}");
    }
    text
}

#[cfg(test)]
mod tests;
