//! A tile and a kernel on their way to the places where they are multiplied, and back. Unaware of
//! products.

#![allow(
    clippy::needless_range_loop,
    reason = "loops by index, as in crate::tile"
)]

use pulp::{Simd, WithSimd};

use super::{PLACES, Tiles, place};

/// `G kernel Gᵀ`, row by row.
pub fn spread_kernel(kernel: [[f64; 3]; 3]) -> [f32; PLACES] {
    let spread = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let [first, second, third] = kernel;
    let rows = [spread(first), spread(second), spread(third)];
    let mut places = [0.0; PLACES];
    for x in 0..4 {
        let column = spread([rows[0][x], rows[1][x], rows[2][x]]);
        for y in 0..4 {
            places[4 * y + x] = column[y] as f32;
        }
    }
    places
}

/// `Gᵀ sums G`, row by row.
pub fn collect_kernel(sums: [[f64; 4]; 4]) -> [f32; 9] {
    let collect = |[a, b, c, d]: [f64; 4]| [a + (b + c) / 2.0, (b - c) / 2.0, (b + c) / 2.0 + d];
    let [first, second, third, fourth] = sums;
    let rows = [
        collect(first),
        collect(second),
        collect(third),
        collect(fourth),
    ];
    let mut kernel = [0.0; 9];
    for x in 0..3 {
        let column = collect([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
        for y in 0..3 {
            kernel[3 * y + x] = column[y] as f32;
        }
    }
    kernel
}

/// `Bᵀ tile B` of each tile.
pub struct Spread<'a> {
    pub tiles: &'a Tiles,
    pub framed: &'a [f32],
    /// Row of tiles.
    pub first: usize,
    /// `[places, tiles, channels]`
    pub out: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles {
            frame,
            rows,
            columns,
        } = *self.tiles;
        let lanes = frame.channels / S::F32_LANES;
        let (framed, _) = S::as_simd_f32s(self.framed);
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let (row, place) = (
            frame.row() / S::F32_LANES,
            self.tiles.place() / S::F32_LANES,
        );
        for tile in 0..rows * columns {
            let (y, x) = (self.first + tile / columns, tile % columns);
            let framed = &framed[2 * (y * row + x * lanes)..];
            let out = &mut out[tile * lanes..];
            for lane in 0..lanes {
                let mut t = [[simd.splat_f32s(0.0); 4]; 4];
                for y in 0..4 {
                    let at = y * row + lane;
                    let (a, b) = (framed[at], framed[at + lanes]);
                    let (c, d) = (framed[at + 2 * lanes], framed[at + 3 * lanes]);
                    t[y] = [
                        simd.sub_f32s(a, c),
                        simd.add_f32s(b, c),
                        simd.sub_f32s(c, b),
                        simd.sub_f32s(b, d),
                    ];
                }
                for x in 0..4 {
                    let at = x * place + lane;
                    out[at] = simd.sub_f32s(t[0][x], t[2][x]);
                    out[at + 4 * place] = simd.add_f32s(t[1][x], t[2][x]);
                    out[at + 8 * place] = simd.sub_f32s(t[2][x], t[1][x]);
                    out[at + 12 * place] = simd.sub_f32s(t[1][x], t[3][x]);
                }
            }
        }
    }
}

/// `Aᵀ places A` of each tile.
pub struct Collect<'a> {
    pub tiles: &'a Tiles,
    pub filters: usize,
    /// `[places, tiles, filters]`
    pub places: &'a [f32],
    /// `[height, width, filters]` from the first tile on.
    pub out: &'a mut [f32],
}

impl WithSimd for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles { rows, columns, .. } = *self.tiles;
        let lanes = self.filters / S::F32_LANES;
        let (places, _) = S::as_simd_f32s(self.places);
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let place = place(rows * columns, self.filters) / S::F32_LANES;
        let row = 2 * columns * lanes;
        for tile in 0..rows * columns {
            let places = &places[tile * lanes..];
            let out = &mut out[2 * (tile / columns * row + tile % columns * lanes)..];
            for lane in 0..lanes {
                let mut t = [[simd.splat_f32s(0.0); 4]; 2];
                for x in 0..4 {
                    let at = x * place + lane;
                    let (a, b) = (places[at], places[at + 4 * place]);
                    let (c, d) = (places[at + 8 * place], places[at + 12 * place]);
                    t[0][x] = simd.add_f32s(simd.add_f32s(a, b), c);
                    t[1][x] = simd.sub_f32s(simd.sub_f32s(b, c), d);
                }
                for y in 0..2 {
                    let [a, b, c, d] = t[y];
                    let at = y * row + lane;
                    out[at] = simd.add_f32s(simd.add_f32s(a, b), c);
                    out[at + lanes] = simd.sub_f32s(simd.sub_f32s(b, c), d);
                }
            }
        }
    }
}

/// `A gradient Aᵀ` of each tile of 2 × 2 outputs.
pub struct Expand<'a> {
    pub tiles: &'a Tiles,
    pub framed: &'a [f32],
    /// Row of tiles.
    pub first: usize,
    /// `[places, tiles, filters]`
    pub out: &'a mut [f32],
}

impl WithSimd for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Tiles {
            frame,
            rows,
            columns,
        } = *self.tiles;
        let lanes = frame.channels / S::F32_LANES;
        let (framed, _) = S::as_simd_f32s(self.framed);
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let (row, place) = (
            frame.row() / S::F32_LANES,
            self.tiles.place() / S::F32_LANES,
        );
        for tile in 0..rows * columns {
            let (y, x) = (self.first + tile / columns, tile % columns);
            let framed = &framed[(2 * y + 1) * row + (2 * x + 1) * lanes..];
            let out = &mut out[tile * lanes..];
            for lane in 0..lanes {
                let mut t = [[simd.splat_f32s(0.0); 4]; 2];
                for y in 0..2 {
                    let (a, b) = (framed[y * row + lane], framed[y * row + lanes + lane]);
                    t[y] = [
                        a,
                        simd.add_f32s(a, b),
                        simd.sub_f32s(a, b),
                        simd.neg_f32s(b),
                    ];
                }
                for x in 0..4 {
                    let (a, b, at) = (t[0][x], t[1][x], x * place + lane);
                    out[at] = a;
                    out[at + 4 * place] = simd.add_f32s(a, b);
                    out[at + 8 * place] = simd.sub_f32s(a, b);
                    out[at + 12 * place] = simd.neg_f32s(b);
                }
            }
        }
    }
}
