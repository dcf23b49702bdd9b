//! Tables in Markdown: rows of cells, the first of them the header.
//!
//! Unaware of what the cells say.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};

/// Writes a table whose columns are as wide as their widest cell; all but the first are aligned to
/// the right.
pub fn write(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escaped(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    };
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(table, "| {cell:<width$} "),
                _ => write!(table, "| {cell:>width$} "),
            };
        }
        table.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width - 1);
                let _ = match column {
                    0 => write!(table, "| -{dashes} "),
                    _ => write!(table, "| {dashes}: "),
                };
            }
            table.push_str("|\n");
        }
    }
    table
}

/// A text of which nothing means anything in Markdown, nor in HTML.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match entity(letter) {
            Some(entity) => escaped.push_str(entity),
            None => {
                if "\\`*_[]|~$".contains(letter) {
                    escaped.push('\\');
                }
                escaped.push(letter);
            }
        }
    }
    escaped
}

/// How HTML, and therefore Markdown, writes the letters that begin or end something in it.
fn entity(letter: char) -> Option<&'static str> {
    match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Reads the table with which a page begins: its lines up to the first that is no row.
///
/// # Errors
/// If the page does not begin with a table, or a row has more or fewer cells than the header.
pub fn read(page: &str) -> Result<Vec<Vec<String>>> {
    let lines = page.lines().take_while(|line| line.starts_with('|'));
    let mut rows: Vec<Vec<String>> = lines.map(cells).collect();
    ensure!(
        rows.len() > 1 && rows[1].iter().all(|cell| is_rule(cell)),
        "the page does not begin with a table"
    );
    rows.remove(1);
    for (index, row) in rows.iter().enumerate() {
        ensure!(
            row.len() == rows[0].len(),
            "row {} of the table has {} cells, its header {}",
            index + 1,
            row.len(),
            rows[0].len()
        );
    }
    Ok(rows)
}

/// The cells of a row, without the blanks around them.
pub fn cells(row: &str) -> Vec<String> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let mut cells = vec![String::new()];
    let mut rest = row;
    while let Some(letter) = rest.chars().next() {
        let cell = cells.last_mut().expect("it begins with one cell");
        let after = &rest[letter.len_utf8()..];
        let entities = ['&', '<', '>'].into_iter();
        let mut entities = entities.filter_map(|letter| Some((letter, entity(letter)?)));
        rest = match letter {
            '\\' if after.starts_with(|next: char| next.is_ascii_punctuation()) => {
                cell.push_str(&after[..1]);
                &after[1..]
            }
            '|' if after.is_empty() => after,
            '|' => {
                cells.push(String::new());
                after
            }
            letter => match entities.find(|(_, entity)| rest.starts_with(entity)) {
                Some((letter, entity)) => {
                    cell.push(letter);
                    &rest[entity.len()..]
                }
                None => {
                    cell.push(letter);
                    after
                }
            },
        };
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Whether a cell belongs to the line below the header.
fn is_rule(cell: &str) -> bool {
    let dashes = cell.trim_matches(':');
    !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-')
}

/// Some columns of a table, named as in its header; what stands before a comma there is enough.
///
/// # Errors
/// If the table has no such column.
pub fn select(rows: &[Vec<String>], columns: &[String]) -> Result<Vec<Vec<String>>> {
    let header = rows.first().context("the table has no header")?;
    let names: Vec<&str> = header.iter().map(|name| short(name)).collect();
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let place = names.iter().position(|name| same(name, column));
        places.push(place.with_context(|| {
            // It may be of any length.
            let column: String = column.chars().take(80).collect();
            let names = names.join(", ");
            format!("the table has no column {column:?}; its columns: {names}")
        })?);
    }
    let chosen = rows.iter().map(|row| {
        let cells = places.iter().map(|&place| row.get(place).cloned());
        cells.map(Option::unwrap_or_default).collect()
    });
    Ok(chosen.collect())
}

/// A column's name without its unit.
fn short(name: &str) -> &str {
    name.split(',').next().unwrap_or_default().trim()
}

/// Whether two names are the same, whatever their capital letters and signs of minus.
fn same(name: &str, other: &str) -> bool {
    let plain = |name: &str| name.replace('−', "-").to_lowercase();
    plain(name) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        let row = |row: &&[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let rows = rows(&[&["a", "b"], &["x|y", "1"]]);
        let table = write(&rows);
        assert_eq!(table, "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |\n");
        assert_eq!(read(&table).unwrap(), rows);
    }

    #[test]
    fn nothing_in_a_cell_means_anything_in_markdown_or_html() {
        let text = "<b>&amp;</b> | `c` *d* _e_ [f](g) \\| $h$ ~i~ &lt;";
        let rows = rows(&[&["a", "b"], &[text, "1"]]);
        let table = write(&rows);
        let row = table.lines().nth(2).unwrap();
        let expected = "| &lt;b&gt;&amp;amp;&lt;/b&gt; \\| \\`c\\` \\*d\\* \\_e\\_ \\[f\\](g) \\\\\\| \\$h\\$ \\~i\\~ &amp;lt; |   1 |";
        assert_eq!(row, expected);
        assert_eq!(read(&table).unwrap(), rows);
    }

    #[test]
    fn what_follows_the_table_is_not_read() {
        let page = "| a | b |\n|---|:-:|\n| 1 |   |\n\n| no | row |\n";
        assert_eq!(read(page).unwrap(), rows(&[&["a", "b"], &["1", ""]]));
    }

    #[test]
    fn a_page_without_a_whole_table_is_refused() {
        for (page, expected) in [
            ("", "the page does not begin with a table"),
            (
                "text\n| a |\n|---|\n",
                "the page does not begin with a table",
            ),
            ("| a |\n| 1 |\n", "the page does not begin with a table"),
            (
                "| a | b |\n|---|---|\n| 1 |\n",
                "row 2 of the table has 1 cells, its header 2",
            ),
        ] {
            assert_eq!(read(page).unwrap_err().to_string(), expected, "{page:?}");
        }
    }

    #[test]
    fn columns_are_found_by_the_beginning_of_their_names() {
        let table = rows(&[
            &["model", "test error, %", "ours − He et al."],
            &["m", "1", "2"],
        ]);
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            select(&table, &names)
        };
        assert_eq!(
            chosen(&["Test error", "ours - He et al.", "model"]).unwrap(),
            rows(&[
                &["test error, %", "ours − He et al.", "model"],
                &["1", "2", "m"]
            ])
        );
        assert_eq!(
            chosen(&["models"]).unwrap_err().to_string(),
            "the table has no column \"models\"; its columns: model, test error, ours − He et al."
        );
    }
}
