//! The paper's option A and a variant of it: one pixel of each 2 × 2, with channels of zeros before and
//! after. Unaware of what it is added to.

use rayon::prelude::*;

use crate::buffers;

/// What becomes of `[images, height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct Pad {
    /// Height, width and channels of the input.
    pub shape: [usize; 3],
    /// Whether the largest of the four pixels stays, channel by channel, and not the first. An odd
    /// last row or column is then left out.
    pub largest: bool,
    /// Channels before and after.
    pub zeros: [usize; 2],
}

impl Pad {
    /// Height, width and channels of the output.
    pub fn out_shape(&self) -> [usize; 3] {
        let [height, width, channels] = self.shape;
        let half = |size: usize| match self.largest {
            true => size / 2,
            false => size.div_ceil(2),
        };
        let [before, after] = self.zeros;
        [half(height), half(width), before + channels + after]
    }

    /// Numbers of one image of the input.
    pub fn input(&self) -> usize {
        count(self.shape)
    }

    /// `x` is `[images, height, width, channels]`; returns the same for [`Pad::out_shape`].
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let out_image = count(self.out_shape());
        let mut out = buffers::take(x.len() / self.input() * out_image);
        out.par_chunks_exact_mut(out_image)
            .zip(x.par_chunks_exact(self.input()))
            .for_each(|(out, x)| self.run(x, out));
        out
    }

    /// One image's part of [`Pad::forward`].
    pub fn run(&self, x: &[f32], out: &mut [f32]) {
        let channels = self.shape[2];
        out.fill(0.0);
        for (place, out) in out.chunks_exact_mut(self.out_shape()[2]).enumerate() {
            let out = &mut out[self.zeros[0]..][..channels];
            let [first, others @ ..] = self.pixels(place);
            out.copy_from_slice(&x[first..][..channels]);
            for other in others.into_iter().filter(|_| self.largest) {
                for (out, &x) in out.iter_mut().zip(&x[other..][..channels]) {
                    if replaces(x, *out) {
                        *out = x;
                    }
                }
            }
        }
    }

    /// Adds the gradient of one image `x` to `sum`, from the output's: pixels that were left out get
    /// nothing.
    pub fn add_gradient(&self, gradient: &[f32], x: &[f32], sum: &mut [f32]) {
        let channels = self.shape[2];
        for (place, gradient) in gradient.chunks_exact(self.out_shape()[2]).enumerate() {
            let gradient = &gradient[self.zeros[0]..][..channels];
            let [first, others @ ..] = self.pixels(place);
            if !self.largest {
                for (sum, gradient) in sum[first..].iter_mut().zip(gradient) {
                    *sum += gradient;
                }
                continue;
            }
            for (channel, gradient) in gradient.iter().enumerate() {
                let larger =
                    |best: usize, other| match replaces(x[other + channel], x[best + channel]) {
                        true => other,
                        false => best,
                    };
                let largest = others.into_iter().fold(first, larger);
                sum[largest + channel] += *gradient;
            }
        }
    }

    /// Where in an image the four pixels start that an output pixel is one of, row by row; where the
    /// first one stays, the others need not be there.
    fn pixels(&self, place: usize) -> [usize; 4] {
        let [_, width, channels] = self.shape;
        let out_width = self.out_shape()[1];
        let (row, column) = (2 * (place / out_width), 2 * (place % out_width));
        let start = |down: usize, right: usize| ((row + down) * width + column + right) * channels;
        [start(0, 0), start(0, 1), start(1, 0), start(1, 1)]
    }
}

/// Whether a value is taken for larger than the largest so far: not if it is equal, and always if it is
/// no number, as in PyTorch's `max_pool2d`.
fn replaces(value: f32, largest: f32) -> bool {
    value > largest || value.is_nan()
}

fn count(shape: [usize; 3]) -> usize {
    shape.iter().product::<usize>().max(1)
}
