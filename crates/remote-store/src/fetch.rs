//! Brings one result from a remote into the store here. Nothing of it counts before all of it was checked:
//! the manifest against its key and its checksum, each content against its digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::PoisonError;

use anyhow::Context as _;
use store::key::Digest;
use store::{Claim, Claimed, Lookup, Manifest, Output, Store};

use crate::place::{TRIES, read_small};
use crate::{Failure, Remote, Trouble, listing, log, manifest, object};

/// The largest manifest or listing that is read, in bytes.
const MOST: u64 = 16 << 20;

/// A result that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub key: Digest,
    /// The names of its step's outputs.
    pub outputs: &'a [&'a str],
    /// Whether also what shows how it came about.
    pub snapshots: bool,
}

/// What became of a wanted result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is in the store now; so many bytes came from the remote.
    Brought(u64),
    Absent,
    /// The remote has something under the key that cannot be used: what is wrong with it.
    Refused(String),
    /// Another process computes or fetches it.
    Busy,
}

/// Why a result is not brought.
enum Halt {
    Refused(String),
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Halt {
    fn from(error: E) -> Halt {
        Halt::Failure(error.into())
    }
}

impl Remote {
    /// Brings a result into the store, unless it is there.
    ///
    /// # Errors
    /// If the remote does not answer, or the store cannot be written. What the remote has and cannot be used
    /// is no error.
    pub fn fetch(&self, store: &Store, wanted: &Wanted) -> Result<Fetched, Failure> {
        self.asked().insert(wanted.key);
        match self.try_to_fetch(store, wanted) {
            Ok(fetched) => Ok(fetched),
            Err(Halt::Refused(what)) => Ok(Fetched::Refused(what)),
            Err(Halt::Failure(failure)) => Err(failure.of(&self.address)),
        }
    }

    fn try_to_fetch(&self, store: &Store, wanted: &Wanted) -> Result<Fetched, Halt> {
        let key = &wanted.key;
        let here = matches!(store.lookup(key)?, Lookup::Found(_));
        if here && !wanted.snapshots {
            return Ok(Fetched::Brought(0));
        }
        let manifest = match here {
            true => store.expect_manifest(key)?,
            false => match self.manifest(wanted)? {
                Some(manifest) => manifest,
                None => return Ok(Fetched::Absent),
            },
        };
        let claim = match store.claim(key)? {
            Claimed::Ours(claim) => claim,
            Claimed::Busy(_) => return Ok(Fetched::Busy),
        };
        let fetched = self.fill(store, wanted, &manifest, &claim);
        let added = fetched.and_then(|bytes| {
            let _lock = store.share()?;
            store.rely_on(&[*key])?;
            match here && bytes == 0 {
                true => claim.drop_fetched()?,
                false => drop(store.adopt(&claim, &manifest)?),
            }
            Ok(Fetched::Brought(bytes))
        });
        if added.is_err() {
            claim.drop_fetched()?;
        }
        added
    }

    /// The manifest under a key, if there is one.
    fn manifest(&self, wanted: &Wanted) -> Result<Option<Manifest>, Halt> {
        let found = match read_small(&*self.place, &manifest(&wanted.key), MOST) {
            // Some servers say so of all that is not there, if the list is not for everybody.
            Err(failure) if failure.trouble == Trouble::Denied && self.marker.is_some() => None,
            Err(failure) if failure.trouble == Trouble::TooLarge => {
                return Err(Halt::Refused("its manifest is too large".to_owned()));
            }
            found => found?,
        };
        let Some(bytes) = found else {
            return Ok(None);
        };
        let refused = |what: String| Halt::Refused(what);
        let manifest = Manifest::parse(&bytes, &wanted.key)
            .map_err(|error| refused(format!("its manifest cannot be used: {error:#}")))?;
        let names = || manifest.outputs.keys().map(String::as_str);
        if names().count() != wanted.outputs.len()
            || names().any(|name| !wanted.outputs.contains(&name))
        {
            let what = "its manifest names other outputs than the step has".to_owned();
            return Err(refused(what));
        }
        Ok(Some(manifest))
    }

