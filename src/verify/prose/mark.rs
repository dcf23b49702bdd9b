//! The marks in a document: which places of its text are bound to what, and what is wrong with
//! them.
//!
//! Unaware of what an expression is worth.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Syntax, html, latex};
use crate::verify::quote::{Expression, Quoted};

/// Most letters of a document that a message cites.
const CITED: usize = 80;

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

/// What a syntax finds in a text, in the order of the text; places are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Open {
        at: usize,
        /// Where the content begins.
        end: usize,
        expression: String,
        /// Whether the mark has a line of its own, and its content as well.
        block: bool,
    },
    Close {
        /// Where the content ends.
        at: usize,
    },
    Fault {
        at: usize,
        message: String,
    },
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
        let fault = |at: usize, message: String| {
            let (line, column) = lines.place(at);
            Err(Fault {
                line,
                column,
                message,
            })
        };
        let mut marks = Vec::new();
        let mut open: Vec<(usize, usize, String, bool)> = Vec::new();
        // Whether a mark lies in the one that is open.
        let mut nested = false;
        for event in events {
            match event {
                Event::Fault { at, message } => marks.push((at, fault(at, message))),
                Event::Open {
                    at,
                    end,
                    expression,
                    block,
                } => {
                    if let Some((outer, ..)) = open.last()
                        && !std::mem::replace(&mut nested, true)
                    {
                        let (line, _) = lines.place(*outer);
                        let message = format!(
                            "a mark begins inside the one of line {line}, which is not closed before"
                        );
                        marks.push((at, fault(at, message)));
                    }
                    open.push((at, end, expression, block));
                }
                Event::Close { at: close } => match open.pop() {
                    None => {
                        let message = "a mark is closed that was not opened".to_owned();
                        marks.push((close, fault(close, message)));
                    }
                    // Said already.
                    Some(_) if nested => nested = !open.is_empty(),
                    Some((at, end, expression, block)) => {
                        let mark = self.mark(at, end..close, &expression, block, &lines);
                        marks.push((at, mark.or_else(|message| fault(at, message))));
                    }
                },
            }
        }
        // The inner ones of several were named already.
        if let Some((at, _, expression, _)) = open.first() {
            let message = format!("the mark of {} is not closed", cite(expression));
            marks.push((*at, fault(*at, message)));
        }
        marks.sort_by_key(|&(at, _)| at);
        marks.into_iter().map(|(_, mark)| mark).collect()
    }

    /// A mark whose content lies in `between`, or what is wrong with it.
    fn mark(
        &self,
        at: usize,
        between: Range<usize>,
        expression: &str,
        block: bool,
        lines: &Lines,
    ) -> Result<Mark, String> {
        let expression: Expression = expression
            .parse()
            .map_err(|error: anyhow::Error| format!("{error:#}"))?;
        let block = block || matches!(expression.what, Quoted::Table { .. });
        let mut mark = Mark {
            line: lines.place(at).0,
            column: lines.place(at).1,
            expression,
            content: between.clone(),
            block,
            indent: String::new(),
            newline: "\n",
        };
        if block {
            let before = self.text[..at].rsplit('\n').next().unwrap_or_default();
            let blank = |letter: char| letter == ' ' || letter == '\t' || letter == '>';
            let misplaced =
                || "a table stands on lines of its own, between the lines of its marks".to_owned();
            if !before.chars().all(blank) {
                return Err(misplaced());
            }
            before.clone_into(&mut mark.indent);
            let content = &self.text[between.clone()];
            let (first, rest) = content.split_once('\n').ok_or_else(misplaced)?;
            let last = rest.rsplit('\n').next().unwrap_or_default();
            if !first.trim().is_empty() || !last.chars().all(blank) {
                return Err(misplaced());
            }
            if first.ends_with('\r') {
                mark.newline = "\r\n";
            }
            mark.content = between.start + first.len() + 1..between.end - last.len();
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

/// A text in a message: in quotation marks, in one line, and not too long.
pub fn cite(text: &str) -> String {
    format!("{:?}", short(text))
}

/// The beginning of a text that may be of any length, in one line.
pub fn short(text: &str) -> String {
    let mut letters = text.trim().chars();
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = letters.by_ref().take(CITED).map(blank).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}
