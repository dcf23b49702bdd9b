//! Edits that cannot change what a step computes.

use crate::package::Package;

/// One of everything that these edits are about.
fn package() -> Package {
    Package::new(
        "mod tools;
         mod unused;
         use std::collections::BTreeMap;
         use tools::{Size, double};
         pub fn run() -> u32 {
             let mut map = BTreeMap::new();
             map.insert(1, Size { width: 2 });
             match map.len() { 0 => 0, _ => double(map[&1].width) }
         }",
    )
    .with(
        "src/tools.rs",
        "//! Tools.
         /// A size.
         #[derive(Clone, Debug)]
         pub struct Size {
             /// In metres.
             pub width: u32,
         }
         impl Size { pub fn area(&self) -> u32 { self.width } }
         /// Twice.
         #[must_use]
         pub fn double(x: u32) -> u32 { x * 2 + u32::MIN }",
    )
    .with("src/unused.rs", "use crate::run; pub fn idle() { run(); }")
}

#[test]
fn a_comment_changes_nothing() {
    package()
        .edit("x * 2", "x /* twice */ * 2 // and no more\n")
        .changes_nothing();
}

#[test]
fn a_doc_comment_changes_nothing() {
    package()
        .edit("/// Twice.", "/// Two times.")
        .changes_nothing();
}

#[test]
fn a_doc_comment_on_a_field_changes_nothing() {
    package()
        .edit("/// In metres.", "/// In feet.")
        .changes_nothing();
}

#[test]
fn a_doc_comment_of_a_module_changes_nothing() {
    package()
        .edit("//! Tools.", "//! Implements.")
        .changes_nothing();
}

#[test]
fn white_space_changes_nothing() {
    package()
        .edit("{ x * 2 + u32::MIN }", "{\n\n    x*2+u32::MIN\n}")
        .changes_nothing();
}

#[test]
fn spaces_between_operators_change_nothing() {
    let package =
        Package::new("pub fn run() { let a = [1]; let x = -1; assert!(x == -1 && a.len() > 0); }");
    package.edit("x == -1 &&", "x==-1&&").changes_nothing();
    package.edit("let x = -1", "let x=-1").changes_nothing();
}

#[test]
fn trailing_commas_as_rustfmt_sets_them_change_nothing() {
    let package = package();
    package
        .edit("(x: u32) -> u32 { x", "(\n    x: u32,\n) -> u32 { x")
        .changes_nothing();
    package
        .edit("Size { width: 2 }", "Size {\n    width: 2,\n}")
        .changes_nothing();
    package
        .edit(
            "_ => double(map[&1].width)",
            "_ => double(\n    map[&1].width,\n),",
        )
        .changes_nothing();
}

#[test]
fn trailing_commas_of_generics_change_nothing() {
    let package = Package::new("fn f<A, B>(a: A, b: B) {} pub fn run() { f::<u8, u8>(1, 2); }");
    package
        .edit("fn f<A, B>(", "fn f<\n    A,\n    B,\n>(")
        .changes_nothing();
    package
        .edit(
            "f::<u8, u8>(1, 2)",
            "f::<\n    u8,\n    u8,\n>(\n    1,\n    2,\n)",
        )
        .changes_nothing();
    let package = Package::new("fn f<A>(a: A) {} pub fn run() { f::<u8>(1); }");
    package.edit("(a: A)", "(\n    a: A,\n)").changes_nothing();
    package.edit("(1)", "(\n    1,\n)").changes_nothing();
}

#[test]
fn a_comma_after_the_block_of_a_match_arm_changes_nothing() {
    let package = Package::new("pub fn run() { match 1 { 0 => {} _ => {} } }");
    package.edit("0 => {} _", "0 => {}, _").changes_nothing();
}

#[test]
fn trailing_commas_in_arguments_of_known_macros_change_nothing() {
    let package = Package::new("pub fn run() { println!(\"{}\", 1); let _ = vec![1, 2]; }");
    package.edit("\"{}\", 1", "\"{}\", 1,").changes_nothing();
    package.edit("[1, 2]", "[1, 2,]").changes_nothing();
}

#[test]
fn reordered_imports_change_nothing() {
    package()
        .edit(
            "use std::collections::BTreeMap;
         use tools::{Size, double};",
            "use tools::{double, Size}; use std::collections::BTreeMap;",
        )
        .changes_nothing();
}

#[test]
fn reordered_items_change_nothing() {
    let package = Package::new("fn a() {} fn b() {} pub fn run() { a(); b(); }");
    package
        .edit("fn a() {} fn b() {}", "fn b() {} fn a() {}")
        .changes_nothing();
}

