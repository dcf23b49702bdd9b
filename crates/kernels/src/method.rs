//! How a convolution and its gradients are computed: as sums of products, or by Winograd's algorithm where
//! that suits the shape. Unaware of values, normalisation and threads.

use pulp::Arch;

use crate::geometry::Geometry;
use crate::pass::Pass;
use crate::tile::Convolve;
use crate::winograd::{Room, Winograd, suits};

/// A convolution of framed maps, or its input's gradient from the output's framed one.
pub enum Method {
    /// Passes over the map.
    Direct(Vec<Pass>),
    Winograd(Winograd),
}

impl Method {
    /// The convolution itself; `weights` are `[filters, channels, size, size]`.
    pub fn forward(geometry: &Geometry, weights: &[f32]) -> Method {
        match suits(geometry) {
            true => Method::Winograd(Winograd::forward(geometry, weights)),
            false => Method::Direct(vec![Pass::forward(geometry, weights)]),
        }
    }

    /// The input's gradient.
    pub fn backward(geometry: &Geometry, weights: &[f32]) -> Method {
        match suits(geometry) {
            true => Method::Winograd(Winograd::backward(geometry, weights)),
            false => Method::Direct(Pass::backward(geometry, weights)),
        }
    }

    /// One image's, to `[height, width, channels]`.
    pub fn run(&self, arch: Arch, framed: &[f32], room: &mut Room, out: &mut [f32]) {
        match self {
            Method::Winograd(winograd) => winograd.run(arch, framed, room, out),
            Method::Direct(passes) => {
                for pass in passes {
                    let out = &mut *out;
                    arch.dispatch(Convolve { pass, framed, out });
                }
            }
        }
    }
}
