//! What the figures share: panels side by side with titles and axes, a key below, and a note.
//!
//! Unaware of what is drawn in a panel.

use anyhow::Result;

use super::axis::Axis;
use super::canvas::{self, Anchor, Canvas, Pen, Place, Plane, Text};
use super::labels;
use super::palette::Rgb;

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

// Heights of letters, in pixels: large, because phones show the figure at half its size.
const TITLE_SIZE: f64 = 17.0;
pub const TEXT_SIZE: f64 = 15.0;
const NOTE_SIZE: f64 = 14.0;

pub const INK: Rgb = (0x1f, 0x23, 0x28);
const FRAME: Rgb = (0x6e, 0x77, 0x81);
const GRID: Rgb = (0xd0, 0xd7, 0xde);

/// A card with panels.
pub struct Card {
    width: f64,
    panels: usize,
    panel_width: f64,
    plot_width: f64,
    key: Vec<Vec<Entry>>,
    note: Vec<String>,
}

/// A line of the key.
#[derive(Clone)]
pub struct Entry {
    pub label: String,
    pub sample: Sample,
}

/// What an entry of the key explains.
#[derive(Clone, Copy)]
pub enum Sample {
    Line(Rgb, Pen),
    /// An area of this opacity.
    Band(Rgb, f64),
}

impl Card {
    /// A card with so many panels, each of them with `beside` pixels at the right of its plot.
    pub fn new(panels: usize, beside: f64, key: Vec<Entry>, note: Option<&str>) -> Card {
        let beside = LEFT + beside;
        let panel_width = match panels > 2 {
            true => NARROW_PANEL_WIDTH,
            false => PANEL_WIDTH,
        };
        let panel_width = panel_width.max((beside + LEAST_PLOT_WIDTH).ceil());
        let width = 2.0 * MARGIN + panel_width * panels as f64;
        let note = labels::wrap(note.unwrap_or_default(), NOTE_SIZE, width - 6.0 * MARGIN);
        Card {
            width,
            panels,
            panel_width,
            plot_width: panel_width - beside,
            key: rows(key, width - 2.0 * MARGIN),
            note,
        }
    }

    /// The figure as SVG; `paint` fills the panel with this index. `description` is for someone who cannot
    /// see it.
    ///
    /// # Errors
    /// If `paint` fails or the library cannot draw.
    pub fn draw(
        &self,
        description: &str,
        paint: impl Fn(&Canvas, usize, &Frame) -> Result<()>,
    ) -> Result<String> {
        let key_top = MARGIN + TITLE + PLOT_HEIGHT + BELOW;
        let note_top = key_top + KEY * self.key.len() as f64;
        let note_line = NOTE_SIZE * 1.4;
        let height = (note_top + note_line * self.note.len() as f64 + MARGIN).ceil();
        let middle = self.width / 2.0;
        canvas::draw((self.width, height), description, |canvas| {
            for index in 0..self.panels {
                let left = MARGIN + self.panel_width * index as f64 + LEFT;
                let frame = Frame {
                    left,
                    right: left + self.plot_width,
                    top: MARGIN + TITLE,
                    bottom: MARGIN + TITLE + PLOT_HEIGHT,
                };
                paint(canvas, index, &frame)?;
            }
            for (index, row) in self.key.iter().enumerate() {
                draw_key(canvas, row, (middle, key_top + KEY * (index as f64 + 0.5)))?;
            }
            for (index, line) in self.note.iter().enumerate() {
                let y = note_top + note_line * (index as f64 + 0.5);
                canvas.text(line, (middle, y), &text(NOTE_SIZE, Anchor::Middle))?;
            }
            Ok(())
        })
    }
}

// A row of the key, in pixels.
const SAMPLE: f64 = 34.0;
const GAP: f64 = 7.0;
const APART: f64 = 24.0;

/// How wide an entry is, with the gap behind it.
fn entry_width(entry: &Entry) -> f64 {
    SAMPLE + GAP + labels::width(&entry.label, TEXT_SIZE) + APART
}

/// The entries in rows that are no wider than `limit`, where one entry is not.
fn rows(entries: Vec<Entry>, limit: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut left = 0.0;
    for entry in entries {
        let width = entry_width(&entry);
        match rows.last_mut() {
            Some(row) if width - APART <= left => row.push(entry),
            _ => {
                rows.push(vec![entry]);
                left = limit;
            }
        }
        left -= width;
    }
    rows
}

fn draw_key(canvas: &Canvas, entries: &[Entry], (center, y): Place) -> Result<()> {
    let total: f64 = entries.iter().map(entry_width).sum();
    let mut left = center - (total - APART) / 2.0;
    for entry in entries {
        let right = left + SAMPLE;
        match entry.sample {
            Sample::Line(color, pen) => canvas.line(&[(left, y), (right, y)], color, pen)?,
            Sample::Band(color, opacity) => {
                let (top, bottom) = (y - 6.0, y + 6.0);
                let band = [(left, top), (right, top), (right, bottom), (left, bottom)];
                canvas.area(&band, color, opacity)?;
            }
        }
        canvas.text(
            &entry.label,
            (right + GAP, y),
            &text(TEXT_SIZE, Anchor::Start),
        )?;
        left += entry_width(entry);
    }
    Ok(())
}

/// The rectangle in which a panel's curves lie.
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    /// The coordinate system of the frame.
    pub fn plane<'a>(&self, canvas: &Canvas<'a>, x: &Axis, y: &Axis) -> Plane<'a> {
        let (left, right) = ((self.left, self.bottom), (self.right, self.top));
        canvas.plane(left, right, (x.end, y.end))
    }

    fn middle(&self) -> Place {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }
}

/// Gridlines, ticks and titles of both axes.
///
/// # Errors
/// If the library cannot draw.
pub fn draw_axes(canvas: &Canvas, plane: &Plane, frame: &Frame, x: &Axis, y: &Axis) -> Result<()> {
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

/// The outline, and the title above it.
///
/// # Errors
/// If the library cannot draw.
pub fn draw_frame(canvas: &Canvas, frame: &Frame, title: &str) -> Result<()> {
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

/// Text in ink, of this size.
pub fn text(size: f64, anchor: Anchor) -> Text {
    Text {
        size,
        color: INK,
        bold: false,
        anchor,
    }
}
