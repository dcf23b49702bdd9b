//! Edits that leave an item's text alone and change what its names mean.

use crate::package::Package;

#[test]
fn two_imports_that_are_swapped_count() {
    let package = Package::new(
        "mod a { pub fn f() {} pub fn g() {} }
         use a::f as x; use a::g as y;
         pub fn run() { x(); y(); x(); }",
    );
    let swapped = package.replaced("a::f as x; use a::g as y", "a::g as x; use a::f as y");
    package.becomes(&swapped).changes(&["fn run"]);
}

#[test]
fn an_import_of_another_crates_item_of_the_same_name_counts() {
    let package = Package::new(
        "use std::collections::HashMap as Map; pub fn run() { Map::<u8, u8>::new(); }",
    );
    package
        .edit("collections::HashMap as", "collections::BTreeMap as")
        .changes(&["fn run"]);
}

#[test]
fn an_import_from_a_module_that_has_the_name_of_a_macro_counts() {
    let package = Package::new("use std::env::args as all; pub fn run() { all(); }");
    package
        .edit("env::args as", "env::vars as")
        .changes(&["fn run"]);
}

#[test]
fn a_re_export_that_points_elsewhere_counts() {
    let package = Package::new(
        "mod facade; mod a { pub fn f() {} } mod b { pub fn f() {} }
         pub fn run() { facade::f(); a::f(); b::f(); }",
    )
    .with("src/facade.rs", "pub use crate::a::f;");
    package
        .edit("crate::a::f", "crate::b::f")
        .changes(&["fn run"]);
}

#[test]
fn re_exports_are_followed_to_the_end() {
    let package = Package::new(
        "mod one { pub use super::two::g as f; } mod two { pub use super::three::*; }
         mod three { pub fn g() { 1; } }
         use one::f; pub fn run() { f(); }",
    );
    package.edit("1;", "2;").changes(&["fn g"]);
}

#[test]
fn a_module_re_exported_under_its_own_name_is_followed() {
    let package = Package::new("mod spread; use spread::spread; pub fn run() { spread(); }")
        .with("src/spread.rs", "pub fn spread() { 1; }");
    package.edit("1;", "2;").changes(&["fn spread"]);
}

#[test]
fn a_name_that_comes_to_hide_that_of_a_glob_counts() {
    let package = Package::new(
        "mod a { pub fn drop() {} } mod b; use b::*; pub fn run() { drop(1); a::drop(); }",
    )
    .with("src/b.rs", "pub fn other() {}");
    package
        .edit("pub fn other() {}", "pub use crate::a::drop;")
        .changes(&["fn run"]);
}

#[test]
fn whether_a_glob_takes_a_re_export_along_counts() {
    let package = Package::new(
        "mod a { pub fn drop() {} } mod b; use b::*; pub fn run() { drop(1); a::drop(); }",
    )
    .with("src/b.rs", "use crate::a::drop;");
    package
        .edit("use crate::a::drop", "pub use crate::a::drop")
        .changes(&["fn run"]);
}

#[test]
fn an_import_within_a_function_is_followed() {
    let package = Package::new(
        "mod a { pub fn f() { 1; } } mod b { pub mod deep { pub fn g() { 2; } } }
         pub fn run() { use a::f as x; use b::deep; x(); deep::g(); }",
    );
    package.edit("1;", "3;").changes(&["fn f"]);
    package.edit("2;", "3;").changes(&["fn g"]);
}

#[test]
fn a_glob_within_a_function_is_followed() {
    let package = Package::new("mod a { pub fn f() { 1; } } pub fn run() { use a::*; f(); }");
    package.edit("1;", "3;").changes(&["fn f"]);
}

#[test]
fn the_variants_of_an_enum_may_be_imported() {
    let package = Package::new(
        "mod a { pub enum Way { Left = 1 } } use a::Way::*; use a::Way::Left as L; pub fn run() { Left; }",
    );
    package.edit("Left = 1", "Left = 2").changes(&["enum Way"]);
}

