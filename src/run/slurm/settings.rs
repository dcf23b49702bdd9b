//! What jobs are submitted with: `[slurm]` in `fig6.toml`, and `--slurm`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Options of `sbatch`, for all steps and for some.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For all jobs, as on a command line.
    pub options: String,
    /// For some, by a step's name or its first parts (`train`, `train/resnet110`); the longest counts most.
    pub steps: BTreeMap<String, String>,
    /// Seconds between two looks at the queue; 5 by default.
    pub poll_seconds: Option<f64>,
}

/// Options that decide how jobs are found again and their results read.
const OWN: [&str; 8] = [
    "--array",
    "-a",
    "--comment",
    "--output",
    "-o",
    "--signal",
    "--requeue",
    "--wrap",
];

impl Settings {
    /// Adds what `--slurm` says: options for all jobs, or for some (`train/resnet110: --time=8:00:00`). They
    /// count more than those before.
    pub fn add(&mut self, text: &str) {
        let (steps, options) = match text.split_once(':') {
            Some((steps, options)) if !steps.trim_start().starts_with('-') => {
                (steps.trim(), options)
            }
            _ => ("", text),
        };
        let before = match steps {
            "" => &mut self.options,
            steps => self.steps.entry(steps.to_owned()).or_default(),
        };
        before.push(' ');
        before.push_str(options.trim());
    }

    /// Checks all options.
    ///
    /// # Errors
    /// If they cannot be split into words, or one of them is fig6's own.
    pub fn check(&self) -> Result<()> {
        let seconds = self.poll_seconds.unwrap_or(1.0);
        ensure!(
            (0.1..=3600.0).contains(&seconds),
            "poll_seconds is {seconds}: expected 0.1 to 3600"
        );
        for options in self.steps.values().chain([&self.options]) {
            for word in words(options)? {
                let name = word.split('=').next().unwrap_or_default();
                ensure!(
                    !OWN.contains(&name),
                    "fig6 itself gives sbatch the option {name}"
                );
            }
        }
        Ok(())
    }

    /// The options of a step's job, one word each: those for more steps first, as later ones count more.
    ///
    /// # Errors
    /// If they cannot be split into words.
    pub fn of(&self, step: &str) -> Result<Vec<String>> {
        let mut all = words(&self.options)?;
        // A name that begins another one comes before it in this order.
        for (name, options) in &self.steps {
            if is_first_parts(name, step) {
                all.extend(words(options)?);
            }
        }
        Ok(all)
    }

    /// Names that match none of these steps.
    pub fn unknown<'a>(&'a self, steps: &[&str]) -> Option<&'a str> {
        let known = |name: &&String| steps.iter().any(|step| is_first_parts(name, step));
        self.steps
            .keys()
            .find(|name| !known(name))
            .map(|name| &**name)
    }
}

fn is_first_parts(name: &str, step: &str) -> bool {
    step.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn words(options: &str) -> Result<Vec<String>> {
    shlex::split(options).with_context(|| format!("a quote is open in the options {options:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_for_fewer_steps_come_later() {
        let mut settings = Settings {
            options: "--partition=main".to_owned(),
            ..Settings::default()
        };
        settings.add("train/resnet110: --time=8:00:00 --comment-free='a b'");
        settings.add("train: --time=4:00:00");
        settings.add("--account=x");
        settings.add("train/resnet110: --mem=8G");
        let of = |step| settings.of(step).unwrap().join("|");
        assert_eq!(
            of("evaluate/resnet110/seed0"),
            "--partition=main|--account=x"
        );
        assert_eq!(
            of("train/resnet110/seed0"),
            "--partition=main|--account=x|--time=4:00:00|--time=8:00:00|--comment-free=a b|--mem=8G"
        );
        assert_eq!(
            of("train/resnet1100/seed0"),
            "--partition=main|--account=x|--time=4:00:00"
        );
        assert_eq!(
            settings.unknown(&["train/resnet20/seed0"]),
            Some("train/resnet110")
        );
        assert_eq!(settings.unknown(&["train/resnet110/seed0"]), None);
    }

    #[test]
    fn an_option_of_our_own_and_an_open_quote_are_refused() {
        for (options, says) in [
            ("--array=3", "fig6 itself gives sbatch the option --array"),
            ("-o x", "fig6 itself gives sbatch the option -o"),
            ("--time='1", "a quote is open"),
        ] {
            let mut settings = Settings::default();
            settings.add(options);
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let settings = Settings {
            poll_seconds: Some(0.0),
            ..Settings::default()
        };
        assert!(settings.check().is_err());
    }
}
