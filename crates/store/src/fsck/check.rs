//! Looks at everything and changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::views::steps_by_key;
use super::{CheckLeft, Checkup, Cure, Finding, Harm, Mended};
use crate::index::Stat;
use crate::key::Digest;
use crate::look::{Place, is_folder, place};
use crate::tree::{Found, files_below, list};
use crate::{Manifest, Store, Unreadable, disk, lock, manifest};

/// The store's folders.
const FOLDERS: [&str; 8] = [
    "objects",
    "manifests",
    "listings",
    "logs",
    "work",
    "by-step",
    "runs",
    "set-aside",
];
/// Its files.
const FILES: [&str; 2] = ["index", "lock"];

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// Larger files are hashed by all threads together, with larger blocks.
const LARGE: u64 = 1 << 26;
const LARGE_BLOCK: usize = 1 << 24;

const RUN: &str = "run `fig6 reproduce`: what it needs of this is made again";
const COLLECT: &str = "`fig6 gc` removes it";
const NONE: &str = "nothing has to be done";
const EXPLAIN: &str = "`fig6 explain` says less about results that refer to it; \
                       `fig6 reproduce --paranoid` writes it again if it is of this version of fig6";
const LOG: &str = "nothing depends on a log";
const LIST: &str = "`fig6 gc` knows less of what that run used";
const RESUME: &str =
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
    intact: HashSet<Digest>,
    /// Contents that are there and damaged.
    damaged: HashMap<Digest, String>,
}

impl Store {
    /// Reads all contents. Whoever holds the store's lock shared may go on adding to it meanwhile.
    ///
    /// # Errors
    /// If there is no store, or one of its folders is there and cannot be used: what lies in it would be
    /// taken for missing.
    pub(super) fn check_contents(&self, watch: &(dyn Fn(u64, u64) + Sync)) -> Result<Check<'_>> {
        ensure!(
            is_folder(&self.root, "--artifacts")?,
            "there is no folder of artifacts {}; name it with --artifacts",
            self.root.display()
        );
        let mut check = Check {
            store: self,
            checkup: Checkup::default(),
            manifests: BTreeMap::new(),
            broken: HashSet::new(),
            intact: HashSet::new(),
            damaged: HashMap::new(),
        };
        check.top()?;
        check.manifests()?;
        check.objects(watch)?;
        check.outputs();
        check.listings()?;
        check.logs()?;
        Ok(check)
    }
}

