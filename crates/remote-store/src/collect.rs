//! Removes from a remote what nobody needs: results first, then what no result names any more. See
//! [`crate::marker`] for how those who add meanwhile lose nothing.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use store::Manifest;
use store::key::Digest;

use crate::marker::Marker;
use crate::place::{Listed, read_small, tried};
use crate::{AT_ONCE, Failure, Remote, Trouble, each};

/// The largest manifest that is read, in bytes.
const MOST: u64 = 16 << 20;

/// Seconds after which a collection counts as killed.
const KILLED: i64 = 3600;

const SECONDS_A_DAY: f64 = 86_400.0;

/// What is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    /// Results that nobody needs go if they were added so many days ago, or more.
    pub days: f64,
    /// Whether nothing is to be removed, only said.
    pub dry_run: bool,
}

/// A result in a remote.
#[derive(Clone, Debug)]
pub struct RemoteResult {
    pub key: Digest,
    /// None if it is damaged or of another version: it stays.
    pub manifest: Option<Manifest>,
    /// Days since it was added.
    pub days: f64,
    /// Every digest that the manifest mentions.
    mentions: HashSet<Digest>,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Collected {
    /// Keys and steps of results.
    pub removed: Vec<(Digest, String)>,
    pub kept: usize,
    /// Files of all kinds, and their bytes.
    pub files: usize,
    pub bytes: u64,
    pub bytes_kept: u64,
}

impl Remote {
    /// Removes results that `needed` does not name and that are old enough, and files of that age that no
    /// other result names.
    ///
    /// # Errors
    /// If the remote has no lists, cannot be read or written, somebody else collects, or `needed` fails.
    pub fn collect(
        &self,
        collection: Collection,
        needed: &mut dyn FnMut(&[RemoteResult]) -> Result<HashSet<Digest>>,
    ) -> Result<Collected, Failure> {
        self.try_to_collect(collection, needed).map_err(|failure| {
            let failure = match failure.trouble {
                Trouble::Unsupported => Failure::new(
                    Trouble::Unsupported,
                    format!("nothing can be removed there: {failure}"),
                ),
                _ => failure,
            };
            failure.of(&self.address)
        })
    }

    fn try_to_collect(
        &self,
        collection: Collection,
        needed: &mut dyn FnMut(&[RemoteResult]) -> Result<HashSet<Digest>>,
    ) -> Result<Collected, Failure> {
        let before = tried(|| self.place.list(""))?;
        if collection.dry_run {
            return self.sweep(before, now(), collection, needed);
        }
        let marked = before.iter().find(|file| file.path == "remote.json");
        let is_recent = marked.is_some_and(|file| now() - file.written < KILLED);
        if is_recent && Marker::read(&*self.place)?.is_some_and(|marker| marker.collecting) {
            let what = "somebody else collects garbage there, or was killed doing so less than an hour ago";
            return Err(Failure::new(Trouble::Failed, what));
        }
        Marker::new(true).write(&*self.place)?;
        let swept = tried(|| self.place.list("")).and_then(|files| {
            let marked = files.iter().find(|file| file.path == "remote.json");
            // By the remote's clock, as the ages of all others.
            let now = marked.map_or_else(now, |file| file.written);
            self.sweep(files, now, collection, needed)
        });
        // Also if this process is to end: others wait for it.
        let asked = self.stop.swap(false, Ordering::SeqCst);
        let over = Marker::new(false).write(&*self.place);
        self.stop.fetch_or(asked, Ordering::SeqCst);
        let swept = swept?;
        over?;
        Ok(swept)
    }

    fn sweep(
        &self,
        files: Vec<Listed>,
        now: i64,
        collection: Collection,
        needed: &mut dyn FnMut(&[RemoteResult]) -> Result<HashSet<Digest>>,
    ) -> Result<Collected, Failure> {
        let days = |file: &Listed| (now - file.written).max(0) as f64 / SECONDS_A_DAY;
        let is_old = |file: &Listed| days(file) >= collection.days;
        let results = self.results(&files, &days)?;
        let needed = needed(&results)?;
        let mut collected = Collected::default();
        let (mut keys, mut named) = (HashSet::new(), HashSet::<Digest>::new());
        for result in &results {
            let manifest = result.manifest.as_ref();
            let goes = !needed.contains(&result.key) && result.days >= collection.days;
            match manifest.filter(|_| goes) {
                Some(manifest) => collected.removed.push((result.key, manifest.step.clone())),
                None => {
                    keys.insert(result.key);
                    named.extend(&result.mentions);
                }
            }
        }
        collected.removed.sort();
        collected.kept = keys.len();
        let (mut manifests, mut others) = (Vec::new(), Vec::new());
        for file in files {
            let goes = match Kind::of(&file.path) {
                Some(Kind::Manifest(key)) => !keys.contains(&key),
                Some(Kind::Content(digest)) => !named.contains(&digest) && is_old(&file),
                Some(Kind::Log(key)) => !keys.contains(&key) && is_old(&file),
                None => continue,
            };
            match goes {
                true => {
                    collected.files += 1;
                    collected.bytes += file.bytes;
                    match file.path.starts_with("manifests/") {
                        true => manifests.push(file.path),
                        false => others.push(file.path),
                    }
                }
                false => collected.bytes_kept += file.bytes,
            }
        }
        if !collection.dry_run {
            each(&manifests, AT_ONCE, |path| self.place.remove(path))?;
            each(&others, AT_ONCE, |path| self.place.remove(path))?;
        }
        Ok(collected)
    }

    /// All results, with what they mention.
    fn results(
        &self,
        files: &[Listed],
        days: &(dyn Fn(&Listed) -> f64 + Sync),
    ) -> Result<Vec<RemoteResult>, Failure> {
        let found = Mutex::new(Vec::new());
        each(files, AT_ONCE, |file| -> Result<(), Failure> {
            let Some(Kind::Manifest(key)) = Kind::of(&file.path) else {
                return Ok(());
            };
            // One that is gone by now names nothing.
            let Some(bytes) = read_small(&*self.place, &file.path, MOST)? else {
                return Ok(());
            };
            let text = String::from_utf8_lossy(&bytes);
            let words = text.split(|c: char| !c.is_ascii_hexdigit());
            let result = RemoteResult {
                key,
                manifest: Manifest::parse(&bytes, &key).ok(),
                days: days(file),
                mentions: words.filter_map(|word| word.parse().ok()).collect(),
            };
            found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(result);
            Ok(())
        })?;
        let mut found = found
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        found.sort_by_key(|result| result.key);
        Ok(found)
    }
}

/// What a file of a remote is; whatever else lies there is left alone.
enum Kind {
    Manifest(Digest),
    /// A content or a listing.
    Content(Digest),
    Log(Digest),
}

impl Kind {
    fn of(path: &str) -> Option<Kind> {
        let (folder, name) = path.split_once('/')?;
        Some(match folder {
            "manifests" => Kind::Manifest(name.strip_suffix(".json")?.parse().ok()?),
            "logs" => Kind::Log(name.strip_suffix(".log")?.parse().ok()?),
            "listings" => Kind::Content(name.parse().ok()?),
            "objects" => {
                let (two, rest) = name.split_once('/')?;
                Kind::Content(format!("{two}{rest}").parse().ok()?)
            }
            _ => return None,
        })
    }
}

fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.as_secs().cast_signed()
}
