//! What a comment or a macro says: the opening or the end of a mark, or something wrong. The same in every
//! syntax.
//!
//! Unaware of where comments are found, and of what an expression means.

use super::excerpt::cite;

/// Begins a mark.
pub const NAME: &str = "fig6";

/// What a syntax finds in a text; places are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Open(Opening),
    Close {
        /// Where the content ends.
        at: usize,
    },
    Fault {
        at: usize,
        message: String,
    },
}

/// The beginning of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub at: usize,
    /// Where the content begins.
    pub end: usize,
    pub expression: String,
    /// Whether the mark has a line of its own, and its content as well.
    pub block: bool,
}

impl Event {
    /// What a comment says that begins and ends at these places; `None` if it is no mark.
    pub fn of(comment: &str, at: usize, end: usize, block: bool) -> Option<Event> {
        let comment = comment.trim();
        let closing = comment.strip_prefix('/');
        let name = closing.map_or(comment, str::trim_start);
        let (word, rest) = name.split_at_checked(NAME.len())?;
        // A file `fig6.svg`, say, is no mark; a near miss must not pass for none.
        if !word.eq_ignore_ascii_case(NAME)
            || rest.starts_with(|c: char| !c.is_whitespace() && c != ':')
        {
            return None;
        }
        let fault = |what: &str| {
            let message = format!("{} {what}", cite(comment));
            Event::Fault { at, message }
        };
        let opens = closing.is_none();
        Some(match rest.strip_prefix(':') {
            _ if word != NAME => fault("is no mark; expected fig6 in small letters"),
            Some(expression) if opens => Event::Open(Opening {
                at,
                end,
                expression: expression.trim().to_owned(),
                block,
            }),
            None if opens => fault("is no mark; expected `fig6: …`"),
            None if rest.trim().is_empty() => Event::Close { at },
            _ => fault("closes no mark; expected `/fig6` alone"),
        })
    }
}