impl Check<'_> {
    /// Looks at what shows results and what is under way. To be called while nobody else uses the store.
    ///
    /// # Errors
    /// If a folder of the store is there and cannot be used.
    pub(super) fn check_names(&mut self, check_left: CheckLeft) -> Result<()> {
        self.runs()?;
        self.work(check_left)?;
        let by_step = self.store.root.join("by-step");
        self.views(&by_step, "")?;
        let set_aside = list(&self.store.root.join("set-aside")).unwrap_or_default();
        let bytes = set_aside.iter().map(Found::bytes).sum();
        self.checkup.set_aside = (set_aside.len(), bytes);
        Ok(())
    }

    pub(super) fn find(
        &mut self,
        path: &Path,
        what: impl Into<String>,
        advice: &'static str,
        cure: Cure,
    ) -> &mut Finding {
        let relative = path.strip_prefix(&self.store.root).unwrap_or(path);
        let looks = path.symlink_metadata().ok().map(|found| Stat::of(&found));
        self.checkup.findings.push(Finding {
            path: relative.to_owned(),
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
        Ok(match list(folder) {
            Ok(mut found) => {
                found.retain(|found| {
                    let temporary = found.is_temporary();
                    if temporary {
                        self.note(
                            &found.path,
                            "was left by a process that was killed",
                            COLLECT,
                        );
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
    fn top(&mut self) -> Result<()> {
        for found in self.list(&self.store.root.clone())? {
            let (path, metadata) = (&found.path, &found.metadata);
            match found.name() {
                name if FOLDERS.contains(&name) && !path.is_dir() => {
                    self.find(path, "is no folder", RUN, Cure::SetAside);
                }
                name if FILES.contains(&name) && !metadata.is_file() => {
                    self.find(path, "is no file", NONE, Cure::SetAside);
                }
                "index" if !self.store.index.is_whole() => {
                    self.find(
                        path,
                        "was altered or is of another version",
                        NONE,
                        Cure::Remove,
                    );
                }
                name if FOLDERS.contains(&name) || FILES.contains(&name) => {}
                _ => self.note(path, "does not belong here", LOOK),
            }
        }
        Ok(())
    }

    fn manifests(&mut self) -> Result<()> {
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
                None => self.note(&file.path, "does not belong here", LOOK),
                Some((key, Ok(manifest))) => drop(self.manifests.insert(key, manifest)),
                Some((_, Err((true, what)))) => self.note(&file.path, what, COLLECT),
                Some((key, Err((false, what)))) => {
                    self.broken.insert(key);
                    // What the text says may be what was altered.
                    let step = shown.get(&key).cloned().or_else(|| step_in(&file.path));
                    let steps = Vec::from_iter(step);
                    self.find(&file.path, what, RUN, Cure::SetAside).steps = steps;
                }
            }
        }
        self.checkup.manifests = files.len();
        Ok(())
    }

    fn objects(&mut self, watch: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        let mut files = Vec::new();
        for folder in self.list(&self.store.root.join("objects"))? {
            let name = folder.name();
            let prefix = name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
            match folder.metadata.is_dir() {
                true if prefix => files.extend(self.list(&folder.path)?),
                false if prefix => {
                    self.find(&folder.path, "is no folder", RUN, Cure::SetAside);
                }
                _ => self.note(&folder.path, "does not belong here", LOOK),
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
                None => self.note(&file.path, "does not belong here", LOOK),
                Some((digest, None)) => {
                    store.index.note_object(digest, Stat::of(&file.metadata));
                    self.intact.insert(digest);
                }
                Some((digest, Some(what))) => {
                    let users = self.manifests.values();
                    let users = users.filter(|manifest| {
                        manifest
                            .outputs
                            .values()
                            .any(|output| output.digest == digest)
                    });
                    let steps: BTreeSet<String> =
                        users.map(|manifest| manifest.step.clone()).collect();
                    self.checkup.altered.push(digest);
                    self.find(&file.path, &*what, RUN, Cure::SetAside).steps =
                        steps.into_iter().collect();
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
    fn outputs(&mut self) {
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
            self.find(&path, format!("lacks {lacks}"), RUN, Cure::SetAside)
                .steps = vec![step];
        }
    }

    fn listings(&mut self) -> Result<()> {
        let files = self.list(&self.store.root.join("listings"))?;
        let mut whole = HashSet::new();
        for file in &files {
            let Some(digest) = file.digest("") else {
                self.note(&file.path, "does not belong here", LOOK);
                continue;
            };
            let what = match wrong_kind(file) {
                Some(what) => what,
                None => match fs::read(&file.path) {
                    Err(error) => format!("cannot be read: {error}"),
                    Ok(_) if matches!(self.store.listing(&digest), Ok(Some(_))) => {
                        whole.insert(digest);
                        continue;
                    }
                    Ok(_) => "was altered".to_owned(),
                },
            };
            self.find(&file.path, what, EXPLAIN, Cure::SetAside);
        }
        let bases = self
            .manifests
            .values()
            .map(|manifest| &manifest.key_inputs.basis);
        let named: BTreeSet<Digest> = bases
            .flat_map(|basis| basis.code.values().chain(basis.crates.values()).copied())
            .collect();
        for digest in named {
            let path = self.store.listing_path(&digest);
            if !whole.contains(&digest) && path.symlink_metadata().is_err() {
                self.note(&path, "is missing", EXPLAIN);
            }
        }
        self.checkup.listings = files.len();
        Ok(())
    }

    fn logs(&mut self) -> Result<()> {
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
                    self.find(&file.path, what, LOG, Cure::SetAside).steps = steps;
                }
                None if file.digest(".log").is_none() => {
                    self.note(&file.path, "does not belong here", LOOK)
                }
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

    fn runs(&mut self) -> Result<()> {
        let known: HashMap<PathBuf, (bool, Option<String>)> = match self.store.runs() {
            Ok(runs) => runs
                .into_iter()
                .map(|run| (run.path, (run.live, run.damage)))
                .collect(),
            // Said of the folder already.
            Err(_) => HashMap::new(),
        };
        for file in self.list(&self.store.root.join("runs"))? {
            match known.get(&file.path) {
                None => self.note(&file.path, "does not belong here", LOOK),
                Some((live, damage)) => {
                    self.checkup.runs += 1;
                    let what = wrong_kind(&file);
                    // A run that is under way writes its list anew.
                    let cure = match what.is_none() && *live {
                        true => Cure::Nothing,
                        false => Cure::SetAside,
                    };
                    if let Some(what) = what.or_else(|| damage.clone()) {
                        self.find(&file.path, what, LIST, cure);
                    }
                }
            }
        }
        Ok(())
    }

    fn work(&mut self, check_left: CheckLeft) -> Result<()> {
        for found in self.list(&self.store.root.join("work"))? {
            if let Some(key) = found.digest(".lock") {
                if !found.metadata.is_file() {
                    self.find(&found.path, "is no file", RUN, Cure::SetAside);
                } else if !lock::is_locked(&found.path).unwrap_or(false)
                    && !self.store.work_path(&key).is_dir()
                {
                    self.note(
                        &found.path,
                        "was left by a process that was killed",
                        COLLECT,
                    );
                }
                continue;
            }
            let Some(key) = found.digest("") else {
                self.note(&found.path, "does not belong here", LOOK);
                continue;
            };
            if !found.metadata.is_dir() {
                self.find(&found.path, "is no folder", RUN, Cure::SetAside);
                continue;
            }
            // What is written right now is not to be judged.
            if lock::is_locked(&found.path.with_extension("lock")).unwrap_or(false) {
                continue;
            }
            let scratch = self.store.scratch_path(&key);
            self.checkup.left += files_below(&scratch)?.len();
            let steps = Vec::from_iter(step_in(&found.path.join("task.json")));
            for (path, what) in check_left(&scratch) {
                self.find(&path, what, RESUME, Cure::SetAside).steps = steps.clone();
            }
        }
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

/// What a file is that should be a plain one.
fn wrong_kind(file: &Found) -> Option<String> {
    match &file.metadata {
        found if found.is_dir() => Some("is a folder".to_owned()),
        found if found.is_symlink() => Some("is a link".to_owned()),
        found if !found.is_file() => Some("is no file".to_owned()),
        _ => None,
    }
}

/// What is wrong with a content, if anything.
fn wrong_content(file: &Found, digest: &Digest, advance: &dyn Fn(usize)) -> Option<String> {
    if let Some(what) = wrong_kind(file) {
        return Some(what);
    }
    match read_digest(&file.path, file.metadata.len(), advance) {
        Ok(found) if found == *digest => None,
        Ok(_) if file.metadata.len() == 0 => Some("is empty".to_owned()),
        Ok(_) => Some("was altered or cut short".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

/// The digest of a file's content.
fn read_digest(path: &Path, bytes: u64, advance: &dyn Fn(usize)) -> io::Result<Digest> {
    let large = bytes >= LARGE;
    let block = if large { LARGE_BLOCK } else { BLOCK };
    let mut buffer = vec![0; block.min(bytes as usize + 1)];
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    loop {
        let mut filled = 0;
        // Whole blocks, so that all threads have something to do.
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let read = &buffer[..filled];
        if large {
            hasher.update_rayon(read)
        } else {
            hasher.update(read)
        };
        advance(filled);
        if filled < buffer.len() {
            return Ok(Digest::from_bytes(*hasher.finalize().as_bytes()));
        }
    }
}

/// The name of the step that a damaged manifest or a task gives, as far as it can be made out.
fn step_in(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&disk::read(path).ok()?).into_owned();
    let (_, rest) = text.split_once("\"step\": \"")?;
    let (step, _) = rest.split_once('"')?;
    Some(step.to_owned())
}
