//! A remote that is a folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use crate::place::{Listed, Place, Sink};
use crate::{Failure, Trouble};

#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Folder {
    pub fn at(root: &Path, stop: &Arc<AtomicBool>) -> Folder {
        Folder {
            root: root.to_owned(),
            stop: stop.clone(),
        }
    }

    fn go_on(&self) -> Result<(), Failure> {
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Failure::stopped()),
            false => Ok(()),
        }
    }

    fn add_below(&self, folder: &Path, found: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let metadata = match path.symlink_metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let below = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            if metadata.is_dir() {
                self.add_below(&path, found)?;
            } else if let Some(below) = below.filter(|_| metadata.is_file()) {
                let written = metadata.modified()?.duration_since(UNIX_EPOCH);
                found.push(Listed {
                    path: below.to_owned(),
                    bytes: metadata.len(),
                    written: written.map_or(0, |written| written.as_secs().cast_signed()),
                });
            }
        }
        Ok(())
    }
}

impl Place for Folder {
    fn read(&self, path: &str, most: u64, sink: Sink) -> Result<(), Failure> {
        let failed = |error| failure(path, &error);
        let path = &self.root.join(path);
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::new(Trouble::Failed, "it is no file"));
        }
        if metadata.len() > most {
            return Err(Failure::new(Trouble::TooLarge, "it is too large"));
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut piece = vec![0; 1 << 18];
        loop {
            self.go_on()?;
            match file.read(&mut piece).map_err(failed)? {
                0 => return Ok(()),
                count => sink(&piece[..count]).map_err(failed)?,
            }
        }
    }

    fn size(&self, path: &str) -> Result<Option<u64>, Failure> {
        match fs::metadata(self.root.join(path)) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) => match failure(path, &error) {
                failure if failure.trouble == Trouble::Absent => Ok(None),
                failure => Err(failure),
            },
        }
    }

    fn write(&self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        self.go_on()?;
        let target = self.root.join(path);
        let folder = target.parent().unwrap_or(&self.root);
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            // As the store names what it has not finished, so that it is swept.
            let mut partial = tempfile::Builder::new()
                .prefix(".")
                .suffix(".partial")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o444))
                .tempfile_in(folder)?;
            io::Write::write_all(&mut partial, &content)?;
            partial.as_file().sync_all()?;
            partial.persist(&target)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| failure(path, &error))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        let listed = self.add_below(&self.root.join(folder), &mut found);
        listed.map_err(|error| failure(folder, &error))?;
        Ok(found)
    }

    fn remove(&self, path: &str) -> Result<(), Failure> {
        self.go_on()?;
        match fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failure(path, &error)),
            _ => Ok(()),
        }
    }
}

fn failure(path: &str, error: &io::Error) -> Failure {
    let trouble = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Trouble::Absent,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Trouble::Denied,
        _ => Trouble::Failed,
    };
    Failure::new(trouble, format!("{path}: {error}"))
}
