//! Convolution, batch normalisation and what follows them, over a batch: images are shared among
//! threads. Unaware of gradients.

use pulp::Arch;
use rayon::prelude::*;

use crate::buffers;
use crate::geometry::Geometry;
use crate::norm::{Affine, Apply, ApplyInPlace, Measure, Moments, Norm};
use crate::pass::Pass;
use crate::tile::Convolve;

/// What training keeps of the forward pass; maps are `[images, height, width, filters]`.
pub struct Normalised {
    /// Before normalisation.
    pub map: Vec<f32>,
    /// After normalisation, skip and ReLU.
    pub out: Vec<f32>,
    /// Of the batch.
    pub norm: Norm,
}

/// A convolution and what follows its normalisation.
pub struct Layer<'a> {
    /// The instructions to compute with.
    pub arch: Arch,
    pub geometry: Geometry,
    /// `[filters, channels, size, size]`
    pub weights: &'a [f32],
    /// Added after normalisation, of the output's shape.
    pub skip: Option<&'a [f32]>,
    /// Whether a ReLU ends it.
    pub relu: bool,
}

impl Layer<'_> {
    /// One image's part of the skip.
    fn skip(&self, image: usize) -> Option<&[f32]> {
        let output = self.geometry.output();
        self.skip.map(|skip| &skip[image * output..][..output])
    }
}

/// `relu(weight · (conv(x) − mean) / √(variance + ε) + bias + skip)` with the batch's statistics;
/// `weight` and `bias` are normalisation's.
pub fn train(layer: &Layer, x: &[f32], [weight, bias]: [&[f32]; 2], epsilon: f64) -> Normalised {
    let (arch, geometry) = (layer.arch, &layer.geometry);
    let mut map = buffers::take(geometry.images * geometry.output());
    let mut moments: Vec<Option<Moments>> = vec![None; geometry.images];
    let pass = Pass::forward(geometry, layer.weights);
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
    let affine = &norm.affine(weight, bias);
    let mut out = buffers::take(map.len());
    out.par_chunks_exact_mut(geometry.output())
        .zip(map.par_chunks_exact(geometry.output()))
        .enumerate()
        .for_each(|(image, (out, map))| {
            let (skip, relu) = (layer.skip(image), layer.relu);
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
pub fn infer(layer: &Layer, x: &[f32], affine: &Affine) -> Vec<f32> {
    let (arch, geometry) = (layer.arch, &layer.geometry);
    let mut out = buffers::take(geometry.images * geometry.output());
    let pass = Pass::forward(geometry, layer.weights);
    out.par_chunks_exact_mut(geometry.output())
        .zip(x.par_chunks_exact(geometry.input()))
        .enumerate()
        .for_each_init(
            || framed(geometry),
            |framed, (image, (map, x))| {
                convolve(arch, geometry, &pass, framed, x, map);
                let (skip, relu) = (layer.skip(image), layer.relu);
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
