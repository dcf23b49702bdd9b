//! Names and texts in the file: well formed, known, and each standing there once.
//!
//! Unaware of what they are names of.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::complaint::{Checked, Wrong, wrong};
use super::place::Place;
use crate::error::unknown;

/// A name that becomes a part of a path: that of a model or a profile.
pub fn file_name(name: &str, place: &Place) -> Checked<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.len() <= 100;
    match fits {
        true => Ok(()),
        false => wrong(
            place,
            format!("expected a name of letters, digits, `-`, `_` and `.`, found {name:?}"),
        ),
    }
}

/// A text that people read: one line, of letters that can be seen.
pub fn text(what: &str, text: &str, place: &Place) -> Checked<()> {
    let expected = if text.trim().is_empty() {
        ""
    } else if text.trim() != text {
        " without blanks around it"
    } else if text.chars().any(is_unseen) {
        " in one line, without control characters"
    } else {
        return Ok(());
    };
    wrong(place, format!("expected {what}{expected}, found {text:?}"))
}

/// Whether a letter is a control character, ends a line, or turns the direction of writing.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2066}'..='\u{2069}')
}

/// A name that must be a key of `known`.
pub fn known<V>(what: &str, name: &str, place: &Place, known: &BTreeMap<String, V>) -> Checked<()> {
    match known.contains_key(name) {
        true => Ok(()),
        false => wrong(place, unknown(what, name, known.keys().map(String::as_str))),
    }
}

/// Names that must be keys of `known`, each once.
pub fn all_known<V>(
    what: &str,
    names: &[String],
    place: &Place,
    known: &BTreeMap<String, V>,
) -> Checked<()> {
    for (index, name) in names.iter().enumerate() {
        self::known(what, name, &place.at(index), known)?;
    }
    distinct(what, names, place)
}

/// Values of which each stands there once.
pub fn distinct<T: Ord + Debug>(what: &str, values: &[T], place: &Place) -> Checked<()> {
    let mut seen = BTreeMap::new();
    for (index, value) in values.iter().enumerate() {
        if let Some(first) = seen.insert(value, index) {
            return Err(Wrong {
                first: Some(place.at(first)),
                ..Wrong::new(
                    &place.at(index),
                    format!("{what} {value:?} stands here twice"),
                )
            });
        }
    }
    Ok(())
}
