//! The backward pass through ReLU and batch normalisation (Ioffe and Szegedy 2015, "Batch
//! Normalization", section 3); sums and loops as in [`crate::norm`].
//!
//! Unaware of convolutions and threads.

#![allow(
    clippy::needless_range_loop,
    reason = "an index into several slices of one length, see crate::norm"
)]

use pulp::{Simd, WithSimd};

use crate::norm::{CHUNK, Norm, for_pixels, gather};

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

/// Sums of the gradient of one image's normalised map, per channel.
#[derive(Clone, Debug)]
pub struct NormGradients {
    /// Of the gradient: the bias's gradient.
    pub bias: Vec<f64>,
    /// Of the gradient times the normalised value: the weight's.
    pub weight: Vec<f64>,
}

impl WithSimd for ReluBackward<'_> {
    type Output = NormGradients;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> NormGradients {
        let ReluBackward {
            norm,
            map,
            out,
            gradient,
        } = self;
        let channels = norm.mean.len();
        if let Some(out) = out {
            let out = &out[..gradient.len()];
            for i in 0..gradient.len() {
                // By bits: as a choice between two numbers it becomes a masked store, which is
                // slow on some processors.
                let kept = u32::from(out[i] > 0.0).wrapping_neg();
                gradient[i] = f32::from_bits(gradient[i].to_bits() & kept);
            }
        }
        let zeros = || vec![0.0; channels];
        let (mut bias, mut weight) = (zeros(), zeros());
        let (mut few, mut few_weighted) = (vec![0.0; channels], vec![0.0; channels]);
        let chunks = map
            .chunks(CHUNK * channels)
            .zip(gradient.chunks(CHUNK * channels));
        for (map, gradient) in chunks {
            few.fill(0.0);
            few_weighted.fill(0.0);
            let (few, weighted) = (&mut few[..channels], &mut few_weighted[..channels]);
            let mean = &norm.mean[..channels];
            for_pixels(map.len(), channels, |pixel| {
                let (x, gradient) = (&map[pixel.clone()], &gradient[pixel]);
                for i in 0..channels {
                    few[i] += gradient[i];
                    weighted[i] += gradient[i] * (x[i] - mean[i]);
                }
            });
            gather(&mut bias, few);
            gather(&mut weight, weighted);
        }
        for (weight, reciprocal) in weight.iter_mut().zip(&norm.reciprocal) {
            *weight *= f64::from(*reciprocal);
        }
        NormGradients { bias, weight }
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
    let (on_g, on_x) = (&factors.gradient[..channels], &factors.map[..channels]);
    let constant = &factors.constant[..channels];
    for_pixels(out.len(), channels, |pixel| {
        let (g, x) = (&gradient[pixel.clone()], &map[pixel.clone()]);
        let out = &mut out[pixel];
        for i in 0..channels {
            out[i] = g[i] * on_g[i] + (x[i] * on_x[i] + constant[i]);
        }
    });
}
