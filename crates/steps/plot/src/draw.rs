//! The layout of the figure: panels side by side, their axes, curves and labels, a key below.
//!
//! Unaware of models, seeds and files, and of the drawing library.

use std::fmt::Write as _;

use anyhow::Result;

use super::axis::Axis;
use super::canvas::{self, Anchor, Canvas, Pen, Place, Plane, Text};
use super::curve::{self, Point, Which};
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

// The layout, in pixels: about as wide as a README, and narrower panels where there are three.
const MARGIN: f64 = 8.0;
const PANEL_WIDTH: f64 = 407.0;
const NARROW_PANEL_WIDTH: f64 = 350.0;
/// Where labels are long, panels are wider.
const LEAST_PLOT_WIDTH: f64 = 100.0;
const TITLE: f64 = 34.0;
const PLOT_HEIGHT: f64 = 262.0;
const LEFT: f64 = 54.0;
const BELOW: f64 = 50.0;
const KEY: f64 = 26.0;
const LEADER: f64 = 13.0;
const LABEL_GAP: f64 = 18.0;

// Heights of letters, in pixels: large, because phones show the figure at half its size.
const TITLE_SIZE: f64 = 17.0;
const TEXT_SIZE: f64 = 15.0;
const NOTE_SIZE: f64 = 14.0;

const INK: Rgb = (0x1f, 0x23, 0x28);
const FRAME: Rgb = (0x6e, 0x77, 0x81);
const GRID: Rgb = (0xd0, 0xd7, 0xde);

/// Opacity of the bands about training and test curves.
const TRAIN_BAND: f64 = 0.13;
const TEST_BAND: f64 = 0.22;

/// The figure as SVG.
///
/// # Errors
/// If the library cannot draw.
pub fn figure(figure: &Figure) -> Result<String> {
    let count = figure.panels.len();
    let longest_label = curves(figure)
        .map(|curve| labels::width(&curve.label, TEXT_SIZE))
        .fold(0.0, f64::max);
    let beside = LEFT + LEADER + longest_label + 2.0;
    let panel_width = if count > 2 {
        NARROW_PANEL_WIDTH
    } else {
        PANEL_WIDTH
    };
    let panel_width = panel_width.max((beside + LEAST_PLOT_WIDTH).ceil());
    let width = 2.0 * MARGIN + panel_width * count as f64;
    let note = figure.note.as_deref().unwrap_or_default();
    let note = labels::wrap(note, NOTE_SIZE, width - 6.0 * MARGIN);
    let note_line = NOTE_SIZE * 1.4;
    let note_top = MARGIN + TITLE + PLOT_HEIGHT + BELOW + KEY;
    let height = (note_top + note_line * note.len() as f64 + MARGIN).ceil();

    let plot_width = panel_width - beside;
    canvas::draw((width, height), &describe(figure), |canvas| {
        for (index, panel) in figure.panels.iter().enumerate() {
            let left = MARGIN + panel_width * index as f64 + LEFT;
            let frame = Frame {
                left,
                right: left + plot_width,
                top: MARGIN + TITLE,
                bottom: MARGIN + TITLE + PLOT_HEIGHT,
            };
            let plane = canvas.plane(
                (frame.left, frame.bottom),
                (frame.right, frame.top),
                (figure.x.end, figure.y.end),
            );
            draw_axes(canvas, &plane, &frame, &figure.x, &figure.y)?;
            draw_curves(&plane, &panel.curves, figure.y.end)?;
            draw_frame(canvas, &frame, &panel.title)?;
            draw_labels(canvas, &plane, &frame, &panel.curves, figure.y.end)?;
        }
        draw_key(canvas, figure, (width / 2.0, note_top - KEY / 2.0))?;
        for (index, line) in note.iter().enumerate() {
            let y = note_top + note_line * (index as f64 + 0.5);
            canvas.text(line, (width / 2.0, y), &text(NOTE_SIZE, Anchor::Middle))?;
        }
        Ok(())
    })
}

/// The rectangle in which a panel's curves lie.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn middle(&self) -> Place {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }
}

fn draw_axes(canvas: &Canvas, plane: &Plane, frame: &Frame, x: &Axis, y: &Axis) -> Result<()> {
    let centered = text(TEXT_SIZE, Anchor::Middle);
    for tick in &y.ticks {
        let (_, at) = plane.place((0.0, tick.value));
        if tick.value > 0.0 && tick.value < y.end {
            canvas.line(&[(frame.left, at), (frame.right, at)], GRID, Pen::Grid)?;
        }
        let position = (frame.left - 7.0, at);
        canvas.text(&tick.label, position, &text(TEXT_SIZE, Anchor::End))?;
    }
    for tick in &x.ticks {
        let (at, _) = plane.place((tick.value, 0.0));
        let mark = [(at, frame.bottom), (at, frame.bottom - 4.0)];
        canvas.line(&mark, FRAME, Pen::Frame)?;
        canvas.text(&tick.label, (at, frame.bottom + 14.0), &centered)?;
    }
    let (middle_x, middle_y) = frame.middle();
    canvas.text(x.title, (middle_x, frame.bottom + 35.0), &centered)?;
    let upward = text(TEXT_SIZE, Anchor::Upward);
    canvas.text(y.title, (frame.left - 39.0, middle_y), &upward)
}

fn draw_frame(canvas: &Canvas, frame: &Frame, title: &str) -> Result<()> {
    let Frame {
        left,
        right,
        top,
        bottom,
    } = *frame;
    let outline = [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    canvas.line(&outline, FRAME, Pen::Frame)?;
    let bold = Text {
        bold: true,
        ..text(TITLE_SIZE, Anchor::Middle)
    };
    canvas.text(title, (frame.middle().0, top - TITLE / 2.0), &bold)
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
fn draw_key(canvas: &Canvas, figure: &Figure, (center, y): Place) -> Result<()> {
    const SAMPLE: f64 = 34.0;
    const GAP: f64 = 7.0;
    const APART: f64 = 24.0;
    let mut entries = vec![
        ("training error", Some(Pen::Dashed)),
        ("test error", Some(Pen::Bold)),
    ];
    let mut points = curves(figure).flat_map(|curve| &curve.points);
    if points.any(|point| point.test.std.is_some()) {
        entries.push(("±1 std over seeds", None));
    }
    let step = |entry: &str| SAMPLE + GAP + labels::width(entry, TEXT_SIZE) + APART;
    let total: f64 = entries.iter().map(|(entry, _)| step(entry)).sum();
    let mut left = center - (total - APART) / 2.0;
    for (entry, pen) in entries {
        let right = left + SAMPLE;
        match pen {
            Some(pen) => canvas.line(&[(left, y), (right, y)], INK, pen)?,
            None => {
                let (top, bottom) = (y - 6.0, y + 6.0);
                let band = [(left, top), (right, top), (right, bottom), (left, bottom)];
                canvas.area(&band, INK, TEST_BAND)?;
            }
        }
        canvas.text(entry, (right + GAP, y), &text(TEXT_SIZE, Anchor::Start))?;
        left += step(entry);
    }
    Ok(())
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

fn text(size: f64, anchor: Anchor) -> Text {
    Text {
        size,
        color: INK,
        bold: false,
        anchor,
    }
}
