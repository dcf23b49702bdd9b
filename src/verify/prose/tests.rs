//! Documents as a whole: marks found, compared and brought up to date.

use proptest::prelude::*;

use super::example_tests::{Core, TABLE};
use std::path::Path;

use super::*;
use table::Results;

const CORE: Core = Core { holes: false };

fn document(text: &str) -> Document {
    Document::new("README.md", text)
}

fn latex(text: &str) -> Document {
    Document::new("paper.tex", text)
}

/// Line and message of each check that did not pass.
fn findings(document: &Document) -> Vec<(usize, String)> {
    let checks = check(document, &CORE).into_iter();
    let wrong = checks.filter(|check| check.status != Status::Passed);
    wrong
        .map(|check| (check.place.unwrap().line, check.message))
        .collect()
}

fn rewritten(document: &Document) -> String {
    rewrite(document, &CORE).unwrap()
}

fn bound(expression: &str, content: &str) -> String {
    format!("<!-- fig6: {expression} -->{content}<!-- /fig6 -->")
}

#[test]
fn a_number_that_the_results_have_passes_and_another_fails_at_its_place() {
    let text = format!(
        "# Title\n\nResNet-20 has {} % error,\nand {} parameters.\n",
        bound("test_error(resnet20).mean", "8.51"),
        bound("parameters(resnet20) in core", "269,722"),
    );
    let checks = check(&document(&text), &CORE);
    assert_eq!(checks.len(), 2);
    let [wrong, right] = &checks[..] else {
        panic!("{checks:?}")
    };
    assert_eq!(wrong.name, "README.md:3 test_error(resnet20).mean");
    assert_eq!(wrong.level, Level::Documents);
    assert_eq!(wrong.status, Status::Failed);
    assert_eq!(wrong.message, "says 8.51, the results say 8.52");
    let place = wrong.place.as_ref().unwrap();
    assert_eq!((place.file.to_str(), place.line), (Some("README.md"), 3));
    assert_eq!(right.name, "README.md:4 parameters(resnet20) in core");
    assert_eq!(right.status, Status::Passed);
    assert_eq!(right.message, "says 269,722, as the results do");
    assert_eq!(rewritten(&document(&text)), text.replace("8.51", "8.52"));
}

#[test]
fn a_document_that_is_right_stays_as_it_is() {
    let text = format!(
        "Über {}.\r\n\r\n> <!-- fig6: table core -->\r\n{}> <!-- /fig6 -->\r\n",
        bound("test_error(resnet20)", "**8.515** ± 0.2"),
        TABLE
            .lines()
            .map(|line| format!("> {line}\r\n"))
            .collect::<String>(),
    );
    let document = document(&text);
    assert_eq!(findings(&document), []);
    assert_eq!(rewritten(&document), text);
}

#[test]
fn a_table_is_brought_up_to_date_with_the_line_ends_and_the_margin_of_the_document() {
    let text =
        "- item\r\n\r\n  <!-- fig6: table core: model, test error -->\r\n  <!-- /fig6 -->\r\n";
    let new = "- item\r\n\r\n  <!-- fig6: table core: model, test error -->\r\n  \
               | model     |   test error, % |\r\n  \
               | --------- | --------------: |\r\n  \
               | ResNet-20 | 8.52 ± 0.25 (3) |\r\n  \
               | Plain-20  |        9.75 (1) |\r\n  \
               <!-- /fig6 -->\r\n";
    assert_eq!(rewritten(&document(text)), new);
    assert_eq!(findings(&document(new)), []);
}

