//! Convolution, batch normalisation and what follows them, over a batch: images are shared among
//! threads. Unaware of gradients.

use pulp::Arch;
use rayon::prelude::*;

use crate::buffers;
use crate::geometry::Geometry;
use crate::input::Input;
use crate::method::Method;
use crate::norm::{Affine, Apply, Measure, Moments, Norm};
use crate::pad::Pad;
use crate::winograd::Room;

/// A convolution.
pub struct Layer<'a> {
    /// The instructions to compute with.
    pub arch: Arch,
    pub geometry: Geometry,
    /// `[filters, channels, size, size]`
    pub weights: &'a [f32],
}

/// What a convolution leaves in training.
pub struct Convolved {
    /// `[images, height, width, filters]`
    pub map: Vec<f32>,
    /// Of the batch.
    pub norm: Norm,
}

/// The convolution with the statistics of its output; ε is added to the variance.
pub fn train(layer: &Layer, x: Input, epsilon: f64) -> Convolved {
    let (arch, geometry) = (layer.arch, &layer.geometry);
    let mut map = buffers::take(geometry.images * geometry.output());
    let mut moments: Vec<Option<Moments>> = vec![None; geometry.images];
    let convolution = Convolution::of(layer);
    map.par_chunks_exact_mut(geometry.output())
        .zip(&mut moments)
        .enumerate()
        .for_each_init(
            || convolution.memory(),
            |memory, (image, (map, moments))| {
                convolution.run(x.image(image, geometry.input()), memory, map);
                let channels = geometry.filters;
                *moments = Some(arch.dispatch(Measure { map, channels }));
            },
        );
    let moments: Vec<Moments> = moments.into_iter().flatten().collect();
    let norm = Norm::of(&moments, geometry.out_pixels(), epsilon);
    Convolved { map, norm }
}

/// What is added to a normalised map: an input of the block, or what `pad` makes of it.
#[derive(Clone, Copy)]
pub struct Skip<'a> {
    pub x: Input<'a>,
    pub pad: Option<Pad>,
}

/// `relu(scale · map + shift + skip)` of so many images.
pub fn activate(
    arch: Arch,
    images: usize,
    (map, affine): (&[f32], &Affine),
    skip: Option<Skip>,
) -> Vec<f32> {
    let mut out = buffers::take(map.len());
    let size = (map.len() / images.max(1)).max(1);
    out.par_chunks_exact_mut(size)
        .zip(map.par_chunks_exact(size))
        .enumerate()
        .for_each_init(
            Default::default,
            |room: &mut [Vec<f32>; 2], (image, (out, map))| {
                let [whole, padded] = room;
                let skip = skip.map(|Skip { x, pad }| match pad {
                    None => x.image(image, size).map(arch, whole),
                    Some(pad) => {
                        padded.resize(size, 0.0);
                        pad.run(x.image(image, pad.input()).map(arch, whole), padded);
                        &padded[..]
                    }
                });
                let relu = true;
                arch.dispatch(Apply {
                    affine,
                    map,
                    skip,
                    relu,
                    out,
                });
            },
        );
    out
}

/// What follows a convolution with given statistics.
pub struct Epilogue<'a> {
    pub affine: &'a Affine,
    /// Added after normalisation, of the output's shape.
    pub skip: Option<&'a [f32]>,
    /// Whether a ReLU ends it.
    pub relu: bool,
}

/// `relu(scale · conv(x) + shift + skip)`: one pass, in which each image's map stays in the cache.
pub fn infer(layer: &Layer, x: &[f32], epilogue: &Epilogue) -> Vec<f32> {
    let (arch, geometry) = (layer.arch, &layer.geometry);
    let mut out = buffers::take(geometry.images * geometry.output());
    let convolution = Convolution::of(layer);
    out.par_chunks_exact_mut(geometry.output())
        .zip(x.par_chunks_exact(geometry.input()))
        .enumerate()
        .for_each_init(
            || (convolution.memory(), vec![0.0; geometry.output()]),
            |(memory, map), (image, (out, x))| {
                convolution.run(Input::Plain(x), memory, map);
                let output = geometry.output();
                arch.dispatch(Apply {
                    affine: epilogue.affine,
                    map,
                    skip: epilogue.skip.map(|skip| &skip[image * output..][..output]),
                    relu: epilogue.relu,
                    out,
                });
            },
        );
    out
}

/// What all threads read.
struct Convolution<'a> {
    arch: Arch,
    geometry: &'a Geometry,
    method: Method,
}

/// One thread's memory: an image's frame, and what lies between it and the output.
type Memory = (Vec<f32>, Room);

impl Convolution<'_> {
    fn of<'a>(layer: &'a Layer) -> Convolution<'a> {
        Convolution {
            arch: layer.arch,
            geometry: &layer.geometry,
            method: Method::forward(&layer.geometry, layer.weights),
        }
    }

    /// The frame is all zeros.
    fn memory(&self) -> Memory {
        let frame = vec![0.0; self.geometry.input_frame().len()];
        (frame, Room::default())
    }

    /// One image's convolution.
    fn run(&self, x: Input, (framed, room): &mut Memory, out: &mut [f32]) {
        x.fill(self.arch, &self.geometry.input_frame(), framed);
        self.method.run(self.arch, framed, room, out);
    }
}
