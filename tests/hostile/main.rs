//! Hostile and damaged input: every parser of a file that fig6 did not write itself, or that may have
//! been damaged since, is given mutated seeds; the command line is given files that are none.
//!
//! No input may make a parser panic, take more memory than its stated bound, or write outside the
//! folder that it was given. `FIG6_FUZZ_SEED` draws other inputs; `tools/fuzz` runs for as long as one
//! likes.

#[path = "../common/mod.rs"]
mod common;

mod archives;
mod bombs;
mod dice;
mod documents;
mod files;
mod images;
mod records;
mod seeds;
mod target;
mod texts;
mod weights;

/// Counts what is allocated, so that a parser's memory can be held against its bound.
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
