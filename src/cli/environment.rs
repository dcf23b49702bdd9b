//! Environment variables that stand for options, or that decide about colours and temporary files. An
//! empty one counts as not set.
//!
//! Unaware of those that only a step reads: a step's process gets no empty ones.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Invalid;
use remote_store::Address;

const MIRROR: &str = "FIG6_MIRROR";
const REMOTE: &str = "FIG6_REMOTE";
const REPLAY: &str = "FIG6_REPLAY";
const CHECKPOINT_EVERY: &str = "FIG6_CHECKPOINT_EVERY";

/// Seconds between two checkpoints where nobody says otherwise.
const CHECKPOINT_SECONDS: f64 = 300.0;

/// What a variable says, if it is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The mirrors that `--mirror` names, or those of the environment.
pub fn mirrors(given: &[PathBuf]) -> Vec<PathBuf> {
    match given {
        [] => variable(MIRROR).map(PathBuf::from).into_iter().collect(),
        given => given.to_vec(),
    }
}

/// The store elsewhere that `--remote` names, or the environment.
///
/// # Errors
/// If it is no address of one.
pub fn remote(given: Option<&str>) -> Result<Option<Address>, Invalid> {
    let (text, from) = match (given, variable(REMOTE)) {
        (Some(given), _) => (given.to_owned(), "--remote"),
        (None, Some(value)) => (value.to_string_lossy().into_owned(), REMOTE),
        (None, None) => return Ok(None),
    };
    let address = Address::parse(&text);
    let address = address.map_err(|error| Invalid::new(format!("{from}: {error:#}")))?;
    Ok(Some(address))
}

/// What `--checkpoint-every` says, or the environment, in seconds.
///
/// # Errors
/// If the environment says something else than a time, with the variable's name.
pub fn checkpoint_seconds(given: Option<f64>) -> Result<f64, Invalid> {
    match (given, variable(CHECKPOINT_EVERY)) {
        (Some(given), _) => Ok(given),
        (None, None) => Ok(CHECKPOINT_SECONDS),
        (None, Some(value)) => {
            let value = value.to_string_lossy();
            super::seconds(&value).map_err(|expected| {
                Invalid::new(format!("{CHECKPOINT_EVERY} is {value:?}: {expected}"))
            })
        }
    }
}

/// Whether the environment asks for replays.
///
/// # Errors
/// If it says something else than 0 or 1, with the variable's name.
pub fn replay() -> Result<bool, Invalid> {
    match variable(REPLAY) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(value) if value == "0" => Ok(false),
        Some(value) => {
            let value = value.to_string_lossy();
            Err(Invalid::new(format!(
                "{REPLAY} is {value:?}: expected 0 or 1"
            )))
        }
    }
}

/// Whether to use colours on a terminal or something else, where the arguments do not say so: see
/// no-color.org and bixense.com/clicolors.
pub fn wants_colors(is_terminal: bool) -> bool {
    colors(is_terminal, &|name| variable(name))
}

fn colors(is_terminal: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let is = |name, value: &str| variable(name).is_some_and(|found| found == *value);
    let can = variable("TERM").is_some() && !is("TERM", "dumb") && !is("CLICOLOR", "0");
    let forced = variable("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0");
    variable("NO_COLOR").is_none() && (forced || is_terminal && can)
}

/// Keeps temporary files out of the current folder, where an empty variable would have them.
pub fn set_temporary_folder() {
    if env::var_os("TMPDIR").is_some_and(|value| value.is_empty()) {
        // It can be set once; whoever did that knew better.
        let _ = tempfile::env::override_temp_dir(Path::new("/tmp"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_where_they_are_wanted() {
        for (variables, on_terminal, elsewhere) in [
            (&[("TERM", "xterm")][..], true, false),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false, false),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], true, false),
            (&[("TERM", "dumb")], false, false),
            (&[], false, false),
            (&[("TERM", "xterm"), ("CLICOLOR", "0")], false, false),
            (&[("TERM", "xterm"), ("CLICOLOR_FORCE", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "0")], false, false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
        ] {
            let variable = |name: &str| {
                let mut all = variables.iter();
                let value = all.find(|(other, _)| *other == name)?.1;
                (!value.is_empty()).then(|| value.into())
            };
            let found = [true, false].map(|terminal| colors(terminal, &variable));
            assert_eq!(found, [on_terminal, elsewhere], "{variables:?}");
        }
    }
}
