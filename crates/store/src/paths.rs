//! Where everything lies in the store's folder. Unaware of whether it is there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Store;
use super::key::Digest;

impl Store {
    /// The folder of artifacts.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a content lies or would lie.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.path(&["objects/", &hex[..2], "/", &hex[2..]])
    }

    /// Where the manifest of a key's result lies or would lie.
    pub fn manifest_path(&self, key: &Digest) -> PathBuf {
        self.path(&["manifests/", &key.to_hex(), ".json"])
    }

    /// Where the text behind a digest of code or crates lies or would lie.
    pub fn listing_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("listings").join(digest.to_string())
    }

    /// Where the log of a key's result lies.
    pub fn log_path(&self, key: &Digest) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    /// Where is noted what was seen of a store elsewhere.
    pub fn seen_path(&self, remote: &Digest) -> PathBuf {
        self.root.join("remotes").join(format!("{remote}.json"))
    }

    /// Where an interrupted computation of a key has left what the next one can use.
    pub fn scratch_path(&self, key: &Digest) -> PathBuf {
        self.work_path(key).join("scratch")
    }

    /// Where a key is computed.
    pub fn work_path(&self, key: &Digest) -> PathBuf {
        self.root.join("work").join(key.to_string())
    }

    pub(super) fn step_folder(&self, step: &str) -> PathBuf {
        self.path(&["by-step/", step])
    }

    /// A path below the root, in one piece: there are several to a step.
    pub(super) fn path(&self, parts: &[&str]) -> PathBuf {
        let root = self.root.as_os_str();
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut path = OsString::with_capacity(root.len() + 1 + length);
        path.push(root);
        path.push("/");
        parts.iter().for_each(|part| path.push(part));
        path.into()
    }

    /// A path from the store's folder.
    pub(super) fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}
