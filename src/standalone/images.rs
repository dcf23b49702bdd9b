//! Images as a training or an evaluation by itself needs them: read, split and measured in memory.
//!
//! Unaware of what is trained or evaluated.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::error::Invalid;
use cifar::Images;
use nn::augment::Normalise;
use nn::fit::Data;
use nn::predict::predict;
use nn::resnet::ResNet;
use preprocess::archive::ArchiveLimits;
use preprocess::layout::{self, Validation};
use preprocess::{self, Split, statistics};
use records::{Evaluation, Statistics};
use step::Interrupted;

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
        let found = layout::read(data, ArchiveLimits::default(), &mut |_, _| {})
            .with_context(|| format!("cannot use the images of {}", data.display()))?;
        let remark = found.validation.as_ref().map(Validation::remark);
        if let Some(given) = &found.validation
            && validation.is_some_and(|asked| ![0, given.images.len()].contains(&(asked as usize)))
        {
            bail!(Invalid::new(format!(
                "{}, in {}: leave --validation out, or remove {}/",
                given.remark(),
                data.display(),
                given.folder
            )));
        }
        let tenth = u32::try_from(found.train.len() / 10).context("there are too many images")?;
        let params = preprocess::Params {
            validation: validation.unwrap_or(tenth),
            split_seed: 0,
        };
        let split = Split::of(&found, &params).map_err(|error| Invalid::new(error.to_string()))?;
        let statistics = statistics::of(&found.train)?;
        let (train, validation) = split.apply(found.train, found.validation);
        Ok(Prepared {
            remark,
            statistics,
            train,
            validation,
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
        let predictions = predict(network, &self.test, &normalise, stop)?;
        let predictions = predictions.context(Interrupted)?;
        Ok(evaluate::evaluate(
            &self.classes,
            self.test.labels(),
            &predictions,
        ))
    }

    /// What a training reads.
    pub fn data(&self) -> Data<'_> {
        Data {
            train: &self.train,
            validation: &self.validation,
            test: &self.test,
            statistics: &self.statistics,
            classes: &self.classes,
        }
    }
}

/// Images to evaluate weights with.
pub struct TestImages {
    pub images: Images,
    /// The labels' names.
    pub classes: Vec<String>,
    /// Moments of the training images beside them, if there are any and they have some.
    statistics: Option<Result<Statistics>>,
    place: PathBuf,
}

impl TestImages {
    /// Reads the test images of an archive or folder, where there may be no other ones.
    ///
    /// # Errors
    /// If there are no test images in a known layout.
    pub fn read(data: &Path) -> Result<TestImages> {
        let found = layout::read_test(data, ArchiveLimits::default(), &mut |_, _| {})
            .with_context(|| format!("cannot use the images of {}", data.display()))?;
        let measured = (!found.train.is_empty()).then(|| statistics::of(&found.train));
        Ok(TestImages {
            images: found.test,
            classes: found.classes,
            statistics: measured,
            place: data.to_owned(),
        })
    }

    /// The moments of the training images.
    ///
    /// # Errors
    /// [`Invalid`] if there are no training images; if they have one colour only.
    pub fn statistics(&self) -> Result<Statistics> {
        let place = self.place.display();
        match &self.statistics {
            Some(Ok(statistics)) => Ok(statistics.clone()),
            Some(Err(error)) => Err(anyhow!("{error:#}").context(format!("in {place}"))),
            None => bail!(Invalid::new(format!(
                "{place} holds no training images, of which mean and std could be taken: give both by --mean and --std, or by --normalisation and a name"
            ))),
        }
    }
}
