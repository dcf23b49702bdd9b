//! `fig6.toml`: what a machine says of itself, so that one pipeline serves a laptop and a cluster.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Deserialize;

use crate::error::Invalid;
use crate::run::slurm::Settings;

/// The file's name.
const FILE: &str = "fig6.toml";

/// Where steps that compute run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// On this machine.
    #[default]
    Local,
    /// As jobs of Slurm.
    Slurm,
}

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    pub executor: Executor,
    pub slurm: Settings,
}

impl Machine {
    /// Reads the file of the current folder, or else the user's own; nothing stands in a file that is not
    /// there.
    ///
    /// # Errors
    /// [`Invalid`] if the file is wrong; if it cannot be read.
    pub fn read() -> Result<Machine> {
        for path in places() {
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                text => text.with_context(|| format!("cannot read {}", path.display()))?,
            };
            return Ok(Machine::parse(&text, &path.display().to_string())?);
        }
        Ok(Machine::default())
    }

    fn parse(text: &str, path: &str) -> Result<Machine, Invalid> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                let before = text.get(..span.start).unwrap_or_default();
                before.matches('\n').count() + 1
            });
            Invalid::new(format!("{path}:{line}: {}", error.message()))
        })
    }
}

fn places() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")));
    let own = own.map(|folder| folder.join("fig6").join(FILE));
    [PathBuf::from(FILE)].into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_needs_stands_in_one_file() {
        let text = "executor = \"slurm\"\n\n[slurm]\noptions = \"--partition=main\"\npoll_seconds = 2.0\n\n\
                    [slurm.steps]\n\"train/resnet110\" = \"--time=8:00:00\"\n";
        let machine = Machine::parse(text, "fig6.toml").unwrap();
        assert_eq!(machine.executor, Executor::Slurm);
        let options = machine.slurm.of("train/resnet110/seed0").unwrap();
        assert_eq!(options, ["--partition=main", "--time=8:00:00"]);
        assert_eq!(Machine::parse("", "x").unwrap(), Machine::default());
    }

    #[test]
    fn a_wrong_file_is_named_with_the_line() {
        for (text, says) in [
            ("executor = \"pbs\"", "fig6.toml:1: unknown variant `pbs`"),
            ("\n\nslurn = 1", "fig6.toml:3: unknown field `slurn`"),
            ("[slurm]\noptions = 3", "fig6.toml:2: invalid type"),
            ("[slurm", "fig6.toml:1: "),
        ] {
            let error = Machine::parse(text, "fig6.toml").unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
