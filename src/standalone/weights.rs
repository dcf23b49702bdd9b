//! The weights of one net from a file of any kind, and the way back to a file for others.
//!
//! Unaware of images and of how well the net does.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{AskedMoments, NamedMoments};
use crate::error::Invalid;
use nn::architecture::{Architecture, Shortcut};
use nn::device::Backend;
use nn::resnet::ResNet;
use nn::trained_on::TrainedOn;
use nn::weights::{self, State};
use weight_files::{Found, Scheme};

/// The weights of a net.
#[derive(Clone, Debug)]
pub struct Weights {
    pub architecture: Architecture,
    pub shortcut_from: ShortcutFrom,
    /// For people: what the file is and whose names its tensors have.
    pub source: String,
    /// What the file says the net was trained on.
    pub trained_on: TrainedOn,
    /// Whose code names its tensors so; nothing where none does.
    pub author: &'static str,
    state: State,
}

/// What the shortcut is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortcutFrom {
    /// The file's header.
    Header,
    /// The tensors: a learned shortcut has some.
    Tensors,
    /// A guess: the code that names its tensors so ("akamaster's names") has no other one.
    Names(#[serde(skip)] &'static str),
    /// `--shortcut`.
    Option,
}

impl Weights {
    /// Reads a file that [`weight_files::read`] understands; `shortcut` says which one the net has where
    /// neither the header nor the tensors tell.
    ///
    /// # Errors
    /// As [`weight_files::read`]; [`Invalid`] if the shortcut is not known, or not the net's.
    pub fn read(path: &Path, shortcut: Option<Shortcut>) -> Result<Weights> {
        let found = weight_files::read(path)?;
        let (shortcut, shortcut_from) = choose(&found, shortcut)
            .map_err(|why| Invalid::new(format!("{}: {why}", path.display())))?;
        let architecture = Architecture {
            n: found.n,
            shortcut,
        };
        architecture.check()?;
        Ok(Weights {
            architecture,
            shortcut_from,
            source: found.source,
            trained_on: found.trained_on,
            author: found.author,
            state: found.state,
        })
    }

    /// Lets the user say what the file does not: the moments that the net was trained with.
    ///
    /// # Errors
    /// If they are to be the data's, for there is none.
    pub fn set_moments(&mut self, asked: &AskedMoments) -> Result<(), Invalid> {
        let named = match asked.named {
            Some(NamedMoments::Data) => {
                return Err(Invalid::new(
                    "--normalisation data: there are no images whose mean and std could be taken",
                ));
            }
            Some(NamedMoments::Known((_, statistics))) => Some(statistics),
            None => None,
        };
        let known = &mut self.trained_on;
        known.mean = asked.mean.or(named.map(|named| named.mean)).or(known.mean);
        known.std = asked.std.or(named.map(|named| named.std)).or(known.std);
        Ok(())
    }

    /// The network, for inference.
    ///
    /// # Errors
    /// If the device is not usable.
    pub fn network(&self, backend: Backend) -> Result<ResNet> {
        weights::from_state(&self.architecture, self.state.clone(), &backend.open()?)
    }

    /// The weights as a safetensors file under a scheme's names, with what the net was trained on.
    ///
    /// # Errors
    /// If the scheme has no names for learned shortcuts and the net has some.
    pub fn export(&self, scheme: &Scheme) -> Result<Vec<u8>> {
        let named = scheme.rename(&self.architecture, &self.state)?;
        let metadata = weights::metadata(&self.architecture, &self.trained_on)?;
        weights::file(&named, &metadata)
    }
}

