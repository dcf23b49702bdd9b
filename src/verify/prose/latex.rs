//! Finds marks in LaTeX: lines `% fig6: EXPRESSION` and `% /fig6`, and `\figsix{EXPRESSION}{…}`,
//! which the author defines as its second argument. Writes tables for it.
//!
//! What lies in other comments and in `verbatim` is text about marks.

use super::html::{NAME, event};
use super::mark::Event;

/// The macro of a mark within a line.
const MACRO: &str = "\\figsix";

/// Environments whose text is shown as it is.
const VERBATIM: [&str; 5] = ["verbatim", "verbatim*", "lstlisting", "minted", "comment"];

/// The marks of a text, in its order.
pub fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        at += match rest.as_bytes()[0] {
            b'%' => {
                let line = rest.split('\n').next().unwrap_or_default();
                let inside = line.trim_start_matches('%').trim();
                let end = at + line.trim_end_matches('\r').len();
                events.extend(event(inside, at, end, true));
                line.len()
            }
            b'\\' => command(text, at, &mut events),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    events
}

/// Reads the command at a place; gives the length of what was read.
fn command(text: &str, at: usize, events: &mut Vec<Event>) -> usize {
    let rest = &text[at..];
    let name: usize = match rest[1..]
        .bytes()
        .take_while(u8::is_ascii_alphabetic)
        .count()
    {
        // A single sign, as in `\%`.
        0 => rest[1..].chars().next().map_or(0, char::len_utf8),
        letters => letters,
    };
    let after = &rest[1 + name..];
    match &rest[..1 + name] {
        MACRO => mark(text, at, after, events),
        "\\verb" => {
            let shown = after.strip_prefix('*').unwrap_or(after);
            let sign = shown.chars().next().filter(|&sign| sign != '\n');
            let end = sign.and_then(|sign| {
                let line = shown.split('\n').next()?;
                let inside = &line[sign.len_utf8()..];
                Some(sign.len_utf8() + inside.find(sign)? + sign.len_utf8())
            });
            end.map_or(1 + name, |end| rest.len() - shown.len() + end)
        }
        "\\begin" => {
            let mut known = VERBATIM.iter();
            let begun = known.find_map(|name| {
                let inside = after
                    .strip_prefix('{')?
                    .strip_prefix(name)?
                    .strip_prefix('}')?;
                Some((name, inside))
            });
            let Some((name, inside)) = begun else {
                return rest.len() - after.len();
            };
            let end = inside.find(&format!("\\end{{{name}}}"));
            if end.is_none() && (inside.contains(NAME) || inside.contains(MACRO)) {
                events.push(Event::Fault {
                    at,
                    message: format!("{name} does not end, and no mark after it counts"),
                });
            }
            rest.len() - inside.len() + end.unwrap_or(inside.len())
        }
        _ => rest.len() - after.len(),
    }
}

/// Reads what follows the macro's name; gives the length from the macro on.
fn mark(text: &str, at: usize, after: &str, events: &mut Vec<Event>) -> usize {
    let here = text.len() - after.len() - at;
    // Its own definition: `\newcommand{\figsix}[2]{#2}`, `\def\figsix#1#2{#2}`.
    if after.trim_start().starts_with(['}', '[', '#']) {
        return here;
    }
    let fault = |message: &str| Event::Fault {
        at,
        message: format!("{message}; expected {MACRO}{{test_error(resnet20).mean}}{{8.51}}"),
    };
    let Some((expression, rest)) = argument(after) else {
        events.push(fault("its first argument is missing or has no end"));
        // All that follows may lie in it.
        let unclosed = after.trim_start().starts_with('{');
        return if unclosed { text.len() - at } else { here };
    };
    let Some((content, rest)) = argument(rest) else {
        events.push(fault("its second argument is missing or has no end"));
        let unclosed = rest.trim_start().starts_with('{');
        return if unclosed {
            text.len() - at
        } else {
            text.len() - rest.len() - at
        };
    };
    let end = text.len() - rest.len();
    if expression.contains(MACRO) || content.contains(MACRO) {
        events.push(fault("a mark begins inside another one"));
    } else {
        let close = end - 1;
        events.push(Event::Open {
            at,
            end: close - content.len(),
            expression: expression.trim().to_owned(),
            block: false,
        });
        events.push(Event::Close { at: close });
    }
    end - at
}

/// The argument in braces that begins the text, and what follows it.
fn argument(text: &str) -> Option<(&str, &str)> {
    let inside = text.trim_start().strip_prefix('{')?;
    let mut depth = 0_usize;
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            '%' => _ = letters.find(|&(_, letter)| letter == '\n'),
            '{' => depth += 1,
            '}' if depth == 0 => return Some((&inside[..at], &inside[at + 1..])),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The rows of a `tabular`: the header, a line, and the others, each ended by a newline.
pub fn rows(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        text += &cells.join(" & ");
        text += " \\\\\n";
        if index == 0 {
            text += "\\hline\n";
        }
    }
    text
}

/// A plain text in LaTeX.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '±' => escaped += "$\\pm$",
            '−' => escaped += "$-$",
            '–' => escaped += "--",
            letter => escaped.push(letter),
        }
    }
    escaped
}
