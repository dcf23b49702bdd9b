//! Texts: that of the whole pipeline file, and those in it which figures, tables and messages show.
//!
//! Unaware of what they are about.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Result, anyhow, bail, ensure};

use super::check::{Checked, wrong};
use super::locate::Segment;

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

/// A text that people read: one line, of letters that can be seen.
pub(super) fn check(what: &str, text: &str, place: &[Segment]) -> Checked<()> {
    if text.trim().is_empty() {
        return wrong(place, format!("expected {what}, found {text:?}"));
    }
    if text.trim() != text {
        return wrong(
            place,
            format!("expected {what} without blanks around it, found {text:?}"),
        );
    }
    if text.chars().any(is_unseen) {
        return wrong(
            place,
            format!("expected {what} in one line, without control characters, found {text:?}"),
        );
    }
    Ok(())
}

/// Whether a letter is a control character, ends a line, or turns the direction of writing.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2066}'..='\u{2069}')
}
