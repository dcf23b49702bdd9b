//! What is wrong with a pipeline file, in words: file, line, column, what was expected, and what stands
//! there, as it is written.
//!
//! Unaware of what may stand in the file.

use ron::error::{Error, Position, SpannedError};

use super::place::Place;
use crate::error::{Invalid, nearest};

/// A value, or what is wrong and where.
pub type Checked<T> = Result<T, Wrong>;

/// Something in the file that cannot be, and where.
#[derive(Debug)]
pub struct Wrong {
    pub place: Place,
    pub message: String,
    /// A number that the message is about, if it was read from the file: to be shown as it is written
    /// there, like this if it is not found.
    pub found: Option<String>,
    /// Where the value stands that this one repeats.
    pub first: Option<Place>,
}

/// Refuses the value at a place.
pub fn wrong<T>(place: &Place, message: impl Into<String>) -> Checked<T> {
    Err(Wrong::new(place, message))
}

/// Refuses the number at a place, which is not what was expected.
pub fn out_of_range<T>(
    place: &Place,
    expected: impl Into<String>,
    found: impl ToString,
) -> Checked<T> {
    Err(Wrong {
        found: Some(found.to_string()),
        ..Wrong::new(place, expected)
    })
}

/// Refuses a number that does not fit its range, or is not finite.
pub fn within(place: &Place, value: f64, fits: bool, expected: &str) -> Checked<()> {
    match (value.is_finite(), fits) {
        (true, true) => Ok(()),
        (true, false) => out_of_range(place, format!("expected {expected}"), value),
        (false, _) => out_of_range(place, format!("expected a finite number {expected}"), value),
    }
}

impl Wrong {
    pub fn new(place: &Place, message: impl Into<String>) -> Wrong {
        Wrong {
            place: place.clone(),
            message: message.into(),
            found: None,
            first: None,
        }
    }

    /// The error for the user; `name` is the file's.
    pub fn into_invalid(self, name: &str, text: &str) -> Invalid {
        let place = place_of(name, text, &self.place);
        let mut message = format!("{place}: {}", self.message);
        if let Some(found) = self.found {
            let position = self.place.find(text);
            let written = position.and_then(|position| number_at(text, position));
            let found = written.map_or(&*found, |(_, written)| written);
            message += &format!(", found {found}");
        }
        if let Some(first) = self.first {
            message += &format!(", first at {}", place_of(name, text, &first));
        }
        Invalid::new(message)
    }
}

/// An error of RON itself, with the place, the offending text and the nearest known name.
pub fn syntax(name: &str, text: &str, error: &SpannedError) -> Invalid {
    let place = skip_space(text, error.span.start);
    let hint = match &error.code {
        Error::NoSuchStructField {
            expected, found, ..
        }
        | Error::NoSuchEnumVariant {
            expected, found, ..
        } => nearest(found, expected.iter().copied())
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default(),
        // Says it itself.
        Error::Message(message) if message.contains("found") => String::new(),
        code => {
            if let Some((start, number)) = number_at(text, place)
                && let Some(expected) = expected_instead(code, number, start != place)
            {
                let place = at(name, start);
                return Invalid::new(format!("{place}: expected {expected}, found {number}"));
            }
            found_at(text, place)
                .map(|token| format!(", found `{token}`"))
                .unwrap_or_default()
        }
    };
    Invalid::new(format!("{}: {}{hint}", at(name, place), error.code))
}

/// What should stand in place of a number that RON could not read, if that is what is wrong. RON reads
/// the beginning of some and stumbles over the rest.
fn expected_instead(code: &Error, number: &str, within: bool) -> Option<&'static str> {
    const WHOLE: &str = "a whole number";
    match code {
        Error::IntegerOutOfBounds if number.starts_with('-') => Some("a whole number, at least 0"),
        Error::IntegerOutOfBounds => Some(match whole(number) {
            // Where this is too large, the field has 32 bits.
            Some(value) if value <= u64::MAX.into() => "a whole number up to 4294967295",
            _ => "a whole number up to 18446744073709551615",
        }),
        Error::InvalidIntegerDigit { .. } | Error::ExpectedInteger => Some(WHOLE),
        Error::ExpectedComma if within && number.parse::<f64>().is_ok() => Some(WHOLE),
        Error::ExpectedComma if within => Some("a number"),
        _ => None,
    }
}

/// A whole number as RON writes it.
fn whole(number: &str) -> Option<u128> {
    let digits = number.trim_start_matches('+').replace('_', "");
    let prefixed = |prefix: &str, radix| {
        let digits = digits.strip_prefix(prefix)?;
        u128::from_str_radix(digits, radix).ok()
    };
    prefixed("0x", 16)
        .or_else(|| prefixed("0o", 8))
        .or_else(|| prefixed("0b", 2))
        .or_else(|| digits.parse().ok())
}

/// The number that stands at a position or around it, and where it begins.
fn number_at(text: &str, position: Position) -> Option<(Position, &str)> {
    let line = line_of(text, position)?;
    let column = position.col.checked_sub(1)?;
    let at = line.char_indices().nth(column)?.0;
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_.+-".contains(letter);
    let before = line[..at]
        .chars()
        .rev()
        .take_while(|&letter| is_part(letter));
    let before: usize = before.count();
    let after: usize = line[at..]
        .chars()
        .take_while(|&letter| is_part(letter))
        .count();
    // Letters of a number have one byte each.
    let number = &line[at - before..at + after];
    let start = Position {
        line: position.line,
        col: position.col - before,
    };
    let digits = number.trim_start_matches(['+', '-', '.']);
    let is_number = digits.starts_with(|letter: char| letter.is_ascii_digit())
        || ["inf", "NaN"].contains(&digits);
    is_number.then_some((start, number))
}

/// RON reports where it stood before it skipped the space in front of a value; this is where the
/// value itself begins, if that is on the same line.
fn skip_space(text: &str, mut position: Position) -> Position {
    let line = line_of(text, position).unwrap_or_default();
    let rest = line.chars().skip(position.col.saturating_sub(1));
    let space = rest.take_while(|c| c.is_whitespace()).count();
    if position.col.saturating_sub(1) + space < line.chars().count() {
        position.col += space;
    }
    position
}

fn line_of(text: &str, position: Position) -> Option<&str> {
    text.lines().nth(position.line.checked_sub(1)?)
}

/// The text that stands at a position, up to the next delimiter.
fn found_at(text: &str, position: Position) -> Option<&str> {
    let line = line_of(text, position)?;
    let start = line.char_indices().nth(position.col.checked_sub(1)?)?.0;
    let token = line[start..]
        .split([',', ')', ']', '}', '\n'])
        .next()?
        .trim();
    (!token.is_empty()).then_some(token)
}

/// A name that stands twice in one map, with both places, if that is what is wrong.
pub fn repeated(name: &str, text: &str) -> Option<Invalid> {
    let (place, second) = Place::repeated(text)?;
    let repeated = place.last()?;
    let (first, second) = (place_of(name, text, &place), at(name, second));
    Some(Invalid::new(format!(
        "{second}: {repeated} stands here twice, first at {first}"
    )))
}

/// File, line and column of the value at a place.
fn place_of(name: &str, text: &str, place: &Place) -> String {
    let found = place.find_nearest(text);
    found.map_or_else(|| name.to_owned(), |found| at(name, found))
}

/// File, line and column.
fn at(name: &str, position: Position) -> String {
    format!("{name}:{}:{}", position.line, position.col)
}
