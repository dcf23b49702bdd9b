//! Adds results of the store here to a remote: contents first, then the manifests that name them. What is
//! there already is not sent again, so a push that was stopped goes on where it ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use store::key::Digest;
use store::{Manifest, Store};

use crate::marker::Marker;
use crate::place::{Place, tried};
use crate::seen::Seen;
use crate::{AT_ONCE, Failure, Remote, Trouble, each, listing, log, manifest, object};

/// Results whose contents are sent before their manifests are.
const BATCH: usize = 128;

/// From this number of results on, the remote is asked for lists instead of for each file.
const MANY: usize = 16;

/// How often a push begins again because somebody collects garbage there.
const ROUNDS: usize = 5;

/// How long somebody may collect garbage.
const COLLECTING: Duration = Duration::from_secs(600);

/// What is to be pushed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Also what shows how results came about.
    pub snapshots: bool,
    /// Send also what is there, in the place of what may be damaged.
    pub again: bool,
    /// Look also for what was seen there before.
    pub paranoid: bool,
}

/// What was pushed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pushed {
    /// Results that were added.
    pub results: usize,
    /// Results that were there.
    pub already: usize,
    /// Files that were sent.
    pub files: u64,
    pub bytes: u64,
    /// Results that cannot be pushed, and why.
    pub skipped: Vec<(Digest, String)>,
}

/// A file to send.
struct Source {
    path: String,
    file: PathBuf,
    bytes: u64,
    digest: Digest,
}

/// What a remote is known to have.
enum There {
    /// Whatever it has does not count.
    Nothing,
    /// All its files with their sizes.
    Listed(HashMap<String, u64>),
    /// It is asked for each.
    Ask,
}

