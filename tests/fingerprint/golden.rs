//! The crates and packages that the kinds of steps of this repository depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::fingerprint::{Fingerprint, Parts, fingerprint};

static OURS: LazyLock<Fingerprint> =
    LazyLock::new(|| fingerprint(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap());

/// Crates of the workspace, an empty line, and packages without their versions.
fn names(parts: &Parts) -> String {
    let packages = parts.crates.values().flat_map(|listing| listing.keys());
    let packages = packages.filter(|name| !name.starts_with("features of "));
    let packages: BTreeSet<&str> = packages.filter_map(|name| name.split(' ').next()).collect();
    let crates = parts.code.keys().map(String::as_str);
    let lines = crates.chain([""]).chain(packages);
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn each_step_depends_on_what_is_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fingerprint/golden");
    let kinds = OURS
        .kinds
        .iter()
        .map(|(kind, parts)| (format!("{kind}.txt"), parts));
    let backends = OURS.backends.iter();
    let backends = backends.map(|(feature, parts)| (format!("backend-{feature}.txt"), parts));
    let mut expected = BTreeSet::new();
    for (file, parts) in kinds.chain(backends) {
        let found = names(parts);
        if std::env::var("FIG6_GOLDEN").is_ok_and(|it| it == "write") {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(&file), &found).unwrap();
        }
        let recorded = fs::read_to_string(folder.join(&file)).unwrap_or_default();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (old, new) = (lines(&recorded), lines(&found));
        assert!(
            recorded.replace("\r\n", "\n") == found,
            "tests/fingerprint/golden/{file} differs: new are {:?}, gone are {:?}. If that is meant, \
             run `FIG6_GOLDEN=write cargo test --test fingerprint` and commit the files.",
            &new - &old,
            &old - &new,
        );
        expected.insert(file);
    }
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            expected.contains(&name),
            "tests/fingerprint/golden/{name} is of no kind: remove it"
        );
    }
}

/// The packages that cargo compiles for a crate of the workspace on this machine, which is what has
/// been downloaded for certain.
fn compiled(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Crates of the workspace stand with their path.
    let others = text.lines().filter(|line| !line.contains("(/"));
    let names = others.filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn what_cargo_compiles_is_in_the_listings() {
    for (kind, parts) in &OURS.kinds {
        let listed = names(parts);
        let listed: BTreeSet<&str> = listed.lines().collect();
        let compiled = compiled(kind);
        assert!(compiled.contains("anyhow"), "{kind}: {compiled:?}");
        let lacking: Vec<_> = compiled
            .iter()
            .filter(|it| !listed.contains(it.as_str()))
            .collect();
        assert!(lacking.is_empty(), "{kind} lacks {lacking:?}");
    }
    // With the backend that is on by default.
    let listed = names(&OURS.kinds["train"]) + &names(&OURS.backends["flex"]);
    let listed: BTreeSet<&str> = listed.lines().collect();
    let compiled = compiled("nn");
    assert!(compiled.contains("burn-flex"), "{compiled:?}");
    let lacking: Vec<_> = compiled
        .iter()
        .filter(|it| !listed.contains(it.as_str()))
        .collect();
    assert!(lacking.is_empty(), "flex lacks {lacking:?}");
}
