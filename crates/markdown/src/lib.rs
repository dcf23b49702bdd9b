//! Plain text and tables, written as Markdown: the only place that knows what has to be escaped.
//!
//! Unaware of what the text says. Nothing that a step computes depends on reading such tables, so that is
//! done elsewhere.

/// A text of which nothing means anything in Markdown, nor in HTML, in one line.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{2028}' | '\u{2029}' => escaped.push(' '),
            control if control.is_control() => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', letter]),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A row of a table, of plain texts.
pub fn row<const N: usize>(cells: [&str; N]) -> String {
    line(&cells.map(escaped))
}

/// A table of plain texts whose first row is the header. Columns are as wide as their widest cell; all but
/// the first are aligned to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let escaped = |row: &Vec<String>| row.iter().map(|cell| escaped(cell)).collect();
    let mut rows: Vec<Vec<String>> = rows.iter().map(escaped).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        // A rule has three dashes at least.
        widths.fold(3, usize::max)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let rule = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => "-".repeat(width - 1) + ":",
        });
    let rule: Vec<String> = rule.collect();
    if !rows.is_empty() {
        rows.insert(1, rule);
    }
    let padded = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        line(&cells.collect::<Vec<_>>())
    });
    padded.collect()
}

/// A row of cells as they are, ended by a newline.
fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        let row = |row: &&[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let written = table(&rows(&[&["a", "b", "c"], &["x|y", "1", "−12.25"]]));
        let expected = "\
| a    |   b |      c |
| ---- | --: | -----: |
| x\\|y |   1 | −12.25 |
";
        assert_eq!(written, expected);
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn nothing_in_a_cell_means_anything_in_markdown_or_html() {
        let text = "<b>&amp;</b> | `c` *d* _e_ [f](g) \\| $h$ ~i~ &lt;";
        let expected = "| &lt;b&gt;&amp;amp;&lt;/b&gt; \\| \\`c\\` \\*d\\* \\_e\\_ \\[f\\](g) \\\\\\| \\$h\\$ \\~i\\~ &amp;lt; | 1 |\n";
        assert_eq!(row([text, "1"]), expected);
    }

    #[test]
    fn no_text_leaves_its_line() {
        assert_eq!(escaped("a\r\n\u{b}b\u{2028}\u{85}c"), "a   b  c");
    }
}