#[test]
fn self_super_and_crate_lead_where_they_should() {
    let package = Package::new(
        "mod a { pub mod b { pub fn run() { self::f(); super::g(); super::super::h(); crate::i(); } fn f() { 1; } } fn g() { 2; } }
         fn h() { 3; } fn i() { 4; } pub use a::b::run;",
    );
    for (old, name) in [
        ("1;", "fn f"),
        ("2;", "fn g"),
        ("3;", "fn h"),
        ("4;", "fn i"),
    ] {
        package.edit(old, "5;").changes(&[name]);
    }
}

#[test]
fn a_crate_by_the_name_of_a_function_is_still_the_crate() {
    let package = Package::new(
        "use anyhow::{Result, anyhow, bail}; pub fn run() -> Result<()> { bail!(anyhow!(\"no\")) }",
    );
    assert!(package.parts().unwrap().crates.contains_key("anyhow"));
    let package = Package::new("fn clap() {} pub fn run() { clap::go(); }");
    assert!(package.parts().unwrap().crates.contains_key("clap"));
}

#[test]
fn imports_in_a_circle_end() {
    let package = Package::new(
        "mod a { pub use crate::b::*; pub fn f() { 1; } } mod b { pub use crate::a::*; } use b::f; pub fn run() { f(); }",
    );
    package.edit("1;", "2;").changes(&["fn f"]);
}

#[test]
fn the_condition_of_an_import_counts() {
    let package = Package::new(
        "mod a { pub fn f() {} } mod b { pub fn f() {} }
         #[cfg(unix)] use a::f; #[cfg(feature = \"fast\")] use b::f;
         pub fn run() { f(); }",
    );
    package
        .edit("cfg(unix)", "cfg(windows)")
        .changes(&["fn run"]);
    package
        .becomes(&package.clone().with_feature("fast"))
        .changes(&["fn run"]);
}

#[test]
fn the_condition_of_a_module_that_a_path_leads_through_counts() {
    let package = Package::new(
        "#[cfg(unix)] mod m { pub use crate::a::f; } mod a { pub fn f() {} } pub fn run() { m::f(); }",
    );
    package
        .edit("cfg(unix)", "cfg(windows)")
        .changes(&["attributes"]);
}

#[test]
fn an_import_of_a_macro_under_a_known_name_is_followed() {
    let package = Package::new(
        "#[macro_use] mod m { macro_rules! own { () => { 1 }; } pub(crate) use own; } use m::own as vec; fn idle() { 3; } pub fn run() { vec!(); }",
    );
    package.edit("{ 1 }", "{ 2 }").changes(&["macro own"]);
    package.edit("3;", "4;").changes_nothing();
}

#[test]
fn a_macro_of_another_crate_may_be_meant_where_one_of_ones_own_has_its_name() {
    let package = Package::new(
        "mod m { macro_rules! go { () => {}; } } use paste::go; pub fn run() { go!(); }",
    );
    package.fails("fn run has a call of paste::go!");
}

#[test]
fn an_import_that_leads_to_nothing_known_may_be_any_macro() {
    let package = Package::new("use made::vec; mod made {} pub fn run() { vec![]; }");
    package.fails("fn run has a call of vec!");
}

#[test]
fn an_impl_is_not_kept_off_by_a_type_that_may_not_be_meant() {
    let package = Package::new(
        "mod a { pub struct Own; } struct Own; mod far { #[cfg(unix)] use crate::Own; #[cfg(windows)] use crate::a::Own; impl Drop for Own { fn drop(&mut self) { 1; } } }
         pub fn run() { Own; }",
    );
    package.edit("1;", "2;").changes(&["impl Drop for Own"]);
}

#[test]
fn an_extern_crate_is_known_everywhere() {
    let package = Package::new(
        "extern crate rand_core as dice; mod m { pub fn run() { dice::roll(); } } pub use m::run;",
    );
    assert!(package.parts().unwrap().crates.contains_key("rand-core"));
    let package = Package::new(
        "extern crate self as it; fn f() { 1; } mod m { pub fn run() { it::f(); } } pub use m::run;",
    );
    package.edit("1;", "2;").changes(&["fn f"]);
}
