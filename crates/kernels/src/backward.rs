//! The backward pass through ReLU, skip, batch normalisation and convolution, over a batch. Unaware of
//! graphs.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::buffers;
use crate::geometry::Geometry;
use crate::norm::Norm;
use crate::norm_backward::{NormBackward, NormGradients, ReluBackward, norm_backward_row};
use crate::pass::Pass;
use crate::tile::Convolve;
use crate::weight_gradient::{GROUP, Plan};

/// What the forward pass left; maps are `[images, height, width, channels]`.
pub struct Saved<'a> {
    pub x: &'a [f32],
    /// `[filters, channels, size, size]`
    pub weights: &'a [f32],
    /// Batch normalisation's weight.
    pub scale: &'a [f32],
    pub map: &'a [f32],
    /// The output, where it went through a ReLU.
    pub out: Option<&'a [f32]>,
    pub norm: &'a Norm,
}

/// What the backward pass finds.
pub struct Gradients {
    /// `[images, height, width, channels]`, if it was asked for.
    pub x: Option<Vec<f32>>,
    /// `[filters, channels, size, size]`
    pub weights: Vec<f32>,
    /// Of batch normalisation's weight and bias.
    pub scale: [Vec<f32>; 2],
}

/// Gradients of what `train` was given. `gradient` is that of its output, and becomes that before
/// the ReLU, which is the skip's.
pub fn backward(
    arch: Arch,
    geometry: &Geometry,
    saved: &Saved,
    gradient: &mut [f32],
    with_x: bool,
) -> Gradients {
    let output = geometry.output();
    let mut norm_gradients: Vec<Option<NormGradients>> = vec![None; geometry.images];
    gradient
        .par_chunks_exact_mut(output)
        .zip(saved.map.par_chunks_exact(output))
        .zip(&mut norm_gradients)
        .enumerate()
        .for_each(|(image, ((gradient, map), norm_gradients))| {
            let out = saved.out.map(|out| &out[image * output..][..output]);
            let norm = saved.norm;
            *norm_gradients = Some(arch.dispatch(ReluBackward {
                norm,
                map,
                out,
                gradient,
            }));
        });
    let norm_gradients: Vec<NormGradients> = norm_gradients.into_iter().flatten().collect();
    let norm_gradients = NormGradients::sum(&norm_gradients);
    let count = geometry.images * geometry.out_pixels();
    let work = Work {
        arch,
        geometry,
        plan: Plan::of(geometry),
        passes: match with_x {
            true => Pass::backward(geometry, saved.weights),
            false => Vec::new(),
        },
        norm_backward: NormBackward::of(saved.norm, saved.scale, &norm_gradients, count),
    };
    let (x, sums) = work.run(saved, gradient, with_x);
    let narrow = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
    Gradients {
        x,
        weights: work.plan.gather(&sums),
        scale: [narrow(norm_gradients.weight), narrow(norm_gradients.bias)],
    }
}

/// What all threads read.
struct Work<'a> {
    arch: Arch,
    geometry: &'a Geometry,
    plan: Plan,
    passes: Vec<Pass>,
    norm_backward: NormBackward,
}

impl Work<'_> {
    /// The input's gradient, and the weights' by groups of images.
    fn run(
        &self,
        saved: &Saved,
        gradient: &[f32],
        with_x: bool,
    ) -> (Option<Vec<f32>>, Vec<Vec<f32>>) {
        let (input, output) = (self.geometry.input(), self.geometry.output());
        let groups = self.geometry.images.div_ceil(GROUP);
        let mut sums = vec![Vec::new(); groups];
        let mut dx = with_x.then(|| buffers::take(self.geometry.images * input));
        let group = |index: usize, mut dx: Option<&mut [f32]>| {
            let mut sums = self.plan.sums();
            let mut frames = Frames::of(self.geometry);
            let images = index * GROUP..self.geometry.images.min((index + 1) * GROUP);
            for (place, image) in images.enumerate() {
                let of_output = image * output..(image + 1) * output;
                let x = &saved.x[image * input..][..input];
                frames.fill(self, x, &gradient[of_output.clone()], &saved.map[of_output]);
                self.plan
                    .add(self.arch, frames.input(x), &frames.gradient, &mut sums);
                if let Some(dx) = &mut dx {
                    let out = &mut dx[place * input..][..input];
                    self.input_gradient(&frames.gradient, out);
                }
            }
            sums
        };
        match &mut dx {
            Some(dx) => dx
                .par_chunks_mut(GROUP * input)
                .zip(&mut sums)
                .enumerate()
                .for_each(|(index, (dx, sums))| *sums = group(index, Some(dx))),
            None => sums
                .par_iter_mut()
                .enumerate()
                .for_each(|(index, sums)| *sums = group(index, None)),
        }
        (dx, sums)
    }

    /// One image's input gradient from the output's framed one.
    fn input_gradient(&self, framed: &[f32], out: &mut [f32]) {
        for pass in &self.passes {
            self.arch.dispatch(Convolve {
                pass,
                framed,
                out: &mut *out,
            });
        }
    }
}

/// One thread's frames: an image's input and its output's gradient.
struct Frames {
    input: Vec<f32>,
    gradient: Vec<f32>,
}

impl Frames {
    /// All zeros; none for an input that needs no border.
    fn of(geometry: &Geometry) -> Frames {
        let input = match geometry.border() {
            0 => 0,
            _ => geometry.input_frame().len(),
        };
        Frames {
            input: vec![0.0; input],
            gradient: vec![0.0; geometry.output_frame().len()],
        }
    }

    fn fill(&mut self, work: &Work, x: &[f32], gradient: &[f32], map: &[f32]) {
        if !self.input.is_empty() {
            work.geometry.input_frame().fill(&mut self.input, x);
        }
        work.arch.dispatch(Fill {
            work,
            gradient,
            map,
            framed: &mut self.gradient,
        });
    }

    fn input<'a>(&'a self, x: &'a [f32]) -> &'a [f32] {
        if self.input.is_empty() {
            x
        } else {
            &self.input
        }
    }
}

/// The gradient before normalisation, into its frame.
struct Fill<'a> {
    work: &'a Work<'a>,
    gradient: &'a [f32],
    map: &'a [f32],
    framed: &'a mut [f32],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let frame = self.work.geometry.output_frame();
        let row = frame.width * frame.channels;
        let rows = self
            .gradient
            .chunks_exact(row)
            .zip(self.map.chunks_exact(row));
        for (out, (gradient, map)) in frame.rows_mut(self.framed).zip(rows) {
            norm_backward_row(&self.work.norm_backward, gradient, map, out);
        }
    }
}
