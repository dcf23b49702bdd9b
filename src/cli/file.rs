//! Files that a user names for output. All of them are written here, in one way.
//!
//! | at the path is | what happens |
//! |---|---|
//! | nothing | the file appears whole or not at all |
//! | a file with one name | replaced by a file with the same mode and owner, whole or not at all |
//! | a file with several names, behind a link, or in a folder that may not be written | its content is replaced |
//! | a link to nothing | the file that it names is created |
//! | a pipe or a device | written to |
//! | `-`, or whatever standard output goes to | written to standard output |
//! | a folder | refused |
//!
//! A file that is neither empty nor known as the command's own is only replaced by force. Unaware of what
//! is in the files.

use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, ErrorKind, IsTerminal as _, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use tempfile::NamedTempFile;

use crate::error::Invalid;

/// Bytes of a file that are looked at to know whose it is.
const BEGINNING: u64 = 1 << 16;

/// A path that a user names for output.
#[derive(Clone, Debug)]
pub struct UserFile {
    path: PathBuf,
    force: bool,
    is_ours: fn(&[u8]) -> bool,
}

/// What is at the path.
enum AtPath {
    StandardOutput,
    Nothing,
    /// A link to nothing.
    DanglingLink,
    /// A file with no other name.
    File(Metadata),
    /// A file with several names, or behind a link.
    SharedFile,
    /// A pipe, a device, a socket.
    Stream,
}

impl UserFile {
    /// As [`Out::file`](super::out::Out::file), which is to be called.
    pub(super) fn find(path: &Path, force: bool, is_ours: fn(&[u8]) -> bool) -> Result<UserFile> {
        let file = UserFile {
            path: path.to_owned(),
            force,
            is_ours,
        };
        file.look()?;
        Ok(file)
    }

    /// Whether writing may wait for somebody else: for the reader of a pipe.
    ///
    /// # Errors
    /// If the path may not be written.
    pub fn may_wait(&self) -> Result<bool> {
        Ok(matches!(
            self.look()?,
            AtPath::StandardOutput | AtPath::Stream
        ))
    }

    /// Writes the file, and its folder if need be. A pipe whose reader goes away is no error.
    ///
    /// # Errors
    /// If it may not be written, or cannot be.
    pub fn write(&self, content: &[u8]) -> Result<()> {
        let found = self.look()?;
        if let AtPath::Nothing = found {
            fs::create_dir_all(self.folder()).with_context(|| self.cannot())?;
        }
        match self.beside(&found)? {
            None => self.fill(&found, &mut Cursor::new(content)),
            Some(mut partial) => {
                partial.write_all(content).with_context(|| self.cannot())?;
                self.settle(partial, &found)
            }
        }
    }

    /// As [`UserFile::write`] into a folder that is there, with content that may be too large for memory:
    /// `make` writes it to an empty file.
    ///
    /// # Errors
    /// As [`UserFile::write`] and of `make`, after which nothing is written.
    pub fn write_by<T>(&self, make: impl FnOnce(&File) -> Result<T>) -> Result<T> {
        let found = self.look()?;
        match self.beside(&found)? {
            Some(partial) => {
                let made = make(partial.as_file()).with_context(|| self.cannot())?;
                self.settle(partial, &found)?;
                Ok(made)
            }
            None => {
                let mut whole = tempfile::tempfile().context("cannot create a temporary file")?;
                let made = make(&whole).with_context(|| self.cannot())?;
                self.fill(&found, &mut whole)?;
                Ok(made)
            }
        }
    }

    /// Adds a text to the end of the file, all of it or nothing; the file need not be there. Whatever is in
    /// it stays.
    ///
    /// # Errors
    /// If it cannot be written, or is a folder.
    pub fn append(&self, text: &str) -> Result<()> {
        let found = self.look()?;
        if let AtPath::StandardOutput | AtPath::Stream = found {
            return self.fill(&found, &mut Cursor::new(text.as_bytes()));
        }
        let append = || -> io::Result<()> {
            let is_new = matches!(found, AtPath::Nothing | AtPath::DanglingLink);
            let mut options = File::options();
            let mut file = options.append(true).create(is_new).open(&self.path)?;
            let before = file.metadata()?.len();
            let written = file.write_all(text.as_bytes());
            written.inspect_err(|_| drop(file.set_len(before)))
        };
        append().with_context(|| self.cannot())
    }

