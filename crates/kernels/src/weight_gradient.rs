//! The weights' gradient, summed up over images: threads add up groups of images, whose number does
//! not depend on theirs, and the groups are added in their order. Unaware of normalisation.

use crate::buffers;
use crate::geometry::Geometry;
use crate::pass::BLOCK;
use crate::tile::Correlate;
use crate::winograd::{Room, WeightGradient, suits};
use pulp::Arch;
use rayon::prelude::*;

/// Images that one sum runs over before it joins the others'.
pub const GROUP: usize = 8;

/// Numbers of a sum that a thread adds up at once.
const PART: usize = 4096;

/// How a convolution's input and the output's gradient are summed up.
pub enum Plan {
    Direct(Direct),
    Winograd(WeightGradient, Geometry),
}

impl Plan {
    /// For gradients in the output's frame.
    pub fn of(geometry: &Geometry) -> Plan {
        match suits(geometry) {
            true => Plan::Winograd(WeightGradient::of(geometry), *geometry),
            false => Plan::Direct(Direct::of(geometry)),
        }
    }

    /// Sums at their start.
    pub fn sums(&self) -> Vec<f32> {
        let mut sums = buffers::take(match self {
            Plan::Direct(direct) => direct.sums(),
            Plan::Winograd(winograd, _) => winograd.sums(),
        });
        sums.fill(0.0);
        sums
    }

    /// Adds one image's part; both maps are framed.
    pub fn add(
        &self,
        arch: Arch,
        framed: &[f32],
        gradient: &[f32],
        room: &mut Room,
        sums: &mut [f32],
    ) {
        match self {
            Plan::Direct(direct) => direct.add(arch, framed, gradient, sums),
            Plan::Winograd(winograd, _) => winograd.add(arch, framed, gradient, room, sums),
        }
    }

    /// The gradient `[filters, channels, size, size]` from the groups' sums.
    pub fn gather(&self, groups: Vec<Vec<f32>>) -> Vec<f32> {
        let mut total = self.sums();
        let parts = total.par_chunks_mut(PART).enumerate();
        parts.for_each(|(part, total)| {
            for sums in &groups {
                for (total, sum) in total.iter_mut().zip(&sums[part * PART..]) {
                    *total += sum;
                }
            }
        });
        groups.into_iter().for_each(buffers::give);
        let gradient = match self {
            Plan::Direct(direct) => direct.gather(&total),
            Plan::Winograd(winograd, geometry) => winograd.gather(geometry, &total),
        };
        buffers::give(total);
        gradient
    }
}

/// Where an input and an output's gradient meet.
pub struct Direct {
    from: Vec<usize>,
    to: Vec<usize>,
    rows: Vec<usize>,
    depth: usize,
    geometry: Geometry,
}

impl Direct {
    fn of(geometry: &Geometry) -> Direct {
        let (g, input, output) = (geometry, geometry.input_frame(), geometry.output_frame());
        let pixels = || {
            let width = g.out_width();
            (0..g.out_pixels()).map(move |pixel| (pixel / width, pixel % width))
        };
        Direct {
            from: pixels()
                .map(|(y, x)| input.at(y * g.stride, x * g.stride))
                .collect(),
            to: pixels()
                .map(|(y, x)| output.at(y + g.border(), x + g.border()))
                .collect(),
            rows: (0..g.size).map(|row| input.at(row, 0)).collect(),
            depth: g.size * g.channels,
            geometry: *geometry,
        }
    }

    /// How many numbers are summed up.
    fn sums(&self) -> usize {
        self.geometry.filters.next_multiple_of(BLOCK) * self.rows.len() * self.depth
    }

    /// Adds one image's part; both maps are framed.
    fn add(&self, arch: Arch, framed: &[f32], gradient: &[f32], sums: &mut [f32]) {
        arch.dispatch(Correlate {
            from: &self.from,
            to: &self.to,
            rows: &self.rows,
            depth: self.depth,
            framed,
            gradient,
            sums,
        });
    }

    fn gather(&self, total: &[f32]) -> Vec<f32> {
        let g = &self.geometry;
        let mut gradient = vec![0.0; g.weights()];
        for (index, row) in total.chunks_exact(BLOCK).enumerate() {
            let (i, rest) = (index % self.depth, index / self.depth);
            let (y, block) = (rest % g.size, rest / g.size);
            for (lane, &value) in row.iter().enumerate() {
                let filter = block * BLOCK + lane;
                if filter < g.filters {
                    gradient[g.weight(filter, i % g.channels, y, i / g.channels)] = value;
                }
            }
        }
        gradient
    }
}
