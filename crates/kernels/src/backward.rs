//! The backward pass through convolution and batch normalisation, and on through the ReLU before them,
//! over a batch. Unaware of graphs.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::buffers;
use crate::forward::Layer;
use crate::geometry::{Frame, Geometry};
use crate::input::Input;
use crate::lanes::for_lanes;
use crate::method::Method;
use crate::norm::Norm;
use crate::norm_backward::{
    NormBackward, NormGradients, ReluBackward, mask, norm_backward_row, sums,
};
use crate::pad::Pad;
use crate::weight_gradient::{GROUP, Plan};
use crate::winograd::Room;

/// What the forward pass left.
pub struct Saved<'a> {
    pub x: Input<'a>,
    /// The convolution's output, `[images, height, width, filters]`.
    pub map: &'a [f32],
    pub norm: &'a Norm,
    /// Batch normalisation's weight.
    pub scale: &'a [f32],
}

/// Where the gradient of a layer's input goes.
pub struct Onward<'a> {
    /// The gradient of another way from the same input, to be added.
    pub skip: Option<SkipGradient<'a>>,
    /// Where the input comes from through a ReLU: the gradient found is the one before that.
    pub source: Option<Source<'a>>,
}

/// The gradient of a [`crate::Skip`].
pub struct SkipGradient<'a> {
    pub gradient: &'a [f32],
    pub pad: Option<Pad>,
}

/// The convolution before the layer.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its output.
    pub map: &'a [f32],
    pub norm: &'a Norm,
}

/// What the backward pass finds.
pub struct Gradients {
    /// `[images, height, width, channels]`, if it was asked for.
    pub x: Option<Vec<f32>>,
    /// Sums of that, if the source was given.
    pub source: Option<NormGradients>,
    /// `[filters, channels, size, size]`
    pub weights: Vec<f32>,
    /// Of batch normalisation's weight and bias.
    pub scale: [Vec<f32>; 2],
}

/// Turns the gradient of `images` outputs into that of the normalised map, before the ReLU if there is
/// an output `out` of one, and sums it up.
pub fn relu_backward(
    arch: Arch,
    images: usize,
    source: &Source,
    out: Option<Input>,
    gradient: &mut [f32],
) -> NormGradients {
    let size = (gradient.len() / images.max(1)).max(1);
    let mut found: Vec<Option<NormGradients>> = vec![None; images];
    gradient
        .par_chunks_exact_mut(size)
        .zip(source.map.par_chunks_exact(size))
        .zip(&mut found)
        .enumerate()
        .for_each_init(Vec::new, |room, (image, ((gradient, map), found))| {
            let norm = source.norm;
            let out = out.map(|out| out.image(image, size).map(arch, room));
            *found = Some(arch.dispatch(ReluBackward {
                norm,
                map,
                out,
                gradient,
            }));
        });
    let found: Vec<NormGradients> = found.into_iter().flatten().collect();
    NormGradients::sum(&found)
}

/// Gradients of what `train` was given, of normalisation's parameters, and of the input if it is to go
/// on. `gradient` is that of the normalised map, with its `sums`.
pub fn backward(
    layer: &Layer,
    saved: &Saved,
    gradient: &[f32],
    sums: &NormGradients,
    onward: Option<&Onward>,
) -> Gradients {
    let geometry = &layer.geometry;
    let count = geometry.images * geometry.out_pixels();
    let work = Work {
        arch: layer.arch,
        geometry,
        plan: Plan::of(geometry),
        input_gradient: onward.map(|_| Method::backward(geometry, layer.weights)),
        norm_backward: NormBackward::of(saved.norm, saved.scale, sums, count),
        saved,
        gradient,
        onward,
    };
    let mut dx = onward.map(|_| buffers::take(geometry.images * geometry.input()));
    let mut parts: Vec<Option<&mut [f32]>> = match &mut dx {
        Some(dx) => dx.chunks_mut(GROUP * geometry.input()).map(Some).collect(),
        None => (0..geometry.images.div_ceil(GROUP)).map(|_| None).collect(),
    };
    let groups: Vec<Group> = parts
        .par_iter_mut()
        .enumerate()
        .map_init(
            || Memory::of(geometry),
            |memory, (index, dx)| work.run(index, dx.take(), memory),
        )
        .collect();
    let (weights, source): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .map(|group| (group.weights, group.source))
        .unzip();
    let source = source.concat();
    let narrow = |sums: &[f64]| sums.iter().map(|sum| *sum as f32).collect();
    Gradients {
        x: dx,
        source: (!source.is_empty()).then(|| NormGradients::sum(&source)),
        weights: work.plan.gather(weights),
        scale: [narrow(&sums.weight), narrow(&sums.bias)],
    }
}

