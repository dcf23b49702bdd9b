//! A partial file: what has come of an archive so far. A later attempt, of this process or another,
//! goes on from it.
//!
//! Unaware of where the bytes come from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use crate::failure::Failure;
use crate::limits::DownloadLimits;
use crate::source::ArchiveId;

/// How often progress goes out, in bytes.
const REPORT_EVERY: u64 = 1 << 20;

/// An open partial file.
pub struct PartialFile<'a> {
    /// The archive that it is to become.
    pub id: &'a ArchiveId,
    path: PathBuf,
    file: File,
}

impl<'a> PartialFile<'a> {
    /// Opens the file, with what it holds already.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: PathBuf, id: &'a ArchiveId) -> Result<PartialFile<'a>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(PartialFile { id, path, file })
    }

    /// Bytes that it holds.
    ///
    /// # Errors
    /// If the file system does not tell.
    pub fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.context("cannot read the partial download")?.len())
    }

    /// Drops all that is behind so many bytes.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn truncate(&self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length);
        cut.context("cannot empty the partial download")
    }

    /// Appends what `reader` yields, until that ends or the file has its size. The inner result is the
    /// reader's, for the caller to judge.
    ///
    /// # Errors
    /// If the file cannot be written, or bytes come too slowly.
    pub fn fill(
        &mut self,
        reader: impl Read,
        limits: &DownloadLimits,
        progress: &mut dyn FnMut(u64),
    ) -> Result<io::Result<()>, Failure> {
        let refused = "cannot write the partial download";
        let bytes = self.id.bytes;
        let mut have = self.length()?;
        let end = self.file.seek(SeekFrom::Start(have));
        end.context(refused)?;
        let mut reader = reader.take(bytes - have);
        let mut buffer = vec![0; 1 << 16];
        let mut pace = (Instant::now(), have);
        progress(have);
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(error)),
            };
            self.file.write_all(&buffer[..count]).context(refused)?;
            let before = have;
            have += count as u64;
            if have / REPORT_EVERY > before / REPORT_EVERY || have == bytes {
                progress(have);
            }
            let (since, then) = pace;
            if have < bytes && since.elapsed() >= limits.stall {
                let (came, least) = (have - then, limits.least);
                if came < least {
                    return Err(Failure::transient(anyhow!(
                        "only {came} bytes in {} s at byte {have} of {bytes} (expected {least})",
                        limits.stall.as_secs_f64()
                    )));
                }
                pace = (Instant::now(), have);
            }
        }
    }

    /// Reads the file back and compares its digest; `kind` is what its server calls it. A file with
    /// another digest is emptied.
    ///
    /// # Errors
    /// If the digest is another one, which is the place's fault, or the file cannot be read.
    pub fn verify(&mut self, kind: &str) -> Result<(), Failure> {
        let rewound = self.file.rewind();
        let found = rewound
            .and_then(|()| sha256::of_reader(&self.file))
            .context("cannot read the partial download")?;
        let ArchiveId { bytes, sha256 } = self.id;
        if found.eq_ignore_ascii_case(sha256) {
            return Ok(());
        }
        self.truncate(0)?;
        Err(Failure::Place(anyhow!(
            "wrong digest: expected sha256 {sha256}, found {found}, for {bytes} bytes{kind}"
        )))
    }

    /// Gives the file its name, which is on the same file system.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn put(self, target: &Path) -> Result<()> {
        let moved = fs::rename(&self.path, target);
        moved.with_context(|| format!("cannot write {}", target.display()))
    }

    /// Removes the file.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).context("cannot remove the partial download")
    }
}
