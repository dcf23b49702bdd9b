//! Files outside the store, data and reports: what they hold, read again only if they look other than
//! they did.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::key::Digest;
use super::look::{Look, look_outside};
use super::stat::Stat;
use super::{Store, disk};

impl Store {
    /// The digest of a file outside the store, read only if it looks other than when it was read
    /// last; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn content(&self, path: &Path) -> Result<Option<Digest>> {
        let path = &std::path::absolute(path)?;
        let metadata = match look_outside(path)? {
            Look::Seen(metadata) => metadata,
            Look::Absent => return Ok(None),
            Look::Damaged(what) => bail!("cannot read {}: {what}", path.display()),
        };
        let stat = Stat::of(&metadata);
        if !self.paranoid
            && let Some(digest) = self.index.noted(path, stat)
        {
            return Ok(Some(digest));
        }
        // Not mapped into memory, for others may write to it.
        let bytes = disk::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = Digest::of(&bytes);
        self.index.note(path, stat, digest);
        Ok(Some(digest))
    }

    /// Whether a file outside the store was noted to be made of this, and looks as it did then.
    ///
    /// # Errors
    /// If the path cannot be looked at.
    pub fn is_made_of(&self, path: &Path, source: &Digest) -> Result<bool> {
        let path = &std::path::absolute(path)?;
        Ok(match look_outside(path)? {
            Look::Seen(metadata) if !self.paranoid => {
                let noted = self.index.noted(made_of(path), Stat::of(&metadata));
                noted == Some(*source)
            }
            _ => false,
        })
    }

    /// Notes what a file outside the store was made of, for one that takes long to make again.
    ///
    /// # Errors
    /// If the path cannot be looked at.
    pub fn note_made_of(&self, path: &Path, source: Digest) -> Result<()> {
        let path = &std::path::absolute(path)?;
        if let Look::Seen(metadata) = look_outside(path)? {
            let stat = Stat::of(&metadata);
            self.index.note(made_of(path), stat, source);
        }
        Ok(())
    }
}

/// The name under which the index keeps what a file was made of; no file has it.
fn made_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("\0made of");
    name.into()
}
