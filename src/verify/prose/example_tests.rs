//! A small report for the tests of what is bound to it.

use anyhow::{Result, bail};

use super::reports::Source;
use records::Dataset;
use summary::{SeedResult, Spread};
use table::{Missing, ResultRow, Results};

/// Two models with results, of which one lacks a seed, and one without any.
pub fn results() -> Results {
    let row = |model: &str, layers: u32, parameters: u64, test: Spread, seeds: &[u64]| ResultRow {
        model: model.into(),
        label: model
            .replace("resnet", "ResNet-")
            .replace("plain", "Plain-"),
        layers,
        parameters,
        multiply_adds: 40_551_040,
        iterations: 64_000,
        backends: vec!["flex".into()],
        train_error: Spread {
            mean: 0.5,
            ..test.clone()
        },
        response: Spread {
            mean: 0.75,
            ..test.clone()
        },
        runs: seeds
            .iter()
            .map(|&seed| SeedResult {
                seed,
                test_error: 8.0 + 0.25 * seed as f64,
                train_error: 0.25 * seed as f64,
                response: 0.75,
            })
            .collect(),
        test_error: test,
        he: None,
        reproduction: None,
        difference_to_he: None,
        difference_to_reproduction: None,
    };
    let spread = |n, mean, std: Option<f64>| Spread {
        n,
        mean,
        std,
        half_width: std.map(|std| 2.5 * std),
        min: mean - 0.265,
        max: mean + 0.235,
    };
    let missing = |model: &str, seeds: &[u64], all| Missing {
        model: model.into(),
        label: model.into(),
        seeds: seeds.to_vec(),
        all,
    };
    Results {
        profile: "core".into(),
        comparable: true,
        caveats: vec![],
        dataset: Dataset {
            archive_sha256: "c4".into(),
            train: 45_000,
            validation: 5_000,
            test: 10_000,
        },
        rows: vec![
            row(
                "resnet20",
                20,
                269_722,
                spread(3, 8.515, Some(0.25)),
                &[0, 1, 3],
            ),
            row("plain20", 20, 269_722, spread(1, 9.75, None), &[0]),
        ],
        missing: vec![
            missing("resnet20", &[2], false),
            missing("lost", &[0], true),
        ],
    }
}

/// The report of the profile `core`, whose results.md is a text like the table step's.
pub struct Core {
    /// Whether some seeds have failed.
    pub holes: bool,
}

pub const TABLE: &str = "\
| model     | layers | parameters |   test error, % |
| --------- | -----: | ---------: | --------------: |
| ResNet-20 |     20 |    269,722 | 8.52 ± 0.25 (3) |
| Plain-20  |     20 |    269,722 |        9.75 (1) |
";

impl Source for Core {
    fn results(&self, profile: Option<&str>) -> Result<Results> {
        if profile.is_some_and(|name| name != "core") {
            bail!(std::io::Error::from(std::io::ErrorKind::NotFound));
        }
        let mut results = results();
        if !self.holes {
            results.missing.clear();
        }
        Ok(results)
    }

    fn page(&self, profile: Option<&str>) -> Result<String> {
        self.results(profile)?;
        Ok(format!("{TABLE}\n- notes: | none |\n"))
    }
}
