//! Images as a training or an evaluation by itself needs them: read, split and measured in memory.
//!
//! Unaware of what is trained or evaluated.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};

use crate::cifar::Images;
use crate::error::Invalid;
use crate::nn::augment::Normalise;
use crate::nn::fit::Data;
use crate::nn::resnet::ResNet;
use crate::results::{Evaluation, Statistics};
use crate::steps::evaluate;
use crate::steps::preprocess::{self, Split, archive::Limits, layout, statistics};

/// Images in memory, split, with their moments.
pub struct Prepared {
    pub train: Images,
    pub validation: Images,
    pub test: Images,
    pub classes: Vec<String>,
    pub statistics: Statistics,
    /// What is to be known about the images for validation, where they were given.
    pub remark: Option<String>,
}

impl Prepared {
    /// Reads the images of an archive or folder and holds some of the training images out, as the
    /// step `preprocess` does it with split seed 0; none where the images for validation are given.
    ///
    /// # Errors
    /// If there are no images in a known layout; [`Invalid`] if none would be left to train on, or if
    /// some are to be held out although those for validation are given.
    pub fn read(data: &Path, validation: Option<u32>) -> Result<Prepared> {
        let found = layout::read(data, Limits::default(), &mut |_, _| {})
            .with_context(|| format!("cannot use the images of {}", data.display()))?;
        if let Some(given) = found.validation {
            let count = given.images.len();
            if validation.is_some_and(|asked| asked != 0 && asked as usize != count) {
                return Err(Invalid::new(format!(
                    "{}, in {}: leave --validation out, or remove {}/",
                    given.remark(),
                    data.display(),
                    given.folder
                ))
                .into());
            }
            return Ok(Prepared {
                remark: Some(given.remark()),
                statistics: statistics::of(&found.train)?,
                train: found.train,
                validation: given.images,
                test: found.test,
                classes: found.classes,
            });
        }
        let tenth = u32::try_from(found.train.len() / 10).context("there are too many images")?;
        let params = preprocess::Params {
            validation: validation.unwrap_or(tenth),
            split_seed: 0,
        };
        if params.validation as usize >= found.train.len() {
            return Err(Invalid::new(format!(
                "cannot hold out {} of {} training images: at least one must be left to train on",
                params.validation,
                found.train.len()
            ))
            .into());
        }
        let split = Split::draw(found.train.len(), &params)?;
        Ok(Prepared {
            remark: None,
            statistics: statistics::of(&found.train)?,
            train: found.train.select(&split.train),
            validation: found.train.select(&split.validation),
            test: found.test,
            classes: found.classes,
        })
    }

    /// Evaluates a network on the test images.
    ///
    /// # Errors
    /// If the logits cannot be read back from the device, or `stop` is set.
    pub fn evaluate(&self, network: &ResNet, stop: &AtomicBool) -> Result<Evaluation> {
        let normalise = Normalise::new(&self.statistics);
        evaluate::network(network, &self.test, &self.classes, &normalise, stop)
    }

    /// What a training reads.
    pub fn data(&self) -> Data<'_> {
        Data {
            train: &self.train,
            validation: &self.validation,
            test: &self.test,
            statistics: &self.statistics,
        }
    }
}
