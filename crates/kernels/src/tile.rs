//! The two inner loops in which nearly all of the time goes by: [`Convolve`], which adds up one
//! pass over a framed map, and [`Correlate`], which adds up the weights' gradient. Both hold a tile
//! of sums in registers: up to six rows of [`BLOCK`] numbers, which on AVX2 are twelve of its sixteen
//! registers and leave three for operands, or up to twelve, which are twelve of AVX-512's: as many as
//! it takes to wait for none.
//!
//! Every sum adds its terms in the order in which they lie in memory, however wide the registers are:
//! processors with fused multiply-add agree to the bit.
//!
//! The tiles are macros because their rows must be variables of their own: as elements of an array
//! that a loop runs through, LLVM keeps them in memory. Loops go by index for the same reason: an
//! iterator that is not inlined, which the compiler does not promise, wants its operands in memory.
//! Unaware of images and threads.

#![allow(
    clippy::manual_memcpy,
    clippy::needless_range_loop,
    reason = "loops by index, see above"
)]

use pulp::{Simd, WithSimd};

use crate::lanes::for_lanes;
use crate::pass::{BLOCK, Pass};

/// Pixels whose products are added up before the next tile's turn: what they read stays in the
/// first cache.
const CHUNK: usize = 64;

/// One pass over one image: `out = Σ framed · weights`.
pub struct Convolve<'a> {
    pub pass: &'a Pass,
    pub framed: &'a [f32],
    /// `[pixels, columns]`; those that the pass names are overwritten.
    pub out: &'a mut [f32],
}

impl WithSimd for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for_lanes!(self, simd, S)
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Convolve { pass, framed, out } = self;
        let (weights, _) = S::as_simd_f32s(&pass.weights);
        let (weights, _) = weights.as_chunks::<V>();
        let per_block = pass.rows.len() * pass.depth;
        for block in 0..pass.columns.div_ceil(BLOCK) {
            let weights = &weights[block * per_block..][..per_block];
            let first = block * BLOCK;
            let columns = first..pass.columns.min(first + BLOCK);
            let mut place = 0;
            while place < pass.from.len() {
                let (from, to) = (&pass.from[place..], &pass.to[place..]);
                let tile = Tile {
                    from,
                    to,
                    columns: columns.clone(),
                };
                place += match from.len() {
                    12.. if V == 1 => tile.twelve::<S, V>(simd, pass, framed, weights, out),
                    6.. => tile.six::<S, V>(simd, pass, framed, weights, out),
                    4.. => tile.four::<S, V>(simd, pass, framed, weights, out),
                    _ => tile.one::<S, V>(simd, pass, framed, weights, out),
                };
            }
        }
    }
}

/// Pixels still to do, and the columns of the output that are computed.
struct Tile<'a> {
    from: &'a [usize],
    to: &'a [usize],
    columns: std::ops::Range<usize>,
}

macro_rules! tile {
    ($name:ident, $pixels:literal, $($p:literal $x:ident),*) => {
        /// Computes the first pixels; returns how many.
        #[inline(always)]
        fn $name<S: Simd, const V: usize>(
            self,
            simd: S,
            pass: &Pass,
            framed: &[f32],
            weights: &[[S::f32s; V]],
            out: &mut [f32],
        ) -> usize {
            let mut sums = [[simd.splat_f32s(0.0); V]; $pixels];
            for row in 0..pass.rows.len() {
                let weights = &weights[row * pass.depth..][..pass.depth];
                $( let $x = &framed[self.from[$p] + pass.rows[row]..][..pass.depth]; )*
                for (i, weights) in weights.iter().enumerate() {
                    $(
                        // Never taken: all have the same length, which LLVM is told here.
                        if i >= $x.len() { break }
                        let x = simd.splat_f32s($x[i]);
                        for v in 0..V {
                            sums[$p][v] = simd.mul_add_e_f32s(x, weights[v], sums[$p][v]);
                        }
                    )*
                }
            }
            $( store::<S, V>(&sums[$p], &mut out[self.to[$p]..][self.columns.clone()]); )*
            $pixels
        }
    };
}

