//! Edits of `Cargo.lock`.

use crate::fingerprint::Packages;
use crate::tree::Tree;

const LOCK: &str = "Cargo.lock";

/// A lock file in which a package has another version.
fn bump(package: &str) -> Tree {
    let old = format!("name = {package:?}\nversion = \"1.0.0\"");
    Tree::new().edit(LOCK, &old, &old.replace("1.0.0", "1.0.1"))
}

#[test]
fn a_version_counts_for_the_kinds_that_depend_on_it() {
    let (old, new) = (
        "draw, dependencies: ink 1.0.0",
        "draw, dependencies: ink 1.0.1",
    );
    Tree::new().changes(&bump("ink"), &[old, new]);
    let expected = [
        "learn, dependencies: burn-core 1.0.0",
        "learn, dependencies: burn-core 1.0.1",
    ];
    Tree::new().changes(&bump("burn-core"), &expected);
}

#[test]
fn a_package_behind_another_counts() {
    let expected = [
        "draw, dependencies: deep 1.0.0",
        "draw, dependencies: deep 1.0.1",
        "flex, dependencies of flex: deep 1.0.0",
        "flex, dependencies of flex: deep 1.0.1",
        "learn, dependencies: deep 1.0.0",
        "learn, dependencies: deep 1.0.1",
    ];
    Tree::new().changes(&bump("deep"), &expected);
}

#[test]
fn a_checksum_counts() {
    let tree = Tree::new();
    let other = tree.edit(LOCK, "sum of ink", "another sum");
    tree.changes(&other, &["draw, dependencies: ink 1.0.0"]);
}

#[test]
fn a_revision_counts() {
    let of_ink = "source = \"registry+x\"\nchecksum = \"sum of ink\"";
    let tree = Tree::new().edit(LOCK, of_ink, "source = \"git+https://example.org/ink#abc\"");
    tree.changes(
        &tree.edit(LOCK, "#abc", "#abd"),
        &["draw, dependencies: ink 1.0.0"],
    );
}

#[test]
fn a_development_dependency_changes_nothing() {
    Tree::new().same(&bump("checks"));
}

#[test]
fn of_two_versions_only_the_one_that_is_used_counts() {
    let second = "[[package]]\nname = \"ink\"\nversion = \"2.0.0\"\nsource = \"registry+x\"\nchecksum = \"second\"\n";
    let tree = Tree::new().edit(LOCK, "\"ink\", \"util\"", "\"ink 2.0.0\", \"util\"");
    let lock = |tree: Tree| {
        tree.edit(
            LOCK,
            "[[package]]\nname = \"plain\"",
            &format!("{second}[[package]]\nname = \"plain\""),
        )
    };
    let tree = lock(tree);
    tree.same(&tree.edit(LOCK, "sum of ink", "another sum"));
    tree.changes(
        &tree.edit(LOCK, "\"second\"", "\"other\""),
        &["draw, dependencies: ink 2.0.0"],
    );
}

#[test]
fn the_version_of_a_package_is_the_locked_one() {
    let packages = Packages::read(bump("burn-core").written().path()).unwrap();
    assert_eq!(packages.version("burn-core"), Ok("1.0.1"));
    assert!(
        packages
            .version("nothing")
            .unwrap_err()
            .contains("lacks nothing")
    );
}