#[test]
fn the_cell_of_a_table_that_differs_is_named() {
    let table = |table: &str| {
        let found = findings(&document(&format!(
            "<!-- fig6: table -->\n{table}<!-- /fig6 -->\n"
        )));
        found
            .into_iter()
            .map(|(_, message)| message)
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(table(TABLE), "");
    assert_eq!(
        table(&TABLE.replace("8.52", "8.53")),
        "row 3 of the table says 8.53 ± 0.25 (3), the report says 8.52 ± 0.25 (3)"
    );
    let (short, last) = TABLE.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(
        table(&format!("{short}\n")),
        format!("row 4 of the table is missing: {last:?}")
    );
    assert_eq!(
        table(&format!("{TABLE}| more |\n")),
        "row 5 of the table is too much: \"| more |\""
    );
    assert!(table(&TABLE.replace("|     20 ", "")).starts_with("row 3 of the table is \"|"));
    assert_eq!(
        table(&TABLE.replace('\n', "\r\n")),
        "line ends differ from the document's others"
    );
}

#[test]
fn an_empty_place_fails_until_it_is_written() {
    let text = bound("test_error(resnet20).mean", "");
    let expected = "no number stands there (\"\"); the results say 8.52 (--write puts it there)";
    assert_eq!(findings(&document(&text)), [(1, expected.to_owned())]);
    let new = rewritten(&document(&text));
    assert_eq!(new, bound("test_error(resnet20).mean", "8.52"));
    assert_eq!(findings(&document(&new)), []);
}

#[test]
fn a_document_in_which_nothing_is_bound_is_undecided() {
    for text in [
        "",
        "no mark",
        "`<!-- fig6: x -->8<!-- /fig6 -->`",
        "<!-- fig6.svg -->",
    ] {
        let checks = check(&document(text), &CORE);
        assert_eq!(checks.len(), 1, "{text}");
        assert_eq!(checks[0].status, Status::Undecided);
        assert!(
            checks[0]
                .message
                .starts_with("nothing is bound in README.md")
        );
        assert_eq!(rewritten(&document(text)), text);
    }
}

#[test]
fn marks_in_code_are_none() {
    let mark = bound("nothing(at all)", "x");
    for text in [
        format!("```\n{mark}\n```\n"),
        format!("~~~~ text\n{mark}\n~~~\n{mark}\n~~~~\n"),
        format!("> ```\n> {mark}\n> ```\n"),
        format!("> ```\n> {mark}\n\n"),
        format!("- ```\n  {mark}\n  ```\n"),
        format!("1. a\n\n    ```sh\n    {mark}\n    ```\n"),
        format!("`{mark}`\n"),
        format!("`` ` {mark} ``\n"),
        format!("`two\nlines {mark}`\n"),
    ] {
        let text = format!("{text}\n{}\n", bound("layers(resnet20)", "20"));
        assert_eq!(findings(&document(&text)), [], "{text}");
        assert_eq!(check(&document(&text), &CORE).len(), 1, "{text}");
    }
}

#[test]
fn this_projects_documents_are_bound_where_they_should_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = Reports {
        folder: root.join("reports"),
        profile: "smoke".into(),
    };
    let readme = Document::read(&root.join("README.md")).unwrap();
    let checks = check(&readme, &source);
    assert!(checks.len() > 1, "{checks:?}");
    for check in checks {
        assert_eq!(check.status, Status::Passed, "{check:?}");
    }
    // It only explains marks.
    let page = Document::read(&root.join("docs/ci.md")).unwrap();
    assert_eq!(page.marks(), []);
}

#[test]
fn what_only_looks_like_code_hides_no_mark() {
    let mark = bound("layers(resnet20)", "21");
    for text in [
        format!("a ` lone tick\n\n{mark} and ` another\n"),
        format!("\\`{mark}`\n"),
        format!("`code` {mark} `code`\n"),
        format!("``` code ``` {mark}\n"),
        format!("`{mark}``\n"),
        format!("```\ncode\n```\n{mark}\n```\ncode\n```\n"),
        format!("<!-- ` -->{mark}<!-- ` -->\n"),
        format!("a `\n```\n` code\n```\n{mark}`\n"),
    ] {
        let found = findings(&document(&text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].1, "says 21, the results say 20");
    }
    // No backtick is code in HTML.
    let page = Document::new("page.html", format!("`{mark}`"));
    assert_eq!(findings(&page).len(), 1);
}

