//! Dependencies by path: followed like the package itself where that can be done.

use crate::package::{Edit, Package};

const MANIFEST: &str = r#"
[package]
name = "it"
edition = "2024"
[dependencies]
near-by = { path = "near" }
plain = "1"
"#;

const NEAR: &str = r#"
[package]
name = "near-by"
version = "0.0.1"
edition = "2021"
[dependencies]
inner = { version = "1", default-features = false }
plain = { version = "1", features = ["x"] }
[dev-dependencies]
checks = "1"
"#;

const LOCK: &str = r#"
[[package]]
name = "it"
version = "0.1.0"
dependencies = ["near-by", "plain"]
[[package]]
name = "near-by"
version = "0.0.1"
dependencies = ["checks", "inner", "plain"]
[[package]]
name = "inner"
version = "1.0.0"
source = "registry+x"
checksum = "i1"
[[package]]
name = "plain"
version = "1.0.0"
source = "registry+x"
checksum = "p1"
[[package]]
name = "checks"
version = "1.0.0"
source = "registry+x"
checksum = "k1"
"#;

/// A step with this code, and a package beside it with this library.
fn package(lib: &str, near: &str) -> Package {
    Package::new(lib)
        .with("Cargo.toml", MANIFEST)
        .with("Cargo.lock", LOCK)
        .with("near/Cargo.toml", NEAR)
        .with("near/src/lib.rs", near)
}

/// A step that goes through the package beside it to a file of that.
fn through() -> Package {
    package(
        "pub fn run() { near_by::deep::go(); }",
        "// A comment.\npub mod deep;\npub const LIMIT: u32 = 1;\nfn idle() { 2; }",
    )
    .with(
        "near/src/deep.rs",
        "use crate::LIMIT;\npub fn go() { inner::f(); LIMIT; }\n#[cfg(test)]\nmod tests { fn t() { 3; } }",
    )
}

#[test]
fn items_count_where_they_are_reached_and_by_the_name_of_the_crate() {
    let parts = through().parts().unwrap();
    let modules: Vec<&str> = parts.code.keys().map(String::as_str).collect();
    assert_eq!(modules, ["crate", "near_by", "near_by::deep"]);
    through()
        .edit("LIMIT; }", "LIMIT + 1; }")
        .changes(&["fn go"]);
    through().edit("= 1;", "= 2;").changes(&["const LIMIT"]);
}

#[test]
fn comments_tests_and_what_nothing_reaches_change_nothing() {
    through()
        .edit("// A comment.", "// Another.")
        .changes_nothing();
    through().edit("{ 2; }", "{ 3; }").changes_nothing();
    through().edit("{ 3; }", "{ 4; }").changes_nothing();
}

#[test]
fn who_does_not_use_it_is_not_changed_by_it() {
    let package = package("pub fn run() { plain::go(); }", "pub fn go() { 1; }");
    package.edit("{ 1; }", "{ 2; }").changes_nothing();
    package.edit("\"i1\"", "\"i2\"").changes_nothing();
    package
        .edit("edition = \"2021\"", "edition = \"2024\"")
        .changes_nothing();
}

#[test]
fn what_it_depends_on_counts_with_the_features_that_it_asks_for() {
    through().edit("\"i1\"", "\"i2\"").changes(&["inner 1.0.0"]);
    through().edit("\"p1\"", "\"p2\"").changes_nothing();
    through()
        .edit(", default-features = false", "")
        .changes(&["features of inner"]);
    package("pub fn run() { plain::go(); }", "")
        .edit("[\"x\"]", "[\"y\"]")
        .changes(&["features of plain"]);
    through().edit("\"k1\"", "\"k2\"").changes_nothing();
}

#[test]
fn its_edition_counts_and_its_description_does_not() {
    through()
        .edit("edition = \"2021\"", "edition = \"2024\"")
        .changes(&["edition"]);
    through()
        .edit(
            "edition = \"2021\"",
            "edition = \"2021\"\ndescription = \"x\"",
        )
        .changes_nothing();
}

#[test]
fn what_cargo_tells_its_code_about_it_is_an_error_where_it_is_reached() {
    let near = "pub fn go() { 1; } fn idle() { env!(\"CARGO_PKG_VERSION\"); env!(\"OTHER\"); }";
    let package = package("pub fn run() { near_by::go(); }", near);
    assert!(package.parts().is_ok());
    package
        .replaced("{ 1; }", "{ idle(); }")
        .fails("near/src/lib.rs: fn idle has the variable CARGO_PKG_VERSION of another package");
}

#[test]
fn attributes_of_its_root_count_for_its_modules() {
    through()
        .edit("// A comment.", "#![recursion_limit = \"8\"]")
        .changes(&["attributes", "const LIMIT", "fn go"]);
}

