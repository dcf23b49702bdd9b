//! What the running binary is made of, as `build.rs` found it when the binary was built: never
//! what lies in `src/` now.

use crate::key::Digest;

/// A named part of what a step is made of.
#[derive(Debug)]
pub struct Part {
    /// A module (`nn::resnet`) or a crate (`burn`).
    pub name: &'static str,
    digest: [u8; 32],
    /// What the digest stands for (see [`crate::key::Listing`]).
    pub listing: &'static str,
}

impl Part {
    /// The digest of the listing.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.digest)
    }
}
pub fn kinds() -> impl Iterator<Item = &'static str> {
    [
        "aggregate",
        "download",
        "evaluate",
        "plot",
        "preprocess",
        "table",
        "train",
    ]
    .into_iter()
}
static NONE: [Part; 0] = [];
static P: Part = Part {
    name: "x",
    digest: [0; 32],
    listing: "",
};
pub fn code(_kind: &str) -> &'static [Part] {
    &NONE
}
pub fn crates(_kind: &str) -> &'static [Part] {
    &NONE
}
pub fn backend_crates(_name: &str) -> Option<&'static Part> {
    Some(&P)
}
/// The compiler that built this binary (`rustc 1.95.0 (59807616e 2026-04-14)`).
pub fn compiler() -> &'static str {
    env!("FIG6_COMPILER")
}

/// The version of burn and of its backends' crates, which are released together.
pub fn burn_version() -> &'static str {
    env!("FIG6_BURN_VERSION")
}
