//! Finds marks in Markdown and HTML: comments `<!-- fig6: EXPRESSION -->` and `<!-- /fig6 -->`.
//!
//! In Markdown, what lies in code is text about marks. Code is found by the rules of CommonMark 0.31
//! (sections 4.5 and 6.1), but for indented code, which cannot be told from lists by lines alone.

use super::event::{Event, NAME};

const BEGIN: &str = "<!--";
const END: &str = "-->";

/// The marks of a text, in its order.
pub fn events(text: &str, markdown: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if markdown
            && (at == 0 || text[..at].ends_with('\n'))
            && let Some(fence) = Fence::begins(rest)
        {
            let length = fence.length(rest);
            if length.is_none() && rest.contains(NAME) {
                let message = "the code that begins here does not end, and no mark after it counts";
                events.push(Event::Fault {
                    at,
                    message: message.to_owned(),
                });
            }
            at += length.unwrap_or(rest.len());
            continue;
        }
        at += match rest.as_bytes()[0] {
            b'`' if markdown => code_span(rest),
            b'<' if rest.starts_with(BEGIN) => comment(text, at, &mut events),
            // A backslash makes the sign behind it a plain one.
            b'\\' if markdown && rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) => 2,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    events
}

/// Reads the comment at a place; gives its length.
fn comment(text: &str, at: usize, events: &mut Vec<Event>) -> usize {
    let inside = &text[at + BEGIN.len()..];
    let Some(length) = inside.find(END) else {
        if inside.contains(NAME) {
            let message = format!("the comment that begins here has no end; expected {END}");
            events.push(Event::Fault { at, message });
        }
        return text.len() - at;
    };
    let whole = BEGIN.len() + length + END.len();
    events.extend(Event::of(&inside[..length], at, at + whole, false));
    whole
}

/// The length of the code span that begins with the text, or of its backticks if they begin none.
fn code_span(text: &str) -> usize {
    let ticks = run(text, '`');
    let mut at = ticks;
    for line in text[ticks..].split_inclusive('\n') {
        // An empty line ends a paragraph, and so does one that opens or closes code.
        if at > ticks && (in_margin(line).is_empty() || Fence::begins(line).is_some()) {
            break;
        }
        let mut rest = line;
        while let Some(next) = rest.find('`') {
            let found = run(&rest[next..], '`');
            rest = &rest[next + found..];
            if found == ticks {
                return at + line.len() - rest.len();
            }
        }
        at += line.len();
    }
    ticks
}

/// How often a letter stands at the beginning of a text.
fn run(text: &str, letter: char) -> usize {
    text.len() - text.trim_start_matches(letter).len()
}

/// A line without what may stand before a fence: blanks, and `>` in quotations.
fn in_margin(line: &str) -> &str {
    line.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '>')
}

/// The line that begins a block of code.
struct Fence {
    letter: char,
    letters: usize,
    quoted: bool,
}

impl Fence {
    /// The fence that begins the first line, behind a margin or the sign of a list item (`-`, `*`, `+`, `1.`,
    /// `1)`).
    fn begins(text: &str) -> Option<Fence> {
        let line = text.split('\n').next().unwrap_or_default();
        let body = in_margin(line);
        let number = body.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let item = match number.len() == body.len() {
            true => body.strip_prefix(['-', '*', '+']),
            false => number.strip_prefix(['.', ')']),
        };
        let item = item.filter(|item| item.starts_with([' ', '\t']));
        let body = item.map_or(body, in_margin);
        let letter = body
            .chars()
            .next()
            .filter(|letter| "`~".contains(*letter))?;
        let letters = run(body, letter);
        // Three backticks with others after them in the line are code in the line.
        let fits = letters >= 3 && (letter == '~' || !body[letters..].contains('`'));
        let quoted = line.trim_start().starts_with('>');
        fits.then_some(Fence {
            letter,
            letters,
            quoted,
        })
    }

    /// The length up to the end of the line that closes the block, or of the quotation in which it began.
    fn length(&self, text: &str) -> Option<usize> {
        let mut lines = text.split_inclusive('\n');
        let mut length = lines.next()?.len();
        for line in lines {
            if self.quoted && !line.trim_start().starts_with('>') {
                return Some(length);
            }
            length += line.len();
            let body = in_margin(line).trim_end();
            if body.len() >= self.letters && run(body, self.letter) == body.len() {
                return Some(length);
            }
        }
        None
    }
}
