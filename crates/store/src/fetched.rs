//! A result that was computed elsewhere and is brought here: its contents are written into the working
//! folder of its key, and added as those of a step that ran here.
//!
//! ```text
//! work/<key>/fetched/<digest>   a content so far
//! work/<key>/fetched/log        what the step printed
//! ```
//!
//! Unaware of where it comes from. Whoever writes there has checked every content against its digest.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{Claim, Entry, Manifest, Output, Store, disk};
use crate::key::{Digest, Listing};

/// The folder in a working folder.
const FOLDER: &str = "fetched";

/// The log in it.
const LOG: &str = "log";

impl Claim {
    /// Where a content is written that comes from elsewhere.
    pub fn fetched(&self, digest: &Digest) -> PathBuf {
        self.folder().join(FOLDER).join(digest.to_string())
    }

    /// Where the log is written.
    pub fn fetched_log(&self) -> PathBuf {
        self.folder().join(FOLDER).join(LOG)
    }

    /// Makes an empty folder for what is fetched. What an interrupted computation has left stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin_to_fetch(&self) -> Result<()> {
        let folder = self.folder().join(FOLDER);
        disk::remove(&folder)?;
        disk::create_folder(&folder)
    }

    /// Drops what was fetched; what an interrupted computation has left stays.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn drop_fetched(&self) -> Result<()> {
        disk::remove(&self.folder().join(FOLDER))?;
        // Only if it is empty.
        let _ = fs::remove_dir(self.folder());
        Ok(())
    }
}

impl Store {
    /// Whether a content is there and intact.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn has(&self, output: &Output) -> Result<bool> {
        Ok(self.check(output)?.is_none())
    }

    /// Adds a result whose missing contents were fetched: outputs and evidence first, the manifest last. Evidence
    /// and a log that were not fetched are left out.
    ///
    /// # Errors
    /// If an output is neither in the store nor fetched, the manifest contradicts itself, or anything cannot
    /// be written; no result is added then.
    pub fn adopt(&self, claim: &Claim, manifest: &Manifest) -> Result<Arc<Entry>> {
        self.expect_to_fit(claim, manifest)?;
        for output in manifest.outputs.values() {
            self.add_content(&claim.fetched(&output.digest), output)?;
        }
        for evidence in manifest.evidence.values() {
            let fetched = claim.fetched(&evidence.digest);
            if fetched.exists() {
                self.add_content(&fetched, evidence)?;
            }
        }
        if claim.fetched_log().exists() {
            let log = self.log_path(&claim.key);
            self.clear_for_file(&log)?;
            disk::publish(&claim.fetched_log(), &log)?;
        }
        self.add_manifest(claim, manifest)
    }

    /// Keeps a listing that was fetched, unless it is another one than its digest says. Returns whether it
    /// was kept.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn adopt_listing(&self, digest: &Digest, text: &[u8]) -> Result<bool> {
        let Ok(text) = std::str::from_utf8(text) else {
            return Ok(false);
        };
        let fits = Listing::digest(text) == *digest && Listing::parse(text).is_some();
        if fits {
            self.keep_listing(text)?;
        }
        Ok(fits)
    }

    /// The keys of all results that there are, whether they can be used or not.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn keys(&self) -> Result<Vec<Digest>> {
        let files = self.list("manifests").context("cannot list the results")?;
        Ok(files.iter().filter_map(|it| it.digest(".json")).collect())
    }
}
