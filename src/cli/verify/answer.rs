//! What a verification says: each level for people, and the end for people and for other programs.
//!
//! Unaware of how checks come about.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::arguments::Arguments;
use super::{Verified, github, junit, summary};
use crate::cli::file::UserFile;
use crate::cli::out::Out;
use crate::cli::terminal::{Paint, paint, shown_as_one};
use crate::verify::{Check, Level, Status, overall};

/// One level for people: what it looks at, how it ended, and what is to be seen to.
pub fn show(level: Level, checks: &[Check], verbose: bool, out: &mut Out) {
    out.line(format!(
        "{} {}: {}",
        word(overall(checks)),
        paint(Paint::Bold, level.name()),
        level.holds()
    ));
    let spoken =
        |check: &&Check| verbose || check.status != Status::Passed || check.level == Level::Claims;
    for check in checks.iter().filter(spoken) {
        let name = shown_as_one(&check.name);
        out.line(format!("  {} {name}", word(check.status)));
        let message = shown_as_one(&check.message).replace('\n', "\n     ");
        out.line(format!("     {message}"));
    }
    let hidden = checks.iter().filter(|check| !spoken(check)).count();
    if hidden > 0 {
        out.line(format!("  {hidden} passed"));
    }
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

/// Files that other programs read.
pub struct Files {
    junit: Option<UserFile>,
    summary: Option<UserFile>,
}

impl Files {
    /// Those that were asked for, before there is anything to write.
    ///
    /// # Errors
    /// As [`Out::file`].
    pub fn of(arguments: &Arguments, out: &mut Out) -> Result<Files> {
        let junit = arguments.junit.as_deref();
        let junit = junit.map(|path| out.file(path, arguments.force, junit::begins_as_report));
        // Whatever is in a summary stays there.
        let summary = arguments.summary.as_deref();
        let summary = summary.map(|path| out.file(path, true, |_| false));
        Ok(Files {
            junit: junit.transpose()?,
            summary: summary.transpose()?,
        })
    }

    /// Writes them, each even if another one cannot be written.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, checks: &[Check]) -> Result<()> {
        let junit = self.junit.as_ref();
        let junit = junit.map(|file| file.write(junit::report(checks)?.as_bytes()));
        let summary = self.summary.as_ref();
        let summary = summary.map(|file| file.append(&summary::page(checks)));
        junit.unwrap_or(Ok(())).and(summary.unwrap_or(Ok(())))
    }
}

/// The end for people, and everything for other programs.
pub fn report(arguments: &Arguments, verified: &Verified, out: &mut Out) {
    let Verified {
        profile,
        checks,
        sample_seed,
        elsewhere,
        left_out,
    } = verified;
    let overall = overall(checks);
    let done: BTreeSet<Level> = checks.iter().map(|check| check.level).collect();
    let not_done = Level::RISING.iter().filter(|level| !done.contains(level));
    let not_done: Vec<&str> = not_done.map(|level| level.name()).collect();
    if arguments.json {
        out.json_line(&json!({
            "profile": profile,
            "status": overall,
            "levels": done,
            "not_checked": not_done,
            "sample_seed": sample_seed,
            "claims_about_others": elsewhere,
            "checks": checks,
        }));
        return;
    }
    if let Some((files, bytes)) = left_out {
        out.line(format!(
            "not checked, because the bundle leaves the images out: {files} files, {bytes} bytes"
        ));
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    out.line(format!(
        "{} {profile}: {} passed, {} failed, {} undecided or not checkable",
        word(overall),
        count(Status::Passed),
        count(Status::Failed),
        count(Status::Undecided),
    ));
    if let Some(seed) = sample_seed {
        out.line(format!("the sample was drawn with --sample-seed {seed}"));
    }
    if *elsewhere > 0 && done.contains(&Level::Claims) {
        out.remark(&format!(
            "{elsewhere} claims are about models that this profile does not train, or other profiles"
        ));
    }
    if !not_done.is_empty() {
        out.remark(&format!("not checked: {}", not_done.join(", ")));
    }
    if arguments.github {
        out.result(&github::commands(checks));
    }
}
