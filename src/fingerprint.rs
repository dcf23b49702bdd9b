//! What the running binary is made of, as `build.rs` found it when the binary was built: never
//! what lies in `crates/` now.
//!
//! Tables that are compiled in; nothing is parsed or hashed when a command starts.

use store::key::Digest;

/// A named part of what a step is made of.
#[derive(Debug)]
pub struct Part {
    /// A crate of the workspace (`nn`), what a feature adds to one (`nn with flex`), or the
    /// packages behind them (`dependencies`).
    pub name: &'static str,
    digest: [u8; 32],
    /// What the digest stands for (see [`store::key::Listing`]).
    pub listing: &'static str,
}

impl Part {
    /// The digest of the listing.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.digest)
    }
}

/// All parts of one kind of step, but for what the backend adds.
struct Kind {
    name: &'static str,
    code: &'static [Part],
    crates: &'static [Part],
}

/// What is added to the parts of a step that computes on a backend.
#[derive(Debug)]
pub struct Backend {
    /// The cargo feature that compiles the backend in.
    name: &'static str,
    /// Crates, and what its feature adds to one, that only this backend computes with, sorted.
    pub code: &'static [Part],
    /// The packages behind them and behind burn's own crate for the backend: one part.
    pub crates: &'static [Part],
}

/// Tables that `build.rs` writes.
mod tables {
    use super::{Backend, Kind, Part};

    include!(concat!(env!("OUT_DIR"), "/fingerprint.rs"));
}

/// The kinds of steps, sorted.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    tables::KINDS.iter().map(|kind| kind.name)
}

/// The code that steps of a kind depend on: one part per crate of the workspace, sorted. None for
/// an unknown kind.
pub fn code(kind: &str) -> &'static [Part] {
    find(kind).map_or(&[], |kind| kind.code)
}

/// The packages of others behind that code, but for the backends' own: one part, `dependencies`, or
/// none. None for an unknown kind.
pub fn crates(kind: &str) -> &'static [Part] {
    find(kind).map_or(&[], |kind| kind.crates)
}

/// What a backend adds, by its cargo feature, whether or not the binary was built with it.
pub fn backend(feature: &str) -> Option<&'static Backend> {
    tables::BACKENDS.iter().find(|known| known.name == feature)
}

fn find(kind: &str) -> Option<&'static Kind> {
    tables::KINDS.iter().find(|known| known.name == kind)
}

/// The compiler that built this binary (`rustc 1.95.0 (59807616e 2026-04-14)`).
pub fn compiler() -> &'static str {
    env!("FIG6_COMPILER")
}

/// The version of burn and of its backends' crates, which are released together.
pub fn burn_version() -> &'static str {
    env!("FIG6_BURN_VERSION")
}
