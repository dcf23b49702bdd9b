//! Removes what a survey has found to be of no use, in an order in which a kill at any moment leaves
//! nothing worse than files that the next collection removes.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::Survey;
use crate::key::Digest;
use crate::tree::list;
use crate::views::{SHOWN, key_behind};
use crate::{Claimed, Lock, Store, disk};

impl Survey {
    /// Removes what goes. The survey must have been made of this store under this lock, which keeps
    /// everybody else out.
    ///
    /// # Errors
    /// If something cannot be removed; what is left goes the next time.
    pub fn remove(&self, store: &Store, alone: &Lock) -> Result<()> {
        ensure!(
            alone.is_held(),
            "nothing is removed without the store's lock"
        );
        let kept = self.artifacts.iter().filter(|artifact| artifact.stays());
        let kept: HashSet<Digest> = kept.map(|artifact| artifact.key).collect();
        // No link leads to nothing, at any moment.
        clear_views(&store.root.join("by-step"), &kept, &self.logs)?;
        // No result may be found any more whose contents are going to be missing.
        for artifact in self.removed() {
            disk::remove(&store.manifest_path(&artifact.key))?;
            store.index.forget(&artifact.key);
        }
        disk::sync_folder(&store.root.join("manifests"))?;
        for path in &self.rubbish {
            disk::remove(path)?;
        }
        for digest in self.contents.keys() {
            let path = store.object_path(digest);
            disk::remove(&path)?;
            // Only if it is empty.
            let _ = path.parent().map(fs::remove_dir);
            store.index.forget(digest);
        }
        for key in &self.work {
            // Nobody can have claimed it since; dropped, the claim removes its own file.
            if let Claimed::Ours(claim) = store.claim(key)? {
                disk::remove(claim.folder())?;
            }
        }
        // A cache only.
        let _ = store.index.save();
        Ok(())
    }
}

/// Removes links of a folder and of all below it that lead to nothing or show a result that is gone,
/// what killed processes have left, and then folders without anything; returns whether this one is.
fn clear_views(folder: &Path, kept: &HashSet<Digest>, logs: &HashSet<Digest>) -> Result<bool> {
    let shown = key_behind(&folder.join(SHOWN));
    let gone = shown.is_some_and(|key| !kept.contains(&key));
    let mut empty = true;
    for found in list(folder, folder)? {
        let stays = match (found.metadata.is_dir(), found.metadata.is_symlink()) {
            _ if found.is_temporary() => false,
            (true, _) => !clear_views(&found.path, kept, logs)?,
            // Nothing of ours.
            (_, false) => true,
            _ if found.name() == "log" => {
                key_behind(&found.path).is_some_and(|key| logs.contains(&key))
            }
            _ => !gone && found.path.exists(),
        };
        if !stays {
            disk::remove(&found.path)?;
        }
        empty &= !stays;
    }
    Ok(empty)
}
