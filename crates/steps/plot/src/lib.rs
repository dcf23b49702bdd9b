//! Draws the figures: Fig. 6, errors over the iterations, and Fig. 7, responses over the layers.
//!
//! `errors` and `responses` read, check and average, `axis` chooses ranges and ticks, `palette` the colours;
//! `frame` is the layout that the figures share, and `canvas` alone knows the drawing library. None of them
//! knows which networks exist, what was published, or for which profile a figure is.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use step::Context;

mod axis;
mod canvas;
mod curve;
mod draw;
mod errors;
mod frame;
mod labels;
mod palette;
mod responses;

pub use errors::{ErrorCurves, Panel, figure as error_curves};
pub use responses::{ResponseCurve, ResponseCurves, figure as response_curves};

/// Which figure is drawn, and what it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
pub enum Params {
    Fig6(ErrorCurves),
    Fig7(ResponseCurves),
}

/// One model's curve, or pair of curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    pub model: String,
    /// Its name for people (`ResNet-20`).
    pub label: String,
    /// Weighted layers; they decide the colour.
    pub layers: u32,
    /// The runs that are averaged.
    pub seeds: Vec<u64>,
}

impl Params {
    /// The file that the step writes.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self {
            Params::Fig6(_) => &["fig6.svg"],
            Params::Fig7(_) => &["fig7.svg"],
        }
    }
}

/// Draws the figure and returns one line for people.
///
/// # Errors
/// As the figure: [`errors::run`], [`responses::run`].
pub fn run(params: &Params, context: &mut Context) -> Result<String> {
    match params {
        Params::Fig6(curves) => errors::run(curves, context),
        Params::Fig7(curves) => responses::run(curves, context),
    }
}

#[cfg(test)]
mod tests;