#[test]
fn the_word_crate_means_itself_in_it_and_in_its_macros() {
    let by_path = package(
        "pub fn run() { near_by::call!(); }",
        "#[macro_export] macro_rules! call { () => { $crate::far() } } pub fn far() { 2; }",
    );
    let by_another_name = package(
        "use near_by::call as c; pub fn run() { c!(); }",
        "mod m { #[macro_export] macro_rules! call { () => { $crate::far() } } } pub fn far() { 2; }",
    );
    for package in [by_path, by_another_name, package_with_far()] {
        package.edit("{ 2; }", "{ 3; }").changes(&["fn far"]);
    }
    package_with_far()
        .edit("{ 1; }", "{ 3; }")
        .changes_nothing();
}

/// Both packages have a function of the name that the other package's code calls.
fn package_with_far() -> Package {
    package(
        "fn far() { 1; } pub fn run() { near_by::go(); }",
        "pub fn go() { crate::far(); } fn far() { 2; }",
    )
}

#[test]
fn it_is_followed_through_imports_globs_and_another_name() {
    for lib in [
        "use near_by as n; pub fn run() { n::go(); }",
        "use near_by::*; pub fn run() { go(); }",
        "use ::near_by::{self, go as g}; pub fn run() { g(); }",
        "pub use near_by::go as run;",
        "extern crate near_by as n; pub fn run() { n::go(); }",
    ] {
        let package = package(lib, "pub fn go() { 1; }");
        let changed: Edit = package.edit("{ 1; }", "{ 2; }");
        changed.changes(&["fn go"]);
    }
}

#[test]
fn its_traits_act_on_types_of_the_package() {
    let package = package(
        "struct S; impl near_by::T for S { fn f(&self) { 1; } } pub fn run() { near_by::go(&S); }",
        "pub trait T { fn f(&self); fn g(&self) { 2; } } pub fn go(t: &dyn T) { t.f(); }",
    );
    package.edit("{ 1; }", "{ 3; }").changes(&["impl T for S"]);
    package.edit("{ 2; }", "{ 3; }").changes(&["trait T"]);
}

/// The digest of all of its files.
const WHOLE: &[&str] = &["near-by 0.0.1"];

#[test]
fn one_that_cannot_be_followed_counts_with_all_of_its_files() {
    let near = "pub fn go() { 1; } fn idle() { 2; }";
    let package = package("pub fn run() { near_by::go(); }", near);
    let whole = [
        package.clone().with("near/build.rs", "fn main() {}"),
        package.replaced("edition = \"2021\"", "build = \"other.rs\""),
        package.replaced("[dev-dependencies]", "[lib]\n[dev-dependencies]"),
        package.replaced(
            "[dev-dependencies]",
            "[features]\nf = []\n[dev-dependencies]",
        ),
        package.replaced("inner = {", "inner = { path = \"../inner\","),
        package.replaced("inner = {", "inner = { optional = true,"),
        package.replaced("edition = \"2021\"", "edition = \"2015\""),
    ];
    for package in whole {
        package.edit("{ 2; }", "{ 3; }").changes(WHOLE);
    }
    package.edit("{ 2; }", "{ 3; }").changes_nothing();
}

#[test]
fn what_a_workspace_says_for_it_is_an_error() {
    let package = package("pub fn run() {}", "");
    package
        .replaced("plain = \"1\"", "plain = { workspace = true }")
        .fails("Cargo.toml: has plain from the workspace");
    package
        .replaced("inner = { version = \"1\",", "inner = { workspace = true,")
        .fails("near/Cargo.toml: has inner from the workspace");
    package
        .replaced(
            "version = \"0.0.1\"\nedition",
            "version.workspace = true\nedition",
        )
        .fails("near/Cargo.toml: has version from the workspace");
}

#[test]
fn names_that_mean_two_crates_are_an_error() {
    let package = package("pub fn run() {}", "");
    package
        .replaced(
            "plain = { version = \"1\", features = [\"x\"] }",
            "plain = { package = \"inner\", version = \"1\" }",
        )
        .fails("near/Cargo.toml: gives inner the name plain, which is plain's in Cargo.toml");
    package
        .replaced("inner = {", "near-by = {")
        .fails("near/Cargo.toml: gives near-by the name near_by, which is near-by's in Cargo.toml");
    package
        .replaced("pub fn run() {}", "mod near_by {} pub fn run() {}")
        .fails("src/lib.rs: has something of its own by the name of the crate near_by");
    package
        .with("near/src/lib.rs", "extern crate inner as i;")
        .fails("near/src/lib.rs: has extern crate inner");
}

#[test]
fn what_only_it_depends_on_has_no_name_outside_of_it() {
    // The package's crate may be any that is not known by its name: only `plain`.
    let package = package(
        "pub fn run() { inner::go(); }",
        "pub fn go() { inner::go(); }",
    );
    package.edit("\"i1\"", "\"i2\"").changes_nothing();
    package.edit("\"p1\"", "\"p2\"").changes(&["plain 1.0.0"]);
}

#[test]
fn one_that_is_not_there_is_an_error() {
    package("pub fn run() {}", "")
        .replaced("path = \"near\"", "path = \"/near/by\"")
        .fails("near/by/Cargo.toml: cannot be read");
}
