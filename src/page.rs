//! `report.html`: a report as one file that needs neither a network nor a script to be read, and that is
//! made with the same bytes from the same data.
//!
//! [`Subject::gather`] reads what steps have made into [`Data`], [`render`] makes a page of it. The page
//! carries its data in JSON (`<script type="application/json" id="data">`) for its curves. All else
//! stands in it as HTML, section by section. A page that is rendered live also listens to a stream of
//! events (`EventSource`); each message is [`message`] of newer data, and brings the sections along, so
//! that there is one place where they are made.
//!
//! What comes from outside is escaped by the template engine, and for the JSON by `json`; drawings are
//! let through only if they do nothing but draw (`svg`). Unaware of files, of reports and of runs.

mod data;
mod gather;
mod svg;
mod template;
mod view;

use anyhow::Result;
use serde::Serialize;

pub use data::{ClaimKind, Curve, Data, Figure, InputLine, Judged, Run, Standing, StepLine};
pub use gather::{Read, Subject};

/// What stands before the data in a page.
pub const DATA: &str = "<script type=\"application/json\" id=\"data\">";

/// The text of all that decides what a page looks like: where it changes, pages are made anew.
pub const CODE: [&str; 18] = [
    include_str!("page.rs"),
    include_str!("page/data.rs"),
    include_str!("page/gather.rs"),
    include_str!("page/svg.rs"),
    include_str!("page/template.rs"),
    include_str!("page/view.rs"),
    include_str!("page/classes.html"),
    include_str!("page/figures.html"),
    include_str!("page/macros.html"),
    include_str!("page/page.html"),
    include_str!("page/results.html"),
    include_str!("page/steps.html"),
    include_str!("page/summary.html"),
    include_str!("page/verdicts.html"),
    include_str!("page/page.css"),
    include_str!("page/page.js"),
    include_str!("page/vendor/uPlot.iife.min.js"),
    include_str!("page/vendor/uPlot.min.css"),
];

/// A page. With the address of a stream of events it is a live one, which shows what the stream says.
///
/// # Errors
/// If the data has no JSON form.
pub fn render(data: &Data, live: Option<&str>) -> Result<String> {
    template::page(data, &json(data)?, live)
}

/// What a live page is sent: the data with the sections that show it, as JSON on one line.
///
/// # Errors
/// If the data has no JSON form.
pub fn message(data: &Data) -> Result<String> {
    let sections = template::sections(data)?;
    json(&Message { data, sections })
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    data: &'a Data,
    /// HTML by the identifier of the element that it belongs into.
    sections: std::collections::BTreeMap<&'static str, String>,
}

/// JSON on one line that no HTML parser takes for markup.
fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)?;
    Ok(text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026"))
}

#[cfg(test)]
mod paper_tests;
#[cfg(test)]
mod tests;
