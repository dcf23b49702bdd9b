//! Finds marks in Markdown and HTML: comments `<!-- fig6: EXPRESSION -->` and `<!-- /fig6 -->`.
//!
//! In Markdown, what lies in code is text about marks. Code is found by the rules of CommonMark 0.31
//! (sections 4.5 and 6.1), but for indented code, which cannot be told from lists by lines alone.

use super::mark::{Event, cite};

const BEGIN: &str = "<!--";
const END: &str = "-->";

/// Begins a mark.
pub const NAME: &str = "fig6";

/// The marks of a text, in its order.
pub fn events(text: &str, markdown: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if markdown
            && is_line_start(text, at)
            && let Some(fence) = Fence::begins(&text[at..])
        {
            let end = fence.end(text, at);
            if end.is_none() && text[at..].contains(NAME) {
                events.push(Event::Fault {
                    at,
                    message: "the code that begins here does not end, and no mark after it counts"
                        .to_owned(),
                });
            }
            at = end.unwrap_or(text.len());
            continue;
        }
        // What follows in this line, up to anything of interest.
        let rest = &text[at..];
        at += match rest.as_bytes()[0] {
            b'\\' if markdown => 1 + rest[1..].chars().next().map_or(0, escaped),
            b'`' if markdown => code_span(rest),
            b'<' if rest.starts_with(BEGIN) => comment(text, at, &mut events),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    events
}

/// The length of a letter that a backslash before it makes a plain one.
fn escaped(letter: char) -> usize {
    usize::from(letter.is_ascii_punctuation())
}

fn is_line_start(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes()[at - 1] == b'\n'
}

/// Reads the comment at a place; gives its length.
fn comment(text: &str, at: usize, events: &mut Vec<Event>) -> usize {
    let rest = &text[at..];
    let Some(length) = rest[BEGIN.len()..].find(END) else {
        if rest.contains(NAME) {
            events.push(Event::Fault {
                at,
                message: format!("the comment that begins here has no end; expected {END}"),
            });
        }
        return rest.len();
    };
    let end = at + BEGIN.len() + length + END.len();
    let inside = rest[BEGIN.len()..BEGIN.len() + length].trim();
    events.extend(event(inside, at, end, false));
    end - at
}

/// What a comment says that begins and ends at these places; `None` if it is no mark.
pub fn event(inside: &str, at: usize, end: usize, block: bool) -> Option<Event> {
    let (closing, name) = match inside.strip_prefix('/') {
        Some(name) => (true, name.trim_start()),
        None => (false, inside),
    };
    let word = name.get(..NAME.len())?;
    let rest = &name[NAME.len()..];
    // A file `fig6.svg`, say, is no mark; a near miss must not pass for none.
    if !word.eq_ignore_ascii_case(NAME)
        || rest.starts_with(|c: char| !c.is_whitespace() && c != ':')
    {
        return None;
    }
    Some(match (closing, rest.strip_prefix(':')) {
        _ if word != NAME => Event::Fault {
            at,
            message: format!(
                "{} is no mark; expected {NAME} in small letters",
                cite(inside)
            ),
        },
        (false, Some(expression)) => Event::Open {
            at,
            end,
            expression: expression.trim().to_owned(),
            block,
        },
        (true, None) if rest.trim().is_empty() => Event::Close { at },
        (false, None) => Event::Fault {
            at,
            message: format!("{} is no mark; expected `{NAME}: …`", cite(inside)),
        },
        (true, _) => Event::Fault {
            at,
            message: format!("{} closes no mark; expected `/{NAME}` alone", cite(inside)),
        },
    })
}

/// The length of the code span that begins with the text, or of its backticks if they begin none.
fn code_span(text: &str) -> usize {
    let run = |text: &str| text.bytes().take_while(|&byte| byte == b'`').count();
    let ticks = run(text);
    let mut at = ticks;
    while let Some(next) = text[at..].find(['`', '\n']) {
        at += next;
        match run(&text[at..]) {
            0 if is_paragraph_end(&text[at + 1..]) => break,
            0 => at += 1,
            found if found == ticks => return at + found,
            found => at += found,
        }
    }
    ticks
}

/// Whether the line that begins the text ends a paragraph: an empty one, or one that opens or closes
/// code.
fn is_paragraph_end(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches(in_margin).is_empty() || Fence::begins(text).is_some()
}

/// What may stand before a fence: blanks, and `>` in quotations.
fn in_margin(letter: char) -> bool {
    letter.is_whitespace() || letter == '>'
}

/// The line that begins a block of code.
struct Fence {
    letter: char,
    length: usize,
    quoted: bool,
}

impl Fence {
    /// The fence that begins the first line, behind a margin or the sign of a list item.
    fn begins(text: &str) -> Option<Fence> {
        let line = text.split('\n').next().unwrap_or_default();
        let mut body = line.trim_start_matches(in_margin);
        if let Some(item) = item(body) {
            body = item.trim_start_matches(in_margin);
        }
        let letter = body
            .chars()
            .next()
            .filter(|letter| "`~".contains(*letter))?;
        let length = body.len() - body.trim_start_matches(letter).len();
        // Three backticks with others after them in the line are code in the line.
        let fits = length >= 3 && (letter == '~' || !body[length..].contains('`'));
        fits.then(|| Fence {
            letter,
            length,
            quoted: line.trim_start().starts_with('>'),
        })
    }

    /// Where the line ends that closes it, or the quotation in which it began.
    fn end(&self, text: &str, start: usize) -> Option<usize> {
        let mut at = start;
        for (index, line) in text[start..].split_inclusive('\n').enumerate() {
            if index > 0 {
                if self.quoted && !line.trim_start().starts_with('>') {
                    return Some(at);
                }
                let body = line.trim_start_matches(in_margin).trim_end();
                let rest = body.trim_start_matches(self.letter);
                if rest.is_empty() && body.len() >= self.length {
                    return Some(at + line.len());
                }
            }
            at += line.len();
        }
        None
    }
}

/// What follows the sign of a list item (`-`, `*`, `+`, `1.`, `1)`).
fn item(line: &str) -> Option<&str> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match digits {
        0 => line.strip_prefix(['-', '*', '+'])?,
        _ => line[digits..].strip_prefix(['.', ')'])?,
    };
    rest.starts_with([' ', '\t']).then_some(rest)
}
