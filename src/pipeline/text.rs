//! The text of a pipeline file, byte for byte, if it is one that can be read.
//!
//! Unaware of what stands in it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Result, anyhow, bail, ensure};

/// Longest pipeline file, in bytes: a hundred times ours. What is read takes half a megabyte and 60
/// bytes for each of the file's own, so that memory is bounded for any file.
const LONGEST: u64 = 1 << 20;

/// A file's text.
pub fn of_file(path: &Path) -> Result<String> {
    // Before it is opened, which would wait for someone to write into a pipe.
    ensure!(
        path.metadata()?.is_file(),
        "it is no regular file but a folder, a pipe or a device"
    );
    let mut bytes = Vec::new();
    // One byte more than allowed, whatever the file says of its length.
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 <= LONGEST,
        "it has more than {LONGEST} bytes: expected a pipeline"
    );
    // Also without the mark in front: no RON has a zero byte.
    let wide = [[0xff, 0xfe], [0xfe, 0xff]]
        .iter()
        .any(|mark| bytes.starts_with(mark));
    if wide || bytes.iter().take(4).any(|&byte| byte == 0) {
        bail!("it is in UTF-16 or another encoding with several bytes a letter: save it as UTF-8");
    }
    String::from_utf8(bytes).map_err(|error| {
        let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = read.iter().filter(|&&byte| byte == b'\n').count() + 1;
        anyhow!("line {line} is not in UTF-8: save the file as UTF-8")
    })
}
