//! A stand-in for the one function that writes files which a user names, with its signature.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::out::Out;
use crate::error::Invalid;
use crate::store::write_whole;

/// A path that a user names for output.
#[derive(Clone, Debug)]
pub struct UserFile {
    path: PathBuf,
}

impl Out {
    /// # Errors
    /// If a file is there that the command did not write, unless it is forced.
    pub fn file(
        &mut self,
        path: &Path,
        force: bool,
        is_ours: fn(&[u8]) -> bool,
    ) -> Result<UserFile> {
        let there = std::fs::read(path).unwrap_or_default();
        if !there.is_empty() && !force && !is_ours(&there) {
            let path = path.display();
            return Err(Invalid::new(format!(
                "{path} is there already, and this command did not write it: --force replaces it"
            ))
            .into());
        }
        let path = path.to_owned();
        Ok(UserFile { path })
    }
}

impl UserFile {
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, content: &[u8]) -> Result<()> {
        write_whole(&self.path, content)
    }
}
