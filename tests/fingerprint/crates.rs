//! Edits of `Cargo.toml` and `Cargo.lock`.

use crate::package::Package;

const MANIFEST: &str = r#"
[package]
name = "it"
edition = "2024"
[features]
wide = ["top/wide"]
gpu = ["top/gpu"]
[dependencies]
top = { version = "1", default-features = false, features = ["std"] }
plain = "1"
renamed = { package = "real-name", version = "1" }
[target.'cfg(unix)'.dependencies]
on-unix = "1"
[dev-dependencies]
checks = "1"
"#;

const LOCK: &str = r#"
[[package]]
name = "it"
version = "0.1.0"
dependencies = ["checks", "on-unix", "plain 1.0.0", "real-name", "top"]
[[package]]
name = "top"
version = "1.0.0"
source = "registry+x"
checksum = "t1"
dependencies = ["gpu-backend", "kernels", "middle", "slow-backend"]
[[package]]
name = "middle"
version = "2.0.0"
source = "registry+x"
checksum = "m1"
dependencies = ["plain 2.0.0", "top"]
[[package]]
name = "plain"
version = "1.0.0"
source = "registry+x"
checksum = "p1"
[[package]]
name = "plain"
version = "2.0.0"
source = "registry+x"
checksum = "p2"
[[package]]
name = "real-name"
version = "1.0.0"
source = "git+https://example.org/real#abc"
[[package]]
name = "on-unix"
version = "1.0.0"
source = "registry+x"
checksum = "u1"
[[package]]
name = "checks"
version = "1.0.0"
source = "registry+x"
checksum = "k1"
[[package]]
name = "slow-backend"
version = "1.0.0"
source = "registry+x"
checksum = "b1"
dependencies = ["kernels", "only-slow"]
[[package]]
name = "only-slow"
version = "1.0.0"
source = "registry+x"
checksum = "o1"
[[package]]
name = "gpu-backend"
version = "1.0.0"
source = "registry+x"
checksum = "b2"
dependencies = ["kernels"]
[[package]]
name = "kernels"
version = "1.0.0"
source = "registry+x"
checksum = "n1"
dependencies = ["gpu-kernels"]
[[package]]
name = "gpu-kernels"
version = "1.0.0"
source = "registry+x"
checksum = "g1"
"#;

/// A step that uses `name`.
fn using(name: &str) -> Package {
    Package::new(&format!("pub fn run() {{ {name}::go(); }}"))
        .with("Cargo.toml", MANIFEST)
        .with("Cargo.lock", LOCK)
}

#[test]
fn a_version_counts() {
    let after = using("top").replaced(
        "\"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"t1\"",
        "\"1.0.1\"\nsource = \"registry+x\"\nchecksum = \"t1\"",
    );
    using("top")
        .becomes(&after)
        .changes(&["top 1.0.0", "top 1.0.1"]);
}

#[test]
fn a_checksum_counts() {
    using("top")
        .edit("\"t1\"", "\"t2\"")
        .changes(&["top 1.0.0"]);
}

#[test]
fn a_crate_behind_another_counts() {
    using("top")
        .edit("\"m1\"", "\"m2\"")
        .changes(&["middle 2.0.0"]);
}

#[test]
fn of_two_versions_only_the_one_that_is_used_counts() {
    using("top")
        .edit("\"p2\"", "\"p3\"")
        .changes(&["plain 2.0.0"]);
    using("top").edit("\"p1\"", "\"p3\"").changes_nothing();
    using("plain")
        .edit("\"p1\"", "\"p3\"")
        .changes(&["plain 1.0.0"]);
    using("plain").edit("\"p2\"", "\"p3\"").changes_nothing();
}

#[test]
fn features_of_a_direct_dependency_count() {
    using("top")
        .edit("[\"std\"]", "[\"std\", \"fast\"]")
        .changes(&["features of top"]);
    using("top")
        .edit("default-features = false, ", "")
        .changes(&["features of top"]);
}

#[test]
fn features_asked_for_directly_count_wherever_the_crate_is_used() {
    using("top")
        .edit(
            "plain = \"1\"",
            "plain = { version = \"1\", features = [\"x\"] }",
        )
        .changes(&["features of plain"]);
}

#[test]
fn a_feature_of_ones_own_that_asks_for_another_counts_when_it_is_on() {
    let package = using("top");
    package
        .becomes(&package.clone().with_feature("wide"))
        .changes(&["features of top"]);
    package
        .becomes(&package.clone().with_feature("gpu"))
        .changes_nothing();
}

#[test]
fn a_crate_that_is_not_reached_changes_nothing() {
    using("plain").edit("\"t1\"", "\"t2\"").changes_nothing();
    using("plain")
        .edit("[\"std\"]", "[\"std\", \"fast\"]")
        .changes_nothing();
}

#[test]
fn a_development_dependency_changes_nothing() {
    using("top").edit("\"k1\"", "\"k2\"").changes_nothing();
    using("top")
        .edit("checks = \"1\"", "checks = \"1\"\nmore = \"1\"")
        .changes_nothing();
}

#[test]
fn a_dependency_for_one_platform_counts() {
    using("on_unix")
        .edit("\"u1\"", "\"u2\"")
        .changes(&["on-unix 1.0.0"]);
}

#[test]
fn a_crate_under_another_name_is_found_and_its_revision_counts() {
    using("renamed")
        .edit("#abc", "#abd")
        .changes(&["real-name 1.0.0"]);
}

#[test]
fn a_crate_under_the_name_of_one_that_is_known_is_an_error() {
    let package = using("top").replaced("renamed = {", "serde = {");
    package.fails("Cargo.toml: gives real-name the name serde");
}

#[test]
fn a_package_with_nothing_to_know_it_by_is_an_error() {
    let package = using("top").replaced("checksum = \"m1\"", "");
    let error = package.parts().unwrap_err().to_string();
    assert!(
        error.contains("Cargo.lock: middle 2.0.0 has no checksum"),
        "{error}"
    );
}

#[test]
fn a_lock_file_that_lacks_a_dependency_is_an_error() {
    let package = using("top").replaced("\"real-name\", \"top\"]", "\"real-name\"]");
    let error = package.parts().unwrap_err().to_string();
    assert!(error.contains("Cargo.lock: lacks top"), "{error}");
}

#[test]
fn a_backends_crates_count_for_the_backend_alone() {
    let changed = |old: &str| {
        let (before, after) = (
            using("top").parts().unwrap(),
            using("top").replaced(old, "\"zz\"").parts().unwrap(),
        );
        let names = before
            .crates
            .keys()
            .filter(|name| before.crates[*name] != after.crates[*name]);
        names.cloned().collect::<Vec<_>>()
    };
    assert_eq!(changed("\"o1\""), ["backend slow-backend"]);
    assert_eq!(changed("\"b2\""), ["backend gpu-backend"]);
    assert_eq!(changed("\"g1\""), ["backend gpu-backend"]);
    // Shared by backends on GPUs, and named by the other one without being used.
    assert_eq!(changed("\"n1\""), ["backend gpu-backend"]);
}
