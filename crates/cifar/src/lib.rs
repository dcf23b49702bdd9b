//! CIFAR-10's images in memory and in its binary layout: a run of records, each one label byte
//! and 3,072 pixel bytes (R, G, B planes, row-major). The layout is also how `preprocess` hands
//! the images on to training and evaluation.
//!
//! Unaware of archives, statistics, networks and steps.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Height and width of an image, in pixels.
pub const SIDE: usize = 32;
/// Red, green, blue.
pub const CHANNELS: usize = 3;
/// Bytes of one channel's plane.
pub const PLANE: usize = SIDE * SIDE;
/// Bytes of one image, planes in the order R, G, B.
pub const IMAGE: usize = CHANNELS * PLANE;
/// Bytes of one record: the label, then the image.
pub const RECORD: usize = 1 + IMAGE;
/// Number of classes; labels run from 0 to 9.
pub const CLASSES: usize = 10;
/// The classes in the order of their labels, which is also the alphabetical one.
pub const CLASS_NAMES: [&str; CLASSES] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Labelled images: `labels[i]` belongs to `pixels[i * IMAGE..][..IMAGE]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    labels: Vec<u8>,
    pixels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The label of image `index`, below [`CLASSES`].
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// All labels, in order.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The [`IMAGE`] bytes of image `index`: R, G, B planes, row-major.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * IMAGE..][..IMAGE]
    }

    /// Appends one image.
    ///
    /// # Errors
    /// If the label is not below [`CLASSES`] or the image is not [`IMAGE`] bytes long.
    pub fn push(&mut self, label: u8, image: &[u8]) -> Result<()> {
        ensure!(
            usize::from(label) < CLASSES,
            "label {label} is above 9, the last of CIFAR-10's ten classes"
        );
        ensure!(
            image.len() == IMAGE,
            "an image has {} bytes, not {IMAGE} (32 × 32 pixels, 3 channels)",
            image.len()
        );
        self.labels.push(label);
        self.pixels.extend_from_slice(image);
        Ok(())
    }

    /// Appends all records of a file in the binary layout, any number of them.
    ///
    /// # Errors
    /// If the length is no multiple of [`RECORD`], or a label is above 9 (with the record's number).
    pub fn push_records(&mut self, bytes: &[u8]) -> Result<()> {
        ensure!(
            bytes.len().is_multiple_of(RECORD),
            "{} bytes are no whole number of records of {RECORD} bytes: the file was cut short or is not in CIFAR's binary layout",
            bytes.len()
        );
        for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
            self.push(record[0], &record[1..])
                .with_context(|| format!("record {number}"))?;
        }
        Ok(())
    }

    /// The images with these indices, in this order.
    pub fn select(&self, indices: &[usize]) -> Images {
        Images {
            labels: indices.iter().map(|&index| self.label(index)).collect(),
            pixels: indices
                .iter()
                .flat_map(|&index| self.image(index))
                .copied()
                .collect(),
        }
    }

    /// The images as records of the binary layout.
    pub fn to_records(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len() * RECORD);
        for index in 0..self.len() {
            bytes.push(self.label(index));
            bytes.extend_from_slice(self.image(index));
        }
        bytes
    }

    /// Reads a file in the binary layout.
    ///
    /// # Errors
    /// If it cannot be read or its content is not as [`Images::push_records`] wants it.
    pub fn read(path: &Path) -> Result<Images> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut images = Images::default();
        images
            .push_records(&bytes)
            .with_context(|| format!("in {}", path.display()))?;
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_as_they_were_written() {
        let mut images = Images::default();
        for label in [3, 9, 0] {
            let image: Vec<u8> = (0..IMAGE).map(|i| (i % 251) as u8 ^ label).collect();
            images.push(label, &image).unwrap();
        }
        let mut read = Images::default();
        read.push_records(&images.to_records()).unwrap();
        assert_eq!(read, images);
        assert_eq!(read.select(&[2, 0]).labels(), [0, 3]);
    }

    #[test]
    fn a_record_cut_short_or_a_label_above_nine_is_refused() {
        let mut records = vec![0; 2 * RECORD];
        records[RECORD] = 10;
        let error = format!(
            "{:#}",
            Images::default().push_records(&records).unwrap_err()
        );
        assert!(error.contains("record 1: label 10 is above 9"), "{error}");
        let error = Images::default()
            .push_records(&records[..RECORD + 7])
            .unwrap_err();
        assert!(error.to_string().contains("3080 bytes"), "{error}");
    }
}
