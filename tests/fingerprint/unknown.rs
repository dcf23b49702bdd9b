//! Macros of other crates of which nothing is known. They may read any file and make anything of
//! what they are given, so that reaching one is an error.

use crate::package::Package;

#[test]
fn an_unknown_macro_is_an_error_where_it_is_reached() {
    let package = Package::new(
        "mod far { pub fn idle() { paste::paste! { x } } } pub fn run() { let x = 1; }",
    );
    assert!(package.parts().is_ok());
    package
        .replaced("let x = 1", "far::idle()")
        .fails("fn idle has a call of paste::paste! (not in build/fingerprint/known.rs)");
}

#[test]
fn an_unknown_macro_in_an_items_place_is_an_error_wherever_it_stands() {
    Package::new("mod far { paste::paste! { impl Drop for [<O wn>] {} } } pub fn run() {}")
        .fails("macro call paste::paste! has a call of paste::paste!");
}

#[test]
fn an_unknown_derive_is_an_error_where_it_may_act_on_something_reached() {
    let package = Package::new(
        "mod far { #[derive(paste::Odd)] struct Other(crate::Own, u8); } struct Own; pub fn run() { let x = 1; }",
    );
    assert!(package.parts().is_ok());
    package
        .replaced("let x = 1", "Own")
        .fails("struct Other has the derive paste::Odd");
    Package::new(
        "mod far { fn idle() { use paste::Odd as Debug; #[derive(Debug)] struct Other(crate::Own, u8); } } struct Own; pub fn run() { Own; }",
    )
    .fails("fn idle has the derive Debug");
}

#[test]
fn an_unknown_attribute_is_an_error_wherever_it_stands() {
    Package::new("mod far { #[paste::register] fn plugin() { 1; } } pub fn run() {}")
        .fails("fn plugin has the attribute paste::register");
}

#[test]
fn an_attribute_of_a_known_derive_is_none_of_its_own() {
    Package::new("#[serde] pub fn run() {}").fails("fn run has the attribute serde");
    Package::new(
        "#[derive(paste::Odd)] #[serde(rename = \"two\")] struct Own; pub fn run() { Own; }",
    )
    .fails("struct Own has the derive paste::Odd");
}

#[test]
fn what_a_macro_or_an_included_file_puts_into_an_item_is_an_error_there() {
    for derive in [
        "#[derive(paste::Odd)]",
        "#[paste::odd]",
        "#[$name]",
        "#[derive($name)]",
    ] {
        let package = Package::new(&format!(
            "macro_rules! make {{ ($name:ident) => {{ {derive} struct Made; }}; }} pub fn run() {{ make!(Go); }}"
        ));
        assert!(package.parts().is_err(), "{derive}");
    }
    Package::new("macro_rules! make { () => { #[derive(Debug)] struct Made; }; } mod m { use paste::Odd as Debug; pub fn run() { make!(); } } pub use m::run;")
        .fails("fn run has the derive Debug");
    Package::new("pub fn run() { include!(\"body.in\"); }")
        .with("src/body.in", "{ #[derive(paste::Odd)] struct Made; }")
        .fails("fn run has the derive paste::Odd");
}

#[test]
fn a_macro_that_is_handed_on_must_be_known() {
    for handed in ["go", "include_str"] {
        let package = Package::new(&format!(
            "use paste::go; macro_rules! call {{ ($m:ident) => {{ $m!(\"file\") }}; }} pub fn run() {{ call!({handed}); }}"
        ));
        package.fails("which a macro may call as a macro");
    }
}

#[test]
fn a_macro_of_the_crate_itself_reaches_no_more_than_it_names() {
    let package = Package::new(
        "macro_rules! two { () => { 2 }; } macro_rules! one { () => { $crate::two!() }; } fn idle() {} pub fn run() { one!(); }",
    );
    package.edit("{ 2 }", "{ 3 }").changes(&["macro two"]);
    assert!(!package.reached().contains("fn idle"));
}

#[test]
fn a_crate_that_brings_all_its_macros_is_an_error() {
    Package::new("#[macro_use] extern crate paste; pub fn run() {}")
        .fails("extern crate paste has the attribute macro_use");
}