#[test]
fn a_module_of_tests_changes_nothing() {
    package()
        .edit("/// Twice.", "#[cfg(test)] mod tests { use super::*; impl Drop for Size { fn drop(&mut self) {} } }\n /// Twice.")
        .changes_nothing();
}

#[test]
fn a_file_of_tests_is_not_even_read() {
    package()
        .edit("mod unused;", "mod unused; #[cfg(test)] mod tests;")
        .changes_nothing();
    package()
        .edit(
            "mod unused;",
            "mod unused; #[cfg(all(test, unix))] mod tests;",
        )
        .changes_nothing();
}

#[test]
fn a_test_function_changes_nothing() {
    package()
        .edit(
            "/// Twice.",
            "#[test] fn doubles() { assert_eq!(double(1), 2); }\n /// Twice.",
        )
        .changes_nothing();
}

#[test]
fn a_method_or_a_field_for_tests_changes_nothing() {
    let package = package();
    package
        .edit(
            "impl Size {",
            "impl Size { #[cfg(test)] pub fn width(&self) {}",
        )
        .changes_nothing();
    package
        .edit("pub width: u32,", "pub width: u32, #[cfg(test)] seen: bool")
        .changes_nothing();
}

#[test]
fn an_import_for_tests_changes_nothing() {
    package()
        .edit(
            "//! Tools.",
            "//! Tools.\n#[cfg(test)] use anyhow::Context;",
        )
        .changes_nothing();
}

#[test]
fn a_function_that_nothing_reaches_changes_nothing() {
    package()
        .edit(
            "/// Twice.",
            "pub fn triple(x: u32) -> u32 { x * 3 }\n /// Twice.",
        )
        .changes_nothing();
}

#[test]
fn a_function_that_nothing_reaches_may_bring_its_import() {
    let package = package();
    let with = |import: &str| {
        package.replaced(
            "//! Tools.",
            &format!("//! Tools.\n{import}\nfn other() {{}}"),
        )
    };
    package
        .becomes(&with("use std::collections::HashSet;"))
        .changes_nothing();
    package
        .becomes(&with("use std::fs::{self, File};"))
        .changes_nothing();
    package
        .becomes(&with("use crate::unused::idle;"))
        .changes_nothing();
    package
        .becomes(&with("use anyhow::bail;"))
        .changes_nothing();
}

#[test]
fn a_method_that_nothing_calls_changes_nothing() {
    package()
        .edit("self.width }", "self.width * self.width }")
        .changes_nothing();
}

#[test]
fn a_module_that_nothing_reaches_changes_nothing() {
    package()
        .edit("run(); }", "run(); run(); }")
        .changes_nothing();
    let more = package().replaced("mod unused;", "mod unused; mod another;");
    package()
        .becomes(&more.with("src/another.rs", "pub trait Other {}"))
        .changes_nothing();
}

#[test]
fn a_lint_attribute_changes_nothing() {
    let package = package();
    package
        .edit("#[must_use]", "#[allow(dead_code, reason = \"why not\")]")
        .changes_nothing();
    package
        .edit("//! Tools.", "#![allow(clippy::all)]")
        .changes_nothing();
    package
        .edit("pub width", "#[expect(dead_code)] pub width")
        .changes_nothing();
    package
        .edit("pub fn double", "#[rustfmt::skip] pub fn double")
        .changes_nothing();
}

#[test]
fn a_name_that_a_crate_has_as_well_is_no_use_of_it() {
    let package = Package::new("pub fn run() { let x = 1; x; }");
    assert!(
        package
            .replaced("let x = 1; x;", "let clap = 1; clap;")
            .parts()
            .unwrap()
            .crates
            .is_empty()
    );
}

#[test]
fn a_module_by_the_name_of_a_variable_is_not_reached() {
    let package =
        Package::new("mod data { pub fn load() {} } pub fn run() { let data = 1; drop(data); }");
    assert!(!package.reached().contains("fn load"));
}

#[test]
fn a_type_for_which_a_nested_impl_is_keeps_it_to_itself() {
    Package::new(
        "fn idle() { struct Own; impl Drop for Own { fn drop(&mut self) {} } } pub fn run() {}",
    )
    .edit("&mut self) {}", "&mut self) { panic!() }")
    .changes_nothing();
}

#[test]
fn a_constant_that_is_only_checked_changes_nothing() {
    Package::new("const _: () = assert!(1 < 2); pub fn run() { let _ = 1; }")
        .edit("1 < 2", "1 < 3")
        .changes_nothing();
}

#[test]
fn a_keyword_before_a_negation_is_no_macro() {
    let package =
        Package::new("fn f(a: u8, b: u8) {} fn idle() {} pub fn run() { if !{ f(1, 2) } {} }");
    assert!(!package.reached().contains("fn idle"));
    package.edit("f(1, 2)", "f(1, 2,)").changes_nothing();
}
