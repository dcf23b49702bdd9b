//! `fig6 verify`: whether published numbers still hold, for people, for programs and for CI.

mod answer;
mod arguments;
mod documents;
mod github;
mod interrupt;
mod junit;
mod level;
mod scene;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};

pub use arguments::Arguments;

use super::INTERRUPTED;
use super::out::Out;
use crate::error::Invalid;
use crate::run::{LocalProcesses, Stopped};
use crate::verify::{Check, Level, Status, overall};
use answer::{exit_code, report, show};
use interrupt::Interrupt;
use scene::Scene;

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let levels = arguments.levels();
    if let Some(bundle) = arguments.bundle.as_ref().filter(|bundle| !bundle.is_file()) {
        let what = format!(
            "{} is no file; expected what `fig6 bundle` writes",
            bundle.display()
        );
        return Err(Invalid::new(what).into());
    }
    let executor = Arc::new(LocalProcesses::new()?);
    // Before anything is written that would have to be removed.
    let interrupt = Interrupt::listen(&executor)?;
    let unpacked = tempfile::tempdir().context("cannot create a temporary folder")?;
    let scene = match &arguments.bundle {
        Some(bundle) => match Scene::of_bundle(bundle, unpacked.path(), arguments, &interrupt) {
            Ok(scene) => scene,
            Err(_) if interrupt.is_asked() => return Ok(ExitCode::from(INTERRUPTED)),
            // Whatever the bundle should be evidence of, it is none.
            Err(error) if !error.is::<Invalid>() => {
                let name = bundle.display().to_string();
                let message = format!("{error:#}");
                let check = Check::new(Level::Integrity, name, Status::Failed, message);
                if !arguments.json {
                    show(Level::Integrity, std::slice::from_ref(&check), true, out)?;
                }
                report(arguments, "bundle", &[check], None, 0, out)?;
                return Ok(exit_code(Status::Failed));
            }
            Err(error) => return Err(error),
        },
        None => Scene::of(&arguments.place, &arguments.reports, &interrupt)?,
    };
    // Wrong usage is said before anything takes long.
    scene.graph.matching(&arguments.rebuild)?;
    let mut checks = Vec::new();
    for level in Level::RISING {
        if !levels.contains(&level) {
            continue;
        }
        let found = match scene.check(level, arguments, &*executor, out) {
            Err(error) if error.is::<Stopped>() => return Ok(ExitCode::from(INTERRUPTED)),
            // What a level has left out would look as if it had not to be there.
            _ if interrupt.is_asked() => return Ok(ExitCode::from(INTERRUPTED)),
            found => found?,
        };
        if !arguments.json {
            show(level, &found, arguments.verbose, out)?;
        }
        checks.extend(found);
    }
    if !arguments.docs.is_empty() {
        let found = documents::check(arguments, &scene);
        if !arguments.json {
            show(Level::Documents, &found, arguments.verbose, out)?;
        }
        checks.extend(found);
    }
    if let Some(bundle) = scene.bundle.as_ref().filter(|_| !arguments.json) {
        let files = bundle.left_out.len();
        let bytes: u64 = bundle.left_out.iter().map(|output| output.bytes).sum();
        out.line(&format!(
            "not checked, because the bundle leaves the images out: {files} files, {bytes} bytes"
        ))?;
    }
    let profile = &scene.project.experiment.profile;
    let elsewhere = scene.claims.elsewhere;
    report(
        arguments,
        profile,
        &checks,
        scene.sample_seed.get(),
        elsewhere,
        out,
    )?;
    Ok(exit_code(overall(&checks)))
}
