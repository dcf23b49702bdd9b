//! Blocks of channels in registers, however wide these are. Unaware of what is computed.

use pulp::Simd;

/// Calls `run` with as many registers to a block as the processor needs.
macro_rules! for_lanes {
    ($self:ident, $simd:ident, $S:ident) => {{
        use crate::pass::BLOCK;
        match $S::F32_LANES {
            16 => $self.run::<$S, 1>($simd),
            8 => $self.run::<$S, 2>($simd),
            4 => $self.run::<$S, 4>($simd),
            _ => $self.run::<$S, BLOCK>($simd),
        }
    }};
}

pub(crate) use for_lanes;

/// A block of [`crate::BLOCK`] numbers.
pub type Block<S, const V: usize> = [<S as Simd>::f32s; V];

/// The numbers block by block.
#[inline(always)]
pub fn blocks<S: Simd, const V: usize>(numbers: &[f32]) -> &[Block<S, V>] {
    S::as_simd_f32s(numbers).0.as_chunks().0
}

/// The same to be written.
#[inline(always)]
pub fn blocks_mut<S: Simd, const V: usize>(numbers: &mut [f32]) -> &mut [Block<S, V>] {
    S::as_mut_simd_f32s(numbers).0.as_chunks_mut().0
}

/// Adds a block to sums in 64 bits.
#[inline(always)]
pub fn gather<S: Simd, const V: usize>(sums: &mut [f64], few: &Block<S, V>) {
    let mut numbers = [0.0; crate::BLOCK];
    if let Some(block) = blocks_mut::<S, V>(&mut numbers).first_mut() {
        *block = *few;
    }
    let sums = &mut sums[..numbers.len()];
    for i in 0..numbers.len() {
        sums[i] += f64::from(numbers[i]);
    }
}
