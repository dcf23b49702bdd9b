//! What the running binary is made of, as `build.rs` found it when the binary was built: never
//! what lies in `src/` and `kernels/` now.
//!
//! Tables that are compiled in; nothing is parsed or hashed when a command starts.

use store::key::Digest;

/// A named part of what a step is made of.
#[derive(Debug)]
pub struct Part {
    /// A module (`nn::resnet`) or a crate (`burn`).
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

/// All parts of one kind of step.
struct Kind {
    name: &'static str,
    code: &'static [Part],
    crates: &'static [Part],
}

/// Tables that `build.rs` writes (see `build/fingerprint/table.rs`).
mod tables {
    use super::{Kind, Part};

    include!(concat!(env!("OUT_DIR"), "/fingerprint.rs"));
}

/// The kinds of steps, sorted.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    tables::KINDS.iter().map(|kind| kind.name)
}

/// The code that steps of a kind reach: one part per module, sorted. None for an unknown kind.
pub fn code(kind: &str) -> &'static [Part] {
    find(kind).map_or(&[], |kind| kind.code)
}

/// The third-party crates that steps of a kind reach: one part per direct dependency with all
/// that it depends on, but for backends, sorted. None for an unknown kind.
pub fn crates(kind: &str) -> &'static [Part] {
    find(kind).map_or(&[], |kind| kind.crates)
}

/// A backend's crate (`burn-flex`) with all that it depends on.
pub fn backend_crates(crate_name: &str) -> Option<&'static Part> {
    tables::BACKENDS.iter().find(|part| part.name == crate_name)
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
