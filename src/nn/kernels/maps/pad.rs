//! The paper's option A: every `stride`-th pixel of every `stride`-th row, with channels of zeros
//! before and after. Unaware of what it is added to.

use rayon::prelude::*;

use crate::nn::kernels::buffers;

/// `[images, height, width, channels]` to
/// `[images, ⌈height / stride⌉, ⌈width / stride⌉, before + channels + after]`.
pub fn pad_channels(
    x: &[f32],
    [height, width, channels]: [usize; 3],
    stride: usize,
    [before, after]: [usize; 2],
) -> Vec<f32> {
    let out_row = width.div_ceil(stride) * (before + channels + after);
    let images = x.len() / (height * width * channels).max(1);
    let mut out = buffers::take(images * height.div_ceil(stride) * out_row);
    let image = height.div_ceil(stride) * out_row;
    out.par_chunks_exact_mut(image)
        .zip(x.par_chunks_exact(height * width * channels))
        .for_each(|(out, x)| {
            let rows = x.chunks_exact(width * channels).step_by(stride);
            for (out, x) in out.chunks_exact_mut(out_row).zip(rows) {
                let pixels = x.chunks_exact(channels).step_by(stride);
                for (out, x) in out.chunks_exact_mut(before + channels + after).zip(pixels) {
                    out[..before].fill(0.0);
                    out[before..][..channels].copy_from_slice(x);
                    out[before + channels..].fill(0.0);
                }
            }
        });
    out
}

/// The input's gradient, from the output's: zero where a pixel was left out.
pub fn pad_channels_backward(
    gradient: &[f32],
    [height, width, channels]: [usize; 3],
    stride: usize,
    [before, after]: [usize; 2],
) -> Vec<f32> {
    let out_row = width.div_ceil(stride) * (before + channels + after);
    let image = height.div_ceil(stride) * out_row;
    let images = gradient.len() / image.max(1);
    let mut input = buffers::take(images * height * width * channels);
    input
        .par_chunks_exact_mut(height * width * channels)
        .zip(gradient.par_chunks_exact(image))
        .for_each(|(input, gradient)| {
            input.fill(0.0);
            let rows = input.chunks_exact_mut(width * channels).step_by(stride);
            for (input, gradient) in rows.zip(gradient.chunks_exact(out_row)) {
                let pixels = input.chunks_exact_mut(channels).step_by(stride);
                let gradients = gradient.chunks_exact(before + channels + after);
                for (input, gradient) in pixels.zip(gradients) {
                    input.copy_from_slice(&gradient[before..][..channels]);
                }
            }
        });
    input
}
