//! What the running binary is made of, as `build.rs` found it when the binary was built: never
//! what lies in `src/` now.

use std::collections::BTreeMap;

use crate::key::Digest;

/// The code that steps of a kind reach: a digest by name.
///
/// Every kind reaches the same one part so far, the whole of the sources and the crates' versions.
pub fn code(_kind: &str) -> BTreeMap<String, Digest> {
    let sources = env!("FIG6_SOURCES")
        .parse()
        .expect("build.rs writes a BLAKE3 digest");
    BTreeMap::from([("fig6".to_owned(), sources)])
}

/// Version and checksum of each third-party crate that steps of a kind reach.
///
/// None is named so far: the digest of the sources covers `Cargo.lock`.
pub fn crates(_kind: &str) -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// The compiler that built this binary (`rustc 1.95.0 (59807616e 2026-04-14)`).
pub fn compiler() -> &'static str {
    env!("FIG6_COMPILER")
}

/// The version of burn and of its backends' crates, which are released together.
pub fn burn_version() -> &'static str {
    env!("FIG6_BURN_VERSION")
}
