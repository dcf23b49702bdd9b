//! The networks and their training (see each module). Knows nothing of pipelines, stores and
//! steps; no other crate names burn.

pub mod architecture;
pub mod augment;
pub mod checkpoint;
pub mod classification;
pub mod device;
mod finite;
pub mod fit;
mod init;
mod kernels;
#[cfg(any(feature = "cuda", feature = "metal", feature = "wgpu"))]
pub mod launches;
mod layers;
mod mode;
pub mod predict;
pub mod recipe;
pub mod resnet;
pub mod responses;
pub mod schedule;
mod sgd;
pub mod snapshots;
pub mod speed;
mod tally;
pub mod trace;
mod train_step;
pub mod trained_on;
pub mod transfers;
pub mod weights;
