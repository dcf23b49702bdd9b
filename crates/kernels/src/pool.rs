//! Small passes over whole maps: the mean over all pixels, and another order in memory. Unaware
//! of what they are for.

use rayon::prelude::*;

use crate::buffers;

/// `[images, pixels, channels]` to the means `[images, channels]`.
pub fn mean_pixels(x: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let mut means = vec![0.0; x.len() / pixels.max(1)];
    means
        .par_chunks_exact_mut(channels)
        .zip(x.par_chunks_exact(pixels * channels))
        .for_each(|(means, x)| {
            for pixel in x.chunks_exact(channels) {
                for (mean, x) in means.iter_mut().zip(pixel) {
                    *mean += x;
                }
            }
            for mean in means {
                *mean /= pixels as f32;
            }
        });
    means
}

/// The gradient of [`mean_pixels`]: `[images, channels]` to `[images, pixels, channels]`.
pub fn spread_pixels(gradient: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let mut spread = buffers::take(gradient.len() * pixels);
    spread
        .par_chunks_exact_mut(pixels * channels)
        .zip(gradient.par_chunks_exact(channels))
        .for_each(|(spread, gradient)| {
            for pixel in spread.chunks_exact_mut(channels) {
                for (x, gradient) in pixel.iter_mut().zip(gradient) {
                    *x = gradient / pixels as f32;
                }
            }
        });
    spread
}

/// `[images, channels, pixels]` to `[images, pixels, channels]`.
pub fn to_channels_last(x: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut moved = buffers::take(x.len());
    moved
        .par_chunks_exact_mut((pixels * channels).max(1))
        .zip(x.par_chunks_exact((pixels * channels).max(1)))
        .for_each(|(moved, x)| {
            for (channel, plane) in x.chunks_exact(pixels).enumerate() {
                let places = moved.iter_mut().skip(channel).step_by(channels);
                for (to, from) in places.zip(plane) {
                    *to = *from;
                }
            }
        });
    moved
}
