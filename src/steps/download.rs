//! Fetches (or, for the smoke profile, generates) the images' archive.

use serde::{Deserialize, Serialize};

/// One place where an archive may lie, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `https:`, `http:` or `file:` URL.
    pub url: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the archive, in lower-case hexadecimal.
    pub sha256: String,
}
