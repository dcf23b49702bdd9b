//! The layout of the figure: panels side by side, their axes, curves and labels, a key below.
//!
//! Unaware of models, seeds and files, and of how SVG is written.

use crate::axis::Axis;
use crate::canvas::{Anchor, Canvas, Pen, Place, Text, between};
use crate::curve::{self, Point, Vertex, Which};
use crate::labels;
use crate::palette::Color;

/// All that is drawn.
pub struct Figure<'a> {
    pub panels: Vec<Panel<'a>>,
    /// Shared by all panels, so that they can be compared.
    pub x: Axis,
    pub y: Axis,
    /// Stands below everything else.
    pub note: Option<&'a str>,
}

/// One coordinate system.
pub struct Panel<'a> {
    pub title: &'a str,
    pub curves: Vec<Curve<'a>>,
}

/// A dashed training curve and a solid test curve of one colour.
pub struct Curve<'a> {
    pub label: &'a str,
    pub color: Color,
    /// At least one.
    pub points: Vec<Point>,
}

impl Curve<'_> {
    fn end(&self) -> &Point {
        self.points.last().expect("a curve has at least one point")
    }
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

const INK: Color = "#1F2328";
const FRAME: Color = "#6E7781";
const GRID: Color = "#D0D7DE";

/// Opacity of the bands about training and test curves.
const TRAIN_BAND: f64 = 0.13;
const TEST_BAND: f64 = 0.22;

/// The figure as SVG.
pub fn figure(figure: &Figure) -> String {
    let count = figure.panels.len();
    let longest_label = curves(figure)
        .map(|curve| labels::width(curve.label, TEXT_SIZE))
        .fold(0.0, f64::max);
    let beside = LEFT + LEADER + longest_label + 2.0;
    let usual_width = match count {
        ..=2 => PANEL_WIDTH,
        _ => NARROW_PANEL_WIDTH,
    };
    let panel_width = usual_width.max((beside + LEAST_PLOT_WIDTH).ceil());
    let width = 2.0 * MARGIN + panel_width * count as f64;
    let note = figure.note.unwrap_or_default();
    let note = labels::wrap(note, NOTE_SIZE, width - 6.0 * MARGIN);
    let note_line = NOTE_SIZE * 1.4;
    let note_top = MARGIN + TITLE + PLOT_HEIGHT + BELOW + KEY;
    let height = (note_top + note_line * note.len() as f64 + MARGIN).ceil();

    let canvas = &mut Canvas::default();
    for (index, panel) in figure.panels.iter().enumerate() {
        let left = MARGIN + panel_width * index as f64 + LEFT;
        let frame = Frame {
            left,
            right: left + panel_width - beside,
            top: MARGIN + TITLE,
            bottom: MARGIN + TITLE + PLOT_HEIGHT,
            x: &figure.x,
            y: &figure.y,
        };
        frame.draw_axes(canvas);
        frame.draw_curves(canvas, &panel.curves);
        frame.draw_outline(canvas, panel.title);
        frame.draw_labels(canvas, &panel.curves);
    }
    draw_key(canvas, figure, (width / 2.0, note_top - KEY / 2.0));
    for (index, line) in note.iter().enumerate() {
        let y = note_top + note_line * (index as f64 + 0.5);
        canvas.text(line, (width / 2.0, y), &text(NOTE_SIZE, Anchor::Middle));
    }
    canvas.finish((width, height), &describe(figure))
}

/// The rectangle in which a panel's curves lie, with the axes at its edges.
struct Frame<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: &'a Axis,
    y: &'a Axis,
}

