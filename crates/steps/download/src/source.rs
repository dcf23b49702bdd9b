//! Which archive is wanted, and where it is said to lie.
//!
//! Unaware of how it is fetched.

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

/// The identity of an archive, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveId {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Source {
    /// What the archive must be.
    pub fn id(&self) -> ArchiveId {
        ArchiveId {
            bytes: self.bytes,
            sha256: self.sha256.clone(),
        }
    }
}
