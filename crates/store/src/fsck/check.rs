//! What a check has found so far, and how findings are noted. Unaware of what is looked at, but for the
//! names at the top of the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Result;

use super::{Checkup, Cure, Finding, Harm, Mended};
use crate::key::Digest;
use crate::look::{Place, place};
use crate::stat::Stat;
use crate::tree::{Found, list};
use crate::{FOLDERS, Manifest, Store, Unreadable, disk};

pub(super) const RUN: &str = "run `fig6 reproduce`: what it needs of this is made again";
pub(super) const SNAPSHOT: &str =
    "no result depends on it; what it showed of the training can no longer be shown";
pub(super) const COLLECT: &str = "`fig6 gc` removes it";
const NONE: &str = "nothing has to be done";
pub(super) const EXPLAIN: &str = "`fig6 explain` says less about results that refer to it; \
                       `fig6 reproduce --paranoid` writes it again if it is of this version of fig6";
pub(super) const LOG: &str = "nothing depends on a log";
pub(super) const LIST: &str = "`fig6 gc` knows less of what that run used";
pub(super) const RESUME: &str =
    "run `fig6 reproduce`: the step goes on from an older checkpoint, or begins anew";
pub(super) const LINK: &str = "the next `fig6 reproduce` of this step makes the links again";
pub(super) const LOOK: &str = "nobody uses it; remove it if it is of no use to you";

/// What was found so far.
pub(super) struct Check<'s> {
    pub(super) store: &'s Store,
    pub(super) checkup: Checkup,
    /// Manifests that are in order, by key.
    pub(super) manifests: BTreeMap<Digest, Manifest>,
    /// Manifests that are damaged.
    pub(super) broken: HashSet<Digest>,
    /// Contents that are in order.
    pub(super) intact: HashSet<Digest>,
    /// Contents that are there and damaged.
    pub(super) damaged: HashMap<Digest, String>,
}

impl Check<'_> {
    pub(super) fn of(store: &Store) -> Check<'_> {
        Check {
            store,
            checkup: Checkup::default(),
            manifests: BTreeMap::new(),
            broken: HashSet::new(),
            intact: HashSet::new(),
            damaged: HashMap::new(),
        }
    }

    pub(super) fn find(
        &mut self,
        path: &Path,
        what: impl Into<String>,
        advice: &'static str,
        cure: Cure,
    ) -> &mut Finding {
        let looks = path.symlink_metadata().ok().map(|found| Stat::of(&found));
        self.checkup.findings.push(Finding {
            path: self.store.relative(path).to_owned(),
            what: what.into(),
            steps: Vec::new(),
            harm: Harm::Damage,
            advice,
            mended: Mended::Nothing,
            cure,
            looks,
        });
        self.checkup
            .findings
            .last_mut()
            .expect("one was just added")
    }

    /// Notes what is damaged and is to be set aside.
    pub(super) fn damaged(
        &mut self,
        path: &Path,
        what: impl Into<String>,
        advice: &'static str,
    ) -> &mut Finding {
        self.find(path, what, advice, Cure::SetAside)
    }

    pub(super) fn stray(&mut self, path: &Path) {
        self.note(path, "does not belong here", LOOK);
    }

    pub(super) fn left_by_killed(&mut self, path: &Path) {
        self.note(path, "was left by a process that was killed", COLLECT);
    }

    pub(super) fn note(&mut self, path: &Path, what: impl Into<String>, advice: &'static str) {
        self.find(path, what, advice, Cure::Nothing).harm = Harm::Note;
    }

    /// What lies in a folder and is not there by mistake; says so of the rest.
    ///
    /// # Errors
    /// If it is there and cannot be used.
    pub(super) fn list(&mut self, folder: &Path) -> Result<Vec<Found>> {
        if let Place::Other(_) = place(&self.store.root, folder)? {
            // Said of it by whoever looks at the folder that it is in.
            return Ok(Vec::new());
        }
        Ok(match list(&self.store.root, folder) {
            Ok(mut found) => {
                found.retain(|found| {
                    let temporary = found.is_temporary();
                    if temporary {
                        self.left_by_killed(&found.path);
                    }
                    !temporary
                });
                found
            }
            Err(error) if error.is::<Unreadable>() => return Err(error),
            Err(error) => {
                let what = format!("cannot be read: {}", error.root_cause());
                self.find(folder, what, RUN, Cure::SetAside);
                Vec::new()
            }
        })
    }

    /// Names and kinds of what lies at the top.
    pub(super) fn top(&mut self) -> Result<()> {
        for found in self.list(&self.store.root.clone())? {
            let (path, metadata) = (&found.path, &found.metadata);
            match found.name() {
                "index" | "lock" if !metadata.is_file() => {
                    self.damaged(path, "is no file", NONE);
                }
                "index" if !self.store.index.is_whole() => {
                    let what = "was altered or is of another version";
                    self.find(path, what, NONE, Cure::Remove);
                }
                "index" | "lock" => {}
                name if !FOLDERS.contains(&name) && name != "set-aside" => self.stray(path),
                _ if !path.is_dir() => drop(self.damaged(path, "is no folder", RUN)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a file is that should be a plain one.
pub(super) fn wrong_kind(file: &Found) -> Option<String> {
    match &file.metadata {
        found if found.is_dir() => Some("is a folder".to_owned()),
        found if found.is_symlink() => Some("is a link".to_owned()),
        found if !found.is_file() => Some("is no file".to_owned()),
        _ => None,
    }
}

/// The name of the step that a damaged manifest or a task gives, as far as it can be made out.
pub(super) fn step_in(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&disk::read(path).ok()?).into_owned();
    let (_, rest) = text.split_once("\"step\": \"")?;
    let (step, _) = rest.split_once('"')?;
    Some(step.to_owned())
}