#[test]
fn every_mark_that_is_wrong_in_itself_is_named_with_its_line() {
    for (text, line, expected) in [
        (
            "\n<!-- fig6: layers(resnet20) -->20\n",
            2,
            "the mark of \"layers(resnet20)\" is not closed",
        ),
        (
            "a\nb <!-- /fig6 -->",
            2,
            "a mark is closed that was not opened",
        ),
        (
            "<!-- fig6: layers(resnet20) -->\n<!-- fig6: layers(plain20) -->20<!-- /fig6 --><!-- /fig6 -->",
            2,
            "a mark begins inside the one of line 1, which is not closed before",
        ),
        (
            "<!-- fig6: -->1<!-- /fig6 -->",
            1,
            "it names nothing; expected a number",
        ),
        (
            "<!-- fig6: layers(resnet21) -->1<!-- /fig6 -->",
            1,
            "unknown model \"resnet21\"",
        ),
        (
            "<!-- fig6: layer(resnet20) -->1<!-- /fig6 -->",
            1,
            "unknown metric \"layer\"",
        ),
        (
            "<!-- fig6: test_error(resnet20).me -->1<!-- /fig6 -->",
            1,
            "unknown field \"me\"",
        ),
        (
            "<!-- fig6 layers(resnet20) -->1<!-- /fig6 -->",
            1,
            "\"fig6 layers(resnet20)\" is no mark",
        ),
        (
            "<!-- Fig6: layers(resnet20) -->1<!-- /fig6 -->",
            1,
            "\"Fig6: layers(resnet20)\" is no mark",
        ),
        (
            "<!-- fig6: layers(resnet20) -->1<!-- /fig6: -->",
            1,
            "\"/fig6:\" closes no mark",
        ),
        (
            "<!-- fig6: layers(resnet20) >1",
            1,
            "the comment that begins here has no end",
        ),
        (
            "x\n```\n<!-- fig6: layers(resnet20) -->",
            2,
            "the code that begins here does not end",
        ),
        (
            "<!-- fig6: table -->| a |<!-- /fig6 -->",
            1,
            "a table stands on lines of its own",
        ),
        (
            "a <!-- fig6: table -->\n<!-- /fig6 -->",
            1,
            "a table stands on lines of its own",
        ),
        (
            "<!-- fig6: table -->\n| a |<!-- /fig6 -->",
            1,
            "a table stands on lines of its own",
        ),
        (
            "<!-- fig6: table: modle -->\n<!-- /fig6 -->",
            1,
            "the table has no column \"modle\"",
        ),
        (
            "<!-- fig6: test_error(plain20).std -->1<!-- /fig6 -->",
            1,
            "plain20 has a single run",
        ),
    ] {
        let found = findings(&document(text));
        let found: Vec<_> = found
            .iter()
            .filter(|(at, said)| *at == line && said.starts_with(expected))
            .collect();
        assert_eq!(found.len(), 1, "{text}: {:?}", findings(&document(text)));
        let error = format!("{:#}", rewrite(&document(text), &CORE).unwrap_err());
        assert!(error.starts_with("README.md:"), "{error}");
    }
}

#[test]
fn no_message_is_longer_than_a_person_reads() {
    let long = "x".repeat(100_000);
    for text in [
        bound(&format!("table: {long}"), "\n"),
        bound(&long, "8"),
        bound(&format!("layers({long})"), "8"),
        bound(&format!("test_error(resnet20).{long}"), "8"),
        bound(&format!("layers(resnet20) in {long}"), "8"),
        bound("layers(resnet20)", &format!("8{long}")),
        format!("<!-- fig6 {long} -->"),
        format!(
            "<!-- fig6: table -->\n{}<!-- /fig6 -->",
            TABLE.replace("20", &long)
        ),
    ] {
        let checks = check(&document(&text), &CORE);
        for check in checks {
            assert!(check.name.len() < 200, "{}", check.name);
            assert!(check.message.len() < 5000, "{}", check.message);
        }
        if let Err(error) = rewrite(&document(&text), &CORE) {
            assert!(format!("{error:#}").len() < 5000);
        }
    }
}

#[test]
fn one_unclosed_mark_does_not_hide_that_of_the_others() {
    let text = format!(
        "<!-- fig6: layers(resnet20) -->20\n{0}\n{0}\n",
        bound("layers(plain20)", "20")
    );
    let found = findings(&document(&text));
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2], "{found:?}");
}

