//! Winograd's F(2 × 2, 3 × 3): four outputs of a 3 × 3 convolution from a tile of 4 × 4 inputs with 16
//! multiplications in place of 36 (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural
//! Networks", section 4.1). With `⊙` number by number and sums over channels,
//!
//! ```text
//! output = Aᵀ [(G kernel Gᵀ) ⊙ (Bᵀ tile B)] A
//! ```
//!
//! so that one place of all tiles is a product of matrices, `tiles × channels` by `channels × filters`,
//! and the weights' gradient another. `A` and `B` hold 0, 1 and −1 only: tiles are added and
//! subtracted, in one order for all instructions. Kernels are taken there and back in `f64`.
//!
//! Unaware of images.

mod transform;

use pulp::Arch;
use rayon::prelude::*;

use self::transform::{Collect, Expand, Spread, collect_kernel, spread_kernel};
use crate::buffers;
use crate::geometry::{Frame, Geometry};
use crate::pass::{BLOCK, Pass};
use crate::tile::{Convolve, Correlate};

/// Places of a tile.
const PLACES: usize = 16;
/// Tiles that are computed together at most: what is between them stays in the second cache.
const TOGETHER: usize = 64;

/// Whether a convolution is computed this way, forward and backward; a function of nothing else, so that
/// all machines compute the same.
pub fn suits(g: &Geometry) -> bool {
    let whole = |channels: usize| channels.is_multiple_of(BLOCK) && channels >= LEAST;
    (g.size, g.stride) == (3, 1)
        && g.height.is_multiple_of(2)
        && g.width.is_multiple_of(2)
        && whole(g.channels)
        && whole(g.filters)
}

/// With fewer channels than these the sums around the products cost more than is saved.
const LEAST: usize = 32;

/// A framed map's tiles, some rows of them at a time.
#[derive(Clone, Copy)]
struct Tiles {
    frame: Frame,
    /// Rows of tiles together.
    rows: usize,
    /// Tiles of a row.
    columns: usize,
}

impl Tiles {
    fn of(frame: Frame) -> Tiles {
        let (rows, columns) = (frame.height / 2, frame.width / 2);
        let fit = |count: &usize| rows.is_multiple_of(*count) && count * columns <= TOGETHER;
        Tiles {
            frame,
            rows: (1..=rows).rev().find(fit).unwrap_or(1),
            columns,
        }
    }

    fn together(&self) -> usize {
        self.rows * self.columns
    }

    /// The first row of each part.
    fn parts(&self) -> impl Iterator<Item = usize> {
        (0..self.frame.height / 2).step_by(self.rows)
    }

    /// Numbers from one place of a part's tiles to the next.
    fn place(&self) -> usize {
        place(self.together(), self.frame.channels)
    }

    /// Where each tile's channels start.
    fn starts(&self) -> Vec<usize> {
        (0..self.together())
            .map(|tile| tile * self.frame.channels)
            .collect()
    }

    /// A part's tiles to `[places, tiles, channels]`: `Bᵀ tile B`.
    fn spread(&self, arch: Arch, framed: &[f32], first: usize, out: &mut Vec<f32>) {
        fit(out, PLACES * self.place());
        let (tiles, out) = (self, &mut out[..]);
        arch.dispatch(Spread {
            tiles,
            framed,
            first,
            out,
        });
    }
}

/// A place's numbers, and a block that is not used: where all places lie a power of two apart, they
/// drive each other out of the first cache.
fn place(tiles: usize, channels: usize) -> usize {
    tiles * channels + BLOCK
}

/// Memory between an image's maps, used again from image to image and from layer to layer.
#[derive(Default)]
pub struct Room {
    input: Vec<f32>,
    output: Vec<f32>,
}

/// Makes one of a room's buffers as large as is needed, with any content.
fn fit(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() != len {
        buffers::give(std::mem::take(buffer));
        *buffer = buffers::take(len);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            buffers::give(std::mem::take(buffer));
        }
    }
}

/// A convolution of a framed map, or its input's gradient, which is one of the output's framed gradient.
pub struct Winograd {
    tiles: Tiles,
    filters: usize,
    /// One product for each place.
    passes: Vec<Pass>,
}

impl Winograd {
    /// The convolution itself; `weights` are `[filters, channels, 3, 3]`.
    pub fn forward(g: &Geometry, weights: &[f32]) -> Winograd {
        let weight = |y, x, channel, filter| weights[g.weight(filter, channel, y, x)];
        Winograd::of(g.input_frame(), g.filters, weight)
    }

    /// The input's gradient: kernels are turned by half a turn.
    pub fn backward(g: &Geometry, weights: &[f32]) -> Winograd {
        let weight = |y, x, filter, channel| weights[g.weight(filter, channel, 2 - y, 2 - x)];
        Winograd::of(g.output_frame(), g.channels, weight)
    }

