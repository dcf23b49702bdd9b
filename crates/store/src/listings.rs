//! `listings/`: what the digests of code and crates in manifests stand for.

use anyhow::Result;

use super::key::{Digest, Listing};
use super::look::{Look, read_at};
use super::{Store, disk};

impl Store {
    /// A listing that was kept, if it is there and intact.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn listing(&self, digest: &Digest) -> Result<Option<Listing>> {
        // The next run writes a damaged one anew.
        Ok(match read_at(&self.root, &self.listing_path(digest))? {
            Look::Seen(text) => parse(text, digest),
            Look::Absent | Look::Damaged(_) => None,
        })
    }

    /// Keeps a listing that the basis of results refers to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_listing(&self, text: &str) -> Result<()> {
        let digest = Listing::digest(text);
        if self.listing(&digest)?.is_some() {
            return Ok(());
        }
        let path = self.listing_path(&digest);
        if path.symlink_metadata().is_ok() {
            self.set_aside(&path)?;
        }
        disk::write_whole(&path, text.as_bytes())
    }
}

/// The listing that a file holds, if it is the one with this digest.
pub(super) fn parse(text: Vec<u8>, digest: &Digest) -> Option<Listing> {
    let text = String::from_utf8(text).ok()?;
    let whole = Listing::digest(&text) == *digest;
    whole.then(|| Listing::parse(&text))?
}
