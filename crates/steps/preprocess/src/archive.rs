//! Reads the members of an untrusted tar, gzip'd or not, into memory.
//! Nothing is ever unpacked to disk; even so, members that would lead out of their folder and
//! those that are no plain files are refused, since an archive that has them is not what it
//! should be.
//!
//! Unaware of what members mean.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _};
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

/// How much an archive may unpack to. This bounds memory as well: a data set takes what is wanted of
/// its files and once more the images made of them, three times `total` while those grow.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// Bytes in all, the tar's own included.
    pub total: u64,
    /// Bytes of one member.
    pub member: u64,
    /// Number of members: a small one may hold a large image, so bytes alone bound too little.
    pub members: u64,
}

impl Default for ArchiveLimits {
    /// CIFAR-10 unpacks to 184 MB, in 60,000 members at most or in one at least.
    fn default() -> ArchiveLimits {
        ArchiveLimits {
            total: 2 << 30,
            member: 512 << 20,
            members: 200_000,
        }
    }
}

/// What an archive or a folder holds that is wanted.
#[derive(Default)]
pub struct Contents {
    pub files: Vec<Content>,
    /// Paths of folders, whatever is in them.
    pub folders: Vec<String>,
}

/// A file that was read.
pub struct Content {
    /// Relative, with `/` between its parts.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Bytes that may stand between two members: the next one's header, with any long name.
const HEADERS: u64 = 1 << 20;
/// Longest path of a member, in bytes: the longest that Linux takes.
const PATH: usize = 4096;
/// How often progress goes out, in members.
const REPORT_EVERY: u64 = 1000;

/// Whether a file starts as a gzip or a tar does.
///
/// # Errors
/// If it cannot be read.
pub fn is_one(path: &Path) -> io::Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    let head = file.fill_buf()?;
    Ok(is_gzip(head) || is_tar(head))
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Reads all folders and those files that `keep` chooses by their path, in the archive's order. Paths
/// have no empty components and no `.`. `progress` is told bytes of the archive read and bytes in all.
///
/// # Errors
/// If the file is neither a gzip'd tar nor a tar, or is cut short or damaged; if a member has an
/// absolute path or one of more than 4 KiB, leads outside, is a link or a device; if a limit is passed.
pub fn read(
    path: &Path,
    limits: ArchiveLimits,
    keep: &dyn Fn(&str) -> bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Contents> {
    let file = File::open(path).context("cannot open it")?;
    let size = file.metadata().context("cannot read it")?.len();
    let mut packed = BufReader::with_capacity(1 << 17, &file);
    let head = packed.fill_buf().context("cannot read it")?;
    let unpacked: Box<dyn Read + '_> = if is_gzip(head) {
        Box::new(MultiGzDecoder::new(packed))
    } else if is_tar(head) {
        Box::new(packed)
    } else {
        bail!(
            "expected a tar, gzip'd or not, and found a file that starts with \"{}\"",
            head[..head.len().min(16)].escape_ascii()
        );
    };
    let meter = Meter::new(limits.total);
    let mut archive = Archive::new(Metered {
        inner: unpacked,
        meter: &meter,
    });

    let mut contents = Contents::default();
    let mut last = String::from("its beginning");
    let mut entries = archive.entries().context("cannot read it")?;
    for number in 1.. {
        meter.allowance.set(HEADERS);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| meter.explain(error, &format!("beyond {last}")))?;
        meter.allowance.set(u64::MAX);
        last = take(&mut entry, limits, keep, &mut contents, &meter)?;
        ensure!(
            number <= limits.members,
            "holds more than {} members, {last} and further: expected a data set of less",
            limits.members
        );
        if number % REPORT_EVERY == 0 {
            progress((&file).stream_position().context("cannot read it")?, size);
        }
    }
    // The tar reader takes the end of the file for the end of the archive; only the block of
    // zeros that ends every tar shows that nothing is missing.
    ensure!(
        meter.zeros.get() >= 512,
        "ends after {last} without the mark that ends a tar: it was cut short"
    );
    // To the end of the gzip stream, where its checksum stands.
    meter.allowance.set(u64::MAX);
    io::copy(&mut archive.into_inner(), &mut io::sink())
        .map_err(|error| meter.explain(error, &format!("beyond {last}")))?;
    progress(size, size);
    Ok(contents)
}

