//! `bundle.json`, the first file of a bundle: what else is in it, and what is not.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use tar::{EntryType, Header};

use crate::report::files::is_plain;
use store::key::Digest;

/// The file's name.
pub const FILE: &str = "bundle.json";

/// Longest file of contents that is read, in bytes.
pub(super) const LONGEST: u64 = 64 << 20;

/// What stands in each bundle of this version.
const TYPE: &str = "fig6 bundle";
const VERSION: u32 = 1;

/// The most that deflate can make of a byte.
const EXPANSION: u64 = 1032;

/// What is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    /// The profile whose report it is.
    pub profile: String,
    /// Sorted by path.
    pub files: Vec<Packed>,
    /// Outputs of steps that are too large: the images.
    pub left_out: Vec<LeftOut>,
}

/// A file in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// From the bundle's root, with `/` between names.
    pub path: String,
    pub bytes: u64,
    pub blake3: Digest,
}

/// An output that was left out of a bundle on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The step that made it.
    pub step: String,
    /// How that step calls it.
    pub output: String,
    pub bytes: u64,
    pub blake3: Digest,
}

/// The file around it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    /// BLAKE3 of the contents' JSON on one line.
    checksum: Digest,
    contents: Contents,
}

impl Contents {
    pub(super) fn new(
        profile: &str,
        mut files: Vec<Packed>,
        mut left_out: Vec<LeftOut>,
    ) -> Contents {
        files.sort_by(|one, two| one.path.cmp(&two.path));
        // What also stands in the bundle as something else is not missing from it.
        let is_packed = |digest: &Digest| files.iter().any(|file| file.blake3 == *digest);
        left_out.retain(|output| !is_packed(&output.blake3));
        Contents {
            kind: TYPE.to_owned(),
            version: VERSION,
            profile: profile.to_owned(),
            files,
            left_out,
        }
    }

    /// What a folder holds that a bundle was unpacked into; `None` for any other folder.
    ///
    /// # Errors
    /// If it cannot be read, or was altered.
    pub fn read(folder: &Path) -> Result<Option<Contents>> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let contents = Contents::parse(&bytes);
                contents
                    .map(Some)
                    .with_context(|| path.display().to_string())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Whether a content was left out of the bundle on purpose, and what it is.
    pub fn left_out(&self, content: &Digest) -> Option<&LeftOut> {
        let mut left_out = self.left_out.iter();
        left_out.find(|output| output.blake3 == *content)
    }

    /// All bytes of the files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.bytes);
        sizes.fold(0, u64::saturating_add)
    }

    pub(super) fn text(&self) -> Result<String> {
        let sealed = Sealed {
            checksum: self.checksum()?,
            contents: self.clone(),
        };
        Ok(serde_json::to_string_pretty(&sealed)? + "\n")
    }

    /// Parses the file and checks that it names nothing that could lead out of a folder.
    pub(super) fn parse(bytes: &[u8]) -> Result<Contents> {
        let sealed: Sealed =
            serde_json::from_slice(bytes).with_context(|| format!("{FILE} is altered"))?;
        let Sealed { checksum, contents } = sealed;
        let (kind, version) = (&contents.kind, contents.version);
        ensure!(
            kind == TYPE && version == VERSION,
            "{FILE} is of type {kind:?} in version {version}, and this fig6 reads {TYPE:?} in version \
             {VERSION}"
        );
        ensure!(contents.checksum()? == checksum, "{FILE} is altered");
        ensure!(is_plain(&contents.profile), "its profile has no name");
        ensure!(!contents.files.is_empty(), "it is empty");
        for pair in contents.files.windows(2) {
            let (one, two) = (&pair[0].path, &pair[1].path);
            ensure!(one < two, "{FILE} names {two:?} twice or not in order");
        }
        for file in &contents.files {
            file.expect_inside()?;
        }
        // A digest in capitals means the same, and is not how it was written.
        ensure!(contents.text()?.as_bytes() == bytes, "{FILE} is altered");
        Ok(contents)
    }

    /// Makes sure that an archive of so many bytes can hold what it says it does.
    pub(super) fn expect_to_fit(&self, archive: u64) -> Result<()> {
        let most = archive.saturating_mul(EXPANSION);
        let bytes = self.bytes();
        ensure!(
            bytes <= most,
            "{FILE} names {bytes} bytes, more than fit in {archive} bytes of archive"
        );
        Ok(())
    }

    fn checksum(&self) -> Result<Digest> {
        Ok(Digest::of(serde_json::to_string(self)?.as_bytes()))
    }
}

impl Packed {
    /// Makes sure that the path is below the folder that a bundle is unpacked into, in one of the places
    /// that a bundle has.
    pub(super) fn expect_inside(&self) -> Result<()> {
        let path = &self.path;
        let mut names = path.split('/');
        let known = match names.next() {
            Some("pipeline.ron") => path == "pipeline.ron",
            Some("artifacts" | "reports") => path.contains('/'),
            _ => false,
        };
        ensure!(
            known && path.split('/').all(is_plain),
            "{path:?} is no place in a bundle"
        );
        Ok(())
    }

    /// Whether it is a file that nobody may write to.
    pub(super) fn is_read_only(&self) -> bool {
        let folders = ["artifacts/objects/", "artifacts/logs/"];
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// The only header that a file with this path and size has in a bundle.
///
/// # Errors
/// If the path is too long.
pub(super) fn header(path: &str, bytes: u64, read_only: bool) -> Result<Header> {
    let mut header = Header::new_ustar();
    header
        .set_path(path)
        .with_context(|| format!("{path} is too long a name for a bundle"))?;
    header.set_size(bytes);
    header.set_mode(if read_only { 0o444 } else { 0o644 });
    header.set_entry_type(EntryType::Regular);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Whether a file that begins with these bytes is a bundle, of whichever version, whole or not.
pub fn begins_as_bundle(beginning: &[u8]) -> bool {
    // The header of the first file, and what that file begins with.
    let mut start = Vec::new();
    let mut archive = GzDecoder::new(beginning).take(1024);
    // Where the bytes end too early, what came before the error counts.
    let _ = archive.read_to_end(&mut start);
    let name = format!("{FILE}\0");
    let kind = format!("\"type\": \"{TYPE}\"");
    let holds = |text: &str| {
        start
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    start.starts_with(name.as_bytes()) && holds(&kind)
}

/// Bytes that a file is filled up with to whole blocks.
pub(super) fn padding(bytes: u64) -> usize {
    (bytes.wrapping_neg() % 512) as usize
}

/// What a gzip file begins with that fig6 has written: no name, no time, no system.
pub(super) const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
