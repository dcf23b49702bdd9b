//! The weights of one net from a file of any kind, and the way back to a file for others.
//!
//! Unaware of images and of how well the net does.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Invalid;
use crate::foreign::{self, Found, Scheme};
use crate::nn::device::Backend;
use crate::nn::resnet::{Architecture, ResNet, Shortcut};
use crate::nn::weights::{self, State};

/// The weights of a net.
#[derive(Clone, Debug)]
pub struct Weights {
    pub architecture: Architecture,
    /// For people: what the file is and whose names its tensors have.
    pub source: String,
    state: State,
}

impl Weights {
    /// Reads a file that [`foreign::read`] understands; `shortcut` says which one the net has where
    /// the weights cannot tell.
    ///
    /// # Errors
    /// As [`foreign::read`]; [`Invalid`] if the shortcut is not known, or not the net's.
    pub fn read(path: &Path, shortcut: Option<Shortcut>) -> Result<Weights> {
        let Found {
            state,
            n,
            shortcuts,
            source,
            ..
        } = foreign::read(path)?;
        let list = |shortcuts: &[Shortcut]| {
            let names: Vec<&str> = shortcuts.iter().map(|shortcut| shortcut.name()).collect();
            names.join(", ")
        };
        let file = path.display();
        let shortcut = match (&shortcuts[..], shortcut) {
            ([known], None) => *known,
            (possible, Some(asked)) if possible.contains(&asked) => asked,
            (possible, Some(asked)) => {
                return Err(Invalid::new(format!(
                    "{file} holds no net with shortcut {asked}: by its weights it has {}",
                    list(possible)
                ))
                .into());
            }
            (possible, None) => {
                return Err(Invalid::new(format!(
                    "the weights in {file} ({source}) cannot tell which shortcut their net has: say --shortcut {} (none is a plain net, zeropad the paper's residual one)",
                    list(possible)
                ))
                .into());
            }
        };
        let architecture = Architecture { n, shortcut };
        architecture.check()?;
        Ok(Weights {
            architecture,
            source,
            state,
        })
    }

    /// The network, for inference.
    ///
    /// # Errors
    /// If the device is not usable.
    pub fn network(&self, backend: Backend) -> Result<ResNet> {
        weights::from_state(&self.architecture, self.state.clone(), &backend.open()?)
    }

    /// The weights as a safetensors file under a scheme's names.
    ///
    /// # Errors
    /// If the scheme has no names for learned shortcuts and the net has some.
    pub fn export(&self, scheme: &Scheme) -> Result<Vec<u8>> {
        let named = scheme.rename(&self.architecture, &self.state)?;
        let architecture = serde_json::to_string(&self.architecture).context("no JSON form")?;
        let metadata = BTreeMap::from([(weights::ARCHITECTURE.to_owned(), architecture)]);
        weights::file(&named, metadata)
    }
}