/// The shortcut of the net that was found, or why it cannot be told.
fn choose(found: &Found, asked: Option<Shortcut>) -> Result<(Shortcut, ShortcutFrom), String> {
    let list = |shortcuts: &[Shortcut], between| {
        let names: Vec<&str> = shortcuts.iter().map(|shortcut| shortcut.name()).collect();
        names.join(between)
    };
    let possible = &found.shortcuts;
    let (known, why) = match found.declared {
        true => (ShortcutFrom::Header, "its header says"),
        false => (ShortcutFrom::Tensors, "by its tensors it has"),
    };
    match (&possible[..], asked, &found.usual[..]) {
        (&[only], None, _) => Ok((only, known)),
        (&[only], Some(asked), _) if asked == only => Ok((only, known)),
        (_, Some(asked), _) if possible.contains(&asked) => Ok((asked, ShortcutFrom::Option)),
        (_, Some(asked), _) => Err(format!(
            "it holds no net with shortcut {asked}: {why} {}",
            list(possible, ", ")
        )),
        (_, None, &[usual]) => Ok((usual, ShortcutFrom::Names(found.names))),
        (_, None, usual) => {
            let hint = match usual.len() < possible.len() {
                true => format!("; code with {} has {}", found.names, list(usual, " or ")),
                false => String::new(),
            };
            Err(format!(
                "its weights ({}) cannot tell which shortcut their net has: say --shortcut {} (none is a plain net, zeropad the paper's residual one{hint})",
                found.source,
                list(possible, ", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights");
        folder.join(name)
    }

    fn shortcut(name: &str, asked: Option<Shortcut>) -> (Shortcut, ShortcutFrom) {
        let weights = Weights::read(&fixture(name), asked).unwrap();
        (weights.architecture.shortcut, weights.shortcut_from)
    }

    fn refusal(path: &Path, asked: Option<Shortcut>) -> String {
        let refused = Weights::read(path, asked).unwrap_err();
        assert!(refused.is::<Invalid>(), "{refused:#}");
        refused.to_string()
    }

    const WEIGHTLESS: [Shortcut; 4] = [
        Shortcut::None,
        Shortcut::Zeropad,
        Shortcut::ZeropadBothSides,
        Shortcut::ZeropadMaxpool,
    ];

    #[test]
    fn a_shortcut_that_only_names_suggest_is_a_guess_and_the_user_decides() {
        let guess = ShortcutFrom::Names("akamaster's names");
        let guessed = (Shortcut::ZeropadBothSides, guess);
        assert_eq!(shortcut("akamaster.th", None), guessed);
        for asked in WEIGHTLESS {
            for file in ["akamaster.th", "a-martyn.pt", "words.pt"] {
                let decided = (asked, ShortcutFrom::Option);
                assert_eq!(shortcut(file, Some(asked)), decided, "{file}");
            }
        }
        let said = refusal(&fixture("a-martyn.pt"), None);
        assert!(
            said.contains("say --shortcut none, zeropad, zeropad-both-sides, zeropad-maxpool")
                && said.contains("code with a-martyn's names has none or zeropad"),
            "{said}"
        );
    }

    #[test]
    fn what_header_or_tensors_tell_is_known_and_not_to_be_decided() {
        let learned = (Shortcut::Conv1x1Proj, ShortcutFrom::Tensors);
        assert_eq!(shortcut("akamaster-projections.pt", None), learned);
        let said = refusal(
            &fixture("akamaster-projections.pt"),
            Some(Shortcut::Zeropad),
        );
        assert!(
            said.contains("by its tensors it has conv1x1-proj"),
            "{said}"
        );
        let said = refusal(&fixture("akamaster.th"), Some(Shortcut::Conv1x1Proj));
        assert!(
            said.contains("by its tensors it has none, zeropad,"),
            "{said}"
        );

        let folder = testing::folder();
        let path = folder.path().join("exported.safetensors");
        let scheme = Scheme::all()
            .find(|scheme| scheme.id == "akamaster")
            .unwrap();
        let weights = Weights::read(&fixture("akamaster.th"), Some(Shortcut::None)).unwrap();
        std::fs::write(&path, weights.export(scheme).unwrap()).unwrap();
        let read = Weights::read(&path, None).unwrap();
        assert_eq!(read.architecture.shortcut, Shortcut::None);
        assert_eq!(read.shortcut_from, ShortcutFrom::Header);
        let said = refusal(&path, Some(Shortcut::ZeropadBothSides));
        assert!(said.contains("its header says none"), "{said}");
    }
}