    /// Fetches all contents that the store lacks; returns their bytes.
    fn fill(
        &self,
        store: &Store,
        wanted: &Wanted,
        manifest: &Manifest,
        claim: &Claim,
    ) -> Result<u64, Halt> {
        claim.begin_to_fetch()?;
        let mut bytes = 0;
        let contents: BTreeMap<Digest, (&String, &Output)> = manifest
            .outputs
            .iter()
            .map(|(name, output)| (output.digest, (name, output)))
            .collect();
        for (name, output) in contents.into_values() {
            if !store.has(output)? {
                let place = claim.fetched(&output.digest);
                match self.content(&object(&output.digest), output, &place)? {
                    Ok(()) => bytes += output.bytes,
                    Err(what) => return Err(Halt::Refused(format!("{name} {what}"))),
                }
            }
        }
        for evidence in manifest.evidence.values().filter(|_| wanted.snapshots) {
            let place = claim.fetched(&evidence.digest);
            if !place.exists() && !store.has(evidence)? {
                // It may be gone there too; without it the result cannot be replayed, and is used all the same.
                match self.content(&object(&evidence.digest), evidence, &place)? {
                    Ok(()) => bytes += evidence.bytes,
                    Err(_) => remove(&place)?,
                }
            }
        }
        for digest in manifest.listings() {
            let place = store.listing_path(&digest);
            let mut known = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = known.insert(place);
            drop(known);
            if is_news
                && store.listing(&digest)?.is_none()
                && let Some(text) = self.if_there(&listing(&digest))?
            {
                store.adopt_listing(&digest, &text)?;
            }
        }
        if let Some(printed) = &manifest.run.log
            && !store.log_path(&claim.key()).is_file()
        {
            let place = claim.fetched_log();
            if self.content(&log(&claim.key()), printed, &place)?.is_err() {
                remove(&place)?;
            }
        }
        Ok(bytes)
    }

    /// A small file that nothing depends on.
    fn if_there(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match read_small(&*self.place, path, MOST) {
            Err(failure) if [Trouble::Denied, Trouble::TooLarge].contains(&failure.trouble) => {
                Ok(None)
            }
            found => found,
        }
    }

    /// Writes a content of the remote into a file, if it is what its digest says; what is wrong with it
    /// otherwise.
    fn content(
        &self,
        path: &str,
        output: &Output,
        to: &Path,
    ) -> Result<Result<(), String>, Failure> {
        let mut wrong = String::new();
        for left in (0..TRIES).rev() {
            match self.read_into(path, output, to) {
                Ok(None) => return Ok(Ok(())),
                Ok(Some(what)) => wrong = what.to_owned(),
                Err(failure) => match failure.trouble {
                    Trouble::Absent => return Ok(Err("is missing there".to_owned())),
                    Trouble::Denied => return Ok(Err("may not be read there".to_owned())),
                    Trouble::TooLarge => return Ok(Err("has another size there".to_owned())),
                    Trouble::Failed if left > 0 => {}
                    _ => return Err(failure),
                },
            }
        }
        Ok(Err(wrong))
    }

    /// What is wrong with the bytes that were read, if anything.
    fn read_into(
        &self,
        path: &str,
        output: &Output,
        to: &Path,
    ) -> Result<Option<&'static str>, Failure> {
        let cannot = || format!("cannot write {}", to.display());
        let mut file = File::create(to).with_context(cannot)?;
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        self.place.read(path, output.bytes, &mut |piece| {
            hasher.update(piece);
            bytes += piece.len() as u64;
            file.write_all(piece)
        })?;
        Ok(match bytes == output.bytes {
            false => Some("is cut short there"),
            true if Digest::from_bytes(*hasher.finalize().as_bytes()) != output.digest => {
                Some("has other bytes there than its digest says")
            }
            true => None,
        })
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}
