//! Batch normalisation with what follows it: statistics of a batch and
//! `relu(scale · x + shift + skip)` (Ioffe and Szegedy 2015, "Batch Normalization", section 3).
//!
//! Statistics are summed up per image in `f32` over few pixels and in `f64` over more, and over the
//! images in their order. Unaware of convolutions and threads.
//!
//! Channels are a multiple of [`BLOCK`], and a block's factors and sums stay in registers while its
//! pixels go by. Loops go by index: iterators and closures are as quick only where the compiler inlines
//! them, which it does not promise.

#![allow(
    clippy::needless_range_loop,
    reason = "an index into several slices of one length, see above"
)]

use pulp::{Simd, WithSimd};

use crate::lanes::{blocks, blocks_mut, for_lanes, gather};
use crate::pass::BLOCK;

/// Pixels whose values are summed up in `f32`.
pub const CHUNK: usize = 32;

/// Mean and reciprocal standard deviation of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    pub mean: Vec<f32>,
    /// Biased, as the batch is normalised with.
    pub variance: Vec<f32>,
    /// `1 / √(variance + ε)`
    pub reciprocal: Vec<f32>,
}

/// `scale · x + shift`, per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// Each channel's sum over one image and sum of squares about the image's mean.
#[derive(Clone, Debug)]
pub struct Moments {
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Norm {
    /// Of all images, from each one's moments over `pixels` (Chan et al. 1979, equation 1.3).
    pub fn of(images: &[Moments], pixels: usize, epsilon: f64) -> Norm {
        let channels = images.first().map_or(0, |image| image.sum.len());
        let (pixels, count) = (pixels as f64, (images.len() * pixels) as f64);
        let moments = |channel: usize| {
            let mean = images.iter().map(|image| image.sum[channel]).sum::<f64>() / count;
            let squares = images.iter().map(|image| {
                let off = image.sum[channel] / pixels - mean;
                image.squares[channel] + pixels * off * off
            });
            (mean, squares.sum::<f64>() / count)
        };
        let moments: Vec<(f64, f64)> = (0..channels).map(moments).collect();
        let variances = moments.iter().map(|(_, variance)| *variance);
        Norm {
            mean: moments.iter().map(|(mean, _)| *mean as f32).collect(),
            reciprocal: variances
                .clone()
                .map(|variance| (1.0 / (variance + epsilon).sqrt()) as f32)
                .collect(),
            variance: variances.map(|variance| variance as f32).collect(),
        }
    }

    /// With the learned `weight` and `bias`, as one multiplication and one addition.
    pub fn affine(&self, weight: &[f32], bias: &[f32]) -> Affine {
        let scale: Vec<f32> = self
            .reciprocal
            .iter()
            .zip(weight)
            .map(|(r, w)| r * w)
            .collect();
        let shift = self.mean.iter().zip(&scale).zip(bias);
        Affine {
            shift: shift
                .map(|((mean, scale), bias)| bias - mean * scale)
                .collect(),
            scale,
        }
    }
}

/// Moments of one image `[pixels, channels]`.
pub struct Measure<'a> {
    pub map: &'a [f32],
    pub channels: usize,
}

impl WithSimd for Measure<'_> {
    type Output = Moments;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Moments {
        for_lanes!(self, simd, S)
    }
}

impl Measure<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> Moments {
        let Measure { map, channels } = self;
        let pixels = (map.len() / channels) as f64;
        let (mut sum, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
        let of_pixel = channels / BLOCK;
        for first in 0..of_pixel {
            let sum = &mut sum[first * BLOCK..][..BLOCK];
            for chunk in map.chunks(CHUNK * channels) {
                let chunk = blocks::<S, V>(chunk);
                let mut few = [simd.splat_f32s(0.0); V];
                let mut place = first;
                while place < chunk.len() {
                    for v in 0..V {
                        few[v] = simd.add_f32s(few[v], chunk[place][v]);
                    }
                    place += of_pixel;
                }
                gather::<S, V>(sum, &few);
            }
            let mut mean = [0.0; BLOCK];
            for i in 0..BLOCK {
                mean[i] = (sum[i] / pixels) as f32;
            }
            let mean = blocks::<S, V>(&mean)[0];
            let squares = &mut squares[first * BLOCK..][..BLOCK];
            for chunk in map.chunks(CHUNK * channels) {
                let chunk = blocks::<S, V>(chunk);
                let mut few = [simd.splat_f32s(0.0); V];
                let mut place = first;
                while place < chunk.len() {
                    for v in 0..V {
                        let off = simd.sub_f32s(chunk[place][v], mean[v]);
                        few[v] = simd.add_f32s(few[v], simd.mul_f32s(off, off));
                    }
                    place += of_pixel;
                }
                gather::<S, V>(squares, &few);
            }
        }
        Moments { sum, squares }
    }
}

/// `out = relu(scale · map + shift + skip)`, without what is not asked for; all are
/// `[pixels, channels]`.
pub struct Apply<'a> {
    pub affine: &'a Affine,
    pub map: &'a [f32],
    pub skip: Option<&'a [f32]>,
    pub relu: bool,
    pub out: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for_lanes!(self, simd, S)
    }
}

impl Apply<'_> {
    #[inline(always)]
    pub fn run<S: Simd, const V: usize>(self, simd: S) {
        let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let least = simd.splat_f32s(least);
        let (map, out) = (blocks::<S, V>(self.map), blocks_mut::<S, V>(self.out));
        let skip = self.skip.map(blocks::<S, V>);
        let scale = blocks::<S, V>(&self.affine.scale);
        let shift = blocks::<S, V>(&self.affine.shift);
        let of_pixel = scale.len();
        for first in 0..of_pixel {
            let (scale, shift) = (scale[first], shift[first]);
            let mut place = first;
            while place < out.len() {
                for v in 0..V {
                    let mut x = simd.mul_f32s(map[place][v], scale[v]);
                    x = simd.add_f32s(x, shift[v]);
                    if let Some(skip) = skip {
                        x = simd.add_f32s(x, skip[place][v]);
                    }
                    // The larger one; what is no number stays none, as in PyTorch's ReLU.
                    let less = simd.less_than_f32s(x, least);
                    out[place][v] = simd.select_f32s(less, least, x);
                }
                place += of_pixel;
            }
        }
    }
}
