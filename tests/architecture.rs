//! Holds the program's imports against the table of who may know whom (see `src/lib.rs`). What the
//! crates may know stands in their manifests, and cargo holds them to it.

use std::collections::BTreeSet;
use std::path::Path;

use walkdir::WalkDir;

/// Each top-level module of the program with the others that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("any_path", &[]),
    ("bundle", &["report"]),
    (
        "cli",
        &[
            "bundle",
            "error",
            "pipeline",
            "plan",
            "project",
            "remote",
            "report",
            "reproduce",
            "run",
            "standalone",
            "steps",
            "verify",
            "watch",
        ],
    ),
    ("error", &[]),
    ("fingerprint", &[]),
    ("judge", &["pipeline"]),
    ("page", &["judge", "pipeline"]),
    ("pipeline", &["error"]),
    ("plan", &["error", "fingerprint", "pipeline", "steps"]),
    ("project", &["pipeline", "plan"]),
    ("remote", &["plan", "project", "report"]),
    ("report", &["judge", "page", "pipeline", "plan", "run"]),
    (
        "reproduce",
        &["pipeline", "plan", "project", "report", "run", "steps"],
    ),
    ("run", &["any_path", "plan", "steps"]),
    ("standalone", &["error", "fingerprint"]),
    ("steps", &["any_path"]),
    (
        "verify",
        &[
            "bundle", "error", "judge", "page", "pipeline", "plan", "report", "run", "steps",
        ],
    ),
    ("watch", &["page", "pipeline", "plan", "project", "steps"]),
];

/// Crates that only some files of the program may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("bytesize", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("console", &["cli/"]),
    ("quick_junit", &["cli/"]),
    ("httparse", &["watch/"]),
    (
        "remote_store",
        &["cli/", "remote.rs", "reproduce.rs", "run/"],
    ),
];

/// Sources below `src/`; see [`sources_in`].
fn sources() -> Vec<(String, String)> {
    sources_in("src")
}

/// Sources below a folder with their path from there, without what the tests in them import.
fn sources_in(folder: &str) -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    for entry in WalkDir::new(&src).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry
            .path()
            .strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if !name.ends_with(".rs") || name.ends_with("tests.rs") || name.contains("tests/") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        sources.push((name, code));
    }
    sources
}

/// Code lines, without comments.
fn lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, code) in sources() {
        let module = file.split(['/', '.']).next().unwrap();
        if module == "lib" || module == "main" {
            continue;
        }
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is not in the table"));
        for line in lines(&code) {
            for (at, _) in line.match_indices("crate::") {
                if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue; // The end of another name.
                }
                let target =
                    line[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric() && c != '_');
                let target = target.into_iter().next().unwrap();
                if !target.is_empty() && target != module && !allowed.contains(&target) {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
                seen.insert((module.to_owned(), target.to_owned()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the table:\n{}",
        wrong.join("\n")
    );
    assert!(seen.len() > 10, "the imports were not found: {seen:?}");
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        for (name, places) in ONLY_IN {
            let path = format!("{name}::");
            let names_it = |line: &str| {
                line.match_indices(&path).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c))
                })
            };
            if lines(&code).any(names_it) && !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_library_never_prints() {
    let crates = sources_in("crates");
    assert!(crates.len() > 50, "the crates were not found");
    for (file, code) in sources().into_iter().chain(crates) {
        let prints = lines(&code).any(|line| {
            ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"]
                .iter()
                .any(|name| line.contains(name))
        });
        assert!(!prints, "{file} prints");
    }
}
