//! Tables in Markdown, read: rows of cells, the first of them the header.
//!
//! Unaware of what the cells say. The crate `markdown` writes such tables.

use anyhow::{Context as _, Result, ensure};

use super::excerpt::cite;

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

/// The cells of a row as plain texts, without the blanks around them.
pub fn cells(row: &str) -> Vec<String> {
    let row = row.trim();
    let mut letters = row.strip_prefix('|').unwrap_or(row).chars();
    let mut cells = vec![String::new()];
    while let Some(letter) = letters.next() {
        let cell = cells.last_mut().expect("it begins with one cell");
        match letter {
            '\\' if letters
                .as_str()
                .starts_with(|next: char| next.is_ascii_punctuation()) =>
            {
                cell.extend(letters.next());
            }
            '|' if letters.as_str().is_empty() => {}
            '|' => cells.push(String::new()),
            letter => cell.push(letter),
        }
    }
    let plain = |cell: &String| {
        let cell = cell.replace("&lt;", "<").replace("&gt;", ">");
        cell.replace("&amp;", "&").trim().to_owned()
    };
    cells.iter().map(plain).collect()
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
    let names: Vec<&str> = header.iter().map(|name| without_unit(name)).collect();
    let place = |column: &String| {
        let place = names.iter().position(|name| same(name, column));
        place.with_context(|| {
            let names = names.join(", ");
            format!(
                "the table has no column {}; its columns: {names}",
                cite(column)
            )
        })
    };
    let places: Vec<usize> = columns.iter().map(place).collect::<Result<_>>()?;
    let chosen = |row: &Vec<String>| {
        let cells = places.iter().map(|&place| row.get(place).cloned());
        cells.map(Option::unwrap_or_default).collect()
    };
    Ok(rows.iter().map(chosen).collect())
}

/// A column's name without its unit.
fn without_unit(name: &str) -> &str {
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
        let table = markdown::table(&rows);
        assert_eq!(table, "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |\n");
        assert_eq!(read(&table).unwrap(), rows);
    }

    #[test]
    fn nothing_in_a_cell_means_anything_in_markdown_or_html() {
        let text = "<b>&amp;</b> | `c` *d* _e_ [f](g) \\| $h$ ~i~ &lt;";
        let rows = rows(&[&["a", "b"], &[text, "1"]]);
        let table = markdown::table(&rows);
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
