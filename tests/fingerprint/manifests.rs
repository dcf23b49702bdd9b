//! Edits of `Cargo.toml`.

use crate::tree::Tree;

const ROOT: &str = "Cargo.toml";
const DRAW: &str = "crates/steps/draw/Cargo.toml";
const UTIL: &str = "crates/util/Cargo.toml";

#[test]
fn what_cannot_change_a_result_changes_nothing() {
    let tree = Tree::new();
    tree.same(&tree.edit(DRAW, "\"0.1.0\"", "\"0.2.0\", description = \"A\""));
    tree.same(&tree.edit(DRAW, "ink = \"1\"", "# A.\nink = { version = \"2\" }"));
    tree.same(&tree.edit(
        DRAW,
        "checks = \"1\"",
        "checks = \"2\"\nmore = \"1\"\n[lints]\nworkspace = true",
    ));
    tree.same(&tree.edit(
        ROOT,
        "plain = { version = \"1\"",
        "plain = { version = \"1.0\"",
    ));
}

#[test]
fn an_edition_and_a_library_count() {
    let tree = Tree::new();
    let own = tree.edit(DRAW, "edition.workspace = true", "edition = \"2021\"");
    tree.changes(&own, &["draw, draw: Cargo.toml"]);
    let said_here = tree.edit(DRAW, "edition.workspace = true", "edition = \"2024\"");
    tree.same(&said_here);
    let library = tree.edit(
        DRAW,
        "[dependencies]",
        "[lib]\ncrate-type = [\"dylib\"]\n[dependencies]",
    );
    tree.changes(&library, &["draw, draw: Cargo.toml"]);
    let all = tree
        .edit(ROOT, "\"2024\"", "\"2021\"")
        .fingerprint()
        .unwrap();
    let before = tree.fingerprint().unwrap();
    for (kind, parts) in before.kinds {
        assert!(
            parts
                .code
                .iter()
                .all(|(name, it)| all.kinds[&kind].code[name] != *it),
            "{kind}"
        );
    }
}

#[test]
fn features_that_a_crate_asks_for_count() {
    let tree = Tree::new();
    let changed = &[
        "draw, dependencies: features of ink",
        "draw, draw: Cargo.toml",
    ];
    let features = tree.edit(
        DRAW,
        "ink = \"1\"",
        "ink = { version = \"1\", features = [\"a\"] }",
    );
    tree.changes(&features, changed);
    let default = tree.edit(
        DRAW,
        "ink = \"1\"",
        "ink = { version = \"1\", default-features = false }",
    );
    tree.changes(&default, changed);
}

#[test]
fn features_and_defaults_are_inherited() {
    let tree = Tree::new();
    let features = |tree: &Tree| {
        let found = tree.fingerprint().unwrap();
        found.kinds["draw"].crates["dependencies"]["features of plain"].clone()
    };
    assert_eq!(features(&tree), "std");
    let more = tree.edit(
        UTIL,
        "plain.workspace = true",
        "plain = { workspace = true, features = [\"a\"] }",
    );
    assert_eq!(features(&more), "a, std");
    let default = "plain = { workspace = true, default-features = true }";
    assert_eq!(
        features(&tree.edit(UTIL, "plain.workspace = true", default)),
        "default, std"
    );
}

#[test]
fn a_crate_that_is_inherited_and_one_by_its_path_are_the_same() {
    let tree = Tree::new();
    tree.same(&tree.edit(
        DRAW,
        "util.workspace = true",
        "util = { path = \"../../util\" }",
    ));
    tree.same(&tree.edit(DRAW, "util.workspace = true", "util = { workspace = true }"));
}

#[test]
fn a_dependency_under_another_name_is_found() {
    let tree = Tree::new();
    let renamed = tree.edit(
        DRAW,
        "ink = \"1\"",
        "pen = { package = \"ink\", version = \"1\" }",
    );
    tree.changes(&renamed, &["draw, draw: Cargo.toml"]);
}

#[test]
fn a_dependency_for_one_platform_counts() {
    let tree = Tree::new();
    let moved = tree.edit(
        DRAW,
        "[dependencies]\nink = \"1\"",
        "[target.'cfg(unix)'.dependencies]\nink = \"1\"\n[dependencies]",
    );
    tree.changes(&moved, &["draw, draw: Cargo.toml"]);
}

#[test]
fn an_optional_dependency_and_a_feature_count() {
    let tree = Tree::new();
    let optional = tree.edit(
        DRAW,
        "ink = \"1\"",
        "ink = { version = \"1\", optional = true }",
    );
    tree.changes(&optional, &["draw, draw: Cargo.toml"]);
    let feature = tree.edit(DRAW, "[dependencies]", "[features]\na = []\n[dependencies]");
    tree.changes(&feature, &["draw, draw: Cargo.toml"]);
}
