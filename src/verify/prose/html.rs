//! Finds marks in Markdown and HTML: comments `<!-- fig6: EXPRESSION -->` and `<!-- /fig6 -->`.
//!
//! In Markdown, what lies in code is text about marks, but for indented code, which many take for a list's
//! item.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event as Token, Options, Parser, Tag};

use super::event::{Event, NAME};

const BEGIN: &str = "<!--";
const END: &str = "-->";

/// The marks of a page of HTML.
pub fn events(text: &str) -> Vec<Event> {
    outside(text, &[])
}

/// The marks of a page of Markdown.
pub fn events_in_markdown(text: &str) -> Vec<Event> {
    let code = code(text);
    let unclosed = code.last().filter(|code| is_unclosed(text, code));
    let mut events = outside(text, &code);
    events.extend(unclosed.map(|code| Event::Fault {
        at: code.start,
        message: "the code that begins here does not end, and no mark after it counts".to_owned(),
    }));
    events
}

/// The marks outside of code, in the order of the text.
fn outside(text: &str, code: &[Range<usize>]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut code = code.iter().peekable();
    let mut done = 0;
    while let Some(found) = text[done..].find(BEGIN) {
        let at = done + found;
        while code.next_if(|code| code.end <= at).is_some() {}
        if let Some(code) = code.next_if(|code| code.start <= at) {
            done = code.end;
            continue;
        }
        done = at + BEGIN.len();
        let Some(length) = text[done..].find(END) else {
            if text[done..].contains(NAME) {
                let message = format!("the comment that begins here has no end; expected {END}");
                events.push(Event::Fault { at, message });
            }
            break;
        };
        let comment = &text[done..done + length];
        done += length + END.len();
        events.extend(Event::of(comment, at, done, false));
    }
    events
}

/// Where a page of Markdown has code, in its lines and between fences, or a letter behind a backslash.
fn code(text: &str) -> Vec<Range<usize>> {
    let tokens = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let code = tokens.filter(|(token, range)| match token {
        Token::Code(_) | Token::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => true,
        Token::Text(letters) => letters.starts_with('<') && text[..range.start].ends_with('\\'),
        _ => false,
    });
    code.map(|(_, range)| range).collect()
}

/// Whether code would go on if the page did.
fn is_unclosed(text: &str, code: &Range<usize>) -> bool {
    let goes_on = |code: &Range<usize>| code.end > text.len();
    text[code.clone()].contains(NAME)
        && self::code(&format!("{text}\nx"))
            .last()
            .is_some_and(goes_on)
}
