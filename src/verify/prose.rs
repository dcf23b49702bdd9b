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
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::quote::{Expression, Quoted, lost};
use super::{Check, Level, Status};
use crate::error::Invalid;
use table::{Results, grid};

#[cfg(test)]
pub mod examples;
mod html;
mod latex;
mod mark;
mod number;
mod reports;

pub use mark::{Document, Fault, Mark};
pub use reports::Reports;

use mark::{cite, short};

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

/// Where numbers and tables come from. An error whose root is that a file was not found means that
/// there is no evidence; any other, that it is broken.
pub trait Source {
    /// The results of a profile, or of the default one.
    ///
    /// # Errors
    /// If there are none, or they cannot be read.
    fn results(&self, profile: Option<&str>) -> Result<Results>;

    /// The report's page in Markdown, which begins with the table.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    fn page(&self, profile: Option<&str>) -> Result<String>;
}

/// Holds everything that a document has marked against the results; one check for each mark, and one
/// for each that is wrong in itself.
pub fn check(document: &Document, source: &dyn Source) -> Vec<Check> {
    let file = document.path.display();
    let marks = document.marks();
    if marks.is_empty() {
        let message = format!(
            "nothing is bound in {file}: no number or table in it is marked, so nothing was compared"
        );
        let check = Check::new(
            Level::Documents,
            file.to_string(),
            Status::Undecided,
            message,
        );
        return vec![check.at(&document.path, 1)];
    }
    let checks = marks.into_iter().map(|mark| {
        let (line, name, (status, message)) = match &mark {
            Err(fault) => (
                fault.line,
                format!("{file}:{}", fault.line),
                (
                    Status::Failed,
                    format!("{} (column {})", fault.message, fault.column),
                ),
            ),
            Ok(mark) => (
                mark.line,
                format!(
                    "{file}:{} {}",
                    mark.line,
                    short(&mark.expression.to_string())
                ),
                compare(document, mark, source),
            ),
        };
        Check::new(Level::Documents, name, status, message).at(&document.path, line)
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
    let new = match expected(document, mark, source) {
        Ok(new) => new,
        Err(error) => {
            let gone = error.root_cause().downcast_ref::<io::Error>();
            let status = match gone.is_some_and(|error| error.kind() == io::ErrorKind::NotFound) {
                true => Status::Undecided,
                false => Status::Failed,
            };
            return (status, format!("{error:#}"));
        }
    };
    let there = document.content(mark);
    if there != new {
        return (Status::Failed, difference(there, &new, &mark.expression));
    }
    let said = match mark.expression.what {
        Quoted::Table { .. } => "the table is that of the report".to_owned(),
        Quoted::Number(_) => format!("says {}, as the results do", new.trim()),
    };
    match holes(&mark.expression, source) {
        Some(holes) => (
            Status::Undecided,
            format!("{said}; but they lack what has failed: {holes}"),
        ),
        None => (Status::Passed, said),
    }
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
    let (mut old, mut right) = (there.lines(), new.lines());
    for row in 1.. {
        return match (old.next(), right.next()) {
            (None, None) => "line ends differ from the document's others".to_owned(),
            (None, Some(new)) => format!("row {row} of the table is missing: {}", cite(new)),
            (Some(old), None) => format!("row {row} of the table is too much: {}", cite(old)),
            (Some(old), Some(new)) if old == new => continue,
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
        };
    }
    unreachable!("there are fewer than usize::MAX lines")
}

/// What is to stand between the marks.
fn expected(document: &Document, mark: &Mark, source: &dyn Source) -> Result<String> {
    let profile = mark.expression.profile.as_deref();
    let there = document.content(mark);
    match &mark.expression.what {
        Quoted::Number(number) => {
            let value = number.value(&source.results(profile)?)?;
            if !mark.block {
                return Ok(number::like(there, value, document.syntax));
            }
            let line = there.strip_suffix('\n').unwrap_or(there);
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = match line.trim() {
                "" => mark.indent.as_str(),
                _ => line,
            };
            let number = number::like(line, value, document.syntax);
            Ok(format!("{number}{}", mark.newline))
        }
        Quoted::Table { columns } => {
            let mut rows = grid::read(&source.page(profile)?).context("the report's table")?;
            if let Some(columns) = columns {
                rows = grid::select(&rows, columns)?;
            }
            let text = match document.syntax {
                Syntax::Latex => latex::rows(&rows),
                Syntax::Markdown | Syntax::Html => grid::write(&rows),
            };
            let lines = text.lines();
            let lines = lines.map(|line| format!("{}{line}{}", mark.indent, mark.newline));
            Ok(lines.collect())
        }
    }
}

/// What has failed among the runs behind an expression.
fn holes(expression: &Expression, source: &dyn Source) -> Option<String> {
    let results = match source.results(expression.profile.as_deref()) {
        Ok(results) => results,
        Err(error) => return Some(format!("{error:#}")),
    };
    let models: Vec<String> = match &expression.what {
        Quoted::Number(number) if number.is_of_all_seeds() => {
            let seeds = lost(&results, &number.of.model);
            let seeds: Vec<String> = seeds.iter().map(|seed| format!("seed {seed}")).collect();
            seeds
                .into_iter()
                .map(|seed| format!("{} {seed}", number.of.model))
                .collect()
        }
        Quoted::Number(_) => vec![],
        Quoted::Table { .. } => {
            let mut missing = Vec::new();
            for hole in &results.missing {
                let seeds = hole.seeds.iter();
                missing.extend(seeds.map(|seed| format!("{} seed {seed}", hole.model)));
            }
            missing
        }
    };
    (!models.is_empty()).then(|| models.join(", "))
}

#[cfg(test)]
mod tests;
