//! What a verification says: each level for people, and the end for people and for other programs.
//!
//! Unaware of how checks come about.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::arguments::Arguments;
use super::{github, junit, summary};
use crate::cli::out::Out;
use crate::cli::terminal::{Paint, paint, shown_as_one};
use crate::store::write_whole;
use crate::verify::{Check, Level, Status, overall};

/// One level for people: what it looks at, how it ended, and what is to be seen to.
pub fn show(level: Level, checks: &[Check], verbose: bool, out: &mut Out) -> Result<()> {
    out.line(&format!(
        "{} {}: {}",
        word(overall(checks)),
        paint(Paint::Bold, level.name()),
        level.looks_at()
    ))?;
    let spoken =
        |check: &&Check| verbose || check.status != Status::Passed || check.level == Level::Claims;
    for check in checks.iter().filter(spoken) {
        let name = shown_as_one(&check.name);
        out.line(&format!("  {} {name}", word(check.status)))?;
        let message = shown_as_one(&check.message).replace('\n', "\n     ");
        out.line(&format!("     {message}"))?;
    }
    let hidden = checks.iter().filter(|check| !spoken(check)).count();
    if hidden > 0 {
        out.line(&format!("  {hidden} passed"))?;
    }
    Ok(())
}

fn word(status: Status) -> String {
    match status {
        Status::Passed => paint(Paint::Green, "ok"),
        Status::Undecided => paint(Paint::Yellow, "??"),
        Status::Failed => paint(Paint::Red, "NO"),
    }
}

/// 0 if all passed, 1 if something failed, 3 if something could not be decided.
pub fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(match status {
        Status::Passed => 0,
        Status::Failed => 1,
        Status::Undecided => 3,
    })
}

/// The end for people, and everything for other programs.
pub fn report(
    arguments: &Arguments,
    profile: &str,
    checks: &[Check],
    sample_seed: Option<u64>,
    elsewhere: usize,
    out: &mut Out,
) -> Result<()> {
    if let Some(path) = &arguments.junit {
        write_whole(path, junit::report(checks)?.as_bytes())?;
    }
    if let Some(path) = &arguments.summary {
        append(path, &summary::page(checks))?;
    }
    let overall = overall(checks);
    let done: BTreeSet<Level> = checks.iter().map(|check| check.level).collect();
    let not_done = Level::RISING.into_iter();
    let not_done = not_done.filter(|level| !done.contains(level));
    let not_done: Vec<&str> = not_done.map(Level::name).collect();
    if arguments.json {
        let report = json!({
            "profile": profile,
            "status": overall,
            "levels": done,
            "not_checked": not_done,
            "sample_seed": sample_seed,
            "claims_about_others": elsewhere,
            "checks": checks,
        });
        out.line(&serde_json::to_string(&report)?)?;
    } else {
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        out.line(&format!(
            "{} {profile}: {} passed, {} failed, {} undecided or not checkable",
            word(overall),
            count(Status::Passed),
            count(Status::Failed),
            count(Status::Undecided),
        ))?;
        if let Some(seed) = sample_seed {
            out.line(&format!("the sample was drawn with --sample-seed {seed}"))?;
        }
        if elsewhere > 0 && done.contains(&Level::Claims) {
            out.remark(&format!(
                "{elsewhere} claims are about models that this profile does not train, or other profiles"
            ));
        }
        if !not_done.is_empty() {
            out.remark(&format!("not checked: {}", not_done.join(", ")));
        }
    }
    if arguments.github {
        out.result(&github::commands(checks))?;
    }
    Ok(())
}

/// Adds a text to the end of a file, which need not be there.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = File::options().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
