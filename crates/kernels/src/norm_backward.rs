//! The backward pass through ReLU and batch normalisation (Ioffe and Szegedy 2015, "Batch
//! Normalization", section 3); sums and loops as in [`crate::norm`].
//!
//! Unaware of convolutions and threads.

#![allow(
    clippy::needless_range_loop,
    reason = "an index into several slices of one length, see crate::norm"
)]

use pulp::{Simd, WithSimd};

use crate::norm::{CHUNK, Norm, block, gather};
use crate::pass::BLOCK;

/// Sums of the gradient of one image's normalised map, per channel.
#[derive(Clone, Debug)]
pub struct NormGradients {
    /// Of the gradient: the bias's gradient.
    pub bias: Vec<f64>,
    /// Of the gradient times the normalised value: the weight's.
    pub weight: Vec<f64>,
}

/// Lets a gradient through where a ReLU's output is positive, and nowhere else.
#[inline(always)]
pub fn mask(gradient: &mut [f32], out: &[f32]) {
    let out = &out[..gradient.len()];
    for i in 0..gradient.len() {
        // By bits: as a choice between two numbers it becomes a masked store, which is slow on some
        // processors.
        let kept = u32::from(out[i] > 0.0).wrapping_neg();
        gradient[i] = f32::from_bits(gradient[i].to_bits() & kept);
    }
}

/// The sums over one image; `gradient` is that of the normalised map, and `map` lies before
/// normalisation, both `[pixels, channels]`.
#[inline(always)]
pub fn sums(norm: &Norm, map: &[f32], gradient: &[f32]) -> NormGradients {
    let channels = norm.mean.len();
    let (mut bias, mut weight) = (vec![0.0; channels], vec![0.0; channels]);
    for first in (0..channels).step_by(BLOCK) {
        let mean = *block(&norm.mean, first);
        let chunks = map
            .chunks(CHUNK * channels)
            .zip(gradient.chunks(CHUNK * channels));
        for (map, gradient) in chunks {
            let (mut few, mut weighted) = ([0.0; BLOCK], [0.0; BLOCK]);
            let mut place = first;
            while place < map.len() {
                let (x, gradient) = (block(map, place), block(gradient, place));
                for i in 0..BLOCK {
                    few[i] += gradient[i];
                    weighted[i] += gradient[i] * (x[i] - mean[i]);
                }
                place += channels;
            }
            gather(&mut bias[first..], &few);
            gather(&mut weight[first..], &weighted);
        }
    }
    for (weight, reciprocal) in weight.iter_mut().zip(&norm.reciprocal) {
        *weight *= f64::from(*reciprocal);
    }
    NormGradients { bias, weight }
}

/// The gradient before the ReLU, in place of the one after it, and its sums over one image.
pub struct ReluBackward<'a> {
    pub norm: &'a Norm,
    /// Before normalisation, `[pixels, channels]`.
    pub map: &'a [f32],
    /// After the ReLU; nothing where there was none.
    pub out: Option<&'a [f32]>,
    /// Of what follows; becomes that of the normalised map.
    pub gradient: &'a mut [f32],
}

impl WithSimd for ReluBackward<'_> {
    type Output = NormGradients;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> NormGradients {
        if let Some(out) = self.out {
            mask(self.gradient, out);
        }
        sums(self.norm, self.map, self.gradient)
    }
}

impl NormGradients {
    /// Over all images, in their order.
    pub fn sum(images: &[NormGradients]) -> NormGradients {
        let channels = images.first().map_or(0, |image| image.bias.len());
        let over = |part: fn(&NormGradients) -> &[f64]| -> Vec<f64> {
            (0..channels)
                .map(|channel| images.iter().map(|image| part(image)[channel]).sum())
                .collect()
        };
        NormGradients {
            bias: over(|image| &image.bias),
            weight: over(|image| &image.weight),
        }
    }
}

/// How the gradient of a map follows from that of the normalised one, `g`, and from the map, `x`:
/// `gradient · g + map · x + constant`, per channel.
pub struct NormBackward {
    gradient: Vec<f32>,
    map: Vec<f32>,
    constant: Vec<f32>,
}

impl NormBackward {
    /// `count`: images times pixels.
    pub fn of(norm: &Norm, weight: &[f32], sums: &NormGradients, count: usize) -> NormBackward {
        let count = count as f64;
        let terms = norm.mean.iter().zip(&norm.reciprocal).zip(weight);
        let terms = terms.zip(sums.bias.iter().zip(&sums.weight));
        let terms = terms.map(|(((&mean, &reciprocal), &weight), (of_bias, of_weight))| {
            let scale = f64::from(weight) * f64::from(reciprocal);
            let map = -scale * f64::from(reciprocal) * of_weight / count;
            let constant = -map * f64::from(mean) - scale * of_bias / count;
            (scale as f32, map as f32, constant as f32)
        });
        let (mut gradient, mut map, mut constant) = (Vec::new(), Vec::new(), Vec::new());
        for term in terms {
            gradient.push(term.0);
            map.push(term.1);
            constant.push(term.2);
        }
        NormBackward {
            gradient,
            map,
            constant,
        }
    }
}

/// One row of the gradient of the map, from that of the normalised one; all are
/// `[pixels, channels]`.
#[inline(always)]
pub fn norm_backward_row(factors: &NormBackward, gradient: &[f32], map: &[f32], out: &mut [f32]) {
    let channels = factors.gradient.len();
    for first in (0..channels).step_by(BLOCK) {
        let (on_g, on_x) = (
            *block(&factors.gradient, first),
            *block(&factors.map, first),
        );
        let constant = *block(&factors.constant, first);
        let mut place = first;
        while place < out.len() {
            let (g, x) = (block(gradient, place), block(map, place));
            let out = &mut out[place..][..BLOCK];
            for i in 0..BLOCK {
                out[i] = g[i] * on_g[i] + (x[i] * on_x[i] + constant[i]);
            }
            place += channels;
        }
    }
}
