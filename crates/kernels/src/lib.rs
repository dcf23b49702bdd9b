//! The arithmetic of the networks' layers on plain slices of `f32`, for CPUs: convolution forward and
//! backward, batch normalisation with what follows it, the copying shortcut, and the step of SGD.
//!
//! Maps lie channels last: `[images, height, width, channels]`, so that all channels of a pixel are
//! neighbours and a kernel's row is one contiguous stretch of `size · channels` numbers. A
//! convolution is then a sum of products of such stretches with packed weights, without an
//! intermediate matrix (implicit GEMM; Chetlur et al. 2014, "cuDNN: Efficient Primitives for Deep
//! Learning", section 3; Zhang, Franchetti and Low 2018, "High Performance Zero-Memory Overhead
//! Direct Convolutions"). Where the shape suits it, Winograd's algorithm takes their place; a layer's
//! normalisation is done by whoever reads it.
//!
//! Work is shared among threads by images, and every sum over images is made in an order that does
//! not depend on the number of threads. Instructions are chosen at run time (pulp). Unaware of burn,
//! tensors and gradients' graphs.
//!
//! A crate of its own, so that it is optimised also where the rest is not (`cargo test`), and runs in
//! an emulator of other processors without the rest (`tools/aarch64`). Lengths of slices are the
//! caller's duty: what does not fit the shapes panics.

mod backward;
pub mod buffers;
mod forward;
mod geometry;
mod input;
mod lanes;
mod method;
mod norm;
mod norm_backward;
mod pad;
mod pass;
mod pool;
mod sgd;
mod tile;
mod weight_gradient;
mod winograd;

pub use backward::{Gradients, Onward, Saved, SkipGradient, Source, backward, relu_backward};
pub use forward::{Convolved, Epilogue, Layer, Skip, activate, infer, train};
pub use geometry::Geometry;
pub use input::Input;
pub use norm::{Affine, Norm};
pub use norm_backward::NormGradients;
pub use pad::Pad;
pub use pass::BLOCK;
pub use pool::{mean_pixels, spread_pixels, to_channels_last};
pub use pulp::Arch; // callers choose the instructions without knowing pulp
pub use sgd::sgd;

#[cfg(test)]
mod tests;