/// Checks a member and takes it in if it is wanted; returns its path.
fn take(
    entry: &mut Entry<'_, impl Read>,
    limits: ArchiveLimits,
    keep: &dyn Fn(&str) -> bool,
    contents: &mut Contents,
    meter: &Meter,
) -> Result<String> {
    let kind = entry.header().entry_type();
    let path = match kind {
        // Belongs to no member (git writes one).
        EntryType::XGlobalHeader => String::from("a global header"),
        _ => safe(&entry.path_bytes())?,
    };
    let stranger = match kind {
        EntryType::Regular | EntryType::Continuous => None,
        EntryType::Directory | EntryType::XGlobalHeader => None,
        EntryType::Symlink | EntryType::Link => Some("a link"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Some("a device"),
        _ => Some("of a kind that no data set needs"),
    };
    if let Some(stranger) = stranger {
        bail!("{path} is {stranger}: expected files and folders only");
    }
    let size = entry.size();
    ensure!(
        size <= limits.member,
        "{path} unpacks to {size} bytes: expected at most {} for one member",
        limits.member
    );
    let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
    let wanted = is_file && keep(&path);
    let mut bytes = Vec::new();
    let count = match wanted {
        true => entry.read_to_end(&mut bytes).map(|count| count as u64),
        false => io::copy(entry, &mut io::sink()),
    };
    let count = count.map_err(|error| meter.explain(error, &format!("in {path}")))?;
    ensure!(
        count == size,
        "{path} has {count} of its {size} bytes: the archive was cut short"
    );
    if wanted {
        let path = path.clone();
        contents.files.push(Content { path, bytes });
    } else if kind == EntryType::Directory {
        contents.folders.push(path.clone());
    }
    Ok(path)
}

/// A member's path without empty components and `.`.
fn safe(bytes: &[u8]) -> Result<String> {
    // In a message there is no room for more.
    let shown = bytes[..bytes.len().min(200)].escape_ascii();
    ensure!(
        bytes.len() <= PATH,
        "the member \"{shown}…\" has a name of {} bytes: expected at most {PATH}",
        bytes.len()
    );
    let path = std::str::from_utf8(bytes)
        .map_err(|_| anyhow!("the member \"{shown}\" has a name that is not UTF-8"))?;
    // macOS's `Icon\r` is the one name of this kind that is seen in good archives.
    ensure!(
        !path.trim_end_matches('\r').contains(char::is_control),
        "the member \"{shown}\" has a name with control characters: expected letters"
    );
    ensure!(
        !path.starts_with('/'),
        "the member \"{shown}\" has an absolute path: expected one inside the archive"
    );
    let mut parts = Vec::new();
    for part in path.split('/') {
        ensure!(
            part != "..",
            "the member \"{shown}\" leads outside the archive: expected a path without \"..\""
        );
        if !part.is_empty() && part != "." {
            parts.push(part);
        }
    }
    Ok(parts.join("/"))
}

/// What was read of the unpacked stream, and how much more may be.
struct Meter {
    total: u64,
    left: Cell<u64>,
    allowance: Cell<u64>,
    /// Zero bytes at the end of what was read.
    zeros: Cell<u64>,
    exceeded: Cell<bool>,
}

impl Meter {
    fn new(total: u64) -> Meter {
        Meter {
            total,
            left: Cell::new(total),
            allowance: Cell::new(HEADERS),
            zeros: Cell::new(0),
            exceeded: Cell::new(false),
        }
    }

    /// What a failed read means.
    fn explain(&self, error: io::Error, place: &str) -> Error {
        if !self.exceeded.get() {
            return Error::new(error).context(format!(
                "cannot be read {place}: it was cut short, is damaged, or is no tar"
            ));
        }
        if self.left.get() == 0 {
            return anyhow!(
                "unpacks to more than {} bytes, {place}: expected a data set of less",
                self.total
            );
        }
        anyhow!("has more than {HEADERS} bytes of names and headers {place}: expected less")
    }
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let meter = self.meter;
        let room = meter.left.get().min(meter.allowance.get());
        if room == 0 && !buffer.is_empty() {
            meter.exceeded.set(true);
            return Err(io::Error::other("too much data"));
        }
        let most = usize::try_from(room).map_or(buffer.len(), |room| room.min(buffer.len()));
        let count = self.inner.read(&mut buffer[..most])?;
        let read = &buffer[..count];
        meter.left.set(meter.left.get() - count as u64);
        meter.allowance.set(meter.allowance.get() - count as u64);
        let zeros = read.iter().rev().take_while(|&&byte| byte == 0).count();
        let before = if zeros == count { meter.zeros.get() } else { 0 };
        meter.zeros.set(before + zeros as u64);
        Ok(count)
    }
}
