//! Batch normalisation with what follows it: statistics of a batch, `relu(scale · x + shift + skip)`,
//! and the way back (Ioffe and Szegedy 2015, "Batch Normalization", section 3).
//!
//! Statistics are summed up per image in `f32` over few pixels and in `f64` over more, and over the
//! images in their order. Unaware of convolutions and threads.

use pulp::{Simd, WithSimd};

/// Pixels whose values are summed up in `f32`.
const CHUNK: usize = 32;

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
        let mut sum = vec![0.0; channels];
        let mut few = vec![0.0; channels];
        for chunk in map.chunks(CHUNK * channels) {
            few.fill(0.0);
            for pixel in chunk.chunks_exact(channels) {
                for (few, x) in few.iter_mut().zip(pixel) {
                    *few += x;
                }
            }
            gather(&mut sum, &few);
        }
        let mean: Vec<f32> = sum.iter().map(|sum| (sum / pixels) as f32).collect();
        let mut squares = vec![0.0; channels];
        for chunk in map.chunks(CHUNK * channels) {
            few.fill(0.0);
            for pixel in chunk.chunks_exact(channels) {
                for ((few, x), mean) in few.iter_mut().zip(pixel).zip(&mean) {
                    *few += (x - mean) * (x - mean);
                }
            }
            gather(&mut squares, &few);
        }
        Moments { sum, squares }
    }
}

#[inline(always)]
fn gather(sums: &mut [f64], few: &[f32]) {
    for (sum, few) in sums.iter_mut().zip(few) {
        *sum += f64::from(*few);
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
        let Apply {
            affine,
            map,
            skip,
            relu,
            out,
        } = self;
        let least = if relu { 0.0 } else { f32::NEG_INFINITY };
        let channels = affine.scale.len();
        let pixels = out
            .chunks_exact_mut(channels)
            .zip(map.chunks_exact(channels));
        let terms = || affine.scale.iter().zip(&affine.shift);
        match skip {
            None => {
                for (out, map) in pixels {
                    for ((out, x), (scale, shift)) in out.iter_mut().zip(map).zip(terms()) {
                        *out = clip(x * scale + shift, least);
                    }
                }
            }
            Some(skip) => {
                for ((out, map), skip) in pixels.zip(skip.chunks_exact(channels)) {
                    let rest = out.iter_mut().zip(map).zip(skip);
                    for (((out, x), skip), (scale, shift)) in rest.zip(terms()) {
                        *out = clip(x * scale + shift + skip, least);
                    }
                }
            }
        }
    }
}

/// The same on the spot: `map = relu(scale · map + shift + skip)`.
pub struct ApplyInPlace<'a> {
    pub affine: &'a Affine,
    pub map: &'a mut [f32],
    pub skip: Option<&'a [f32]>,
    pub relu: bool,
}

impl WithSimd for ApplyInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let ApplyInPlace {
            affine,
            map,
            skip,
            relu,
        } = self;
        let least = if relu { 0.0 } else { f32::NEG_INFINITY };
        let channels = affine.scale.len();
        let terms = || affine.scale.iter().zip(&affine.shift);
        let skips = skip.unwrap_or(&[]).chunks_exact(channels).map(Some);
        let skips = skips.chain(std::iter::repeat(None));
        for (map, skip) in map.chunks_exact_mut(channels).zip(skips) {
            match skip {
                None => {
                    for (x, (scale, shift)) in map.iter_mut().zip(terms()) {
                        *x = clip(*x * scale + shift, least);
                    }
                }
                Some(skip) => {
                    for ((x, skip), (scale, shift)) in map.iter_mut().zip(skip).zip(terms()) {
                        *x = clip(*x * scale + shift + skip, least);
                    }
                }
            }
        }
    }
}

/// The larger one; what is no number stays none, as in PyTorch's ReLU.
#[inline(always)]
fn clip(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}

/// The gradient before the ReLU, in place of the one after it, and its sums over one image.
pub struct Descend<'a> {
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
pub struct Slopes {
    /// Of the gradient: the bias's gradient.
    pub bias: Vec<f64>,
    /// Of the gradient times the normalised value: the weight's.
    pub weight: Vec<f64>,
}

impl WithSimd for Descend<'_> {
    type Output = Slopes;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Slopes {
        let Descend {
            norm,
            map,
            out,
            gradient,
        } = self;
        let channels = norm.mean.len();
        if let Some(out) = out {
            for (gradient, out) in gradient.iter_mut().zip(out) {
                // By bits: as a choice between two numbers it becomes a masked store, which is
                // slow on some processors.
                let kept = u32::from(*out > 0.0).wrapping_neg();
                *gradient = f32::from_bits(gradient.to_bits() & kept);
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
            let pixels = map
                .chunks_exact(channels)
                .zip(gradient.chunks_exact(channels));
            for (map, gradient) in pixels {
                let sums = few.iter_mut().zip(&mut few_weighted);
                let values = map.iter().zip(gradient).zip(&norm.mean);
                for ((few, weighted), ((x, gradient), mean)) in sums.zip(values) {
                    *few += gradient;
                    *weighted += gradient * (x - mean);
                }
            }
            gather(&mut bias, &few);
            gather(&mut weight, &few_weighted);
        }
        for (weight, reciprocal) in weight.iter_mut().zip(&norm.reciprocal) {
            *weight *= f64::from(*reciprocal);
        }
        Slopes { bias, weight }
    }
}

impl Slopes {
    /// Over all images, in their order.
    pub fn sum(images: &[Slopes]) -> Slopes {
        let channels = images.first().map_or(0, |image| image.bias.len());
        let over = |part: fn(&Slopes) -> &[f64]| -> Vec<f64> {
            (0..channels)
                .map(|channel| images.iter().map(|image| part(image)[channel]).sum())
                .collect()
        };
        Slopes {
            bias: over(|image| &image.bias),
            weight: over(|image| &image.weight),
        }
    }
}

/// How the gradient of a map follows from that of the normalised one, `g`, and from the map, `x`:
/// `gradient · g + map · x + constant`, per channel.
pub struct Descent {
    gradient: Vec<f32>,
    map: Vec<f32>,
    constant: Vec<f32>,
}

impl Descent {
    /// `count`: images times pixels.
    pub fn of(norm: &Norm, weight: &[f32], slopes: &Slopes, count: usize) -> Descent {
        let count = count as f64;
        let terms = norm.mean.iter().zip(&norm.reciprocal).zip(weight);
        let terms = terms.zip(slopes.bias.iter().zip(&slopes.weight));
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
        Descent {
            gradient,
            map,
            constant,
        }
    }
}

/// One row of the gradient of the map, from that of the normalised one; all are
/// `[pixels, channels]`.
#[inline(always)]
pub fn descend_row(descent: &Descent, gradient: &[f32], map: &[f32], out: &mut [f32]) {
    let channels = descent.gradient.len();
    let pixels = gradient
        .chunks_exact(channels)
        .zip(map.chunks_exact(channels));
    for (out, (gradient, map)) in out.chunks_exact_mut(channels).zip(pixels) {
        let factors = descent
            .gradient
            .iter()
            .zip(&descent.map)
            .zip(&descent.constant);
        let values = out.iter_mut().zip(gradient.iter().zip(map));
        for ((out, (g, x)), ((on_g, on_x), constant)) in values.zip(factors) {
            *out = g * on_g + (x * on_x + constant);
        }
    }
}
