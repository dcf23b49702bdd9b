//! A layer's input as the layer before left it. Unaware of convolutions and threads.

use pulp::{Arch, Simd, WithSimd};

use crate::geometry::Frame;
use crate::lanes::for_lanes;
use crate::norm::{Affine, Apply};

/// Maps `[images, height, width, channels]`, or one of them.
///
/// A layer does not write down its normalised output: whoever reads it normalises it anew, which takes
/// less time than to write and to read it.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// The values are the maps.
    Plain(&'a [f32]),
    /// `scale · values + shift` is, of a multiple of [`crate::BLOCK`] channels.
    Normalised {
        values: &'a [f32],
        affine: &'a Affine,
        /// Whether a ReLU follows.
        relu: bool,
    },
}

impl<'a> Input<'a> {
    /// One of the maps, of `size` numbers.
    pub fn image(&self, image: usize, size: usize) -> Input<'a> {
        let part = |values: &'a [f32]| &values[image * size..][..size];
        match *self {
            Input::Plain(values) => Input::Plain(part(values)),
            Input::Normalised {
                values,
                affine,
                relu,
            } => Input::Normalised {
                values: part(values),
                affine,
                relu,
            },
        }
    }

    /// The map itself; `room` is where it is computed if it must be.
    pub fn map<'b>(&self, arch: Arch, room: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        match *self {
            Input::Plain(values) => values,
            Input::Normalised {
                values: map,
                affine,
                relu,
            } => {
                room.resize(map.len(), 0.0);
                let (skip, out) = (None, &mut room[..]);
                arch.dispatch(Apply {
                    affine,
                    map,
                    skip,
                    relu,
                    out,
                });
                room
            }
        }
    }

    /// Copies a map into the frame, whose border is zeros already.
    pub fn fill(&self, arch: Arch, frame: &Frame, framed: &mut [f32]) {
        match *self {
            Input::Plain(map) => frame.fill(framed, map),
            Input::Normalised {
                values: map,
                affine,
                relu,
            } => arch.dispatch(Fill {
                map,
                affine,
                relu,
                frame,
                framed,
            }),
        }
    }
}

struct Fill<'a> {
    map: &'a [f32],
    affine: &'a Affine,
    relu: bool,
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
        let rows = self
            .map
            .chunks_exact(self.frame.width * self.frame.channels);
        for (out, map) in self.frame.rows_mut(self.framed).zip(rows) {
            let row = Apply {
                affine: self.affine,
                map,
                skip: None,
                relu: self.relu,
                out,
            };
            row.run::<S, V>(simd);
        }
    }
}
