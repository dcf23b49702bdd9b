//! Contents by their digests: whether they are there and intact, and whether they stayed as they were
//! while somebody read them. A content whose file looks as it did when it was found intact is not read
//! again, unless the store is paranoid.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::key::Digest;
use super::look::{Look, is_damage, look_at};
use super::stat::Stat;
use super::{Output, Store};

/// Contents that a step reads, and how they looked before it did.
#[derive(Clone, Debug)]
pub struct Watched(Vec<(String, Digest, Stat)>);

impl Store {
    /// What is wrong with an output's content, if anything.
    pub(super) fn check(&self, output: &Output) -> Result<Option<String>> {
        let seen = self.seen(&output.digest, Some(output.bytes))?;
        Ok(seen.err())
    }

    /// How an object looks that is intact, or what is wrong with it; it is then not trusted any more.
    fn seen(&self, digest: &Digest, bytes: Option<u64>) -> Result<Result<Stat, String>> {
        let seen = self.inspect(digest, bytes)?;
        if seen.is_err() {
            self.index.forget(digest);
        }
        Ok(seen)
    }

    fn inspect(&self, digest: &Digest, bytes: Option<u64>) -> Result<Result<Stat, String>> {
        let path = self.object_path(digest);
        let metadata = match look_at(&self.root, &path)? {
            Look::Seen(metadata) => metadata,
            Look::Absent => return Ok(Err("is missing".to_owned())),
            Look::Damaged(what) => return Ok(Err(format!("cannot be read: {what}"))),
        };
        if !metadata.is_file() {
            return Ok(Err("is no file".to_owned()));
        }
        let found = metadata.len();
        if let Some(bytes) = bytes.filter(|&bytes| bytes != found) {
            return Ok(Err(format!("has {found} bytes instead of {bytes}")));
        }
        let stat = Stat::of(&metadata);
        if !self.paranoid && self.index.is_intact(digest, stat) {
            return Ok(Ok(stat));
        }
        let found = match Digest::of_file(&path) {
            Ok(found) => found,
            Err(error) if is_damage(&error) => return Ok(Err(format!("cannot be read: {error}"))),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        if found != *digest {
            return Ok(Err("was altered".to_owned()));
        }
        self.index.note_object(*digest, stat);
        Ok(Ok(stat))
    }

    /// Notes how these contents look, by name, before somebody reads them.
    ///
    /// # Errors
    /// If one of them is not intact.
    pub fn watch(&self, contents: &BTreeMap<String, Digest>) -> Result<Watched> {
        let mut watched = Vec::new();
        for (name, digest) in contents {
            match self.seen(digest, None)? {
                Ok(stat) => watched.push((name.clone(), *digest, stat)),
                Err(what) => bail!("input {name} {what}; run the command again to rebuild it"),
            }
        }
        Ok(Watched(watched))
    }

    /// Reads contents again, whatever their sizes and time stamps say.
    ///
    /// # Errors
    /// If one of them is not intact; it is not trusted any more.
    pub fn expect_intact(&self, watched: &Watched) -> Result<()> {
        for (name, digest, _) in &watched.0 {
            let path = self.object_path(digest);
            if !holds(&path, digest) {
                self.index.forget(digest);
                bail!(
                    "input {name} ({}) was altered; run the command again to rebuild it",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Makes sure that nobody wrote to the contents since they were noted.
    ///
    /// # Errors
    /// If somebody did; what was made of them is then not what its key says.
    pub fn expect_unchanged(&self, watched: &Watched) -> Result<()> {
        for (name, digest, before) in &watched.0 {
            let path = self.object_path(digest);
            let unchanged = fs::metadata(&path).is_ok_and(|metadata| {
                let now = Stat::of(&metadata);
                // A new link to it, or other permissions: it is the content that counts.
                now == *before || now.same_writes(before) && holds(&path, digest)
            });
            ensure!(
                unchanged,
                "input {name} ({}) changed while the step ran, so that its result is not used; \
                 run the command again",
                path.display()
            );
        }
        Ok(())
    }

    /// Reads an output's content.
    ///
    /// # Errors
    /// If it cannot be read or is not what the digest says.
    pub fn read(&self, output: &Output) -> Result<Vec<u8>> {
        let path = self.object_path(&output.digest);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            Digest::of(&bytes) == output.digest,
            "{} was altered; run the command again to rebuild it",
            path.display()
        );
        Ok(bytes)
    }

    /// Where a piece of evidence lies, intact; `None` if it is gone.
    ///
    /// # Errors
    /// If it is there and damaged, or that cannot be told.
    pub fn evidence_file(&self, evidence: &Output) -> Result<Option<PathBuf>> {
        let Some(path) = self.object(&evidence.digest)? else {
            return Ok(None);
        };
        if let Some(problem) = self.check(evidence)? {
            bail!("{} {problem}; `fig6 fsck` sets it aside", path.display());
        }
        Ok(Some(path))
    }

    /// Where a content lies, if anything does there.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn object(&self, digest: &Digest) -> Result<Option<PathBuf>> {
        let path = self.object_path(digest);
        Ok(match look_at(&self.root, &path)? {
            Look::Seen(_) | Look::Damaged(_) => Some(path),
            Look::Absent => None,
        })
    }
}

/// Whether a file's content is the one with this digest.
pub(super) fn holds(path: &Path, digest: &Digest) -> bool {
    Digest::of_file(path).is_ok_and(|found| found == *digest)
}
