//! Fig. 6 in its frames: curves with bands, and labels at their ends.
//!
//! Unaware of models, seeds and files, and of the drawing library.

use std::fmt::Write as _;

use anyhow::Result;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Pen, Place, Plane, Text};
use super::curve::{self, Point, Which};
use super::frame::{Card, Entry, Frame, INK, Sample, TEXT_SIZE, draw_axes, draw_frame, text};
use super::labels;
use super::palette::Rgb;

/// All that is drawn.
pub struct Figure {
    pub panels: Vec<Panel>,
    /// Shared by all panels, so that they can be compared.
    pub x: Axis,
    pub y: Axis,
    /// Stands below everything else.
    pub note: Option<String>,
}

/// One coordinate system.
pub struct Panel {
    pub title: String,
    pub curves: Vec<Curve>,
}

/// A dashed training curve and a solid test curve of one colour.
pub struct Curve {
    pub label: String,
    pub color: Rgb,
    pub points: Vec<Point>,
}

/// Opacity of the bands about training and test curves.
const TRAIN_BAND: f64 = 0.13;
const TEST_BAND: f64 = 0.22;

/// Gaps at and between labels, in pixels.
const LEADER: f64 = 13.0;
const LABEL_GAP: f64 = 18.0;

/// The figure as SVG.
///
/// # Errors
/// If the library cannot draw.
pub fn figure(figure: &Figure) -> Result<String> {
    let longest_label = curves(figure)
        .map(|curve| labels::width(&curve.label, TEXT_SIZE))
        .fold(0.0, f64::max);
    let beside = LEADER + longest_label + 2.0;
    let note = figure.note.as_deref();
    let card = Card::new(figure.panels.len(), beside, key(figure), note);
    card.draw(&describe(figure), |canvas, index, frame| {
        let panel = &figure.panels[index];
        let plane = frame.plane(canvas, &figure.x, &figure.y);
        draw_axes(canvas, &plane, frame, &figure.x, &figure.y)?;
        draw_curves(&plane, &panel.curves, figure.y.end)?;
        draw_frame(canvas, frame, &panel.title)?;
        draw_labels(canvas, &plane, frame, &panel.curves, figure.y.end)
    })
}

/// Bands lowest, then dashed lines, so that no test curve is covered but by another.
fn draw_curves(plane: &Plane, curves: &[Curve], top: f64) -> Result<()> {
    let kinds: [(Which, f64, Pen); 2] = [
        (|point| &point.train, TRAIN_BAND, Pen::Dashed),
        (|point| &point.test, TEST_BAND, Pen::Bold),
    ];
    for (error, opacity, _) in kinds {
        for curve in curves {
            if let Some(outline) = curve::band(&curve.points, error, top) {
                plane.area(outline, curve.color, opacity)?;
            }
        }
    }
    for (error, _, pen) in kinds {
        for curve in curves {
            let line = curve::line(&curve.points, error);
            if let [only] = line[..] {
                // A line of one vertex would be invisible.
                plane.dot(only, curve.color, pen)?;
                continue;
            }
            for piece in curve::below(&line, top) {
                plane.line(piece, curve.color, pen)?;
            }
        }
    }
    Ok(())
}

/// Writes each curve's label beside its end, with a thin line to it where it had to give way.
fn draw_labels(
    canvas: &Canvas,
    plane: &Plane,
    frame: &Frame,
    curves: &[Curve],
    top: f64,
) -> Result<()> {
    let ends: Vec<(&Curve, Place)> = curves
        .iter()
        .filter_map(|curve| Some((curve, curve.points.last()?)))
        .map(|(curve, end)| {
            let point = (end.iteration as f64, end.test.mean.min(top));
            (curve, plane.place(point))
        })
        .collect();
    let wishes: Vec<f64> = ends.iter().map(|&(_, (_, y))| y).collect();
    let (low, high) = (frame.top + 4.0, frame.bottom - 4.0);
    let places = labels::spread_out(&wishes, LABEL_GAP, low, high);
    for ((curve, end), y) in ends.into_iter().zip(places) {
        let leader = [
            end,
            (frame.right + 1.0, end.1),
            (frame.right + LEADER - 4.0, y),
        ];
        canvas.line(&leader, curve.color, Pen::Grid)?;
        let colored = Text {
            color: curve.color,
            ..text(TEXT_SIZE, Anchor::Start)
        };
        canvas.text(&curve.label, (frame.right + LEADER, y), &colored)?;
    }
    Ok(())
}

/// Explains dashes, bold lines and, where there are any, bands.
fn key(figure: &Figure) -> Vec<Entry> {
    let entry = |label: &str, sample| Entry {
        label: label.to_owned(),
        sample,
    };
    let mut entries = vec![
        entry("training error", Sample::Line(INK, Pen::Dashed)),
        entry("test error", Sample::Line(INK, Pen::Bold)),
    ];
    let mut points = curves(figure).flat_map(|curve| &curve.points);
    if points.any(|point| point.test.std.is_some()) {
        entries.push(entry("±1 std over seeds", Sample::Band(INK, TEST_BAND)));
    }
    entries
}

/// What someone learns who cannot see the figure.
fn describe(figure: &Figure) -> String {
    let mut text =
        "Training error (dashed) and test error (solid) in percent over the iterations.".to_owned();
    for panel in &figure.panels {
        let ends: Vec<String> = panel
            .curves
            .iter()
            .filter_map(|curve| Some((curve, curve.points.last()?)))
            .map(|(curve, end)| format!("{} ends at {:.2}%", curve.label, end.test.mean))
            .collect();
        let _ = write!(text, " {}: {}.", panel.title, ends.join(", "));
    }
    if let Some(note) = &figure.note {
        let _ = write!(text, " {note}");
    }
    text
}

fn curves(figure: &Figure) -> impl Iterator<Item = &Curve> {
    figure.panels.iter().flat_map(|panel| &panel.curves)
}
