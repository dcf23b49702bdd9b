//! Edits of what a step reaches by name.

use crate::package::Package;

fn package() -> Package {
    Package::new(
        "mod model;
         use model::Model;
         pub const RATE: f64 = 0.1;
         static SHARED: u32 = 3;
         type Number = u32;
         pub fn run() -> Number {
             let model = Model::new(RATE);
             model.step(SHARED)
         }",
    )
    .with(
        "src/model.rs",
        "use serde::Deserialize;
         #[derive(Clone, Deserialize)]
         pub struct Model {
             rate: f64,
             #[serde(default = \"two\")]
             times: u32,
         }
         fn two() -> u32 { 2 }
         impl Model {
             const BASE: u32 = 7;
             pub fn new(rate: f64) -> Model { Model { rate, times: 1 } }
             #[inline]
             pub fn step(&self, more: u32) -> u32 { self.times + more + Self::BASE }
         }",
    )
}

#[test]
fn a_constant_counts() {
    package()
        .edit("f64 = 0.1", "f64 = 0.2")
        .changes(&["const RATE"]);
}

#[test]
fn a_literal_counts() {
    package()
        .edit("times: 1 }", "times: 2 }")
        .changes(&["impl Model::new"]);
}

#[test]
fn an_operator_counts() {
    package()
        .edit("times + more", "times - more")
        .changes(&["impl Model::step"]);
}

#[test]
fn a_static_counts() {
    package().edit("= 3;", "= 4;").changes(&["static SHARED"]);
}

#[test]
fn a_type_alias_counts() {
    package()
        .edit("type Number = u32", "type Number = u64")
        .changes(&["type Number"]);
}

#[test]
fn an_associated_constant_counts() {
    package()
        .edit("BASE: u32 = 7", "BASE: u32 = 8")
        .changes(&["impl Model::BASE"]);
}

#[test]
fn the_order_of_fields_counts() {
    let edit = package().edit(
        "rate: f64,
             #[serde(default = \"two\")]
             times: u32,",
        "#[serde(default = \"two\")] times: u32, rate: f64,",
    );
    edit.changes(&["struct Model"]);
}

#[test]
fn a_derive_counts() {
    package()
        .edit("Clone, Deserialize", "Deserialize")
        .changes(&["struct Model"]);
}

#[test]
fn an_attribute_with_an_effect_counts() {
    package()
        .edit("#[inline]", "#[cold]")
        .changes(&["impl Model::step"]);
}

#[test]
fn a_function_that_an_attribute_names_counts() {
    package().edit("{ 2 }", "{ 5 }").changes(&["fn two"]);
}

#[test]
fn a_module_that_an_attribute_names_counts_as_a_whole() {
    let package = Package::new(
        "#[derive(serde::Serialize)] struct Time { #[serde(with = \"seconds\")] at: u64 }
         mod seconds { pub fn serialize() {} }
         pub fn run(time: Time) {}",
    );
    package
        .edit("serialize() {}", "serialize() { panic!() }")
        .changes(&["fn serialize"]);
}

#[test]
fn a_tuple_of_one_is_not_a_value_in_parentheses() {
    let package = Package::new("pub fn run() { let x = (1); return (2); }");
    package.edit("= (1)", "= (1,)").changes(&["fn run"]);
    package
        .edit("return (2)", "return (2,)")
        .changes(&["fn run"]);
}

#[test]
fn a_comma_that_a_macro_of_ones_own_sees_counts() {
    let package = Package::new(
        "macro_rules! last { ($x:expr) => { 1 }; ($x:expr,) => { 2 }; } pub fn run() { last!(0); }",
    );
    package.edit("last!(0)", "last!(0,)").changes(&["fn run"]);
}

#[test]
fn documentation_counts_where_a_derive_reads_it() {
    let package = Package::new(
        "use clap::Parser;
         #[derive(Parser)] struct Args {
             /// The depth.
             depth: u32 }
         pub fn run(args: Args) {}",
    );
    package
        .edit("The depth.", "The height.")
        .changes(&["struct Args"]);
}

#[test]
fn a_function_passed_by_name_counts() {
    let package =
        Package::new("fn twice(x: u32) -> u32 { x * 2 } pub fn run() { [1].map(twice); }");
    package.edit("x * 2", "x * 3").changes(&["fn twice"]);
}

