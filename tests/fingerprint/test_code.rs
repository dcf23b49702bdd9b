//! Code that is compiled for tests only.

use crate::tree::Tree;

const LIB: &str = "crates/steps/draw/src/lib.rs";

#[track_caller]
fn same(one: &str, other: &str) {
    Tree::new()
        .with(LIB, one)
        .same(&Tree::new().with(LIB, other));
}

/// A file below `src/` of `draw`, which declares it so, does not count.
#[track_caller]
fn is_left_out(declaration: &str, file: &str) {
    let tree = Tree::new().drawing(declaration);
    let path = format!("crates/steps/draw/src/{file}");
    tree.same(&tree.with(&path, "fn f() {}"));
}

/// It counts.
#[track_caller]
fn counts(declaration: &str, file: &str) {
    let tree = Tree::new().drawing(declaration);
    let path = format!("crates/steps/draw/src/{file}");
    tree.changes(
        &tree.with(&path, "fn f() {}"),
        &[&format!("draw, draw: src/{file}")],
    );
}

#[test]
fn an_item_of_tests_changes_nothing() {
    let bare = "mod m {} impl S { fn a() {} }";
    same(bare, "mod m {} impl S { fn a() {} #[cfg(test)] fn b() {} }");
    same(
        bare,
        "mod m { #[cfg(test)] fn b() {} } impl S { fn a() {} }",
    );
    same(
        bare,
        "mod m {} impl S { fn a() {} } #[cfg(test)] mod tests { fn b() {} }",
    );
    same(
        bare,
        "#[cfg(test)] use a::{b}; mod m {} impl S { fn a() {} } #[cfg(test)] const A: u8 = 1;",
    );
    same(
        bare,
        "mod m {} impl S { fn a() {} } #[cfg(all(test, unix))] #[test] fn b() {}",
    );
}

#[test]
fn an_item_of_more_than_tests_counts() {
    for condition in ["not(test)", "any(test, unix)", "unix", "feature = \"test\""] {
        let item = format!("#[cfg({condition})] fn f() {{}}");
        Tree::new()
            .drawing("")
            .changes(&Tree::new().drawing(&item), &["draw, draw: src/lib.rs"]);
    }
}

#[test]
fn a_file_that_only_tests_reach_changes_nothing() {
    is_left_out("#[cfg(test)] mod tests;", "tests.rs");
    is_left_out("#[cfg(test)] mod tests;", "tests/mod.rs");
    is_left_out("#[cfg(test)] mod tests { mod a; }", "tests/a.rs");
    is_left_out("mod m { #[cfg(test)] mod tests; }", "m/tests.rs");
    let tree = Tree::new().drawing("#[cfg(test)] mod tests;");
    let tree = tree.with("crates/steps/draw/src/tests.rs", "mod a;");
    tree.same(&tree.with(
        "crates/steps/draw/src/tests/a.rs",
        "include_str!(\"/etc/passwd\");",
    ));
}

#[test]
fn a_file_that_tests_and_others_reach_counts() {
    counts("mod a; #[cfg(test)] mod b { #[cfg(test)] mod c; }", "a.rs");
    counts("#[cfg(test)] mod a; #[cfg(not(test))] mod a;", "a.rs");
    counts("#[cfg(any(test, unix))] mod a;", "a.rs");
}

#[test]
fn folders_and_files_beside_the_code_change_nothing() {
    let tree = Tree::new();
    for path in [
        "tests/a.rs",
        "benches/a/b.csv",
        "examples/a.rs",
        "README.md",
        ".gitignore",
        "src/.a.rs.swp",
    ] {
        tree.same(&tree.with(&format!("crates/steps/draw/{path}"), "not { Rust"));
    }
}

#[test]
fn what_lies_outside_of_the_steps_crates_changes_nothing() {
    let tree = Tree::new();
    for path in ["src/lib.rs", "crates/other/src/lib.rs", "tests/a.rs"] {
        tree.same(&tree.with(path, "fn f() {}"));
    }
}