impl Frame<'_> {
    fn middle(&self) -> Place {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }

    /// Where on the card a point of the coordinate system lies.
    fn place(&self, &(x, y): &Vertex) -> Place {
        (
            between(self.left, self.right, x / self.x.end),
            between(self.bottom, self.top, y / self.y.end),
        )
    }

    fn places(&self, path: &[Vertex]) -> Vec<Place> {
        path.iter().map(|vertex| self.place(vertex)).collect()
    }

    fn draw_axes(&self, canvas: &mut Canvas) {
        let centered = text(TEXT_SIZE, Anchor::Middle);
        for tick in &self.y.ticks {
            let (_, at) = self.place(&(0.0, tick.value));
            if tick.value > 0.0 && tick.value < self.y.end {
                canvas.line(&[(self.left, at), (self.right, at)], GRID, Pen::GRID);
            }
            let end = text(TEXT_SIZE, Anchor::End);
            canvas.text(&tick.label, (self.left - 7.0, at), &end);
        }
        for tick in &self.x.ticks {
            let (at, _) = self.place(&(tick.value, 0.0));
            let mark = [(at, self.bottom), (at, self.bottom - 4.0)];
            canvas.line(&mark, FRAME, Pen::FRAME);
            canvas.text(&tick.label, (at, self.bottom + 14.0), &centered);
        }
        let (middle_x, middle_y) = self.middle();
        canvas.text(self.x.title, (middle_x, self.bottom + 35.0), &centered);
        let upward = text(TEXT_SIZE, Anchor::Upward);
        canvas.text(self.y.title, (self.left - 39.0, middle_y), &upward);
    }

    fn draw_outline(&self, canvas: &mut Canvas, title: &str) {
        let outline = [
            (self.left, self.top),
            (self.right, self.top),
            (self.right, self.bottom),
            (self.left, self.bottom),
            (self.left, self.top),
        ];
        canvas.line(&outline, FRAME, Pen::FRAME);
        let bold = Text {
            bold: true,
            ..text(TITLE_SIZE, Anchor::Middle)
        };
        canvas.text(title, (self.middle().0, self.top - TITLE / 2.0), &bold);
    }

    /// Bands lowest, then dashed lines, so that no test curve is covered but by another.
    fn draw_curves(&self, canvas: &mut Canvas, curves: &[Curve]) {
        let kinds: [(Which, f64, Pen); 2] = [
            (|point| &point.train, TRAIN_BAND, Pen::DASHED),
            (|point| &point.test, TEST_BAND, Pen::BOLD),
        ];
        for (error, opacity, _) in kinds {
            for curve in curves {
                if let Some(outline) = curve::band(&curve.points, error, self.y.end) {
                    canvas.area(&self.places(&outline), curve.color, opacity);
                }
            }
        }
        for (error, _, pen) in kinds {
            for curve in curves {
                let line = curve::line(&curve.points, error);
                if let [only] = &line[..] {
                    // A line of one vertex would be invisible.
                    canvas.dot(self.place(only), curve.color, pen);
                    continue;
                }
                for piece in curve::below(&line, self.y.end) {
                    canvas.line(&self.places(&piece), curve.color, pen);
                }
            }
        }
    }

    /// Writes each curve's label beside its end, with a thin line to it where it had to give way.
    fn draw_labels(&self, canvas: &mut Canvas, curves: &[Curve]) {
        let ends = curves.iter().map(|curve| {
            let end = curve.end();
            self.place(&(end.iteration as f64, end.test.mean.min(self.y.end)))
        });
        let ends: Vec<Place> = ends.collect();
        let wishes: Vec<f64> = ends.iter().map(|&(_, y)| y).collect();
        let places = labels::spread_out(&wishes, LABEL_GAP, self.top + 4.0, self.bottom - 4.0);
        for ((curve, end), y) in curves.iter().zip(ends).zip(places) {
            let leader = [
                end,
                (self.right + 1.0, end.1),
                (self.right + LEADER - 4.0, y),
            ];
            canvas.line(&leader, curve.color, Pen::GRID);
            let colored = Text {
                color: curve.color,
                ..text(TEXT_SIZE, Anchor::Start)
            };
            canvas.text(curve.label, (self.right + LEADER, y), &colored);
        }
    }
}

/// Explains dashes, bold lines and, where there are any, bands.
fn draw_key(canvas: &mut Canvas, figure: &Figure, (center, y): Place) {
    const SAMPLE: f64 = 34.0;
    const GAP: f64 = 7.0;
    const APART: f64 = 24.0;
    let mut entries = vec![
        ("training error", Some(Pen::DASHED)),
        ("test error", Some(Pen::BOLD)),
    ];
    if curves(figure).any(|curve| curve.end().test.std.is_some()) {
        entries.push(("±1 std over seeds", None));
    }
    let step = |entry: &str| SAMPLE + GAP + labels::width(entry, TEXT_SIZE) + APART;
    let total: f64 = entries.iter().map(|(entry, _)| step(entry)).sum();
    let mut left = center - (total - APART) / 2.0;
    for (entry, pen) in entries {
        let right = left + SAMPLE;
        if let Some(pen) = pen {
            canvas.line(&[(left, y), (right, y)], INK, pen);
        } else {
            let (top, bottom) = (y - 6.0, y + 6.0);
            let band = [(left, top), (right, top), (right, bottom), (left, bottom)];
            canvas.area(&band, INK, TEST_BAND);
        }
        canvas.text(entry, (right + GAP, y), &text(TEXT_SIZE, Anchor::Start));
        left += step(entry);
    }
}

/// What someone learns who cannot see the figure.
fn describe(figure: &Figure) -> String {
    let panels = figure.panels.iter().map(|panel| {
        let ends = panel.curves.iter().map(|curve| {
            let error = curve.end().test.mean;
            format!("{} ends at {error:.2}%", curve.label)
        });
        let ends: Vec<String> = ends.collect();
        format!(" {}: {}.", panel.title, ends.join(", "))
    });
    let note = figure.note.map(|note| format!(" {note}"));
    let text: String = panels.chain(note).collect();
    format!("Training error (dashed) and test error (solid) in percent over the iterations.{text}")
}

fn curves<'a>(figure: &'a Figure) -> impl Iterator<Item = &'a Curve<'a>> {
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
