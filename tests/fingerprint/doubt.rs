//! Code of which cannot be told what it means, so that everything counts that it may mean.

use crate::package::Package;

/// Whether the step counts the crate `clap`, which is hidden if nothing but `hiding` is meant.
fn counts_clap(hiding: &str) -> bool {
    let package = Package::new(&format!(
        "mod a {{ pub mod clap {{ pub fn go() {{}} }} pub fn f() {{}} }} {hiding}"
    ));
    package.parts().unwrap().crates.contains_key("clap")
}

#[test]
fn a_crate_is_hidden_only_by_what_is_certainly_there() {
    let run = "pub fn run() { clap::go(); }";
    for hiding in [
        "#[cfg(unix)] mod clap { pub fn go() {} }",
        "#[cfg(unix)] use a::clap;",
        "#[cfg_attr(unix, cfg(windows))] struct clap;",
        "mod b { #[cfg(unix)] pub use crate::a::clap; } use b::*;",
        "use std::mem::drop as clap;",
    ] {
        assert!(counts_clap(&format!("{hiding} {run}")), "{hiding}");
    }
    for hiding in [
        "mod clap { pub fn go() {} }",
        "use a::clap;",
        "struct clap;",
    ] {
        assert!(!counts_clap(&format!("{hiding} {run}")), "{hiding}");
    }
}

#[test]
fn a_crate_is_not_hidden_by_a_name_of_another_block() {
    assert!(counts_clap(
        "pub fn run() { { use a::clap; clap::go(); } clap::go(); }"
    ));
}

#[test]
fn the_conditions_of_two_modules_of_one_name_count() {
    let package = Package::new(
        "#[cfg(unix)] mod m { pub fn f() { 1; } } #[cfg(windows)] mod m { pub fn f() { 2; } } pub fn run() { m::f(); }",
    );
    let swapped = package
        .replaced("cfg(unix)", "cfg(was_unix)")
        .replaced("cfg(windows)", "cfg(unix)")
        .replaced("cfg(was_unix)", "cfg(windows)");
    package.becomes(&swapped).changes(&["fn f"]);
}

#[test]
fn the_conditions_of_two_modules_of_one_name_count_for_what_is_in_scope() {
    let package = Package::new(
        "mod o { #[cfg(unix)] pub mod m { use std::io::Read; pub fn f() { 1.go(); } } #[cfg(windows)] pub mod m { use std::io::Write; pub fn f() { 1.go(); } } } pub fn run() { o::m::f(); }",
    );
    let swapped = package
        .replaced("io::Read", "io::Was")
        .replaced("io::Write", "io::Read")
        .replaced("io::Was", "io::Write");
    package.becomes(&swapped).changes(&["traits in scope"]);
}

#[test]
fn an_impl_is_not_kept_off_by_what_may_not_be_there() {
    for own in [
        "#[cfg(unix)] use crate::a::Own; use crate::made::*;",
        "#[cfg(unix)] struct Own; use crate::made::*;",
        "mod b { #[cfg(unix)] pub use crate::a::Own; } use b::*; use crate::made::*;",
        "use crate::c::*; use crate::made::*;",
        "use crate::a::*; macro_rules! make { ($name:ident) => { struct $name; }; } make!(Own);",
    ] {
        let package = Package::new(&format!(
            "mod a {{ pub struct Own; }} #[cfg(unix)] mod c {{ pub struct Own; }} mod made {{ pub type Made = u8; }}
             mod far {{ {own} impl Drop for Own {{ fn drop(&mut self) {{ 1; }} }} }} pub fn run() {{}}"
        ));
        package.edit("1;", "2;").changes(&["impl Drop for Own"]);
    }
}

#[test]
fn the_order_of_files_counts_where_a_macro_of_ones_own_has_a_known_name() {
    let package = Package::new(
        "fn idle() {} pub fn run() { vec![1]; } macro_rules! vec { ($x:expr) => { 2 }; }",
    );
    package.edit("fn idle() {}", "").changes(&["fn run"]);
}

#[test]
fn an_included_file_may_implement_something() {
    let package = Package::new(
        "mod far { fn idle() { include!(\"body.in\"); } } struct Own; pub fn run() { Own; }",
    )
    .with(
        "src/body.in",
        "{ impl Drop for crate::Own { fn drop(&mut self) { 1; } } }",
    );
    package.edit("1;", "2;").changes(&["fn idle"]);
}

#[test]
fn a_capture_is_known_by_its_letters_however_they_are_written() {
    let package =
        Package::new("const WHO: u32 = 1; pub fn run() { format!(\"{\\u{57}HO}\"); } // r");
    package.edit("= 1", "= 2").changes(&["const WHO"]);
}

#[test]
fn a_line_counts_where_a_function_asks_for_its_callers() {
    for (import, call) in [
        ("use std::panic::Location;", "Location::caller()"),
        ("use std::panic::Location as Place;", "Place::caller()"),
        ("use std::panic::*;", "Location::caller()"),
        ("", "std::panic::Location::caller()"),
        ("", "std::panic::set_hook(1)"),
    ] {
        let package = Package::new(&format!(
            "{import} mod a; pub fn run() {{ a::f(); at(); }} #[track_caller] fn at() {{ {call}; }}"
        ))
        .with("src/a.rs", "// A line.\npub fn f() { crate::at(); }");
        let after = package.replaced("// A line.", "// A line.\n");
        assert_ne!(package.parts(), after.parts(), "{import} {call}");
    }
    let package = Package::new("struct Location; // A line.\npub fn run() { Location::caller(); }");
    package.edit("// A line.", "// A line.\n").changes_nothing();
}

/// The crates that the step counts, of which nothing but `paste` is named elsewhere.
fn crates(lib: &str) -> Vec<String> {
    let named = "fn idle() { anyhow::f(); clap::f(); serde::f(); rand_core::f(); }";
    let parts = Package::new(&format!("{named} {lib}")).parts().unwrap();
    let crates = parts.crates.into_keys();
    crates.filter(|name| !name.starts_with("backend")).collect()
}

#[test]
fn a_crate_of_another_name_than_its_package_may_be_meant_by_an_unknown_name() {
    for lib in [
        "pub fn run() { glue::f(); }",
        "pub fn run() { ::glue::f(); }",
        "use glue::f; pub fn run() { f(); }",
        "use glue as g; pub fn run() { g::f(); }",
        "use glue::*; pub fn run() { f(); }",
        "use glue::Go as _; pub fn run() { 1.go(); }",
        "extern crate glue; pub fn run() { glue::f(); }",
        "mod m { pub use glue::f; } pub fn run() { m::f(); }",
        "pub fn run() { use glue::f; f(); }",
        "fn glue() {} pub fn run() { glue::f(); }",
        "struct Own { x: glue::X } pub fn run() { Own; }",
    ] {
        assert_eq!(crates(lib), ["paste"], "{lib}");
    }
    for lib in [
        "pub fn run<T>() { let glue = 1; glue; glue.x; T::f(); u8::f(); Vec::<u8>::new(); Some(1); }",
        "mod glue { pub fn f() {} } pub fn run() { glue::f(); }",
        "use std::fs as glue; pub fn run() { glue::f(); }",
        "fn lost() { paste::f(); } pub fn run() { glue::f(); }",
    ] {
        assert!(crates(lib).is_empty(), "{lib}");
    }
}
