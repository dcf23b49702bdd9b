//! Numbers in a text, bound to the results: a README or a paper marks them, and they are compared or
//! brought up to date.
//!
//! In Markdown and HTML a mark is a pair of comments, which nobody sees who reads the page:
//!
//! ```text
//! ResNet-20 has <!-- fig6: test_error(resnet20).mean in core -->8.51<!-- /fig6 --> % error.
//!
//! <!-- fig6: table core: model, layers, test error -->
//! | model     | layers |   test error, % |
//! | --------- | -----: | --------------: |
//! | ResNet-20 |     20 | 8.51 ± 0.22 (5) |
//! <!-- /fig6 -->
//! ```
//!
//! In LaTeX it is `\figsix{test_error(resnet20).mean}{8.51}`, with
//! `\newcommand{\figsix}[2]{#2}`, or for whole lines a pair of comments `% fig6: table core` and
//! `% /fig6`. The text between keeps its form: as many decimals, the same separators.
//!
//! Only marks are looked at. Unaware of any other number in the text, and of whether the results are
//! right.

use std::io;

use anyhow::{Context as _, Result, ensure};

use super::check::{Check, Level, Status};
use super::quote::{Expression, Quoted};
use crate::error::Invalid;
use table::Missing;

mod document;
mod event;
#[cfg(test)]
pub mod example_tests;
mod excerpt;
mod grid;
mod html;
mod latex;
mod number;
mod reports;

pub use document::{Document, Fault, Mark, Syntax};
pub use reports::{Reports, Source};

use excerpt::{cite, short};

/// Holds everything that a document has marked against the results; one check for each mark, and one
/// for each that is wrong in itself.
pub fn check(document: &Document, source: &dyn Source) -> Vec<Check> {
    let file = document.path.display();
    let marks = document.marks();
    if marks.is_empty() {
        let message = format!(
            "nothing is bound in {file}: no number or table in it is marked, so nothing was compared"
        );
        let name = file.to_string();
        let check = Check::new(Level::Documents, name, Status::Undecided, message);
        return vec![check.at(&document.path, 1)];
    }
    let checks = marks.into_iter().map(|mark| match mark {
        Err(fault) => {
            let name = format!("{file}:{}", fault.line);
            let message = format!("{} (column {})", fault.message, fault.column);
            let check = Check::new(Level::Documents, name, Status::Failed, message);
            check.at(&document.path, fault.line)
        }
        Ok(mark) => {
            let expression = short(&mark.expression.to_string());
            let name = format!("{file}:{} {expression}", mark.line);
            let (status, message) = compare(document, &mark, source);
            Check::new(Level::Documents, name, status, message).at(&document.path, mark.line)
        }
    });
    checks.collect()
}

/// The document with everything that it has marked as the results have it. All else in it stays as
/// it is, to the byte.
///
/// # Errors
/// If a mark is wrong in itself, or names what the results do not have; the document is then to be
/// left as it is.
pub fn rewrite(document: &Document, source: &dyn Source) -> Result<String> {
    let mut text = String::with_capacity(document.text.len());
    let mut done = 0;
    for mark in document.marks() {
        let file = document.path.display();
        let mark = mark.map_err(|fault| {
            let Fault {
                line,
                column,
                message,
            } = fault;
            Invalid::new(format!("{file}:{line}:{column}: {message}"))
        })?;
        let new = expected(document, &mark, source).with_context(|| {
            let expression = short(&mark.expression.to_string());
            format!("{file}:{}:{}: {expression}", mark.line, mark.column)
        })?;
        text += &document.text[done..mark.content.start];
        text += &new;
        done = mark.content.end;
    }
    text += &document.text[done..];
    let new = Document::new(&document.path, text);
    // What stands between marks may decide what is code, and so what is a mark.
    ensure!(
        expressions(&new) == expressions(document),
        Invalid::new(format!(
            "{}: other places would be marked if its numbers were brought up to date; is there a \
             backtick between marks?",
            document.path.display()
        ))
    );
    Ok(new.text)
}

fn expressions(document: &Document) -> Vec<Option<Expression>> {
    let marks = document.marks().into_iter();
    marks
        .map(|mark| mark.ok().map(|mark| mark.expression))
        .collect()
}

