//! `fig6 verify`: whether published numbers still hold, for people, for programs and for CI.

mod answer;
mod arguments;
mod documents;
mod github;
mod interrupt;
mod junit;
mod scene;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

pub use arguments::Arguments;

use super::out::Out;
use super::say_error;
use super::signals::INTERRUPTED;
use crate::error::Invalid;
use crate::run::LocalProcesses;
use crate::verify::{Check, Level, Status, overall};
use answer::{Files, exit_code, report, show};
use interrupt::Interrupt;
use scene::Scene;

/// Everything that was checked, and what is to be said about it.
#[derive(Default)]
struct Verified {
    profile: String,
    checks: Vec<Check>,
    /// What the sample of steps was drawn with.
    sample_seed: Option<u64>,
    /// Claims about models that are not trained here.
    elsewhere: usize,
    /// Files that the bundle leaves out, and their bytes.
    left_out: Option<(usize, u64)>,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    if let Some(bundle) = arguments.bundle.as_ref().filter(|bundle| !bundle.is_file()) {
        let what = format!(
            "{} is no file; expected what `fig6 bundle` writes",
            bundle.display()
        );
        return Err(Invalid::new(what).into());
    }
    arguments.check()?;
    let files = Files::of(arguments, out)?;
    let executor = Arc::new(LocalProcesses::new()?);
    // Before anything is written that would have to be removed.
    let interrupt = Interrupt::listen(&executor)?;
    let verified = verify(arguments, &executor, &interrupt, out);
    // Nothing is left to be removed, and what follows may wait for the reader of a pipe.
    if !interrupt.end_at_once() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let verified = verified?;
    let status = overall(&verified.checks);
    let written = files.write(&verified.checks);
    report(arguments, &verified, out);
    match written {
        // The worse verdict is kept.
        Err(error) if status != Status::Passed => say_error(&error),
        written => written?,
    }
    Ok(exit_code(status))
}

/// Does all checks, and removes what it has unpacked or computed for them.
fn verify(
    arguments: &Arguments,
    executor: &LocalProcesses,
    interrupt: &Interrupt,
    out: &mut Out,
) -> Result<Verified> {
    let unpacked = tempfile::tempdir().context("cannot create a temporary folder")?;
    let scene = match &arguments.bundle {
        Some(bundle) => match Scene::of_bundle(bundle, unpacked.path(), arguments, interrupt) {
            Ok(scene) => scene,
            Err(error) if error.is::<Invalid>() || interrupt.is_asked() => return Err(error),
            // Whatever the bundle should be evidence of, it is none.
            Err(error) => {
                let name = bundle.display().to_string();
                let message = format!("{error:#}");
                let check = Check::new(Level::Integrity, name, Status::Failed, message);
                if !arguments.json {
                    show(Level::Integrity, std::slice::from_ref(&check), true, out);
                }
                return Ok(Verified {
                    profile: "bundle".to_owned(),
                    checks: vec![check],
                    ..Verified::default()
                });
            }
        },
        None => Scene::of(&arguments.place, &arguments.reports, interrupt)?,
    };
    // Wrong usage is said before anything takes long.
    scene.graph.matching(&arguments.rebuild)?;
    scene.expect_segments(arguments, executor)?;
    let levels = arguments.levels();
    let mut checks = Vec::new();
    let mut add = |level, found: Vec<Check>, out: &mut Out| {
        if !arguments.json {
            show(level, &found, arguments.verbose, out);
        }
        checks.extend(found);
    };
    for &level in Level::RISING {
        if !levels.contains(&level) {
            continue;
        }
        let found = scene.check(level, arguments, executor, out)?;
        // What a level has left out would look as if it had not to be there.
        ensure!(!interrupt.is_asked(), "interrupted");
        add(level, found, out);
    }
    if !arguments.docs.is_empty() {
        add(Level::Documents, documents::check(arguments, &scene), out);
    }
    let left_out = scene.bundle.as_ref().map(|bundle| {
        let bytes = bundle.left_out.iter().map(|output| output.bytes);
        (bundle.left_out.len(), bytes.sum())
    });
    Ok(Verified {
        profile: scene.project.experiment.profile.clone(),
        checks,
        sample_seed: scene.sample_seed.get(),
        elsewhere: scene.claims.elsewhere,
        left_out,
    })
}
