//! Checks as a page of Markdown, for the summary of a CI job: what did not pass in full, the rest
//! folded away.

use crate::verify::{Check, Status, by_level, overall};
use markdown::row;

/// The page, with a final newline.
pub fn page(checks: &[Check]) -> String {
    let verdict = match overall(checks) {
        Status::Passed => "everything that was checked holds",
        Status::Undecided if checks.is_empty() => "nothing was checked",
        Status::Undecided => "undecided",
        Status::Failed => "failed",
    };
    let mut page = format!("## fig6 verify: {verdict}\n");
    if !checks.is_empty() {
        page += "\n| level | passed | undecided | failed |\n| --- | --: | --: | --: |\n";
    }
    let levels = by_level(checks);
    for (level, checks) in &levels {
        let [passed, undecided, failed] =
            [Status::Passed, Status::Undecided, Status::Failed].map(|status| {
                checks
                    .iter()
                    .filter(|check| check.status == status)
                    .count()
                    .to_string()
            });
        page += &row([level.name(), &passed, &undecided, &failed]);
    }
    for status in [Status::Failed, Status::Undecided, Status::Passed] {
        let checks = levels
            .values()
            .flatten()
            .filter(|check| check.status == status);
        let rows = checks.map(|check| row([check.level.name(), &check.name, &check.message]));
        let rows: Vec<String> = rows.collect();
        let count = rows.len();
        let table = format!(
            "| level | check | found |\n| --- | --- | --- |\n{}",
            rows.concat()
        );
        page += &match status {
            _ if rows.is_empty() => String::new(),
            Status::Failed => format!("\n### Failed\n\n{table}"),
            Status::Undecided => format!("\n### Undecided\n\n{table}"),
            Status::Passed => {
                format!("\n<details><summary>{count} passed</summary>\n\n{table}\n</details>\n")
            }
        };
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Level;

    #[test]
    fn a_page_reads_exactly_so() {
        let checks = [
            Check::new(
                Level::Documents,
                "README.md:12",
                Status::Failed,
                "says 8 | 9\nand <b>",
            ),
            Check::new(Level::Lock, "table", Status::Passed, "as published"),
            Check::new(Level::Lock, "plot/fig6", Status::Passed, "as published"),
            Check::new(Level::Claims, "he/resnet56", Status::Undecided, "one seed"),
        ];
        assert_eq!(
            page(&checks),
            "\
## fig6 verify: failed

| level | passed | undecided | failed |
| --- | --: | --: | --: |
| lock | 2 | 0 | 0 |
| claims | 0 | 1 | 0 |
| documents | 0 | 0 | 1 |

### Failed

| level | check | found |
| --- | --- | --- |
| documents | README.md:12 | says 8 \\| 9 and &lt;b&gt; |

### Undecided

| level | check | found |
| --- | --- | --- |
| claims | he/resnet56 | one seed |

<details><summary>2 passed</summary>

| level | check | found |
| --- | --- | --- |
| lock | table | as published |
| lock | plot/fig6 | as published |

</details>
"
        );
    }

    #[test]
    fn the_heading_is_never_better_than_the_worst_check() {
        let heading = |statuses: &[Status]| {
            let checks = statuses.iter();
            let checks: Vec<Check> = checks
                .map(|&status| Check::new(Level::Lock, "x", status, "y"))
                .collect();
            page(&checks).lines().next().unwrap().to_owned()
        };
        let passed = "## fig6 verify: everything that was checked holds";
        assert_eq!(heading(&[Status::Passed]), passed);
        assert_eq!(heading(&[]), "## fig6 verify: nothing was checked");
        let undecided = "## fig6 verify: undecided";
        assert_eq!(heading(&[Status::Passed, Status::Undecided]), undecided);
        let failed = "## fig6 verify: failed";
        assert_eq!(heading(&[Status::Failed, Status::Undecided]), failed);
    }

    #[test]
    fn no_text_of_a_check_leaves_its_cell() {
        let check = Check::new(
            Level::Lock,
            "a\u{2028}b",
            Status::Passed,
            "</details>\r\n\n| x | \\| `c`",
        );
        let page = page(&[check]);
        let row = "| lock | a b | &lt;/details&gt;   \\| x \\| \\\\\\| \\`c\\` |\n";
        assert!(page.contains(row), "{page}");
    }
}
