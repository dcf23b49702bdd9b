//! A document and its marks: which places of its text are bound to what, and what is wrong with them.
//!
//! Unaware of what an expression is worth.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::event::{Event, Opening};
use super::excerpt::cite;
use super::{html, latex};
use crate::verify::quote::{Expression, Quoted};

/// How a document's marks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    Markdown,
    Html,
    Latex,
}

impl Syntax {
    /// The syntax that a file's ending tells; Markdown where it tells nothing.
    fn of(path: &Path) -> Syntax {
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        match ending.as_deref().and_then(|ending| ending.to_str()) {
            Some("tex" | "latex" | "ltx" | "sty") => Syntax::Latex,
            Some("html" | "htm" | "xhtml") => Syntax::Html,
            _ => Syntax::Markdown,
        }
    }
}

/// A text with marks.
#[derive(Clone, Debug)]
pub struct Document {
    /// As it was named; its ending tells the syntax.
    pub path: PathBuf,
    pub text: String,
    pub syntax: Syntax,
}

/// A place in a document that is bound to the results.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Of the opening mark, from 1.
    pub line: usize,
    /// In letters, from 1.
    pub column: usize,
    pub expression: Expression,
    /// The bytes between the marks; of a block, the lines between them.
    pub content: Range<usize>,
    /// Whether whole lines are bound.
    pub block: bool,
    /// What begins each line of a block: blanks, and `>` in a quotation.
    pub indent: String,
    /// How lines of a block end.
    pub newline: &'static str,
}

/// What is wrong with a document's marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In letters, from 1.
    pub column: usize,
    pub message: String,
}

impl Document {
    /// A document of this text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Document {
        let path = path.into();
        Document {
            syntax: Syntax::of(&path),
            path,
            text: text.into(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If the file cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Document> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the document {}", path.display()))?;
        Ok(Document::new(path, text))
    }

    /// Its marks, and what is wrong with them, in the order of the text.
    pub fn marks(&self) -> Vec<Result<Mark, Fault>> {
        let events = match self.syntax {
            Syntax::Latex => latex::events(&self.text),
            syntax => html::events(&self.text, syntax == Syntax::Markdown),
        };
        let lines = Lines::of(&self.text);
        let mut marks: Vec<(usize, Result<Mark, String>)> = Vec::new();
        let not_closed = |open: &Opening| {
            let message = format!("the mark of {} is not closed", cite(&open.expression));
            (open.at, Err(message))
        };
        let mut open: Option<Opening> = None;
        for event in events {
            match event {
                Event::Fault { at, message } => marks.push((at, Err(message))),
                Event::Open(inner) => {
                    if let Some(outer) = open.take() {
                        let (line, _) = lines.place(outer.at);
                        let message = format!(
                            "a mark begins inside the one of line {line}, which is not closed before"
                        );
                        marks.extend([not_closed(&outer), (inner.at, Err(message))]);
                    }
                    open = Some(inner);
                }
                Event::Close { at: close } => marks.push(match open.take() {
                    None => (
                        close,
                        Err("a mark is closed that was not opened".to_owned()),
                    ),
                    Some(open) => (open.at, self.mark(&open, close, &lines)),
                }),
            }
        }
        marks.extend(open.as_ref().map(not_closed));
        marks.sort_by_key(|&(at, _)| at);
        let placed = marks.into_iter().map(|(at, mark)| {
            let (line, column) = lines.place(at);
            mark.map_err(|message| Fault {
                line,
                column,
                message,
            })
        });
        placed.collect()
    }

    /// A mark whose content ends at `close`, or what is wrong with it.
    fn mark(&self, open: &Opening, close: usize, lines: &Lines) -> Result<Mark, String> {
        let expression: Result<Expression> = open.expression.parse();
        let expression = expression.map_err(|error| format!("{error:#}"))?;
        let (line, column) = lines.place(open.at);
        let mut mark = Mark {
            line,
            column,
            content: open.end..close,
            block: open.block || matches!(expression.what, Quoted::Table { .. }),
            expression,
            indent: String::new(),
            newline: "\n",
        };
        if mark.block {
            let misplaced = "a table stands on lines of its own, between the lines of its marks";
            let margin = |text: &str| text.chars().all(|letter| " \t>".contains(letter));
            let before = self.text[..open.at].rsplit('\n').next().unwrap_or_default();
            let (first, rest) = self.content(&mark).split_once('\n').ok_or(misplaced)?;
            let last = rest.rsplit('\n').next().unwrap_or_default();
            if !margin(before) || !first.trim().is_empty() || !margin(last) {
                return Err(misplaced.to_owned());
            }
            if first.ends_with('\r') {
                mark.newline = "\r\n";
            }
            mark.content = open.end + first.len() + 1..close - last.len();
            before.clone_into(&mut mark.indent);
        }
        Ok(mark)
    }

    /// What stands between the marks.
    pub fn content(&self, mark: &Mark) -> &str {
        &self.text[mark.content.clone()]
    }
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl Lines<'_> {
    fn of(text: &str) -> Lines<'_> {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after).collect();
        Lines { text, starts }
    }

    /// Line and column, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= at);
        let start = self.starts[line - 1];
        (line, self.text[start..at].chars().count() + 1)
    }
}