impl Tile<'_> {
    tile!(twelve, 12, 0 x0, 1 x1, 2 x2, 3 x3, 4 x4, 5 x5, 6 x6, 7 x7, 8 x8, 9 x9, 10 x10, 11 x11);
    tile!(six, 6, 0 x0, 1 x1, 2 x2, 3 x3, 4 x4, 5 x5);
    tile!(four, 4, 0 x0, 1 x1, 2 x2, 3 x3);
    tile!(one, 1, 0 x0);
}

/// Writes one pixel's sums; a last block that is not full drops the rest.
#[inline(always)]
fn store<S: Simd, const V: usize>(sums: &[S::f32s; V], out: &mut [f32]) {
    let mut block = [0.0; BLOCK];
    let whole = out.len() == BLOCK;
    let (lanes, _) = S::as_mut_simd_f32s(if whole { &mut *out } else { &mut block });
    for v in 0..V.min(lanes.len()) {
        lanes[v] = sums[v];
    }
    if !whole {
        out.copy_from_slice(&block[..out.len()]);
    }
}

/// One image's part of the weights' gradient: `sums += Σ framedᵀ · gradient`.
pub struct Correlate<'a> {
    /// Where each output pixel's first input lies.
    pub from: &'a [usize],
    /// Where each output pixel's gradient lies.
    pub to: &'a [usize],
    /// Where each of the kernel's rows starts, from a pixel's first input on.
    pub rows: &'a [usize],
    /// Numbers of a kernel's row.
    pub depth: usize,
    pub framed: &'a [f32],
    /// Framed or not, of a multiple of [`BLOCK`] channels.
    pub gradient: &'a [f32],
    /// `[blocks, rows, depth, BLOCK]`
    pub sums: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for_lanes!(self, simd, S)
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Correlate { depth, framed, .. } = self;
        let (sums, _) = S::as_mut_simd_f32s(self.sums);
        let (sums, _) = sums.as_chunks_mut::<V>();
        let (gradient, _) = S::as_simd_f32s(self.gradient);
        let (gradient, _) = gradient.as_chunks::<V>();
        let pixels = self.from.len();
        for first in (0..pixels).step_by(CHUNK) {
            let chunk = first..pixels.min(first + CHUNK);
            let (from, to) = (&self.from[chunk.clone()], &self.to[chunk]);
            for (block, sums) in sums.chunks_exact_mut(self.rows.len() * depth).enumerate() {
                let gradient = &gradient[block..];
                for (place, sums) in sums.chunks_exact_mut(depth).enumerate() {
                    let row = self.rows[place];
                    let mut i = 0;
                    while i < depth {
                        let (framed, sums) = (&framed[row + i..], &mut sums[i..]);
                        i += match sums.len() {
                            12.. if V == 1 => {
                                twelve::<S, V>(simd, framed, from, gradient, to, sums)
                            }
                            6.. => six::<S, V>(simd, framed, from, gradient, to, sums),
                            3.. => three::<S, V>(simd, framed, from, gradient, to, sums),
                            _ => one::<S, V>(simd, framed, from, gradient, to, sums),
                        };
                    }
                }
            }
        }
    }
}

macro_rules! outer {
    ($name:ident, $rows:literal, $($p:literal),*) => {
        /// Adds to the first rows of sums; returns how many.
        #[inline(always)]
        fn $name<S: Simd, const V: usize>(
            simd: S,
            framed: &[f32],
            from: &[usize],
            gradient: &[[S::f32s; V]],
            to: &[usize],
            sums: &mut [[S::f32s; V]],
        ) -> usize {
            let Some(kept) = sums.first_chunk_mut::<$rows>() else { return $rows };
            let mut sums = *kept;
            for pixel in 0..from.len().min(to.len()) {
                let x = framed.get(from[pixel]..).and_then(|x| x.first_chunk::<$rows>());
                let gradient = gradient.get(to[pixel] / BLOCK);
                let (Some(x), Some(gradient)) = (x, gradient) else { break };
                $(
                    let value = simd.splat_f32s(x[$p]);
                    for v in 0..V {
                        sums[$p][v] = simd.mul_add_e_f32s(value, gradient[v], sums[$p][v]);
                    }
                )*
            }
            *kept = sums;
            $rows
        }
    };
}

outer!(twelve, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
outer!(six, 6, 0, 1, 2, 3, 4, 5);
outer!(three, 3, 0, 1, 2);
outer!(one, 1, 0);
