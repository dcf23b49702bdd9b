//! The images of a data set, and what messages say of them.
//!
//! Unaware of files and of the layouts.

use cifar::Images;
use step::grouped;

/// All images of an archive or a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Data {
    /// In the archive's order: see [`crate::Split`].
    pub train: Images,
    pub test: Images,
    /// Of a folder that says itself which images are for validation.
    pub validation: Option<Validation>,
    /// The ten classes in the order of their labels.
    pub classes: Vec<String>,
}

/// The images of a folder beside those of training and test.
#[derive(Debug, PartialEq, Eq)]
pub struct Validation {
    /// As it is called: `val`, `valid` …
    pub folder: String,
    pub images: Images,
}

impl Validation {
    /// What is to be known of it, as a sentence without a full stop.
    pub fn remark(&self) -> String {
        format!(
            "the {} images of {}/ are the validation set, so no training images are held out",
            grouped(self.images.len() as u64),
            self.folder
        )
    }
}

/// The first names of a list, for a message.
pub fn shortened(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(12).map(AsRef::as_ref).collect();
    let more = if names.len() > 12 { ", …" } else { "" };
    shown.join(", ") + more
}
