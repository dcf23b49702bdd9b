//! What one digest in a basis stands for, entry by entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;
use super::change::differences;

/// The names and values behind one digest in a [`Basis`](super::Basis): a crate's files with their digests, or
/// packages with versions and checksums. Kept once beside the results that refer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, String>);

impl Listing {
    /// Reads the text form, a line `name<tab>value` each; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Listing> {
        let entry = |line: &str| {
            let (name, value) = line.split_once('\t')?;
            Some((name.to_owned(), value.to_owned()))
        };
        text.lines().map(entry).collect::<Option<_>>().map(Listing)
    }

    /// The digest of a listing's text.
    pub fn digest(text: &str) -> Digest {
        Digest::of(format!("fig6 listing 1\n{text}").as_bytes())
    }

    /// What differs in `new`, sorted by name. Crates, listed as `name version`, count as the same
    /// under another version if there is one of that name on either side only.
    pub fn changes(&self, new: &Listing) -> Vec<Detail> {
        let changed =
            differences(&self.0, &new.0).map(|(name, old, new)| Detail { name, old, new });
        join_versions(changed.collect())
    }
}

/// One entry of a [`Listing`] that differs; `None` on the side that lacks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Makes one entry `name: 1.0 → 1.1` of a `name 1.0` that is gone and a `name 1.1` that is new.
fn join_versions(details: Vec<Detail>) -> Vec<Detail> {
    let versioned = |detail: &Detail| {
        let (name, version) = detail.name.rsplit_once(' ')?;
        let starts = version.starts_with(|c: char| c.is_ascii_digit());
        starts.then(|| (name.to_owned(), version.to_owned()))
    };
    let mut joined: Vec<Detail> = Vec::new();
    for detail in details {
        let Some((name, version)) = versioned(&detail) else {
            joined.push(detail);
            continue;
        };
        let (gone, come) = match (&detail.old, &detail.new) {
            (Some(_), None) => (Some(version), None),
            (None, Some(_)) => (None, Some(version)),
            // The same version with another checksum.
            _ => {
                joined.push(detail);
                continue;
            }
        };
        match joined.last_mut() {
            // Of the two, one is gone and one is new.
            Some(last)
                if last.name == name
                    && last.old.is_some() != last.new.is_some()
                    && last.old.is_some() == come.is_some() =>
            {
                last.old = last.old.take().or(gone);
                last.new = last.new.take().or(come);
            }
            _ => joined.push(Detail {
                name,
                old: gone,
                new: come,
            }),
        }
    }
    joined
}
