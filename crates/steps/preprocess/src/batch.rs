//! One of CIFAR's own files, in its binary or its Python version: a batch of images, or the
//! classes' names.
//!
//! Unaware of which files make a data set.

use std::borrow::Cow;

use anyhow::{Context as _, Result, ensure};

use crate::python;
use crate::roles::Version;
use cifar::Images;

/// A file as it was found.
pub struct Batch {
    pub path: String,
    version: Version,
    content: Vec<u8>,
}

impl Batch {
    /// # Errors
    /// If the file is empty, as it is after a full disk.
    pub fn new(path: String, version: Version, content: Vec<u8>) -> Result<Batch> {
        ensure!(
            !content.is_empty(),
            "{path} is empty: unpack or download it again"
        );
        Ok(Batch {
            path,
            version,
            content,
        })
    }

    /// Appends the file's images.
    ///
    /// # Errors
    /// If it is no batch of its version, was cut short, or has a label above 9, with its path.
    pub fn push_to(&self, images: &mut Images) -> Result<()> {
        match self.version {
            Version::Binary => images.push_records(&self.content),
            Version::Python => {
                python::records(&self.content).and_then(|records| images.push_records(&records))
            }
        }
        .with_context(|| self.path.clone())
    }

    /// The names in the file: one a line, or pickled.
    ///
    /// # Errors
    /// If it is no text, or no pickle of names.
    pub fn names(&self) -> Result<Vec<String>> {
        let lines = match self.version {
            Version::Binary => Cow::Borrowed(&self.content),
            Version::Python => Cow::Owned(python::class_names(&self.content)?),
        };
        let text = std::str::from_utf8(&lines).context("is no UTF-8 text")?;
        Ok(text
            // What editors on Windows put in front.
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }
}