    /// What is at the path, if it may be written.
    fn look(&self) -> Result<AtPath> {
        let path = &self.path;
        if is_standard_output(path) {
            return Ok(AtPath::StandardOutput);
        }
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                    return Err(self.is_folder());
                }
                return Ok(match path.is_symlink() {
                    true => AtPath::DanglingLink,
                    false => AtPath::Nothing,
                });
            }
            Err(error) => return Err(error).with_context(|| self.cannot()),
        };
        if about.is_dir() {
            return Err(self.is_folder());
        }
        if !about.is_file() {
            return Ok(AtPath::Stream);
        }
        if about.len() > 0 && !self.force && !self.is_known() {
            return Err(Invalid::new(format!(
                "{} is there already: --force replaces it",
                path.display()
            ))
            .into());
        }
        Ok(match path.is_symlink() || about.nlink() > 1 {
            true => AtPath::SharedFile,
            false => AtPath::File(about),
        })
    }

    /// Whether the file there begins as one that the command has written.
    fn is_known(&self) -> bool {
        let mut beginning = Vec::new();
        let read = File::open(&self.path)
            .and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
        read.is_ok() && (self.is_ours)(&beginning)
    }

    /// A file beside the path, to be given its name once it is whole; `None` where the content must go into
    /// what is there.
    fn beside(&self, found: &AtPath) -> Result<Option<NamedTempFile>> {
        match found {
            AtPath::Nothing => {}
            // Who may not write to a file must not replace it either.
            AtPath::File(_) => drop(
                File::options()
                    .write(true)
                    .open(&self.path)
                    .with_context(|| self.cannot())?,
            ),
            _ => return Ok(None),
        }
        let partial = tempfile::Builder::new()
            .prefix(".fig6-")
            .suffix(".partial")
            .permissions(fs::Permissions::from_mode(0o666)) // less what the user's umask takes away
            .tempfile_in(self.folder());
        match (partial, found) {
            (Err(error), AtPath::Nothing) => Err(match error.kind() {
                ErrorKind::NotFound => anyhow!("there is no folder {}", self.folder().display()),
                _ => error.into(),
            })
            .with_context(|| self.cannot()),
            (partial, _) => Ok(partial.ok()),
        }
    }

    /// Gives a file that is whole its name.
    fn settle(&self, partial: NamedTempFile, found: &AtPath) -> Result<()> {
        partial
            .as_file()
            .sync_all()
            .with_context(|| self.cannot())?;
        let mut partial = match found {
            AtPath::File(about) if take_over(partial.as_file(), about).is_err() => partial,
            // A file that is mounted there by itself cannot be replaced.
            _ => match partial.persist(&self.path) {
                Ok(_) => return Ok(()),
                Err(failed) if matches!(found, AtPath::File(_)) => failed.file,
                Err(failed) => return Err(failed.error).with_context(|| self.cannot()),
            },
        };
        self.fill(found, partial.as_file_mut())
    }

    /// Writes a content that is whole into what is there.
    fn fill(&self, found: &AtPath, content: &mut (impl Read + Seek)) -> Result<()> {
        let filled = content.rewind().and_then(|()| match found {
            AtPath::StandardOutput => {
                let mut stdout = io::stdout().lock();
                io::copy(content, &mut stdout).and_then(|_| stdout.flush())
            }
            AtPath::Stream => {
                let mut stream = File::options().write(true).open(&self.path)?;
                io::copy(content, &mut stream).map(drop)
            }
            AtPath::Nothing | AtPath::DanglingLink => {
                let mut options = File::options();
                let options = options.write(true).create(true).truncate(false);
                let mut file = options.open(&self.path)?;
                let filled = replace(&mut file, content);
                filled.inspect_err(|_| {
                    // What was created for nothing.
                    let created = self.path.canonicalize();
                    drop(created.and_then(fs::remove_file));
                })
            }
            AtPath::File(_) | AtPath::SharedFile => {
                replace(&mut File::options().write(true).open(&self.path)?, content)
            }
        });
        match (filled, found) {
            (Err(error), AtPath::StandardOutput | AtPath::Stream)
                if error.kind() == ErrorKind::BrokenPipe =>
            {
                Ok(())
            }
            (filled, AtPath::StandardOutput) => filled.context("cannot write to standard output"),
            (filled, _) => filled.with_context(|| self.cannot()),
        }
    }

    fn folder(&self) -> &Path {
        let folder = self.path.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    fn cannot(&self) -> String {
        format!("cannot write {}", self.path.display())
    }

    fn is_folder(&self) -> anyhow::Error {
        Invalid::new(format!(
            "{} is a folder: name a file in it",
            self.path.display()
        ))
        .into()
    }
}

/// Whether a path means standard output: `-`, or another name of what that goes to, such as
/// `/dev/stdout`. A file that was opened twice would be overwritten from its start by what is said.
pub(super) fn is_standard_output(path: &Path) -> bool {
    if path == "-" {
        return true;
    }
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let stdout = stdout.and_then(|stdout| File::from(stdout).metadata());
    let (Ok(stdout), Ok(named)) = (stdout, fs::metadata(path)) else {
        return false;
    };
    let is_same = (stdout.dev(), stdout.ino()) == (named.dev(), named.ino());
    // What is written to /dev/null does not get into anything else that is.
    is_same && (!stdout.file_type().is_char_device() || io::stdout().is_terminal())
}

/// Gives a file the owner and mode of the one that it is to replace.
fn take_over(file: &File, replaced: &Metadata) -> io::Result<()> {
    let about = file.metadata()?;
    if (about.uid(), about.gid()) != (replaced.uid(), replaced.gid()) {
        fchown(file, Some(replaced.uid()), Some(replaced.gid()))?;
    }
    file.set_permissions(replaced.permissions())
}

/// Replaces the content of a file. What it grows by is written first: where there is no room for it, the
/// file stays as it was.
fn replace(file: &mut File, content: &mut (impl Read + Seek)) -> io::Result<()> {
    let before = file.metadata()?.len();
    let bytes = content.seek(SeekFrom::End(0))?;
    if bytes > before {
        let grown = content
            .seek(SeekFrom::Start(before))
            .and_then(|_| file.seek(SeekFrom::Start(before)))
            .and_then(|_| io::copy(content, file))
            .and_then(|_| file.sync_all());
        grown.inspect_err(|_| drop(file.set_len(before)))?;
    }
    content.rewind()?;
    file.rewind()?;
    io::copy(&mut content.take(before.min(bytes)), file)?;
    file.set_len(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
