//! The zip archives in which PyTorch saves, before they are given to the reader: whether they are
//! in bounds, and as a copy where the reader cannot read them as they are.
//!
//! Unaware of tensors.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::NamedTempFile;

use super::pickle::Scan;

/// Largest file, and largest sum of what a zip archive says that its entries hold. The deepest
/// net (n = 1000) takes 390 MB, and four times as much with what an optimizer keeps of it.
pub const MAX_FILE: u64 = 2 << 30;

/// Most entries of a zip archive: each costs a few hundred bytes as soon as it is opened.
const MAX_ENTRIES: usize = 100_000;

/// A copy that can be read, of an archive that cannot though it is sound. PyTorch writes the
/// archive's end twice, for old readers and for new ones, 76 bytes apart. The reader below trusts
/// the old end and takes the second header of the directory for its first if they lie as far
/// apart, which is so when the file was saved under a name of 21 characters. In the copy the old
/// end says nothing, so that the new one counts.
///
/// # Errors
/// If the archive has too many entries, or cannot be copied.
pub fn mend(mut file: &File) -> Result<Option<NamedTempFile>> {
    // The new end, where it is, and the old end, without a comment.
    const ENDS: i64 = 56 + 20 + 22;
    // Before anyone reads the directory, by the mark that every entry of it bears.
    ensure!(
        count(file, *b"PK\x01\x02")? <= MAX_ENTRIES,
        "it is a zip archive of more than {MAX_ENTRIES} entries"
    );
    file.rewind()?;
    let sound = zip::ZipArchive::new(BufReader::new(file)).is_ok();
    if sound || file.seek(SeekFrom::End(-ENDS)).is_err() {
        return Ok(None);
    }
    let mut ends = Vec::new();
    file.read_to_end(&mut ends)?;
    let marks = [(0, b"PK\x06\x06"), (56, b"PK\x06\x07"), (76, b"PK\x05\x06")];
    if !marks
        .iter()
        .all(|(at, mark)| ends.get(*at..).is_some_and(|end| end.starts_with(*mark)))
    {
        return Ok(None);
    }
    let mut copy = NamedTempFile::new().context("cannot make a temporary file")?;
    file.rewind()?;
    std::io::copy(&mut file, copy.as_file_mut())?;
    // Two counts of entries, the directory's size and place: all ones refer to the new end.
    copy.seek(SeekFrom::End(-22 + 8))?;
    copy.write_all(&[0xff; 12])?;
    copy.flush()?;
    Ok(Some(copy))
}

/// What is in the pickle of an archive that unpacks to no more than a file may have.
///
/// # Errors
/// If it holds more when unpacked than a file may, not one pickle, or is damaged.
pub fn scan(file: &File) -> Result<Scan> {
    const BROKEN: &str = "it starts like a zip archive and was cut short or damaged";
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).context(BROKEN)?;
    let mut size: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).context(BROKEN)?;
        size = size.saturating_add(entry.size());
    }
    ensure!(
        size <= MAX_FILE,
        "it is a zip archive of {size} bytes when unpacked, above the limit of {MAX_FILE}"
    );
    let names = archive.file_names().collect::<Result<Vec<_>, _>>();
    let names = names.context(BROKEN)?;
    if let Some(way) = stranger(&names) {
        bail!("{way}");
    }
    let mut pickles = names.iter().filter(|name| name.ends_with("data.pkl"));
    // With a second one it would not be certain that the reader takes the one counted here.
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        bail!("it is a zip archive without exactly one data.pkl, so not a file of PyTorch");
    };
    let index = archive.index_for_name(pickle).context(BROKEN)?;
    drop(names);
    let mut scan = Scan::new();
    let entry = archive.by_index(index).context(BROKEN)?;
    scan.pickle(&mut BufReader::new(entry))?;
    Ok(scan)
}

/// What an archive is that holds more than weights or others', by its entries, and what to do.
fn stranger<S: AsRef<str>>(names: &[S]) -> Option<&'static str> {
    const TORCH_SCRIPT: &str = "it is a TorchScript archive, which holds a program: load it with \
        torch.jit.load, and save model.state_dict() with torch.save";
    const EXPORTED: &str = "it is a program that torch.export has saved: load it with \
        torch.export.load, and save program.state_dict with torch.save";
    const NUMPY: &str = "it is an archive of numpy's arrays: save them as a safetensors file";
    let has = |fits: &dyn Fn(&str) -> bool| names.iter().any(|name| fits(name.as_ref()));
    match () {
        () if has(&|name| name.ends_with("/constants.pkl") || name.contains("/code/")) => {
            Some(TORCH_SCRIPT)
        }
        () if has(&|name| {
            name.ends_with("serialized_exported_program.json")
                || name.ends_with("models/model.json")
        }) =>
        {
            Some(EXPORTED)
        }
        () if has(&|name| name.ends_with(".npy")) && !has(&|name| name.ends_with("data.pkl")) => {
            Some(NUMPY)
        }
        () => None,
    }
}

/// How often `mark` occurs.
fn count(mut file: &File, mark: [u8; 4]) -> Result<usize> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let (mut last, mut found) = ([0; 4], 0);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(found);
        }
        for &byte in bytes {
            last = [last[1], last[2], last[3], byte];
            found += usize::from(last == mark);
        }
        let used = bytes.len();
        reader.consume(used);
    }
}
