//! Edits of code.

use crate::tree::Tree;

const DRAW: &str = "draw, draw: src/lib.rs";

/// Two texts of `draw` are the same to the fingerprint.
#[track_caller]
fn same(one: &str, other: &str) {
    Tree::new().drawing(one).same(&Tree::new().drawing(other));
}

/// Two texts of `draw` differ.
#[track_caller]
fn differ(one: &str, other: &str) {
    Tree::new()
        .drawing(one)
        .changes(&Tree::new().drawing(other), &[DRAW]);
}

#[test]
fn a_comment_changes_nothing() {
    same(
        "fn f() {}",
        "//! A.\n/// B.\n#[doc = \"C\"]\nfn f() { // D\n /* E */ }",
    );
    same("struct S { a: u8 }", "struct S { /// A.\n a: u8 }");
    same(
        "macro_rules! m { () => { fn f() {} } }",
        "macro_rules! m { () => { /// A.\n fn f() {} } }",
    );
    same(
        "fn f() {}",
        "#![doc = include_str!(\"../README.md\")] fn f() {}",
    );
}

#[test]
fn layout_changes_nothing() {
    same(
        "fn f(a: u8) -> Vec<Vec<u8>> { a+-1 }",
        "fn f(\n  a:u8)->Vec<Vec<u8> >\r\n{\n a + - 1 }",
    );
}

#[test]
fn a_trailing_comma_changes_nothing() {
    for text in [
        "fn f(a: u8,) {}",
        "fn f() { g(1,); a.g(1, 2,); let S { a, b, } = c; [1, 2,]; }",
        "struct S(u8, u8,); enum E { A, B(u8,), }",
        "use a::{b, c,}; type T = Vec<u8,>;",
        "fn f() { assert!(a, \"b\",); vec![1,]; format!(\"\",); assert_eq!(f(1,), 2,); }",
        "fn f() { let a = (1,); match a { _ => 1, } }",
    ] {
        let bare = text
            .replace("(1,);", "(ONE);")
            .replace(",)", ")")
            .replace(", }", " }");
        let bare = bare
            .replace(",}", "}")
            .replace(",]", "]")
            .replace(",>", ">");
        same(
            text,
            &bare.replace(
                "(ONE);",
                if text.contains("= (1,)") {
                    "(1,);"
                } else {
                    "(1);"
                },
            ),
        );
    }
}

#[test]
fn a_comma_that_makes_a_tuple_of_one_counts() {
    for text in [
        "const A: (u8,) = B;",
        "fn f() -> (u8,) { return (1,) }",
        "fn f() { let (a,) = b; (f::<u8, u8>(),); 'a: { break 'a (1,) } }",
        "struct S(pub(crate) (u8,));",
        "fn f() { vec![(1,)]; assert!(a > (1,)); }",
        "fn f<'a>() -> &'a (u8,) { b }",
    ] {
        differ(text, &text.replace(",)", ")"));
    }
}

#[test]
fn a_comma_counts_where_a_macro_or_an_attribute_sees_it() {
    differ("m!(1,);", "m!(1);");
    differ("m![f(1,)];", "m![f(1)];");
    differ(
        "macro_rules! m { ($a:expr,) => {} }",
        "macro_rules! m { ($a:expr) => {} }",
    );
    differ("#[m(1,)] fn f() {}", "#[m(1)] fn f() {}");
}

#[test]
fn an_edit_counts() {
    for (one, other) in [
        ("fn f() {}", "fn g() {}"),
        ("fn f() { 1 }", "fn f() { 2 }"),
        ("fn f() { \"1\" }", "fn f() { 1 }"),
        ("fn f() { 1 }", "fn f() { 1.0 }"),
        ("fn f() { a - b }", "fn f() { a + b }"),
        ("fn f() { & &a }", "fn f() { b && a }"),
        ("fn f() { [a] }", "fn f() { (a) }"),
        ("fn f() { (a) + b }", "fn f() { (a + b) }"),
        ("fn f() {}", "#[inline] fn f() {}"),
        ("fn f() { m!(a << b) }", "fn f() { m!(a < < b) }"),
        ("fn f() {} fn g() {}", "fn g() {} fn f() {}"),
    ] {
        differ(one, other);
    }
}

#[test]
fn an_edit_counts_for_the_kinds_that_depend_on_the_crate() {
    let tree = Tree::new();
    let edit = |path| tree.edit(path, "pub fn", "fn");
    tree.changes(
        &edit("crates/steps/learn/src/lib.rs"),
        &["learn, learn: src/lib.rs"],
    );
    tree.changes(&edit("crates/net/src/lib.rs"), &["learn, net: src/lib.rs"]);
    tree.changes(
        &edit("crates/util/src/lib.rs"),
        &["draw, util: src/lib.rs", "learn, util: src/lib.rs"],
    );
}

#[test]
fn a_file_counts_whether_or_not_a_module_leads_to_it() {
    let tree = Tree::new();
    for path in [
        "src/new.rs",
        "src/bin/tool.rs",
        "src/table.csv",
        "assets/readme.md",
    ] {
        let with = tree.with(&format!("crates/steps/draw/{path}"), "");
        let entry = format!("draw, draw: {path}");
        tree.changes(&with, &[&entry]);
        let edited = with.with(&format!("crates/steps/draw/{path}"), "fn f() {}");
        with.changes(&edited, &[&entry]);
    }
}

#[test]
fn an_embedded_file_counts_by_its_bytes() {
    let tree = Tree::new().drawing("const A: &str = include_str!(\"a/b.txt\");");
    let tree = tree.with("crates/steps/draw/src/a/b.txt", "// A");
    let edited = tree.with("crates/steps/draw/src/a/b.txt", "// B");
    tree.changes(&edited, &["draw, draw: src/a/b.txt"]);
}

#[test]
fn a_new_kind_is_found() {
    let tree = Tree::new();
    let new = tree.with("crates/steps/new/src/lib.rs", "");
    let new = new.with("crates/steps/new/Cargo.toml", "package.name = \"new\"");
    tree.changes(&new, &["new, new: Cargo.toml", "new, new: src/lib.rs"]);
}