    fn of(
        frame: Frame,
        filters: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
    ) -> Winograd {
        let tiles = Tiles::of(frame);
        let depth = frame.channels;
        let blocks = (0..filters / BLOCK).into_par_iter().map(|block| {
            let weight = |y, x, channel, lane| weight(y, x, channel, block * BLOCK + lane);
            spread_block(depth, weight)
        });
        let blocks: Vec<Vec<f32>> = blocks.collect();
        let weights = |place: usize| {
            let size = depth * BLOCK;
            let of_place = blocks.iter().map(|block| &block[place * size..][..size]);
            of_place.collect::<Vec<_>>().concat()
        };
        let pass = |weights| Pass {
            from: tiles.starts(),
            to: (0..tiles.together()).map(|tile| tile * filters).collect(),
            rows: vec![0],
            depth,
            columns: filters,
            weights,
        };
        Winograd {
            tiles,
            filters,
            passes: (0..PLACES).map(weights).map(pass).collect(),
        }
    }

    /// One image's, from its framed map to `out`, `[height, width, filters]`.
    pub fn run(&self, arch: Arch, framed: &[f32], room: &mut Room, out: &mut [f32]) {
        let (tiles, filters) = (&self.tiles, self.filters);
        let of_output = place(tiles.together(), filters);
        fit(&mut room.output, PLACES * of_output);
        for first in tiles.parts() {
            tiles.spread(arch, framed, first, &mut room.input);
            let places = room.input.chunks_exact(tiles.place());
            let products = room.output.chunks_exact_mut(of_output);
            for ((pass, framed), out) in self.passes.iter().zip(places).zip(products) {
                arch.dispatch(Convolve { pass, framed, out });
            }
            arch.dispatch(Collect {
                tiles,
                filters,
                places: &room.output,
                out: &mut out[first * 2 * tiles.frame.width * filters..],
            });
        }
    }
}

/// The kernels of a block of filters, spread, `[places, depth, BLOCK]`.
fn spread_block(depth: usize, weight: impl Fn(usize, usize, usize, usize) -> f32) -> Vec<f32> {
    let mut spread = vec![0.0; PLACES * depth * BLOCK];
    for channel in 0..depth {
        for lane in 0..BLOCK {
            let mut kernel = [[0.0; 3]; 3];
            for (y, row) in kernel.iter_mut().enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    *value = weight(y, x, channel, lane).into();
                }
            }
            for (place, value) in spread_kernel(kernel).into_iter().enumerate() {
                spread[(place * depth + channel) * BLOCK + lane] = value;
            }
        }
    }
    spread
}

/// The weights' gradient, `G ᵀ [Σ (Bᵀ tile B) ⊙ (A gradient Aᵀ)] G`.
pub struct WeightGradient {
    input: Tiles,
    output: Tiles,
    from: Vec<usize>,
    to: Vec<usize>,
}

impl WeightGradient {
    pub fn of(g: &Geometry) -> WeightGradient {
        let (input, output) = (Tiles::of(g.input_frame()), Tiles::of(g.output_frame()));
        WeightGradient {
            from: input.starts(),
            to: output.starts(),
            input,
            output,
        }
    }

    /// How many numbers are summed up.
    pub fn sums(&self) -> usize {
        PLACES * self.input.frame.channels * self.output.frame.channels
    }

    /// Adds one image's part; both maps are framed.
    pub fn add(
        &self,
        arch: Arch,
        framed: &[f32],
        gradient: &[f32],
        room: &mut Room,
        sums: &mut [f32],
    ) {
        let (input, output) = (&self.input, &self.output);
        let depth = input.frame.channels;
        fit(&mut room.output, PLACES * output.place());
        for first in input.parts() {
            input.spread(arch, framed, first, &mut room.input);
            arch.dispatch(Expand {
                tiles: output,
                framed: gradient,
                first,
                out: &mut room.output,
            });
            let framed = room.input.chunks_exact(input.place());
            let gradient = room.output.chunks_exact(output.place());
            let sums = sums.chunks_exact_mut(depth * output.frame.channels);
            for ((framed, gradient), sums) in framed.zip(gradient).zip(sums) {
                arch.dispatch(Correlate {
                    from: &self.from,
                    to: &self.to,
                    rows: &[0],
                    depth,
                    framed,
                    gradient,
                    sums,
                });
            }
        }
    }

    /// The gradient `[filters, channels, 3, 3]` from all sums.
    pub fn gather(&self, g: &Geometry, total: &[f32]) -> Vec<f32> {
        let of_place = g.channels * g.filters;
        let mut gradient = vec![0.0; g.weights()];
        let filters = gradient
            .par_chunks_exact_mut(g.channels * 9)
            .with_min_len(BLOCK)
            .enumerate();
        filters.for_each(|(filter, gradient)| {
            for (channel, gradient) in gradient.chunks_exact_mut(9).enumerate() {
                let at = (filter / BLOCK * g.channels + channel) * BLOCK + filter % BLOCK;
                let mut sums = [[0.0; 4]; 4];
                for place in 0..PLACES {
                    sums[place / 4][place % 4] = total[place * of_place + at].into();
                }
                gradient.copy_from_slice(&collect_kernel(sums));
            }
        });
        gradient
    }
}
