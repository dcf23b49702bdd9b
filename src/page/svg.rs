//! A drawing as a part of a page. Steps draw with few elements; whatever else an SVG may do, such as run
//! a script or load a file, has no place in a report.

use anyhow::{Context as _, Result, ensure};

/// Elements that only draw.
const DRAWING: &[&str] = &[
    "svg", "g", "title", "desc", "rect", "line", "polyline", "polygon", "path", "circle",
    "ellipse", "text", "tspan",
];

/// The element `svg` of an SVG file.
///
/// # Errors
/// If there is none, or it has elements or attributes that do more than draw.
pub fn element(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).context("the drawing is not in UTF-8")?;
    let start = text
        .find("<svg")
        .context("the drawing has no element svg")?;
    let element = text[start..].trim_end();
    ensure!(element.ends_with("</svg>"), "the drawing is cut off");
    let mut rest = element;
    while let Some(at) = rest.find('<') {
        rest = after_tag(&rest[at + 1..])?;
    }
    Ok(element.to_owned())
}

/// What follows a tag that only draws; the text begins behind its `<`.
fn after_tag(text: &str) -> Result<&str> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (name, mut rest) = word(text);
    ensure!(
        DRAWING.contains(&name),
        "the drawing has an element {name:?}, which does more than draw"
    );
    loop {
        let trimmed = rest.trim_start();
        let end = trimmed.strip_prefix("/>");
        if let Some(rest) = end.or_else(|| trimmed.strip_prefix('>')) {
            return Ok(rest);
        }
        let (name, after) = word(trimmed);
        let value = after.strip_prefix("=\"");
        let value = value.and_then(|value| value.split_once('"'));
        let (value, after) = value.context("the drawing has an attribute without a value")?;
        let lower = name.to_ascii_lowercase();
        ensure!(
            !lower.starts_with("on") && !lower.ends_with("href") && lower != "style",
            "the drawing has an attribute {name:?}, which does more than draw"
        );
        ensure!(
            !value.contains("url("),
            "the drawing refers to something outside of it"
        );
        rest = after;
    }
}

/// The name that a text begins with, and the rest.
fn word(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:_".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_that_only_draws_is_taken_as_it_is() {
        let file = "<?xml version=\"1.0\"?>\n<svg width=\"1\" aria-label=\"on 2 > 1\"><title>x</title>\
                    <text x=\"1\" font-family=\"a, b\">y</text></svg>\n";
        let found = element(file.as_bytes()).unwrap();
        assert_eq!(found, file[file.find("<svg").unwrap()..].trim_end());
    }

    #[test]
    fn a_drawing_that_does_more_is_refused() {
        for (inner, said) in [
            ("<script>alert(1)</script>", "script"),
            ("<image href=\"https://x\"/>", "image"),
            ("<a href=\"https://x\"><text>x</text></a>", "\"a\""),
            ("<rect onload=\"alert(1)\"/>", "\"onload\""),
            ("<rect a=\">\" onload=\"alert(1)\"/>", "\"onload\""),
            ("<rect/onload=\"alert(1)\"/>", "without a value"),
            ("<rect\nONLOAD='alert(1)'/>", "without a value"),
            ("<text ONLOAD=\"alert(1)\"/>", "\"ONLOAD\""),
            ("<text style=\"x\"/>", "\"style\""),
            ("<rect fill=\"url(https://x)\"/>", "outside of it"),
            ("<foreignObject></foreignObject>", "foreignObject"),
            ("<!-- x -->", "more than draw"),
        ] {
            let error = element(format!("<svg>{inner}</svg>").as_bytes()).unwrap_err();
            assert!(error.to_string().contains(said), "{inner}: {error}");
        }
        for cut_off in ["", "<svg>", "<svg"] {
            assert!(element(cut_off.as_bytes()).is_err(), "{cut_off}");
        }
    }
}
