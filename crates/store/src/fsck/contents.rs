//! Holds results, contents, listings and logs against what their names and manifests say of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use rayon::prelude::*;

use super::check::{COLLECT, Check, EXPLAIN, LOG, RUN, SNAPSHOT, step_in, wrong_kind};
use crate::key::Digest;
use crate::stat::Stat;
use crate::tree::Found;
use crate::views::steps_by_key;
use crate::{Manifest, Output, disk, listings, manifest};

impl Check<'_> {
    pub(super) fn manifests(&mut self) -> Result<()> {
        let files = self.list(&self.store.root.join("manifests"))?;
        let read = |file: &Found| {
            let key = file.digest(".json")?;
            Some((key, read_manifest(file, &key)))
        };
        let manifests: Vec<_> = files.par_iter().map(read).collect();
        let mut shown = HashMap::new();
        steps_by_key(&self.store.root.join("by-step"), "", &mut shown);
        for (file, manifest) in files.iter().zip(manifests) {
            match manifest {
                None => self.stray(&file.path),
                Some((key, Ok(manifest))) => drop(self.manifests.insert(key, manifest)),
                Some((_, Err((true, what)))) => self.note(&file.path, what, COLLECT),
                Some((key, Err((false, what)))) => {
                    self.broken.insert(key);
                    // What the text says may be what was altered.
                    let step = shown.get(&key).cloned().or_else(|| step_in(&file.path));
                    let steps = Vec::from_iter(step);
                    self.damaged(&file.path, what, RUN).steps = steps;
                }
            }
        }
        self.checkup.manifests = files.len();
        Ok(())
    }

    pub(super) fn objects(&mut self, watch: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        let mut files = Vec::new();
        for folder in self.list(&self.store.root.join("objects"))? {
            let name = folder.name();
            let prefix = name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
            match folder.metadata.is_dir() {
                true if prefix => files.extend(self.list(&folder.path)?),
                false if prefix => {
                    self.damaged(&folder.path, "is no folder", RUN);
                }
                _ => self.stray(&folder.path),
            }
        }
        // Large ones first: they take longest.
        files.sort_by_key(|file| std::cmp::Reverse(file.metadata.len()));
        let total = files.iter().map(|file| file.metadata.len()).sum();
        let done = AtomicU64::new(0);
        let advance = |bytes: usize| {
            let before = done.fetch_add(bytes as u64, Ordering::Relaxed);
            watch(before + bytes as u64, total);
        };
        let store = self.store;
        let check = |file: &Found| {
            let digest = store.object_at(&file.path)?;
            Some((digest, wrong_content(file, &digest, &advance)))
        };
        let checked: Vec<_> = files.par_iter().with_max_len(1).map(check).collect();
        for (file, checked) in files.iter().zip(checked) {
            match checked {
                None => self.stray(&file.path),
                Some((digest, None)) => {
                    store.index.note_object(digest, Stat::of(&file.metadata));
                    self.intact.insert(digest);
                }
                Some((digest, Some(what))) => {
                    let (mut steps, mut is_output) = (BTreeSet::new(), false);
                    for manifest in self.manifests.values() {
                        let among = |files: &BTreeMap<String, Output>| {
                            files.values().any(|file| file.digest == digest)
                        };
                        is_output |= among(&manifest.outputs);
                        if among(&manifest.outputs) || among(&manifest.evidence) {
                            steps.insert(manifest.step.clone());
                        }
                    }
                    let advice = match is_output || steps.is_empty() {
                        true => RUN,
                        false => SNAPSHOT,
                    };
                    self.checkup.altered.push(digest);
                    self.damaged(&file.path, &*what, advice).steps = steps.into_iter().collect();
                    self.damaged.insert(digest, what);
                }
            }
        }
        self.checkup.objects = files.len();
        self.checkup.bytes = done.into_inner();
        Ok(())
    }

    /// Whether every result has all its outputs. One that has not is set aside as well: nobody else
    /// would notice it unless its step is needed again.
    pub(super) fn outputs(&mut self) {
        let mut incomplete = Vec::new();
        for (key, manifest) in &self.manifests {
            let lacks = manifest
                .outputs
                .iter()
                .filter(|(_, output)| !self.intact.contains(&output.digest));
            let lacks: Vec<String> = lacks
                .map(
                    |(name, output)| match self.damaged.contains_key(&output.digest) {
                        true => format!("{name}, which is damaged"),
                        false => {
                            let path = self.store.object_path(&output.digest);
                            let path = path.strip_prefix(&self.store.root).unwrap_or(&path);
                            format!("{name}: {} is missing", path.display())
                        }
                    },
                )
                .collect();
            if !lacks.is_empty() {
                incomplete.push((*key, manifest.step.clone(), lacks.join("; ")));
            }
        }
        for (key, step, lacks) in incomplete {
            self.manifests.remove(&key);
            self.broken.insert(key);
            let path = self.store.manifest_path(&key);
            self.damaged(&path, format!("lacks {lacks}"), RUN).steps = vec![step];
        }
    }

    pub(super) fn listings(&mut self) -> Result<()> {
        let files = self.list(&self.store.root.join("listings"))?;
        let mut whole = HashSet::new();
        for file in &files {
            let Some(digest) = file.digest("") else {
                self.stray(&file.path);
                continue;
            };
            let wrong = wrong_kind(file).or_else(|| match disk::read(&file.path) {
                Err(error) => Some(format!("cannot be read: {error}")),
                Ok(text) => match listings::parse(text, &digest) {
                    Some(_) => None,
                    None => Some("was altered".to_owned()),
                },
            });
            match wrong {
                Some(what) => drop(self.damaged(&file.path, what, EXPLAIN)),
                None => drop(whole.insert(digest)),
            }
        }
        let manifests = self.manifests.values();
        let named: BTreeSet<Digest> = manifests.flat_map(Manifest::listings).collect();
        for digest in named {
            let path = self.store.listing_path(&digest);
            if !whole.contains(&digest) && path.symlink_metadata().is_err() {
                self.note(&path, "is missing", EXPLAIN);
            }
        }
        self.checkup.listings = files.len();
        Ok(())
    }

    pub(super) fn logs(&mut self) -> Result<()> {
        let files = self.list(&self.store.root.join("logs"))?;
        for file in &files {
            let manifest = file.digest(".log").and_then(|key| self.manifests.get(&key));
            let printed = manifest.and_then(|manifest| manifest.run.log.clone());
            let steps = Vec::from_iter(manifest.map(|manifest| manifest.step.clone()));
            let wrong = match printed {
                Some(printed) => wrong_content(file, &printed.digest, &|_| {}),
                None => wrong_kind(file),
            };
            match wrong {
                Some(what) => {
                    self.damaged(&file.path, what, LOG).steps = steps;
                }
                None if file.digest(".log").is_none() => self.stray(&file.path),
                None => {}
            }
        }
        let there: HashSet<Digest> = files
            .iter()
            .filter_map(|file| file.digest(".log"))
            .collect();
        let keys = self.manifests.keys().filter(|key| !there.contains(*key));
        let gone: Vec<PathBuf> = keys.map(|key| self.store.log_path(key)).collect();
        for path in gone {
            self.note(&path, "is missing", LOG);
        }
        self.checkup.logs = files.len();
        Ok(())
    }
}

/// Reads a manifest, or says what is wrong and whether it is merely of another version.
fn read_manifest(file: &Found, key: &Digest) -> Result<Manifest, (bool, String)> {
    if let Some(what) = wrong_kind(file) {
        return Err((false, what));
    }
    let bytes =
        disk::read(&file.path).map_err(|error| (false, format!("cannot be read: {error}")))?;
    Manifest::parse(&bytes, key).map_err(|error| {
        (
            manifest::is_of_another_version(&bytes),
            format!("{error:#}"),
        )
    })
}

/// What is wrong with a content, if anything.
fn wrong_content(file: &Found, digest: &Digest, advance: &dyn Fn(usize)) -> Option<String> {
    if let Some(what) = wrong_kind(file) {
        return Some(what);
    }
    match Digest::of_file_watched(&file.path, advance) {
        Ok(found) if found == *digest => None,
        Ok(_) if file.metadata.len() == 0 => Some("is empty".to_owned()),
        Ok(_) => Some("was altered or cut short".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