impl Remote {
    /// Adds these results to the remote. `watch` is told of bytes that were sent.
    ///
    /// # Errors
    /// If the remote cannot be read or written, or the store cannot be read.
    pub fn push(
        &self,
        store: &Store,
        keys: &[Digest],
        options: PushOptions,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<Pushed, Failure> {
        let mut pushed = Pushed::default();
        for _ in 0..ROUNDS {
            let marker = self
                .quiet_marker()
                .map_err(|failure| self.unwritable(failure))?;
            let mut seen = Seen::read(store, &self.address, &marker.generation);
            let is_new = |key: &&Digest| {
                options.again || options.paranoid || !seen.has(key, options.snapshots)
            };
            let new: Vec<Digest> = keys.iter().filter(is_new).copied().collect();
            pushed.skipped.clear();
            if !new.is_empty() {
                let sent = self.send(store, &new, options, &mut seen, &mut pushed, watch);
                seen.save(store, &self.address);
                sent.map_err(|failure| self.unwritable(failure))?;
                let now =
                    Marker::read(&*self.place).map_err(|failure| failure.of(&self.address))?;
                if now.as_ref() != Some(&marker) {
                    continue;
                }
            }
            pushed.already = keys.len() - pushed.results.min(keys.len()) - pushed.skipped.len();
            return Ok(pushed);
        }
        let what = "somebody collects garbage there again and again; try later";
        Err(Failure::new(Trouble::Failed, what).of(&self.address))
    }

    /// Of what was to be written.
    fn unwritable(&self, failure: Failure) -> Failure {
        match failure.trouble {
            Trouble::Unsupported => {
                let what = format!("nothing can be written there: {failure}");
                Failure::new(Trouble::Unsupported, what)
            }
            Trouble::Denied => {
                let what = format!("it may not be written to: {failure}");
                Failure::new(Trouble::Denied, what)
            }
            _ => failure,
        }
        .of(&self.address)
    }

    /// The marker, once nobody collects garbage; written if there is none.
    fn quiet_marker(&self) -> Result<Marker, Failure> {
        let started = Instant::now();
        loop {
            match Marker::read(&*self.place)? {
                None => {
                    let marker = Marker::new(false);
                    marker.write(&*self.place)?;
                    // Two may have written one: the last counts for both.
                    return Ok(Marker::read(&*self.place)?.unwrap_or(marker));
                }
                Some(marker) if !marker.collecting => return Ok(marker),
                Some(_) if started.elapsed() > COLLECTING => {
                    let what = "somebody has been collecting garbage there for ten minutes; if nobody is, \
                                end it with `fig6 gc --remote`";
                    return Err(Failure::new(Trouble::Failed, what));
                }
                Some(_) if self.is_stopped() => return Err(Failure::stopped()),
                Some(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn send(
        &self,
        store: &Store,
        keys: &[Digest],
        options: PushOptions,
        seen: &mut Seen,
        pushed: &mut Pushed,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Failure> {
        let there = self.there(keys.len(), options.again)?;
        let mut listings = HashSet::new();
        for batch in keys.chunks(BATCH) {
            // What is on its way must not be collected here.
            let _lock = store.share()?;
            let mut sources = BTreeMap::new();
            let mut results = Vec::new();
            for key in batch {
                match needed(store, key, options.snapshots, &mut listings) {
                    Ok(files) => {
                        sources.extend(files.into_iter().map(|file| (file.path.clone(), file)));
                        results.push(*key);
                    }
                    Err(error) => pushed.skipped.push((*key, format!("{error:#}"))),
                }
            }
            let sources: Vec<Source> = sources.into_values().collect();
            let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
            each(&sources, AT_ONCE, |source| -> Result<(), Failure> {
                if there.has(&*self.place, &source.path, Some(source.bytes))? {
                    return Ok(());
                }
                self.place
                    .write_file(&source.path, &source.file, &source.digest)?;
                files.fetch_add(1, Ordering::Relaxed);
                bytes.fetch_add(source.bytes, Ordering::Relaxed);
                watch(source.bytes);
                Ok(())
            })?;
            let added = AtomicU64::new(0);
            each(&results, AT_ONCE, |key| -> Result<(), Failure> {
                if there.has(&*self.place, &manifest(key), None)? {
                    return Ok(());
                }
                let file = store.manifest_path(key);
                let content =
                    std::fs::read(&file).map_err(|error| crate::place::here(&file, &error))?;
                self.place.write(&manifest(key), content)?;
                added.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })?;
            pushed.results += usize::try_from(added.into_inner()).unwrap_or(usize::MAX);
            pushed.files += files.into_inner();
            pushed.bytes += bytes.into_inner();
            for key in results {
                seen.add(key, options.snapshots);
            }
        }
        Ok(())
    }

    /// How to find out what the remote has.
    fn there(&self, results: usize, again: bool) -> Result<There, Failure> {
        if again {
            return Ok(There::Nothing);
        }
        if results < MANY {
            return Ok(There::Ask);
        }
        match tried(|| self.place.list("")) {
            Ok(files) => {
                let files = files.into_iter().map(|file| (file.path, file.bytes));
                Ok(There::Listed(files.collect()))
            }
            Err(failure) => match failure.trouble {
                Trouble::Unsupported | Trouble::Denied => Ok(There::Ask),
                _ => Err(failure),
            },
        }
    }
}

impl There {
    /// Whether a file is there, of this size if there is one to be.
    fn has(&self, place: &dyn Place, path: &str, bytes: Option<u64>) -> Result<bool, Failure> {
        let found = match self {
            There::Nothing => None,
            There::Listed(files) => files.get(path).copied(),
            There::Ask => place.size(path)?,
        };
        Ok(found.is_some_and(|found| bytes.is_none_or(|bytes| bytes == found)))
    }
}

/// The files that a result consists of, but for its manifest, and for these listings, to which it adds.
fn needed(
    store: &Store,
    key: &Digest,
    snapshots: bool,
    listings: &mut HashSet<Digest>,
) -> Result<Vec<Source>> {
    let manifest: Manifest = store.expect_manifest(key)?;
    let content = |digest: &Digest, bytes: u64| Source {
        path: object(digest),
        file: store.object_path(digest),
        bytes,
        digest: *digest,
    };
    let mut files = Vec::new();
    for (name, output) in &manifest.outputs {
        anyhow::ensure!(
            store.has(output)?,
            "{name} of {} is missing or damaged",
            manifest.step
        );
        files.push(content(&output.digest, output.bytes));
    }
    for evidence in manifest.evidence.values().filter(|_| snapshots) {
        if store.has(evidence)? {
            files.push(content(&evidence.digest, evidence.bytes));
        }
    }
    let small = |path: String, file: PathBuf| -> Result<Source> {
        let content =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Source {
            path,
            file,
            bytes: content.len() as u64,
            digest: Digest::of(&content),
        })
    };
    for digest in manifest.listings() {
        if listings.insert(digest) && store.listing(&digest)?.is_some() {
            files.push(small(listing(&digest), store.listing_path(&digest))?);
        }
    }
    let printed = store.log_path(key);
    if let Some(log_of_run) = &manifest.run.log
        && printed.is_file()
    {
        let log = small(log(key), printed)?;
        if log.digest == log_of_run.digest {
            files.push(log);
        }
    }
    Ok(files)
}
