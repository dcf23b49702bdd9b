//! Convolution, batch normalisation and what follows them, over a batch: images are shared among
//! threads. Unaware of gradients.

use pulp::Arch;
use rayon::prelude::*;

use super::geometry::Geometry;
use super::norm::{Affine, Apply, ApplyInPlace, Measure, Moments, Norm};
use super::pass::Pass;
use super::tile::Convolve;
use crate::nn::kernels::buffers;

/// What training keeps of the way forward; maps are `[images, height, width, filters]`.
pub struct Normalised {
    /// Before normalisation.
    pub map: Vec<f32>,
    /// After normalisation, skip and ReLU.
    pub out: Vec<f32>,
    /// Of the batch.
    pub norm: Norm,
}

/// `relu(weight · (conv(x) − mean) / √(variance + ε) + bias + skip)` with the batch's statistics.
///
/// `weights` are `[filters, channels, size, size]`, `scale` is normalisation's weight and bias, and
/// `skip` has the output's shape.
pub fn train(
    arch: Arch,
    geometry: &Geometry,
    x: &[f32],
    weights: &[f32],
    [weight, bias]: [&[f32]; 2],
    skip: Option<&[f32]>,
    relu: bool,
    epsilon: f64,
) -> Normalised {
    let mut map = buffers::take(geometry.images * geometry.output());
    let mut moments: Vec<Option<Moments>> = vec![None; geometry.images];
    let pass = Pass::forward(geometry, weights);
    map.par_chunks_exact_mut(geometry.output())
        .zip(x.par_chunks_exact(geometry.input()))
        .zip(&mut moments)
        .for_each_init(
            || framed(geometry),
            |framed, ((map, x), moments)| {
                convolve(arch, geometry, &pass, framed, x, map);
                let channels = geometry.filters;
                *moments = Some(arch.dispatch(Measure { map, channels }));
            },
        );
    let moments: Vec<Moments> = moments.into_iter().flatten().collect();
    let norm = Norm::of(&moments, geometry.out_pixels(), epsilon);
    let affine = norm.affine(weight, bias);
    let mut out = buffers::take(map.len());
    out.par_chunks_exact_mut(geometry.output())
        .zip(map.par_chunks_exact(geometry.output()))
        .enumerate()
        .for_each(|(image, (out, map))| {
            let skip = skip.map(|skip| &skip[image * geometry.output()..][..geometry.output()]);
            let affine = &affine;
            arch.dispatch(Apply {
                affine,
                map,
                skip,
                relu,
                out,
            });
        });
    Normalised { map, out, norm }
}

/// `relu(scale · conv(x) + shift + skip)`: one pass, in which each image's map stays in the cache.
pub fn infer(
    arch: Arch,
    geometry: &Geometry,
    x: &[f32],
    weights: &[f32],
    affine: &Affine,
    skip: Option<&[f32]>,
    relu: bool,
) -> Vec<f32> {
    let mut out = buffers::take(geometry.images * geometry.output());
    let pass = Pass::forward(geometry, weights);
    out.par_chunks_exact_mut(geometry.output())
        .zip(x.par_chunks_exact(geometry.input()))
        .enumerate()
        .for_each_init(
            || framed(geometry),
            |framed, (image, (map, x))| {
                convolve(arch, geometry, &pass, framed, x, map);
                let skip = skip.map(|skip| &skip[image * geometry.output()..][..geometry.output()]);
                arch.dispatch(ApplyInPlace {
                    affine,
                    map,
                    skip,
                    relu,
                });
            },
        );
    out
}

/// A frame for one image's input, all zeros; empty where a map needs none.
fn framed(geometry: &Geometry) -> Vec<f32> {
    match geometry.border() {
        0 => Vec::new(),
        _ => vec![0.0; geometry.input_frame().len()],
    }
}

/// One image's convolution.
fn convolve(
    arch: Arch,
    geometry: &Geometry,
    pass: &Pass,
    framed: &mut [f32],
    x: &[f32],
    out: &mut [f32],
) {
    let framed = match geometry.border() {
        0 => x,
        _ => {
            geometry.input_frame().fill(framed, x);
            framed
        }
    };
    arch.dispatch(Convolve { pass, framed, out });
}