#[test]
fn a_report_that_is_not_there_is_undecided_and_one_that_is_broken_fails() {
    let text = bound("layers(resnet20) in paper", "20");
    assert_eq!(check(&document(&text), &CORE)[0].status, Status::Undecided);
    assert!(rewrite(&document(&text), &CORE).is_err());
    struct Broken;
    impl Source for Broken {
        fn results(&self, _: Option<&str>) -> Result<Results> {
            serde_json::from_str("{").context("results.json is not as fig6 writes it")
        }
        fn page(&self, _: Option<&str>) -> Result<String> {
            Ok("no table".to_owned())
        }
    }
    for text in [
        bound("layers(x)", "20"),
        "<!-- fig6: table -->\n<!-- /fig6 -->".to_owned(),
    ] {
        let checks = check(&document(&text), &Broken);
        assert_eq!(checks[0].status, Status::Failed, "{checks:?}");
    }
}

#[test]
fn a_number_that_leaves_failed_runs_out_never_passes() {
    let holes = Core { holes: true };
    for (expression, content, expected) in [
        ("test_error(resnet20).mean", "8.52", Status::Undecided),
        ("test_error(resnet20).n", "3", Status::Undecided),
        ("test_error(resnet20).mean", "8.51", Status::Failed),
        ("test_error(resnet20).seed3", "8.75", Status::Passed),
        ("test_error(plain20).mean", "9.75", Status::Passed),
        ("layers(resnet20)", "20", Status::Passed),
    ] {
        let checks = check(&document(&bound(expression, content)), &holes);
        assert_eq!(checks[0].status, expected, "{checks:?}");
    }
    let text = format!("<!-- fig6: table -->\n{TABLE}<!-- /fig6 -->");
    let checks = check(&document(&text), &holes);
    assert_eq!(checks[0].status, Status::Undecided);
    let expected = "lack what has failed: resnet20 seed 2, lost seed 0";
    assert!(checks[0].message.ends_with(expected), "{checks:?}");
}

#[test]
fn latex_has_a_macro_within_lines_and_comments_around_lines() {
    let text = "\
\\newcommand{\\figsix}[2]{#2}
ResNet-20: \\figsix{test_error(resnet20)}{$8.51 \\pm 0.25$}\\,\\%, {\\figsix {layers(resnet20)} {20}} layers. % \\figsix{no}{mark}
\\verb|\\figsix{no}{mark}| 5\\% \\figsix{parameters(resnet20)}{269\\,722}
\\begin{verbatim}
\\figsix{no}{mark}
% fig6: no mark
\\end{verbatim}
\\begin{tabular}{lr}
  % fig6: table core: model, test error
  % /fig6
\\end{tabular}
% fig6: layers(resnet20)
21
% /fig6
";
    let found = findings(&latex(text));
    let expected = [
        (2, "says $8.51 \\pm 0.25$, the results say $8.52 \\pm 0.25$"),
        (
            9,
            "row 1 of the table is missing: \"model & test error, \\\\% \\\\\\\\\"",
        ),
        (12, "says 21, the results say 20"),
    ];
    assert_eq!(found, expected.map(|(line, said)| (line, said.to_owned())));
    let new = rewritten(&latex(text));
    let rows = "  model & test error, \\% \\\\\n  \\hline\n  ResNet-20 & 8.52 $\\pm$ 0.25 (3) \\\\\n  \
                Plain-20 & 9.75 (1) \\\\\n  % /fig6\n";
    let expected = text
        .replace("8.51", "8.52")
        .replace("\n21\n", "\n20\n")
        .replace("  % /fig6\n", rows);
    assert_eq!(new, expected);
    assert_eq!(findings(&latex(&new)), []);
    assert_eq!(check(&latex(&new), &CORE).len(), 5);
}

