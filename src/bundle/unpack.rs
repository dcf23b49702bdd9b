//! Unpacks a bundle that somebody has sent: everything in it is held against its first file, and that
//! against the one way in which fig6 writes bundles. So there is no link, device or path to be careful
//! about: what is not the next expected file is refused before a byte of it is written.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::bufread::GzDecoder;
use tar::{EntryType, Header};

use super::contents::{Contents, FILE, GZIP, LONGEST, header, padding};
use store::key::Digest;

/// Unpacks a bundle into a folder that does not exist yet or is empty; where that fails, nothing is left
/// in it. `stop` is looked at between pieces of at most 64 KiB.
///
/// # Errors
/// If the bundle cannot be read, is cut short or was altered, the folder cannot be written, or `stop` is
/// set.
pub fn unpack(bundle: &Path, into: &Path, stop: &AtomicBool) -> Result<Contents> {
    let parent = into
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let cannot = || format!("cannot unpack into {}", into.display());
    fs::create_dir_all(parent).with_context(cannot)?;
    let place = tempfile::Builder::new()
        .prefix(".unpacked")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .with_context(cannot)?;
    let contents = read(bundle, place.path(), stop)
        .with_context(|| format!("{} is no whole bundle of fig6", bundle.display()))?;
    // Over an empty folder, but over nothing else.
    fs::rename(place.path(), into).with_context(cannot)?;
    // It is not where it was, so there is nothing left to remove.
    let _ = place.keep();
    Ok(contents)
}

/// What an archive unpacks to, as long as nobody wants to stop.
struct Unpacked<'a, R> {
    archive: R,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stop.load(Ordering::Relaxed) {
            // Not as of the kind `Interrupted`, after which reading goes on.
            true => Err(io::Error::other("stopped")),
            false => self.archive.read(buffer),
        }
    }
}

fn read(bundle: &Path, folder: &Path, stop: &AtomicBool) -> Result<Contents> {
    ensure!(bundle.metadata()?.is_file(), "it is no regular file");
    let mut file = BufReader::with_capacity(1 << 20, File::open(bundle)?);
    let size = file.get_ref().metadata()?.len();
    let start = file.fill_buf()?;
    let begins = start.iter().zip(&GZIP).all(|(one, two)| one == two);
    ensure!(
        begins && start.len() >= GZIP.len(),
        "it does not begin as one"
    );
    let archive = GzDecoder::new(file);
    let mut archive = Unpacked { archive, stop };
    let contents = first(&mut archive, folder)?;
    contents.expect_to_fit(size)?;
    for file in &contents.files {
        let name = &file.path;
        let mut found = [0; 512];
        fill(&mut archive, &mut found, name)?;
        let expected = header(name, file.bytes, file.is_read_only())?;
        if found != *expected.as_bytes() {
            bail!("where {name} should begin is {}", describe(&found));
        }
        let path = folder.join(name);
        let digest = write(&mut archive, &path, file.bytes, name)?;
        ensure!(digest == file.blake3, "{name} was altered");
        if file.is_read_only() {
            let mut permissions = path.metadata()?.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(&path, permissions)?;
        }
    }
    let mut end = [1; 1024];
    fill(&mut archive, &mut end, "its end")?;
    if end != [0; 1024] {
        bail!("where it should end is {}", describe(&end));
    }
    let more = archive.read(&mut [0]);
    // Reading on to the end is what compares the checksum of all bytes.
    let more = more.context("it is cut short or altered at its end")?;
    ensure!(more == 0, "it goes on after its end");
    let mut file = archive.archive.into_inner();
    let more = file.read(&mut [0])?;
    ensure!(more == 0, "it goes on after its end");
    Ok(contents)
}

/// Reads and unpacks the file of contents.
fn first(archive: &mut impl Read, folder: &Path) -> Result<Contents> {
    let mut found = [0; 512];
    fill(archive, &mut found, FILE)?;
    let size = Header::from_byte_slice(&found).size().unwrap_or(u64::MAX);
    let expected = header(FILE, size.min(LONGEST), false)?;
    if found != *expected.as_bytes() {
        bail!("where {FILE} should begin is {}", describe(&found));
    }
    write(archive, &folder.join(FILE), size, FILE)?;
    Contents::parse(&fs::read(folder.join(FILE))?)
}

/// Writes the next so many bytes to a new file, and returns their digest.
fn write(archive: &mut impl Read, path: &Path, bytes: u64, name: &str) -> Result<Digest> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let mut file = File::create_new(path).with_context(cannot)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(buffer.len() as u64) as usize;
        let piece = &mut buffer[..piece];
        fill(archive, piece, name)?;
        hasher.update(piece);
        file.write_all(piece).with_context(cannot)?;
        left -= piece.len() as u64;
    }
    let mut rest = [0; 512];
    let rest = &mut rest[..padding(bytes)];
    fill(archive, rest, name)?;
    ensure!(rest.iter().all(|&byte| byte == 0), "{name} was altered");
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

fn fill(archive: &mut impl Read, buffer: &mut [u8], name: &str) -> Result<()> {
    archive
        .read_exact(buffer)
        .with_context(|| format!("it is cut short or altered at {name}"))
}

/// What the header of something says that is not expected.
fn describe(found: &[u8]) -> String {
    let header = Header::from_byte_slice(&found[..512]);
    if found[..512].iter().all(|&byte| byte == 0) {
        return "the archive's end".to_owned();
    }
    let path = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    let kind = match header.entry_type() {
        EntryType::Regular => "a file",
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Directory => "a folder",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device",
        _ => "something else",
    };
    format!("{kind} named {path:?} that is not as fig6 writes it")
}
