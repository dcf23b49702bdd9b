//! What counts for one backend alone.

use crate::tree::Tree;

const NET: &str = "crates/net/Cargo.toml";

/// Edits the code in a file.
#[track_caller]
fn edit(path: &str, expected: &str) {
    let tree = Tree::new();
    tree.changes(&tree.edit(path, "pub fn", "fn"), &[expected]);
}

#[test]
fn a_module_of_a_backend_counts_for_it_alone() {
    edit(
        "crates/net/src/flex/below.rs",
        "flex, net with flex: src/flex/below.rs",
    );
    edit("crates/net/src/tch.rs", "tch, net with tch: src/tch.rs");
}

#[test]
fn a_crate_of_a_backend_counts_for_it_alone() {
    edit("crates/fast/src/lib.rs", "flex, fast: src/lib.rs");
}

#[test]
fn a_package_of_a_backend_counts_for_it_alone() {
    let tree = Tree::new();
    for (package, feature) in [
        ("simd", "flex"),
        ("burn-flex", "flex"),
        ("burn-tch", "tch"),
        ("tch", "tch"),
        ("torch-sys", "tch"),
    ] {
        let sum = format!("sum of {package}\"");
        let entry = format!("{feature}, dependencies of {feature}: {package} 1.0.0");
        tree.changes(&tree.edit("Cargo.lock", &sum, "another\""), &[&entry]);
    }
}

#[test]
fn packages_of_backends_that_are_not_built_change_nothing() {
    let tree = Tree::new();
    tree.same(&tree.edit("Cargo.lock", "sum of cubecl", "another"));
}

#[test]
fn the_features_of_a_backend_count_for_it_alone() {
    let tree = Tree::new();
    let asks = tree.edit(NET, "\"burn/flex\"", "\"burn/flex\", \"burn/rayon\"");
    tree.changes(&asks, &["flex, net with flex: Cargo.toml"]);
    let version = "tch = { version = \"1\"";
    let asks = tree.edit(NET, version, &format!("{version}, features = [\"a\"]"));
    let features = "tch, dependencies of tch: features of tch";
    tree.changes(&asks, &[features, "tch, net with tch: Cargo.toml"]);
}

#[test]
fn which_backends_are_on_changes_nothing() {
    let tree = Tree::new();
    tree.same(&tree.edit(NET, "[\"flex\"]", "[\"tch\"]"));
}

#[test]
fn what_more_than_backends_switch_on_counts_for_all() {
    for (old, new) in [
        ("default = [\"flex\"]", "default = [\"dep:fast\"]"),
        ("tch = [", "other = [\"fast/a\"]\ntch = ["),
        ("\"dep:fast\"", "\"fast\""),
    ] {
        let found = Tree::new().edit(NET, old, new).fingerprint().unwrap();
        assert!(found.kinds["learn"].code.contains_key("fast"), "{new}");
        assert!(
            found.kinds["learn"].crates["dependencies"].contains_key("simd 1.0.0"),
            "{new}"
        );
        assert!(!found.backends["flex"].code.contains_key("fast"), "{new}");
    }
}

#[test]
fn a_module_of_several_backends_counts_for_all() {
    for condition in [
        "any(feature = \"flex\", feature = \"tch\")",
        "not(feature = \"flex\")",
    ] {
        let tree = Tree::new();
        let tree = tree.edit("crates/net/src/lib.rs", "feature = \"flex\"", condition);
        let edited = tree.edit(
            "crates/net/src/flex.rs",
            "mod below;",
            "mod below; fn f() {}",
        );
        tree.changes(&edited, &["learn, net: src/flex.rs"]);
    }
}
