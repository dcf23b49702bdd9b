//! Finding a result by its key: only one whose manifest and outputs are there and intact is found.
//! Nothing is written.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use super::key::Digest;
use super::look::{Look, look_at, read_at};
use super::manifest::strange_name;
use super::stat::Stat;
use super::{Entry, Manifest, Store};

/// What is known under a key.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A finished step of which every output is there and intact.
    Found(Arc<Entry>),
    /// Nothing.
    Absent,
    /// A result that cannot be used, and why (`weights.safetensors is missing`).
    Damaged(String),
}

impl Store {
    /// What is known under a key; every output of a found result was checked.
    ///
    /// # Errors
    /// If a folder of the store is [`Unreadable`](super::Unreadable), or a file that is there cannot be read.
    pub fn lookup(&self, key: &Digest) -> Result<Lookup> {
        let stat = match look_at(&self.root, &self.manifest_path(key))? {
            Look::Seen(metadata) => Stat::of(&metadata),
            Look::Absent => return Ok(Lookup::Absent),
            Look::Damaged(what) => return Ok(Lookup::Damaged(unreadable(key, &what))),
        };
        let remembered = self.index.result(key, stat).filter(|_| !self.paranoid);
        if let Some(entry) = remembered {
            return self.checked(entry);
        }
        match self.read_manifest(key)? {
            None => Ok(Lookup::Absent),
            Some(Err(error)) => Ok(Lookup::Damaged(format!("{error:#}"))),
            Some(Ok(manifest)) => self.checked(self.note(stat, &manifest)),
        }
    }

    /// Remembers a result whose manifest looks like this.
    pub(super) fn note(&self, stat: Stat, manifest: &Manifest) -> Arc<Entry> {
        let entry = Arc::new(Entry::from(manifest));
        self.index.note_result(stat, entry.clone());
        entry
    }

    /// A result, if all its outputs are there and intact.
    fn checked(&self, entry: Arc<Entry>) -> Result<Lookup> {
        if let Some(name) = strange_name(&entry.outputs) {
            return Ok(Lookup::Damaged(format!("{name:?} is no output's name")));
        }
        for (name, output) in &entry.outputs {
            if let Some(problem) = self.check(output)? {
                return Ok(Lookup::Damaged(format!("{name} {problem}")));
            }
        }
        Ok(Lookup::Found(entry))
    }

    /// The whole manifest of a result; none if there is none or it is damaged. Its outputs are not looked
    /// at.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn manifest(&self, key: &Digest) -> Result<Option<Manifest>> {
        Ok(self.read_manifest(key)?.and_then(Result::ok))
    }

    /// The whole manifest of a result that should be there.
    ///
    /// # Errors
    /// If it is not, is damaged, or cannot be read.
    pub fn expect_manifest(&self, key: &Digest) -> Result<Manifest> {
        let none = || anyhow!("there is no manifest {}", key.short());
        self.read_manifest(key)?.ok_or_else(none)?
    }

    /// The whole manifest of a result if it is there, or why it cannot be used.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(super) fn read_manifest(&self, key: &Digest) -> Result<Option<Result<Manifest>>> {
        Ok(match read_at(&self.root, &self.manifest_path(key))? {
            Look::Seen(bytes) => {
                let what = || format!("manifest {} is not used", key.short());
                Some(Manifest::parse(&bytes, key).with_context(what))
            }
            Look::Absent => None,
            Look::Damaged(what) => Some(Err(anyhow!(unreadable(key, &what)))),
        })
    }
}

fn unreadable(key: &Digest, what: &str) -> String {
    format!("manifest {} cannot be read: {what}", key.short())
}