/// Whether a mark's content is what the results say.
fn compare(document: &Document, mark: &Mark, source: &dyn Source) -> (Status, String) {
    let found = expected(document, mark, source).and_then(|new| {
        let there = document.content(mark);
        if there != new {
            return Ok((Status::Failed, difference(there, &new, &mark.expression)));
        }
        let said = match mark.expression.what {
            Quoted::Table { .. } => "the table is that of the report".to_owned(),
            Quoted::Number(_) => format!("says {}, as the results do", new.trim()),
        };
        let holes = holes(&mark.expression, source)?;
        Ok(match holes.is_empty() {
            true => (Status::Passed, said),
            false => {
                let said = format!("{said}; but they lack what has failed: {holes}");
                (Status::Undecided, said)
            }
        })
    });
    found.unwrap_or_else(|error| {
        let gone = error.root_cause().downcast_ref::<io::Error>();
        let status = match gone.is_some_and(|error| error.kind() == io::ErrorKind::NotFound) {
            true => Status::Undecided,
            false => Status::Failed,
        };
        (status, format!("{error:#}"))
    })
}

/// In what a text differs from what the results say.
fn difference(there: &str, new: &str, expression: &Expression) -> String {
    if let Quoted::Number(_) = expression.what {
        return match number::is_there(there) {
            true => format!("says {}, the results say {}", short(there), new.trim()),
            false => format!(
                "no number stands there ({}); the results say {} (--write puts it there)",
                cite(there),
                new.trim()
            ),
        };
    }
    let same = there
        .lines()
        .zip(new.lines())
        .take_while(|(old, new)| old == new);
    let (place, row) = (same.clone().count(), same.count() + 1);
    match (there.lines().nth(place), new.lines().nth(place)) {
        (None, None) => "line ends differ from the document's others".to_owned(),
        (None, Some(new)) => format!("row {row} of the table is missing: {}", cite(new)),
        (Some(old), None) => format!("row {row} of the table is too much: {}", cite(old)),
        (Some(old), Some(new)) => {
            let (old_cells, new_cells) = (grid::cells(old), grid::cells(new));
            let mut pairs = old_cells.iter().zip(&new_cells);
            match pairs.find(|(old, new)| old != new) {
                Some((old, new)) if old_cells.len() == new_cells.len() => {
                    let (old, new) = (short(old), short(new));
                    format!("row {row} of the table says {old}, the report says {new}")
                }
                _ => format!(
                    "row {row} of the table is {}, in the report {}",
                    cite(old),
                    cite(new)
                ),
            }
        }
    }
}

/// What is to stand between the marks.
fn expected(document: &Document, mark: &Mark, source: &dyn Source) -> Result<String> {
    let profile = mark.expression.profile.as_deref();
    let there = document.content(mark);
    let plus_minus = match document.syntax {
        Syntax::Latex => "$\\pm$",
        Syntax::Markdown | Syntax::Html => "±",
    };
    let columns = match &mark.expression.what {
        Quoted::Table { columns } => columns,
        Quoted::Number(number) => {
            let value = number.value(&source.results(profile)?)?;
            if !mark.block {
                return Ok(number::like(there, value, plus_minus));
            }
            let line = there.strip_suffix('\n').unwrap_or(there);
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = match line.trim() {
                "" => mark.indent.as_str(),
                _ => line,
            };
            let number = number::like(line, value, plus_minus);
            return Ok(number + mark.newline);
        }
    };
    let mut rows = grid::read(&source.page(profile)?).context("the report's table")?;
    if let Some(columns) = columns {
        rows = grid::select(&rows, columns)?;
    }
    let text = match document.syntax {
        Syntax::Latex => latex::rows(&rows),
        Syntax::Markdown | Syntax::Html => markdown::table(&rows),
    };
    let lines = text.lines();
    let lines = lines.map(|line| format!("{}{line}{}", mark.indent, mark.newline));
    Ok(lines.collect())
}

/// What has failed among the runs behind an expression.
fn holes(expression: &Expression, source: &dyn Source) -> Result<String> {
    let results = source.results(expression.profile.as_deref())?;
    let is_behind = |hole: &&Missing| match &expression.what {
        Quoted::Table { .. } => true,
        Quoted::Number(number) => number.is_of_all_seeds() && number.of.model == hole.model,
    };
    let holes = results.missing.iter().filter(is_behind).flat_map(|hole| {
        let seeds = hole.seeds.iter();
        seeds.map(|seed| format!("{} seed {seed}", hole.model))
    });
    Ok(holes.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
