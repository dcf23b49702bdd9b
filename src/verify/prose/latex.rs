//! Finds marks in LaTeX: lines `% fig6: EXPRESSION` and `% /fig6`, and `\figsix{EXPRESSION}{…}`,
//! which the author defines as its second argument. Writes tables for it.
//!
//! What lies in other comments and in `verbatim` is text about marks.

use super::event::{Event, NAME, Opening};

/// The macro of a mark within a line.
const MACRO: &str = "\\figsix";

/// Environments whose text is shown as it is.
const VERBATIM: [&str; 5] = ["verbatim", "verbatim*", "lstlisting", "minted", "comment"];

/// The marks of a text, in its order.
pub fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut done = 0;
    while let Some(found) = text[done..].find(['%', '\\']) {
        let at = done + found;
        let rest = &text[at..];
        if rest.starts_with('%') {
            let line = rest.split('\n').next().unwrap_or_default();
            let end = at + line.trim_end_matches('\r').len();
            events.extend(Event::of(line.trim_start_matches('%'), at, end, true));
            done = at + line.len();
            continue;
        }
        let after = rest[1..].trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        let end = text.len() - after.len();
        done = match &text[at..end] {
            // A single sign, as in `\%`.
            "\\" => end + after.chars().next().map_or(0, char::len_utf8),
            MACRO => mark(text, at, end, &mut events),
            "\\verb" => end + shown(after).unwrap_or(0),
            "\\begin" => environment(text, at, end, &mut events),
            _ => end,
        };
    }
    events
}

/// The length of what follows `\verb`: any sign, and all up to the same sign in this line.
fn shown(text: &str) -> Option<usize> {
    let line = text.split('\n').next()?;
    let mut letters = line.strip_prefix('*').unwrap_or(line).chars();
    let sign = letters.next()?;
    let inside = letters.as_str();
    Some(line.len() - inside.len() + inside.find(sign)? + sign.len_utf8())
}

/// Gives the end of what follows `\begin` if its text is shown as it is.
fn environment(text: &str, at: usize, begin: usize, events: &mut Vec<Event>) -> usize {
    let rest = &text[begin..];
    let mut known = VERBATIM.iter();
    let Some(name) = known.find(|name| rest.starts_with(&format!("{{{name}}}"))) else {
        return begin;
    };
    if let Some(length) = rest.find(&format!("\\end{{{name}}}")) {
        return begin + length;
    }
    if rest.contains(NAME) || rest.contains(MACRO) {
        let message = format!("{name} does not end, and no mark after it counts");
        events.push(Event::Fault { at, message });
    }
    text.len()
}

/// Reads what follows the macro's name; gives its end.
fn mark(text: &str, at: usize, begin: usize, events: &mut Vec<Event>) -> usize {
    // Its own definition: `\newcommand{\figsix}[2]{#2}`, `\def\figsix#1#2{#2}`.
    if text[begin..].trim_start().starts_with(['}', '[', '#']) {
        return begin;
    }
    let fault = |what: &str| Event::Fault {
        at,
        message: format!("{what}; expected {MACRO}{{test_error(resnet20).mean}}{{8.51}}"),
    };
    let mut rest = &text[begin..];
    let mut arguments = [""; 2];
    for (argument, which) in arguments.iter_mut().zip(["first", "second"]) {
        let Some((inside, after)) = self::argument(rest) else {
            events.push(fault(&format!(
                "its {which} argument is missing or has no end"
            )));
            // All that follows may lie in it.
            let unclosed = rest.trim_start().starts_with('{');
            return text.len() - if unclosed { 0 } else { rest.len() };
        };
        (*argument, rest) = (inside, after);
    }
    let end = text.len() - rest.len();
    let [expression, content] = arguments;
    if arguments.iter().any(|argument| argument.contains(MACRO)) {
        events.push(fault("a mark begins inside another one"));
    } else {
        let close = end - 1;
        events.push(Event::Open(Opening {
            at,
            end: close - content.len(),
            expression: expression.trim().to_owned(),
            block: false,
        }));
        events.push(Event::Close { at: close });
    }
    end
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
        let rule = if index == 0 { "\\hline\n" } else { "" };
        text += &format!("{} \\\\\n{rule}", cells.join(" & "));
    }
    text
}

/// A plain text in LaTeX.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => escaped.extend(['\\', letter]),
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
