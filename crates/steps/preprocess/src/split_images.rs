//! The images of one split of image folders, in the order of their paths.
//!
//! Unaware of formats and of the other splits.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use crate::roles::{ClassFolder, Role, role};
use cifar::{IMAGE, Images};

/// The decoded images of one split of image folders.
#[derive(Default)]
pub struct SplitImages {
    /// As the split's folder is called.
    pub name: String,
    pub paths: Vec<String>,
    /// [`IMAGE`] bytes for each path.
    pub pixels: Vec<u8>,
}

impl SplitImages {
    /// The classes' names.
    pub fn classes(&self) -> BTreeSet<&str> {
        self.paths.iter().map(|path| class(path)).collect()
    }

    /// The images sorted by path; a class's label is its place in `classes`.
    ///
    /// # Errors
    /// If a path is there twice, or an image is of none of the classes.
    pub fn images(&self, classes: &[String]) -> Result<Images> {
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by(|&a, &b| self.paths[a].cmp(&self.paths[b]));
        for pair in order.windows(2) {
            let path = &self.paths[pair[0]];
            ensure!(
                path != &self.paths[pair[1]],
                "{path} is there twice: expected each file once"
            );
        }
        let mut images = Images::default();
        for index in order {
            let path = &self.paths[index];
            let label = classes
                .iter()
                .position(|name| name == class(path))
                .and_then(|label| u8::try_from(label).ok())
                .with_context(|| format!("{path} is of no known class"))?;
            images.push(label, &self.pixels[index * IMAGE..][..IMAGE])?;
        }
        Ok(images)
    }
}

/// The class of an image file: the folder that it lies in.
fn class(path: &str) -> &str {
    match role(path) {
        Role::Image(ClassFolder { class, .. }) => class,
        _ => "",
    }
}
