//! A claimed step's way into the store: its working folder is prepared, its result added, and what it
//! leaves is tidied up.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use super::key::Digest;
use super::look::entries_if_folder;
use super::objects::holds;
use super::stat::Stat;
use super::{
    CarriedOver, Claim, Claimed, Entry, Lookup, Manifest, Output, Store, disk, running, tree,
};

impl Store {
    /// Prepares the work of the step of this name: empty folders for outputs and evidence,
    /// and a fresh log.
    ///
    /// # Errors
    /// If a folder or the log cannot be written.
    pub fn begin(&self, claim: &Claim, step: &str) -> Result<()> {
        self.clear_for_folder(&claim.scratch())?;
        disk::create_folder(&claim.scratch())?;
        // Whatever an earlier run has left but what it can go on from.
        let entries = fs::read_dir(claim.folder());
        let cannot = || format!("cannot read {}", claim.folder().display());
        for entry in entries.with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path != claim.scratch() {
                disk::remove(&path)?;
            }
        }
        disk::create_folder(&claim.output())?;
        disk::create_folder(&claim.evidence())?;
        let log = claim.log();
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        self.show_log(step, &log).map(drop)
    }

    /// Takes over the work of the step of this name as another process has left it, with a job of a cluster
    /// that may still be at it.
    ///
    /// # Errors
    /// If a folder cannot be written.
    pub fn go_on(&self, claim: &Claim, step: &str) -> Result<()> {
        disk::remove(&claim.folder().join(running::FILE))?;
        self.show_log(step, &claim.log()).map(drop)
    }

    /// Adds a finished result: outputs and evidence first, the manifest last. A content that is in the store
    /// already, intact, need not lie in the working folder: so is it with a result that is carried over.
    ///
    /// # Errors
    /// If a content is in neither place, the manifest contradicts itself, or anything cannot be written; no
    /// result is added then.
    pub fn commit(&self, claim: &Claim, manifest: &Manifest) -> Result<Arc<Entry>> {
        self.expect_to_fit(claim, manifest)?;
        for (name, output) in &manifest.outputs {
            self.add_content(&claim.output().join(name), output)?;
        }
        for (name, evidence) in &manifest.evidence {
            self.add_content(&claim.evidence().join(name), evidence)?;
        }
        self.add_log(claim, manifest)?;
        self.add_manifest(claim, manifest)
    }

    /// Makes sure that a manifest is one of the claimed key.
    pub(super) fn expect_to_fit(&self, claim: &Claim, manifest: &Manifest) -> Result<()> {
        ensure!(
            manifest.key == claim.key,
            "a claim is good for its own key only"
        );
        match &manifest.carried_over {
            Some(carried_over) => carried_over.expect_to_fit(&manifest.key_inputs),
            None => Ok(()),
        }
    }

    /// Adds the manifest of a result whose contents are there, and drops the working folder.
    pub(super) fn add_manifest(&self, claim: &Claim, manifest: &Manifest) -> Result<Arc<Entry>> {
        let path = self.manifest_path(&claim.key);
        if !matches!(self.read_manifest(&claim.key)?, None | Some(Ok(_))) {
            self.set_aside(&path)?;
        }
        manifest.write(&claim.folder().join("manifest.partial"), &path)?;
        let entry = Arc::new(Entry::from(manifest));
        let stat = Stat::of_new(&fs::metadata(&path)?);
        self.index.note_result(stat, entry.clone());
        // What a network's file system does not let go of yet is removed by the next run.
        let _ = self.discard(claim);
        Ok(entry)
    }

    /// Brings back evidence of the key's result that is gone, as far as its step has written the same again.
    ///
    /// # Errors
    /// If there is no result, what the step has left cannot be read, or the store cannot be written.
    pub fn restore_evidence(&self, claim: &Claim) -> Result<()> {
        let written = claim.collect_evidence()?;
        for (name, evidence) in &self.expect_manifest(&claim.key)?.evidence {
            if written.get(name) == Some(evidence) {
                self.add_content(&claim.evidence().join(name), evidence)?;
            }
        }
        Ok(())
    }

    /// Moves a file into the store, unless its content is there and intact.
    pub(super) fn add_content(&self, written: &Path, output: &Output) -> Result<()> {
        let object = self.object_path(&output.digest);
        if object.symlink_metadata().is_ok() {
            if self.check(output)?.is_none() {
                return Ok(());
            }
            self.copy_aside(&object)?;
        }
        self.clear_for_folder(&object.with_file_name(""))?;
        disk::publish(written, &object)?;
        let stat = Stat::of_new(&fs::metadata(&object)?);
        self.index.note_object(output.digest, stat);
        Ok(())
    }

    /// Adds what the run printed that the manifest records: of a result that is carried over what its own run
    /// printed, if that is still there, and not what the replay did.
    fn add_log(&self, claim: &Claim, manifest: &Manifest) -> Result<()> {
        let log = self.log_path(&claim.key);
        self.clear_for_file(&log)?;
        if let Some(CarriedOver { original, .. }) = &manifest.carried_over {
            let original = self.log_path(original);
            let printed = manifest.run.log.as_ref();
            if !printed.is_some_and(|printed| holds(&original, &printed.digest)) {
                return disk::remove(&log);
            }
            fs::copy(&original, claim.log())
                .with_context(|| format!("cannot copy {}", original.display()))?;
        }
        disk::publish(&claim.log(), &log)
    }

    /// Drops what a step under way has written.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, claim: &Claim) -> Result<()> {
        // Some file systems (NFS) keep the folder of a file that is open.
        claim.announcement().take();
        // Without its log a folder is known to be of no more use; see `tidy`.
        disk::remove(&claim.log())?;
        disk::remove(claim.folder())
    }

    /// Keeps outputs that are not to be added where a person can look at them; says where.
    ///
    /// # Errors
    /// If they cannot be moved.
    pub fn keep_aside(&self, claim: &Claim) -> Result<PathBuf> {
        self.set_aside(&claim.output())
    }

    /// Removes what processes have left that were killed amid a write, or between adding a result and
    /// tidying up after it: folders of keys that nobody works on and that have their result, and locks.
    /// What an interrupted step can go on from stays, also one that was to run again; and so does the log
    /// of a failed one without a result.
    pub fn tidy(&self) {
        disk::sweep(&self.root);
        disk::sweep(&self.root.join("listings"));
        let entries = fs::read_dir(self.root.join("work"));
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            let key = tree::digest_in(&path, "").or_else(|| tree::digest_in(&path, ".lock"));
            let Some(key) = key else { continue };
            // Claimed only if there is something to do: another run might take it for work.
            let folder = self.work_path(&key);
            let finished = || matches!(self.lookup(&key), Ok(Lookup::Found(_)));
            // Whatever fails here is tried again by the next run.
            if (!folder.exists() || finished())
                && let Ok(Claimed::Ours(claim)) = self.claim(&key)
                && finished()
                && !(claim.log().exists() && is_filled(&claim.scratch()))
            {
                let _ = self.discard(&claim);
            }
        }
    }

    /// The folder that an interrupted computation of a key has left for the next one, if it has.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn left_by(&self, key: &Digest) -> Result<Option<PathBuf>> {
        let scratch = self.scratch_path(key);
        Ok(entries_if_folder(&self.root, &scratch)?.map(|_| scratch))
    }
}

/// Whether there is anything in a folder.
fn is_filled(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests;