#[test]
fn latex_that_is_wrong_in_itself_is_named_with_its_line() {
    for (text, expected) in [
        ("\\figsix", "its first argument is missing or has no end"),
        (
            "\\figsix{layers(resnet20)",
            "its first argument is missing or has no end",
        ),
        (
            "\\figsix{layers(resnet20)}",
            "its second argument is missing or has no end",
        ),
        (
            "\\figsix{layers(resnet20)}{20% }",
            "its second argument is missing or has no end",
        ),
        (
            "\\figsix{layers(resnet20)}{\\figsix{a}{1}}",
            "a mark begins inside another one",
        ),
        ("% fig6 table", "\"fig6 table\" is no mark"),
        ("% fig6: table\n", "the mark of \"table\" is not closed"),
        (
            "x % fig6: table\n% /fig6",
            "a table stands on lines of its own",
        ),
        ("\\begin{verbatim}\n\\figsix{a}{1}", "verbatim does not end"),
    ] {
        let found = findings(&latex(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].1.starts_with(expected), "{text}: {found:?}");
    }
}

/// Pieces of which hostile documents are made.
fn scrap() -> impl Strategy<Value = String> {
    let known = [
        "<!--",
        "-->",
        " fig6: ",
        "/fig6",
        "fig6",
        "table",
        "core",
        ": ",
        "layers(resnet20)",
        "test_error(resnet20)",
        ".mean",
        " in ",
        "`",
        "```",
        "~~~",
        "\n",
        "\r\n",
        "\n\n",
        "> ",
        "- ",
        "  ",
        "\\",
        "%",
        "\\figsix",
        "{",
        "}",
        "[",
        "#",
        "\\verb",
        "|",
        "\\begin{verbatim}",
        "\\end{verbatim}",
        "8.51",
        "20",
        "±",
        "é",
        "<!-- fig6: layers(resnet20) -->",
        "<!-- /fig6 -->",
        "% fig6: table\n",
        "% /fig6\n",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// What an author may have written between the marks.
fn content() -> impl Strategy<Value = String> {
    "[ *_]{0,2}[0-9]{0,7}([.,][0-9]{0,4})?( ?± ?[0-9]{1,2}(\\.[0-9]{1,3})?)?[ *_%]{0,2}|[a-zé ]{0,9}"
}

fn expression() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "test_error(resnet20)",
        "train_error(resnet20).std",
        "test_error(plain20).mean in core",
        "test_error(plain20)",
        "parameters(resnet20)",
        "multiply_adds(plain20)",
        "test_error(resnet20).runs",
        "test_error(resnet20).seed3",
    ])
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_and_what_is_rewritten_stays_so(
        scraps in prop::collection::vec(scrap(), 0..40),
        name in prop::sample::select(vec!["a.md", "a.tex", "a.html"]),
    ) {
        let document = Document::new(name, scraps.concat());
        let checks = check(&document, &CORE);
        prop_assert!(!checks.is_empty());
        if let Ok(new) = rewrite(&document, &CORE) {
            let new = Document::new(name, new);
            prop_assert_eq!(&rewrite(&new, &CORE).unwrap(), &new.text);
            if !document.marks().is_empty() {
                prop_assert_eq!(findings(&new), vec![]);
            }
        } else {
            prop_assert!(checks.iter().any(|check| check.status != Status::Passed));
        }
    }

    #[test]
    fn rewriting_makes_every_check_pass_and_changes_nothing_else(
        pieces in prop::collection::vec(("[a-zA-Zäß .,|\n\r*_#>0-9-]{0,30}", expression(), content()), 1..12),
        end in "[a-z0-9 \n]{0,20}",
    ) {
        let text: String = pieces
            .iter()
            .map(|(before, expression, content)| format!("{before}{}", bound(expression, content)))
            .chain([end.clone()])
            .collect();
        let new = rewritten(&document(&text));
        let checks = check(&document(&new), &CORE);
        prop_assert_eq!(checks.len(), pieces.len());
        for check in checks {
            prop_assert_eq!(check.status, Status::Passed, "{:?}", check);
        }
        let mut rest = new.as_str();
        for (before, expression, _) in &pieces {
            let opening = format!("{before}<!-- fig6: {expression} -->");
            rest = rest.strip_prefix(&opening).unwrap();
            rest = rest.split_once("<!-- /fig6 -->").unwrap().1;
        }
        prop_assert_eq!(rest, &end);
    }
}
