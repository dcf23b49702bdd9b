//! One sum over a framed map, described: which pixels are computed from which places, with which
//! weights. A convolution is one pass; its input's gradient is one for each of `stride²` classes of
//! pixels, since pixels that lie differently in the stride's grid are reached by different weights.
//!
//! Unaware of how it is carried out.

use crate::geometry::Geometry;

/// Filters that are computed together.
pub const BLOCK: usize = 16;

/// `out[to[p] + column] = Σ_row Σ_i framed[from[p] + rows[row] + i] · weights[row, i, column]`.
pub struct Pass {
    /// Where each computed pixel's first neighbour lies in the frame.
    pub from: Vec<usize>,
    /// Where each computed pixel lies in the output.
    pub to: Vec<usize>,
    /// Where each row of neighbours starts, from the first neighbour on.
    pub rows: Vec<usize>,
    /// Numbers of a row of neighbours.
    pub depth: usize,
    /// Channels of the output.
    pub columns: usize,
    /// `[blocks, rows, depth, BLOCK]`, the last block filled up with zeros.
    pub weights: Vec<f32>,
}

impl Pass {
    /// The convolution itself; `weights` are `[filters, channels, size, size]`.
    pub fn forward(geometry: &Geometry, weights: &[f32]) -> Pass {
        let g = geometry;
        let frame = g.input_frame();
        let weight =
            |row, i: usize, filter| weights[g.weight(filter, i % g.channels, row, i / g.channels)];
        Pass {
            from: positions(g.out_height(), g.out_width(), |y, x| {
                frame.at(y * g.stride, x * g.stride)
            }),
            to: (0..g.out_pixels()).map(|pixel| pixel * g.filters).collect(),
            rows: (0..g.size).map(|row| frame.at(row, 0)).collect(),
            depth: g.size * g.channels,
            columns: g.filters,
            weights: pack(g.size, g.size * g.channels, g.filters, weight),
        }
    }

    /// The passes over the output's framed gradient that together give the input's.
    pub fn backward(geometry: &Geometry, weights: &[f32]) -> Vec<Pass> {
        let classes = 0..geometry.stride * geometry.stride;
        let class = |index| (index / geometry.stride, index % geometry.stride);
        classes
            .map(|index| Pass::class(geometry, weights, class(index)))
            .collect()
    }

    /// The gradient of those pixels whose row and column are `class`, modulo the stride.
    fn class(geometry: &Geometry, weights: &[f32], (y, x): (usize, usize)) -> Pass {
        let g = geometry;
        let frame = g.output_frame();
        let (down, across) = (taps(g, y), taps(g, x));
        let weight = |row: usize, i: usize, channel| {
            let (filter, tap) = (i % g.filters, i / g.filters);
            weights[g.weight(filter, channel, down[row], across[tap])]
        };
        let count = |extent: usize, offset: usize| extent.saturating_sub(offset).div_ceil(g.stride);
        let (height, width) = (count(g.height, y), count(g.width, x));
        let first = |class, taps: &[usize]| match taps.first() {
            Some(&tap) => reach(g, class, tap) / g.stride,
            None => 0,
        };
        let (top, left) = (first(y, &down), first(x, &across));
        let rows = if across.is_empty() { 0 } else { down.len() };
        let depth = across.len() * g.filters;
        Pass {
            from: positions(height, width, |row, column| {
                frame.at(row + top, column + left)
            }),
            to: positions(height, width, |row, column| {
                let (row, column) = (row * g.stride + y, column * g.stride + x);
                (row * g.width + column) * g.channels
            }),
            rows: (0..rows).map(|row| frame.at(row, 0)).collect(),
            depth,
            columns: g.channels,
            weights: pack(rows, depth, g.channels, weight),
        }
    }
}

/// The places of a kernel's column that reach pixels of a class, the largest first: going down them,
/// the output's pixel goes up by one.
fn taps(geometry: &Geometry, class: usize) -> Vec<usize> {
    let reaches = |tap: &usize| reach(geometry, class, *tap).is_multiple_of(geometry.stride);
    (0..geometry.size).rev().filter(reaches).collect()
}

/// The framed row of the output, times the stride, from which a row of the input at `class` gets
/// gradient through the kernel's row `tap`; only whole rows exist. The same for columns.
fn reach(geometry: &Geometry, class: usize, tap: usize) -> usize {
    class + geometry.border() * (1 + geometry.stride) - tap
}

/// A value for each pixel, row by row.
fn positions(height: usize, width: usize, at: impl Fn(usize, usize) -> usize) -> Vec<usize> {
    let at = &at;
    (0..height)
        .flat_map(|y| (0..width).map(move |x| at(y, x)))
        .collect()
}

/// Weights in the order in which a pass reads them: `[blocks, rows, depth, BLOCK]`.
fn pack(
    rows: usize,
    depth: usize,
    columns: usize,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Vec<f32> {
    let mut packed = Vec::with_capacity(columns.next_multiple_of(BLOCK) * rows * depth);
    for first in (0..columns).step_by(BLOCK) {
        for row in 0..rows {
            for i in 0..depth {
                packed.extend((first..first + BLOCK).map(|column| match column < columns {
                    true => weight(row, i, column),
                    false => 0.0,
                }));
            }
        }
    }
    packed
}
