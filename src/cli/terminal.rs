//! What stands between a text and a terminal: colours of our own, and nothing else that a terminal would
//! obey. Names in archives and weights, answers of servers and texts of files may hold anything.
//!
//! Unaware of what is said.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

/// A colour or weight, as terminals count them.
#[derive(Clone, Copy)]
pub enum Paint {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

/// Marks our own colours. It is drawn anew in each process, so no text from outside can have it.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("\u{1b}[{};", RandomState::new().hash_one("fig6")));

/// A text in a colour, where standard output shows colours.
pub fn paint(paint: Paint, text: &str) -> String {
    painted(paint, text, console::colors_enabled())
}

/// A text in a colour, where standard error shows colours.
pub fn paint_stderr(paint: Paint, text: &str) -> String {
    painted(paint, text, console::colors_enabled_stderr())
}

fn painted(paint: Paint, text: &str, enabled: bool) -> String {
    match enabled {
        true => format!("{mark}{}m{text}{mark}0m", paint as u8, mark = *MARK),
        false => text.to_owned(),
    }
}

/// A text as a terminal may get it: with the colours that [`paint`] gave it, and with all other control
/// characters, but for line ends and tabs, in a form that can be read. It is that of JSON, so that JSON
/// stays what it is.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_obeyed) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(colour) = rest.strip_prefix(MARK.as_str()) {
            shown.push_str("\u{1b}[");
            rest = colour;
            continue;
        }
        let letter = rest.chars().next().unwrap_or_default();
        let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        rest = &rest[letter.len_utf8()..];
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// As [`shown`], with every further line set in, so that none passes for a line of its own.
pub fn shown_as_one(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut one = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let indent = if line.starts_with(' ') { "" } else { "  " };
        let _ = write!(one, "\n{indent}{line}");
    }
    shown(&one).into_owned()
}

/// Whether a terminal does something else with a letter than to show it in its place.
fn is_obeyed(letter: char) -> bool {
    (letter.is_control() && !matches!(letter, '\n' | '\t'))
        || matches!(letter, '\u{2028}' | '\u{2029}')
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters_from_outside() {
        let hostile = "a\u{1b}[31mred\u{7}\r\u{8}\u{9b}2J\u{7f}\u{202e}b\tc\n\u{1b}]0;title\u{7}";
        let expected = concat!(
            r"a\u001b[31mred\u0007\u000d\u0008\u009b2J\u007f\u202eb",
            "\tc\n",
            r"\u001b]0;title\u0007"
        );
        assert_eq!(shown(hostile), expected);
        let plain = "±1 % – größer, 12 × 8\n\tend";
        assert!(matches!(shown(plain), Cow::Borrowed(text) if text == plain));
    }

    #[test]
    fn colours_of_our_own_pass_beside_those_of_others() {
        let line = painted(Paint::Red, "error:", true) + " \u{1b}[32mdone\u{1b}[0m";
        assert_eq!(
            shown(&line),
            "\u{1b}[31merror:\u{1b}[0m \\u001b[32mdone\\u001b[0m"
        );
        assert_eq!(shown(&painted(Paint::Red, "error:", false)), "error:");
    }

    #[test]
    fn json_stays_json() {
        let text = "\u{1b}[31m \u{9b} \u{7f} \u{202e} \"\\ ä";
        let json = serde_json::to_string(text).unwrap();
        let shown = shown(&json).into_owned();
        assert!(!shown.contains(is_obeyed), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn no_line_of_a_text_passes_for_another_one() {
        let forged = "no such file\nok lock: all is well\n  listed";
        let expected = "no such file\n  ok lock: all is well\n  listed";
        assert_eq!(shown_as_one(forged), expected);
    }
}
