//! The backward pass through ReLU and batch normalisation (Ioffe and Szegedy 2015, "Batch
//! Normalization", section 3); sums and loops as in [`crate::norm`].
//!
//! Unaware of convolutions and threads.

#![allow(
    clippy::needless_range_loop,
    reason = "an index into several slices of one length, see crate::norm"
)]

use pulp::{Simd, WithSimd};

use crate::lanes::{blocks, blocks_mut, for_lanes, gather};
use crate::norm::{CHUNK, Norm};
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
pub fn mask<S: Simd>(simd: S, gradient: &mut [f32], out: &[f32]) {
    let (gradient, out) = (S::as_mut_simd_f32s(gradient).0, S::as_simd_f32s(out).0);
    let zero = simd.splat_f32s(0.0);
    for i in 0..gradient.len() {
        let kept = simd.less_than_f32s(zero, out[i]);
        gradient[i] = simd.select_f32s(kept, gradient[i], zero);
    }
}

/// The sums over one image; `gradient` is that of the normalised map, and `map` lies before
/// normalisation, both `[pixels, channels]`.
#[inline(always)]
pub fn sums<S: Simd, const V: usize>(
    simd: S,
    norm: &Norm,
    map: &[f32],
    gradient: &[f32],
) -> NormGradients {
    let channels = norm.mean.len();
    let (mut bias, mut weight) = (vec![0.0; channels], vec![0.0; channels]);
    let mean = blocks::<S, V>(&norm.mean);
    for first in 0..mean.len() {
        let mean = mean[first];
        let chunks = map
            .chunks(CHUNK * channels)
            .zip(gradient.chunks(CHUNK * channels));
        for (map, gradient) in chunks {
            let (map, gradient) = (blocks::<S, V>(map), blocks::<S, V>(gradient));
            let mut few = [simd.splat_f32s(0.0); V];
            let mut weighted = few;
            let mut place = first;
            while place < map.len() {
                for v in 0..V {
                    let gradient = gradient[place][v];
                    let off = simd.sub_f32s(map[place][v], mean[v]);
                    few[v] = simd.add_f32s(few[v], gradient);
                    weighted[v] = simd.add_f32s(weighted[v], simd.mul_f32s(gradient, off));
                }
                place += channels / BLOCK;
            }
            gather::<S, V>(&mut bias[first * BLOCK..], &few);
            gather::<S, V>(&mut weight[first * BLOCK..], &weighted);
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
    fn with_simd<S: Simd>(self, simd: S) -> NormGradients {
        for_lanes!(self, simd, S)
    }
}

impl ReluBackward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> NormGradients {
        if let Some(out) = self.out {
            mask(simd, self.gradient, out);
        }
        sums::<S, V>(simd, self.norm, self.map, self.gradient)
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
pub fn norm_backward_row<S: Simd, const V: usize>(
    simd: S,
    factors: &NormBackward,
    [gradient, map]: [&[f32]; 2],
    out: &mut [f32],
) {
    let (gradient, map) = (blocks::<S, V>(gradient), blocks::<S, V>(map));
    let out = blocks_mut::<S, V>(out);
    let (on_g, on_x) = (
        blocks::<S, V>(&factors.gradient),
        blocks::<S, V>(&factors.map),
    );
    let constant = blocks::<S, V>(&factors.constant);
    let of_pixel = constant.len();
    for first in 0..of_pixel {
        let (on_g, on_x, constant) = (on_g[first], on_x[first], constant[first]);
        let mut place = first;
        while place < out.len() {
            for v in 0..V {
                let of_map = simd.add_f32s(simd.mul_f32s(map[place][v], on_x[v]), constant[v]);
                let of_gradient = simd.mul_f32s(gradient[place][v], on_g[v]);
                out[place][v] = simd.add_f32s(of_gradient, of_map);
            }
            place += of_pixel;
        }
    }
}
