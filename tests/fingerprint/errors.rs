//! What has no fingerprint, and what the error says.

use crate::tree::Tree;

const DRAW: &str = "crates/steps/draw/Cargo.toml";

#[test]
fn code_that_reads_more_than_is_digested_is_an_error() {
    for (code, todo) in [
        ("include!(\"a.rs\");", "make the file a module"),
        (
            "const A: &str = include_str!(\"../../a\");",
            "put the file beside this one or below",
        ),
        (
            "const A: &str = include_str!(\"/a\");",
            "put the file beside this one or below",
        ),
        (
            "const A: &str = include_str!(\".a\");",
            "put the file beside this one or below",
        ),
        (
            "const A: &str = include_str!(\"lib.rs\");",
            "put the file beside this one or below",
        ),
        (
            "const A: &[u8] = include_bytes!(concat!(\"a\"));",
            "put the file beside this one or below",
        ),
        (
            "const A: &str = concat!(env!(\"A\"));",
            "make the value a constant",
        ),
        (
            "const A: Option<&str> = option_env!(\"A\");",
            "make the value a constant",
        ),
        (
            "use std::include_str as a;",
            "put the file beside this one or below",
        ),
        (
            "#[path = \"../a.rs\"] mod a;",
            "name the file as the module",
        ),
        (
            "fn f() { #[path = \"a.rs\"] mod a; }",
            "name the file as the module",
        ),
        (
            "#[cfg_attr(unix, path = \"a.rs\")] mod a;",
            "name the file as the module",
        ),
    ] {
        Tree::new().drawing(code).fails(todo);
        Tree::new()
            .drawing(code)
            .fails("crates/steps/draw/src/lib.rs: ");
    }
}

#[test]
fn the_packages_own_variables_and_the_environment_of_a_run_are_none() {
    let code =
        "fn f() { env!(\"CARGO_PKG_VERSION\"); std::env::var(\"A\"); env != 1; include(\"a\"); }";
    assert!(Tree::new().drawing(code).fingerprint().is_ok());
}

#[test]
fn code_that_cannot_be_parsed_is_an_error() {
    Tree::new()
        .drawing("fn f(")
        .fails("crates/steps/draw/src/lib.rs: ");
}

#[test]
fn a_build_script_is_an_error() {
    let tree = Tree::new();
    let todo = "crates/steps/draw/Cargo.toml: a build script cannot be followed";
    tree.with("crates/steps/draw/build.rs", "").fails(todo);
    tree.edit(DRAW, "name = \"draw\"", "name = \"draw\", build = \"a.rs\"")
        .fails(todo);
}

#[test]
fn a_library_elsewhere_is_an_error() {
    let tree = Tree::new();
    let elsewhere = tree.edit(
        DRAW,
        "[dependencies]",
        "[lib]\npath = \"a.rs\"\n[dependencies]",
    );
    elsewhere.fails("crates/steps/draw/Cargo.toml: lib.path cannot be followed");
}

#[test]
fn a_crate_elsewhere_is_an_error() {
    let tree = Tree::new().with("other/Cargo.toml", "package.name = \"other\"");
    for path in ["../../../other", "../../../..", "../../nowhere"] {
        let ink = format!("ink = {{ path = {path:?} }}");
        let message = "crates/steps/draw/Cargo.toml: ink is no crate below crates/: move it there";
        tree.edit(DRAW, "ink = \"1\"", &ink).fails(message);
    }
}

#[test]
fn a_dependency_that_the_workspace_lacks_is_an_error() {
    let tree = Tree::new().edit(DRAW, "ink = \"1\"", "ink.workspace = true");
    tree.fails("crates/steps/draw/Cargo.toml: Cargo.toml lacks ink in workspace.dependencies");
}

#[test]
fn a_package_that_the_lock_file_lacks_is_an_error() {
    let tree = Tree::new();
    let missing = tree.edit("Cargo.lock", "\"ink\", ", "");
    missing.fails("Cargo.lock: draw lacks ink: run `cargo update --workspace`");
    let missing = tree.edit("Cargo.lock", "name = \"deep\"", "name = \"other\"");
    missing.fails("Cargo.lock: lacks deep");
    let missing = tree.edit("Cargo.lock", "name = \"draw\"", "name = \"other\"");
    missing.fails("Cargo.lock: lacks draw");
}

#[test]
fn a_package_with_nothing_to_know_it_by_is_an_error() {
    let tree = Tree::new().edit("Cargo.lock", "checksum = \"sum of ink\"\n", "");
    tree.fails("Cargo.lock: ink has neither a checksum nor a revision");
}
