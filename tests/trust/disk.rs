//! A model of a disk: what is on it after some calls, and what is left of that after a power loss.
//!
//! As strict as POSIX: a file's content is safe once the file was flushed, a name once its folder was,
//! and nothing else is; what was not flushed may be there or not, each piece by itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::trace::Call;

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    Folder,
    /// A file by its number.
    File(usize),
    Link(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct File {
    now: Vec<u8>,
    /// The content that was flushed last.
    safe: Vec<u8>,
    read_only: bool,
}

/// Names in order, so that a folder comes before what is in it.
type Names = BTreeMap<PathBuf, Entry>;

/// A tree as it can be found after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tree(BTreeMap<PathBuf, Found>);

/// One thing in a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Found {
    Folder,
    File { bytes: Vec<u8>, read_only: bool },
    Link(PathBuf),
}

/// What happens to things that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Only the process dies.
    None,
    /// All that was not flushed is lost.
    All,
    /// Names stay, contents are lost: files are empty, or as they were when they were flushed.
    Contents,
    /// Names stay, contents are cut in the middle of what was added.
    Halves,
    /// Names stay, contents are as long as they were but zeros.
    Zeros,
    /// Contents stay, names are lost: renames did not happen, and removed files are there again.
    Names,
    /// Each piece by itself, at random.
    Some(u64),
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    now: Names,
    safe: Names,
}

impl Disk {
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Open { path, truncate } => match self.now.get(path) {
                Some(&Entry::File(file)) if *truncate => self.files[file].now.clear(),
                Some(_) => {}
                None => {
                    self.now.insert(path.clone(), Entry::File(self.files.len()));
                    self.files.push(File::default());
                }
            },
            Call::Write { path, bytes } => self.file(path).now.extend(bytes),
            Call::WriteAt {
                path,
                offset,
                bytes,
            } => {
                let content = &mut self.file(path).now;
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
            Call::SetLength { path, length } => self.file(path).now.resize(*length, 0),
            Call::SetMode { path, mode } => self.file(path).read_only = mode & 0o200 == 0,
            Call::Sync { path } => match self.now.get(path) {
                Some(&Entry::File(file)) => {
                    let file = &mut self.files[file];
                    file.safe.clone_from(&file.now);
                }
                // The folder of the project itself stands under no name.
                Some(Entry::Folder) | None => self.sync_folder(path),
                Some(Entry::Link(_)) => panic!("{} is a link", path.display()),
            },
            Call::Rename { from, to } => {
                let entry = self.now.remove(from).unwrap();
                let inside = self.now.keys().any(|path| path.starts_with(from));
                assert!(!inside, "the model renames no folders with content");
                self.now.insert(to.clone(), entry);
            }
            Call::Link { path, target } => {
                self.now.insert(path.clone(), Entry::Link(target.clone()));
            }
            Call::Remove { path } => drop(self.now.remove(path)),
            Call::MakeFolder { path } => drop(self.now.insert(path.clone(), Entry::Folder)),
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        match self.now.get(path) {
            Some(&Entry::File(file)) => &mut self.files[file],
            other => panic!("{} is no file: {other:?}", path.display()),
        }
    }

    /// Makes the names in a folder safe, not those in folders below it.
    fn sync_folder(&mut self, folder: &Path) {
        let within = |path: &Path| path.parent() == Some(folder);
        self.safe.retain(|path, _| !within(path));
        let now = self.now.iter().filter(|(path, _)| within(path));
        self.safe
            .extend(now.map(|(path, entry)| (path.clone(), entry.clone())));
    }

    /// What is found after a crash now.
    pub fn after(&self, loss: Loss) -> Tree {
        let mut random = match loss {
            Loss::Some(seed) => Some(ChaCha8Rng::seed_from_u64(seed)),
            _ => None,
        };
        let mut coin = |sides: u64| {
            random
                .as_mut()
                .map_or(0, |random| random.next_u64() % sides)
        };
        let mut names = match loss {
            Loss::All | Loss::Names => self.safe.clone(),
            _ => self.now.clone(),
        };
        if let Loss::Some(_) = loss {
            let unsure = self.safe.keys().chain(self.now.keys());
            for path in unsure.filter(|path| self.safe.get(*path) != self.now.get(*path)) {
                let chosen = if coin(2) == 0 { &self.safe } else { &self.now };
                match chosen.get(path) {
                    Some(entry) => drop(names.insert(path.clone(), entry.clone())),
                    None => drop(names.remove(path)),
                }
            }
        }
        let mut tree = Tree::default();
        for (path, entry) in names {
            let above = path.parent().unwrap();
            let reachable =
                above.as_os_str().is_empty() || matches!(tree.0.get(above), Some(Found::Folder));
            if !reachable {
                continue;
            }
            let found = match entry {
                Entry::Folder => Found::Folder,
                Entry::Link(target) => Found::Link(target),
                Entry::File(file) => {
                    let File {
                        now,
                        safe,
                        read_only,
                    } = &self.files[file];
                    let half = || now[..safe.len().midpoint(now.len()).min(now.len())].to_vec();
                    let bytes = match loss {
                        _ if now == safe => now.clone(),
                        Loss::None | Loss::Names => now.clone(),
                        Loss::All | Loss::Contents => safe.clone(),
                        Loss::Halves => half(),
                        Loss::Zeros => vec![0; now.len()],
                        Loss::Some(_) => match coin(4) {
                            0 => now.clone(),
                            1 => safe.clone(),
                            2 => half(),
                            _ => vec![0; now.len()],
                        },
                    };
                    Found::File {
                        bytes,
                        read_only: *read_only,
                    }
                }
            };
            tree.0.insert(path, found);
        }
        tree
    }
}

impl Tree {
    /// Puts the tree on a real disk.
    pub fn put(&self, folder: &Path) {
        for (path, found) in &self.0 {
            let path = folder.join(path);
            match found {
                Found::Folder => fs::create_dir(&path).unwrap(),
                Found::Link(target) => symlink(target, &path).unwrap(),
                Found::File { bytes, read_only } => {
                    fs::write(&path, bytes).unwrap();
                    let mode = if *read_only { 0o444 } else { 0o644 };
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                }
            }
        }
    }

    /// Takes the tree that lies in a folder.
    pub fn of(folder: &Path) -> Tree {
        let mut tree = Tree::default();
        for entry in walkdir::WalkDir::new(folder).min_depth(1) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(folder).unwrap().to_owned();
            let kind = entry.file_type();
            let found = if kind.is_dir() {
                Found::Folder
            } else if kind.is_symlink() {
                Found::Link(fs::read_link(entry.path()).unwrap())
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                let read_only = entry.metadata().unwrap().permissions().readonly();
                Found::File { bytes, read_only }
            };
            tree.0.insert(path, found);
        }
        tree
    }

    /// The names below a folder of the tree.
    pub fn names(&self, below: &str) -> Vec<&Path> {
        let names = self.0.keys().map(PathBuf::as_path);
        names.filter(|path| path.starts_with(below)).collect()
    }

    /// The content of a file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.0.get(Path::new(path)) {
            Some(Found::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }
}
