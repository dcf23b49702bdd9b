//! Lines, areas and text on a white card: the only place that names the drawing library.
//!
//! The card is part of the figure because on GitHub's dark pages an image cannot rely on the
//! page's colour, and the curve of 110 layers is black. Sizes are pixels of the shown image; the
//! library rounds to whole numbers, so it is handed [`SCALE`] times as many. Unaware of what is
//! drawn.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, Circle, DrawingArea, FontStyle, FontTransform, IntoDrawingArea, IntoFont,
    PathElement, Polygon, RGBColor, SVGBackend, TextStyle,
};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::Rgb;

/// The library's units in one pixel of the shown image.
const SCALE: f64 = 4.0;

const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

/// A place on the card, in pixels from its upper left corner.
pub type Place = (f64, f64);

/// How a line looks. Each has a width of its own, by which [`finish`] knows it again.
#[derive(Clone, Copy)]
pub enum Pen {
    /// Solid and bold.
    Bold,
    /// Dashed and thin.
    Dashed,
    Frame,
    Grid,
}

impl Pen {
    /// In the library's units.
    fn width(self) -> u32 {
        match self {
            Self::Bold => 10,
            Self::Dashed => 5,
            Self::Frame => 4,
            Self::Grid => 3,
        }
    }
}

/// How a text looks and which of its points is placed; in height it is always the middle.
pub struct Text {
    /// Height of the letters, in pixels.
    pub size: f64,
    pub color: Rgb,
    pub bold: bool,
    pub anchor: Anchor,
}

/// Which point of a text is placed.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
    /// The middle of a text that runs upward.
    Upward,
}

/// What is drawn on.
pub struct Canvas<'a> {
    root: DrawingArea<SVGBackend<'a>, Shift>,
}

/// A coordinate system on a canvas.
pub struct Plane<'a> {
    area: DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
}

/// Draws on a card of this size, in pixels, and returns the SVG. `description` is what someone
/// learns who cannot see it.
///
/// # Errors
/// If `paint` fails or the library cannot draw.
pub fn draw(
    (width, height): (f64, f64),
    description: &str,
    paint: impl FnOnce(&Canvas) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    let size = (units(width), units(height));
    {
        let backend = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let canvas = Canvas {
            root: backend.into_drawing_area(),
        };
        paint(&canvas)?;
        canvas.root.present().map_err(cannot_draw)?;
    }
    finish(&svg, size, description)
}

impl<'a> Canvas<'a> {
    /// A coordinate system whose origin is the lower left corner and whose `ends` are the upper
    /// right one.
    pub fn plane(&self, lower_left: Place, upper_right: Place, ends: (f64, f64)) -> Plane<'a> {
        let (left, bottom) = place(lower_left);
        let (right, top) = place(upper_right);
        let coordinates = Cartesian2d::new(0.0..ends.0, 0.0..ends.1, (left..right, bottom..top));
        Plane {
            area: self.root.apply_coord_spec(coordinates),
        }
    }

    pub fn line(&self, path: &[Place], color: Rgb, pen: Pen) -> Result<()> {
        let path: Vec<(i32, i32)> = path.iter().copied().map(place).collect();
        let line = PathElement::new(path, rgb(color).stroke_width(pen.width()));
        self.root.draw(&line).map_err(cannot_draw)
    }

    pub fn area(&self, outline: &[Place], color: Rgb, opacity: f64) -> Result<()> {
        let outline: Vec<(i32, i32)> = outline.iter().copied().map(place).collect();
        let area = Polygon::new(outline, rgb(color).mix(opacity));
        self.root.draw(&area).map_err(cannot_draw)
    }

    pub fn text(&self, content: &str, (x, y): Place, text: &Text) -> Result<()> {
        // The library divides sizes by 1.24 when it writes SVG, and it centres small letters;
        // capitals and digits reach higher.
        let size = text.size * SCALE * 1.24;
        let shift = text.size * 0.08;
        let (position, turn) = match text.anchor {
            Anchor::Upward => ((x + shift, y), FontTransform::Rotate270),
            _ => ((x, y + shift), FontTransform::None),
        };
        let horizontal = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle | Anchor::Upward => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let weight = if text.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let color = rgb(text.color);
        let style = TextStyle::from((FONT, size, weight).into_font().transform(turn))
            .color(&color)
            .pos(Pos::new(horizontal, VPos::Center));
        self.root
            .draw_text(content, &style, place(position))
            .map_err(cannot_draw)
    }
}

impl Plane<'_> {
    /// Where on the card a point of the coordinate system lies.
    pub fn place(&self, point: (f64, f64)) -> Place {
        let (x, y) = self.area.map_coordinate(&point);
        (f64::from(x) / SCALE, f64::from(y) / SCALE)
    }

    pub fn line(&self, path: Vec<(f64, f64)>, color: Rgb, pen: Pen) -> Result<()> {
        let line = PathElement::new(path, rgb(color).stroke_width(pen.width()));
        self.area.draw(&line).map_err(cannot_draw)
    }

    pub fn area(&self, outline: Vec<(f64, f64)>, color: Rgb, opacity: f64) -> Result<()> {
        let area = Polygon::new(outline, rgb(color).mix(opacity));
        self.area.draw(&area).map_err(cannot_draw)
    }

    /// A dot as thick as a line would be.
    pub fn dot(&self, point: (f64, f64), color: Rgb, pen: Pen) -> Result<()> {
        let dot = Circle::new(point, pen.width(), rgb(color).filled());
        self.area.draw(&dot).map_err(cannot_draw)
    }
}

/// Adds what the library cannot say: the shown size, a description for screen readers, the card,
/// dashes and round joins.
fn finish(drawing: &str, (width, height): (i32, i32), description: &str) -> Result<String> {
    let (_, content) = drawing
        .split_once(">\n")
        .ok_or_else(|| cannot_draw("the library wrote no SVG element"))?;
    let with = |content: &str, pen: Pen, attribute: &str| {
        let stroke = format!("stroke-width=\"{}\"", pen.width());
        content.replace(
            &format!("{stroke} points="),
            &format!("{stroke} {attribute} points="),
        )
    };
    let content = with(content, Pen::Dashed, "stroke-dasharray=\"17 10\"");
    let content = with(&content, Pen::Bold, "stroke-linejoin=\"round\"");
    let description = escape(description);
    let border = Pen::Frame.width() as i32;
    Ok(format!(
        "<svg width=\"{shown_width}\" height=\"{shown_height}\" \
         viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
         aria-label=\"{description}\">\n\
         <title>{description}</title>\n\
         <rect x=\"{inset}\" y=\"{inset}\" width=\"{card_width}\" height=\"{card_height}\" \
         rx=\"24\" fill=\"#FFFFFF\" stroke=\"#D0D7DE\" stroke-width=\"{border}\"/>\n{content}",
        shown_width = f64::from(width) / SCALE,
        shown_height = f64::from(height) / SCALE,
        inset = border / 2,
        card_width = width - border,
        card_height = height - border,
    ))
}

fn rgb((red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

fn units(pixels: f64) -> i32 {
    (pixels * SCALE).round() as i32
}

fn place((x, y): Place) -> (i32, i32) {
    (units(x), units(y))
}

fn cannot_draw(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw the figure: {error}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