/// What all threads read.
struct Work<'a> {
    arch: Arch,
    geometry: &'a Geometry,
    plan: Plan,
    input_gradient: Option<Method>,
    norm_backward: NormBackward,
    saved: &'a Saved<'a>,
    gradient: &'a [f32],
    onward: Option<&'a Onward<'a>>,
}

/// One thread's memory.
struct Memory {
    /// An image's input and its output's gradient, in frames of zeros.
    x: Vec<f32>,
    gradient: Vec<f32>,
    room: Room,
    /// An image's input without a frame.
    map: Vec<f32>,
}

impl Memory {
    fn of(geometry: &Geometry) -> Memory {
        Memory {
            x: vec![0.0; geometry.input_frame().len()],
            gradient: vec![0.0; geometry.output_frame().len()],
            room: Room::default(),
            map: Vec::new(),
        }
    }
}

/// What a group of images adds up to.
struct Group {
    weights: Vec<f32>,
    /// By image.
    source: Vec<NormGradients>,
}

impl Work<'_> {
    /// One group's part; its part of the input's gradient goes to `dx`.
    fn run(&self, index: usize, mut dx: Option<&mut [f32]>, memory: &mut Memory) -> Group {
        let (g, saved) = (self.geometry, self.saved);
        let (input, output) = (g.input(), g.output());
        let (input_frame, output_frame) = (g.input_frame(), g.output_frame());
        let Memory {
            x,
            gradient,
            room,
            map,
        } = memory;
        let mut group = Group {
            weights: self.plan.sums(),
            source: Vec::new(),
        };
        let images = index * GROUP..g.images.min((index + 1) * GROUP);
        for (place, image) in images.enumerate() {
            saved.x.image(image, input).fill(self.arch, &input_frame, x);
            self.arch.dispatch(Fill {
                norm_backward: &self.norm_backward,
                gradient: &self.gradient[image * output..][..output],
                map: &saved.map[image * output..][..output],
                frame: &output_frame,
                framed: gradient,
            });
            self.plan
                .add(self.arch, x, gradient, room, &mut group.weights);
            let found = (&mut dx, &self.input_gradient, self.onward);
            let (Some(dx), Some(method), Some(onward)) = found else {
                continue;
            };
            let dx = &mut dx[place * input..][..input];
            method.run(self.arch, gradient, room, dx);
            if let Some(skip) = &onward.skip {
                self.add(skip, image, dx, map);
            }
            if let Some(source) = onward.source {
                group.source.push(self.arch.dispatch(Through {
                    frame: &input_frame,
                    out: x,
                    map: &source.map[image * input..][..input],
                    norm: source.norm,
                    gradient: dx,
                }));
            }
        }
        group
    }

    /// Adds one image's gradient of the other way.
    fn add(&self, skip: &SkipGradient, image: usize, dx: &mut [f32], room: &mut Vec<f32>) {
        let size = skip.gradient.len() / self.geometry.images;
        let gradient = &skip.gradient[image * size..][..size];
        match skip.pad {
            Some(pad) => {
                let x = self.saved.x.image(image, self.geometry.input());
                pad.add_gradient(gradient, x.map(self.arch, room), dx);
            }
            None => {
                for (dx, gradient) in dx.iter_mut().zip(gradient) {
                    *dx += gradient;
                }
            }
        }
    }
}

/// The gradient before normalisation, into its frame.
struct Fill<'a> {
    norm_backward: &'a NormBackward,
    gradient: &'a [f32],
    map: &'a [f32],
    frame: &'a Frame,
    framed: &'a mut [f32],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for_lanes!(self, simd, S)
    }
}

impl Fill<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let row = self.frame.width * self.frame.channels;
        let rows = self
            .gradient
            .chunks_exact(row)
            .zip(self.map.chunks_exact(row));
        for (out, (gradient, map)) in self.frame.rows_mut(self.framed).zip(rows) {
            norm_backward_row::<S, V>(simd, self.norm_backward, [gradient, map], out);
        }
    }
}

/// Through the ReLU that a layer's input went through, and the sums of what comes out.
struct Through<'a> {
    /// Of `out`, the ReLU's output.
    frame: &'a Frame,
    out: &'a [f32],
    map: &'a [f32],
    norm: &'a Norm,
    gradient: &'a mut [f32],
}

impl WithSimd for Through<'_> {
    type Output = NormGradients;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NormGradients {
        for_lanes!(self, simd, S)
    }
}

impl Through<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> NormGradients {
        let row = self.frame.width * self.frame.channels;
        let rows = self.gradient.chunks_exact_mut(row);
        for (gradient, out) in rows.zip(self.frame.rows(self.out)) {
            mask(simd, gradient, out);
        }
        sums::<S, V>(simd, self.norm, self.map, self.gradient)
    }
}
