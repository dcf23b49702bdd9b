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
    fn with_simd<S: Simd>(self, _simd: S) -> Moments {
        let Measure { map, channels } = self;
        let pixels = (map.len() / channels) as f64;
        let (mut sum, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
        for first in (0..channels).step_by(BLOCK) {
            let sum = &mut sum[first..][..BLOCK];
            for chunk in map.chunks(CHUNK * channels) {
                let mut few = [0.0; BLOCK];
                let mut place = first;
                while place < chunk.len() {
                    let x = block(chunk, place);
                    for i in 0..BLOCK {
                        few[i] += x[i];
                    }
                    place += channels;
                }
                gather(sum, &few);
            }
            let mut mean = [0.0; BLOCK];
            for i in 0..BLOCK {
                mean[i] = (sum[i] / pixels) as f32;
            }
            let squares = &mut squares[first..][..BLOCK];
            for chunk in map.chunks(CHUNK * channels) {
                let mut few = [0.0; BLOCK];
                let mut place = first;
                while place < chunk.len() {
                    let x = block(chunk, place);
                    for i in 0..BLOCK {
                        few[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
                    }
                    place += channels;
                }
                gather(squares, &few);
            }
        }
        Moments { sum, squares }
    }
}

/// The block at a place.
#[inline(always)]
pub fn block(numbers: &[f32], place: usize) -> &[f32; BLOCK] {
    let block = &numbers[place..][..BLOCK];
    block.try_into().unwrap_or(&[0.0; BLOCK]) // Always: it has that length.
}

#[inline(always)]
pub fn gather(sums: &mut [f64], few: &[f32; BLOCK]) {
    let sums = &mut sums[..BLOCK];
    for i in 0..BLOCK {
        sums[i] += f64::from(few[i]);
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
    fn with_simd<S: Simd>(self, _simd: S) {
        apply(self.affine, self.map, self.skip, self.relu, self.out);
    }
}

/// See [`Apply`].
#[inline(always)]
pub fn apply(affine: &Affine, map: &[f32], skip: Option<&[f32]>, relu: bool, out: &mut [f32]) {
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    let channels = affine.scale.len();
    for first in (0..channels).step_by(BLOCK) {
        let (scale, shift) = (*block(&affine.scale, first), *block(&affine.shift, first));
        let mut place = first;
        while place < out.len() {
            let x = block(map, place);
            let out = &mut out[place..][..BLOCK];
            match skip {
                None => {
                    for i in 0..BLOCK {
                        out[i] = clip(x[i] * scale[i] + shift[i], least);
                    }
                }
                Some(skip) => {
                    let skip = block(skip, place);
                    for i in 0..BLOCK {
                        out[i] = clip(x[i] * scale[i] + shift[i] + skip[i], least);
                    }
                }
            }
            place += channels;
        }
    }
}

/// The larger one; what is no number stays none, as in PyTorch's ReLU.
#[inline(always)]
fn clip(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}
