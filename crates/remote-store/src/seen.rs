//! What was seen of a remote, kept in the store here, so that a push which finds nothing to do asks for
//! nothing but the marker. Worth nothing once the remote has another generation.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::Store;
use store::key::Digest;

use crate::Address;

/// Results that a remote has, whole.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    address: String,
    generation: String,
    results: HashSet<Digest>,
    /// Those that are there with what evidence the store here had.
    with_snapshots: HashSet<Digest>,
}

impl Seen {
    /// What is remembered of a remote in this generation.
    pub fn read(store: &Store, address: &Address, generation: &str) -> Seen {
        let bytes = std::fs::read(path(store, address)).unwrap_or_default();
        let seen: Seen = serde_json::from_slice(&bytes).unwrap_or_default();
        match seen.address == address.to_string() && seen.generation == generation {
            true => seen,
            false => Seen {
                address: address.to_string(),
                generation: generation.to_owned(),
                ..Seen::default()
            },
        }
    }

    pub fn has(&self, key: &Digest, snapshots: bool) -> bool {
        match snapshots {
            true => self.with_snapshots.contains(key),
            false => self.results.contains(key) || self.with_snapshots.contains(key),
        }
    }

    pub fn add(&mut self, key: Digest, snapshots: bool) {
        match snapshots {
            true => self.with_snapshots.insert(key),
            false => self.results.insert(key),
        };
    }

    /// Keeps it. Where that fails, the next push asks again.
    pub fn save(&self, store: &Store, address: &Address) {
        if let Ok(text) = serde_json::to_string(self) {
            let _ = store::write_whole(&path(store, address), text.as_bytes());
        }
    }
}

fn path(store: &Store, address: &Address) -> PathBuf {
    store.seen_path(&Digest::of(address.to_string().as_bytes()))
}
