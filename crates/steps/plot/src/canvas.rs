//! Lines, areas and text on a white card, written as SVG.
//!
//! The card is part of the figure because on GitHub's dark pages an image cannot rely on the
//! page's colour, and the curve of 110 layers is black. Places are given in pixels of the shown
//! image and written in whole units, of which a pixel has [`SCALE`]. Unaware of what is drawn.

use crate::palette::Color;

/// Units in one pixel of the shown image.
const SCALE: f64 = 4.0;

const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

/// A place on the card, in pixels from its upper left corner.
pub type Place = (f64, f64);

/// How a line looks.
#[derive(Clone, Copy)]
pub struct Pen {
    /// In units.
    width: u32,
    /// Further attributes.
    style: &'static str,
}

impl Pen {
    pub const BOLD: Pen = Pen::new(10, " stroke-linejoin=\"round\"");
    /// Dashed and thin.
    pub const DASHED: Pen = Pen::new(5, " stroke-dasharray=\"17 10\"");
    pub const FRAME: Pen = Pen::new(4, "");
    pub const GRID: Pen = Pen::new(3, "");

    const fn new(width: u32, style: &'static str) -> Pen {
        Pen { width, style }
    }
}

/// How a text looks and which of its points is placed; in height it is always the middle.
pub struct Text {
    /// Height of the letters, in pixels.
    pub size: f64,
    pub color: Color,
    pub bold: bool,
    pub anchor: Anchor,
}

/// Which point of a text is placed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
    /// The middle of a text that runs upward.
    Upward,
}

/// What is drawn on.
#[derive(Default)]
pub struct Canvas {
    elements: String,
}

impl Canvas {
    pub fn line(&mut self, path: &[Place], color: Color, pen: Pen) {
        let Pen { width, style } = pen;
        self.elements += &format!(
            "<polyline fill=\"none\" opacity=\"1\" stroke=\"{color}\" stroke-width=\"{width}\"{style} points=\"{}\"/>\n",
            points(path)
        );
    }

    pub fn area(&mut self, outline: &[Place], color: Color, opacity: f64) {
        self.elements += &format!(
            "<polygon opacity=\"{opacity}\" fill=\"{color}\" points=\"{}\"/>\n",
            points(outline)
        );
    }

    /// A dot whose radius is the width of a line.
    pub fn dot(&mut self, (x, y): Place, color: Color, pen: Pen) {
        self.elements += &format!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" opacity=\"1\" fill=\"{color}\" stroke=\"none\" stroke-width=\"1\"/>\n",
            units(x),
            units(y),
            pen.width
        );
    }

    pub fn text(&mut self, content: &str, (x, y): Place, text: &Text) {
        // Small letters would stand in the middle; capitals and digits reach higher.
        let shift = text.size * 0.08;
        let upward = text.anchor == Anchor::Upward;
        let (x, y) = match upward {
            true => (units(x + shift), units(y)),
            false => (units(x), units(y + shift)),
        };
        let anchor = match text.anchor {
            Anchor::Start => "start",
            Anchor::Middle | Anchor::Upward => "middle",
            Anchor::End => "end",
        };
        // Through 1.24 and back it rounds as in the figures that were published first.
        let size = text.size * SCALE * 1.24 / 1.24;
        let mut style = format!("fill=\"{}\"", text.color);
        if text.bold {
            style += " font-weight=\"bold\"";
        }
        if upward {
            style += &format!(" transform=\"rotate(270, {x}, {y})\"");
        }
        let content = escape(content).replace('\'', "&apos;");
        self.elements += &format!(
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\" text-anchor=\"{anchor}\" font-family=\"{FONT}\" font-size=\"{size}\" opacity=\"1\" {style}>\n{content}\n</text>\n"
        );
    }

    /// The SVG of a card of this size, in pixels, with all that was drawn. `description` is what
    /// someone learns who cannot see it.
    pub fn finish(&self, (width, height): (f64, f64), description: &str) -> String {
        let description = escape(description);
        let border = Pen::FRAME.width as i32;
        let (unit_width, unit_height) = (units(width), units(height));
        format!(
            "<svg width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {unit_width} {unit_height}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
             aria-label=\"{description}\">\n\
             <title>{description}</title>\n\
             <rect x=\"{inset}\" y=\"{inset}\" width=\"{card_width}\" height=\"{card_height}\" \
             rx=\"24\" fill=\"#FFFFFF\" stroke=\"#D0D7DE\" stroke-width=\"{border}\"/>\n{}</svg>\n",
            self.elements,
            inset = border / 2,
            card_width = unit_width - border,
            card_height = unit_height - border,
        )
    }
}

/// The place on a whole unit that lies this share of the way beyond `from`.
pub fn between(from: f64, to: f64, share: f64) -> f64 {
    let (from, to) = (units(from), units(to));
    // A share that is a little short of a whole unit by rounding alone counts as one.
    let way = (f64::from((to - from).abs()) * share + 1e-3).floor();
    (f64::from(from) + f64::from((to - from).signum()) * way) / SCALE
}

/// The places of a path, none of which lies left of the card.
fn points(path: &[Place]) -> String {
    path.iter()
        .map(|&(x, y)| format!("{},{} ", units(x).max(0), units(y)))
        .collect()
}

fn units(pixels: f64) -> i32 {
    (pixels * SCALE).round() as i32
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
