//! A report with what it rests on in one file, to be checked on another machine: `fig6 bundle` packs it,
//! `fig6 verify` unpacks it.
//!
//! ```text
//! bundle.json               every other file with size and BLAKE3, and what was left out
//! artifacts/listings/…      what the digests of code and crates stand for
//! artifacts/logs/…          what the steps printed
//! artifacts/manifests/…     the steps' key inputs, outputs, times and hosts
//! artifacts/objects/…       what the steps made: weights, metrics, predictions, but no images; snapshots of
//!                           the trainings only if that is asked for
//! pipeline.ron              as it was when the report was made
//! reports/<profile>/…       the report
//! ```
//!
//! Unpacked it is a project. It is a gzipped tar archive that any program can read, but written in one
//! way only: sorted, without times and owners. So two bundles of the same results are the same bytes, and
//! whatever is not exactly as fig6 writes it is refused ([`unpack`]). Unaware of what steps mean and of
//! whether the report is right.

mod contents;
mod pack;
mod unpack;

pub use contents::{Contents, FILE, LeftOut, Packed, begins_as_bundle};
pub use pack::{Summary, is_image, pack};
pub use unpack::unpack;

#[cfg(test)]
mod tests;
