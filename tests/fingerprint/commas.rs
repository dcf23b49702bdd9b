//! Commas that rustfmt would not add: they make a tuple of one, or a macro sees them.

use crate::package::Package;

/// A step in which `value`, with and without a comma before its last parenthesis, differs.
fn counts(context: &str, with: &str) {
    let package = Package::new(&format!(
        "fn f<A>() -> u8 {{ 1 }} {context} pub fn run() {{ go(); S; }} fn go() {{}}"
    ));
    let without = with.replace(",)", ")");
    assert_ne!(without, with);
    let after = package.replaced(with, &without);
    assert_ne!(
        package.parts().unwrap(),
        after.parts().unwrap(),
        "{with} and {without}"
    );
}

#[test]
fn a_tuple_of_one_is_one_whatever_commas_it_holds() {
    for tuple in [
        "(f::<u8, u8>(),)",
        "(|a, b| a + b,)",
        "(<u8 as From<u8, u8>>::from(1),)",
    ] {
        counts(&format!("static S: u8 = {{ let x = {tuple}; }};"), tuple);
    }
    counts("type S = (BTreeMap<A, B>,);", "(BTreeMap<A, B>,)");
}

#[test]
fn a_tuple_after_a_lifetime_is_no_arguments() {
    counts("static S: &'static (u8,) = 1;", "(u8,)");
    counts("fn S() { 'a: { break 'a (1,) } }", "(1,)");
}

#[test]
fn a_tuple_after_a_visibility_is_no_arguments() {
    counts("struct S(pub(crate) (u8,), u8);", "(u8,)");
    counts("struct S(pub(in crate) (u8,), u8);", "(u8,)");
}

#[test]
fn a_tuple_after_a_comparison_is_no_arguments() {
    counts("static S: bool = f::<u8>() > (1,);", "(1,)");
    counts("static S: bool = 1 < 2 && f::<u8>() > (1,);", "(1,)");
}

#[test]
fn a_comma_in_arguments_changes_nothing_whatever_stands_before_them() {
    for call in [
        "f::<Vec<Vec<u8>>>(1)",
        "f::<<u8 as Go>::To>(1)",
        "f(1)(2)",
        "f::<fn() -> Vec<u8>>(1)",
    ] {
        let package = Package::new(&format!("fn f<A>() {{}} pub fn run() {{ {call}; }}"));
        let with = call.strip_suffix(')').unwrap();
        package.edit(call, &format!("{with},)")).changes_nothing();
    }
    let package = Package::new("pub fn run() { let x = (1, 2, 3); }");
    package.edit("3)", "3,)").changes_nothing();
}

#[test]
fn a_comma_counts_where_a_macro_of_a_known_name_may_be_ones_own() {
    let own = "($($x:expr),*) => { 1 }; ($($x:expr,)*) => { 2 };";
    for package in [
        format!("macro_rules! vec {{ {own} }} pub fn run() {{ vec![0]; }}"),
        format!("pub fn run() {{ macro_rules! vec {{ {own} }} vec![0]; }}"),
        format!(
            "mod m {{ macro_rules! mine {{ {own} }} pub(crate) use mine; }} use m::mine as vec; pub fn run() {{ vec![0]; }}"
        ),
        format!(
            "macro_rules! make {{ ($n:ident) => {{ macro_rules! $n {{ ($x:expr) => {{ 1 }}; }} }}; }} make!(vec); pub fn run() {{ vec![0]; }} // {own}"
        ),
        format!(
            "mod anyhow {{ macro_rules! bail {{ {own} }} pub(crate) use bail; }} pub fn run() {{ anyhow::bail![0]; }}"
        ),
    ] {
        Package::new(&package)
            .edit("[0]", "[0,]")
            .changes(&["fn run"]);
    }
}

#[test]
fn a_comma_changes_nothing_in_a_known_macro_by_its_path() {
    let package = Package::new("use std::vec; pub fn run() { vec![0]; std::println!(\"\"); }");
    package.edit("[0]", "[0,]").changes_nothing();
    package.edit("\"\"", "\"\",").changes_nothing();
}