#[test]
fn a_constant_that_a_text_captures_counts() {
    let package = Package::new(
        "const WHO: u32 = 1; const WIDE: usize = 2; pub fn run() { format!(\"to {WHO:>WIDE$}\"); }",
    );
    package.edit("= 1", "= 2").changes(&["const WHO"]);
    package
        .edit("usize = 2", "usize = 3")
        .changes(&["const WIDE"]);
}

#[test]
fn names_in_the_arguments_of_macros_count() {
    let package =
        Package::new("fn one() -> u32 { 1 } pub fn run() { assert_eq!(vec![one()], [1]); }");
    package.edit("{ 1 }", "{ 2 }").changes(&["fn one"]);
}

#[test]
fn the_bounds_of_an_impl_count_for_each_of_its_parts() {
    let package = Package::new(
        "struct Own<T>(T); impl<T: Clone> Own<T> { fn go(&self) {} } pub fn run() { Own(1).go(); }",
    );
    package
        .edit("T: Clone", "T: Copy")
        .changes(&["impl Own<T>::go"]);
}

#[test]
fn visibility_counts() {
    package()
        .edit("fn two()", "pub fn two()")
        .changes(&["fn two"]);
}

#[test]
fn the_path_and_the_folder_of_a_module_are_found() {
    let package = Package::new("#[path = \"elsewhere/odd.rs\"] mod odd; mod inline { pub mod deep; } pub fn run() { odd::f(); inline::deep::g(); }")
        .with("src/elsewhere/odd.rs", "mod next; pub fn f() { next::h(); }")
        .with("src/elsewhere/next.rs", "pub fn h() { 1; }")
        .with("src/inline/deep/mod.rs", "pub fn g() { 2; }");
    package.edit("1;", "3;").changes(&["fn h"]);
    package.edit("2;", "3;").changes(&["fn g"]);
}

#[test]
fn an_inline_module_is_followed() {
    let package = Package::new(
        "mod inner { pub fn f() -> u32 { super::g() } } fn g() -> u32 { 1 } pub fn run() { inner::f(); }",
    );
    package.edit("{ 1 }", "{ 2 }").changes(&["fn g"]);
}

#[test]
fn both_variants_behind_a_condition_count() {
    let package = Package::new(
        "#[cfg(unix)] fn f() { 1; } #[cfg(windows)] fn f() { 2; } pub fn run() { f(); }",
    );
    package.edit("1;", "3;").changes(&["fn f"]);
    package.edit("2;", "3;").changes(&["fn f"]);
}

#[test]
fn a_raw_name_is_the_name() {
    let package = Package::new("fn r#try() { 1; } pub fn run() { r#try(); }");
    package.edit("1;", "2;").changes(&["fn try"]);
}

#[test]
fn a_function_within_a_function_is_part_of_it() {
    let package = Package::new("pub fn run() { fn inner() { 1; } inner(); }");
    package.edit("1;", "2;").changes(&["fn run"]);
}

#[test]
fn the_type_of_a_function_has_no_body() {
    let package = Package::new(
        "struct Own<F = fn()> { go: F } const C: fn() = { || { 1; } }; pub fn run(own: Own) { C; }",
    );
    package.edit("go: F", "went: F").changes(&["struct Own"]);
    package.edit("1;", "2;").changes(&["const C"]);
}

#[test]
fn a_function_is_followed_wherever_it_stands() {
    let package = Package::new(
        "trait Go { fn go() -> [u8; { 1 }]; fn stay() { one(); } } struct Own;
         impl Go for Own { fn go() -> [u8; { 1 }] { two(); [0] } } fn one() { 1; } fn two() { 2; }
         pub fn run() { Own::go(); }",
    );
    package.edit("1; }", "3; }").changes(&["fn one"]);
    package.edit("2; }", "3; }").changes(&["fn two"]);
    package
        .edit("two(); [0]", "two(); [1]")
        .changes(&["impl Go for Own"]);
}

#[test]
fn a_text_in_an_attribute_that_is_no_path_reaches_nothing() {
    let package = Package::new(
        "#[derive(serde::Serialize)] struct Time { #[serde(rename = \"seconds\")] at: u64 }
         mod seconds { pub fn serialize() {} } pub fn run(time: Time) {}",
    );
    assert!(!package.reached().contains("fn serialize"));
}
