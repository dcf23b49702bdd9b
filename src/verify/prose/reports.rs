//! Where numbers and tables in documents come from: the reports on disk.
//!
//! Takes a report's files as they are: whether they are what the artifacts give is another check.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::error::nearest;
use crate::report::REPORTS;
use crate::report::carried_over::TABLE;
use store::is_folder;
use table::Results;

/// Where numbers and tables come from. An error whose root is that a file was not found means that
/// there is no evidence; any other, that it is broken.
pub trait Source {
    /// The results of a profile, or of the default one.
    ///
    /// # Errors
    /// If there are none, or they cannot be read.
    fn results(&self, profile: Option<&str>) -> Result<Results>;

    /// The report's page in Markdown, which begins with the table.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    fn page(&self, profile: Option<&str>) -> Result<String>;
}

/// The folder of reports, with one folder for each profile.
#[derive(Clone, Debug)]
pub struct Reports {
    pub folder: PathBuf,
    /// The profile of an expression that names none.
    pub profile: String,
}

impl Reports {
    fn read(&self, profile: Option<&str>, name: &str) -> Result<(PathBuf, String)> {
        let profile = profile.unwrap_or(&self.profile);
        let report = self.folder.join(profile);
        // What is there and cannot be used has no neighbour that might be meant.
        for folder in [&self.folder, &report] {
            is_folder(folder, REPORTS)?;
        }
        let path = report.join(name);
        let text = fs::read_to_string(&path).with_context(|| {
            let hint = match self.neighbour(profile) {
                Some(near) => format!("did you mean the profile {near:?}?"),
                None => format!("`fig6 reproduce --profile {profile}` makes it"),
            };
            format!("cannot read {}; {hint}", path.display())
        })?;
        Ok((path, text))
    }

    /// A report with a similar name, where there is none of this name.
    fn neighbour(&self, profile: &str) -> Option<String> {
        if self.folder.join(profile).is_dir() {
            return None;
        }
        let entries = fs::read_dir(&self.folder).ok()?.flatten();
        let names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        nearest(profile, names.iter().map(String::as_str)).map(str::to_owned)
    }
}

impl Source for Reports {
    fn results(&self, profile: Option<&str>) -> Result<Results> {
        let (path, text) = self.read(profile, "results.json")?;
        let results: Results = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as fig6 writes it", path.display()))?;
        let name = profile.unwrap_or(&self.profile);
        ensure!(
            results.profile == name,
            "{} is of the profile {:?}, not of {name:?}",
            path.display(),
            results.profile
        );
        Ok(results)
    }

    fn page(&self, profile: Option<&str>) -> Result<String> {
        Ok(self.read(profile, TABLE)?.1)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The reports that are kept beside the sources.
    fn reports() -> Reports {
        Reports {
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("reports"),
            profile: "smoke".into(),
        }
    }

    #[test]
    fn the_kept_report_is_read() {
        let results = reports().results(None).unwrap();
        assert_eq!(results.profile, "smoke");
        assert!(
            reports()
                .page(Some("smoke"))
                .unwrap()
                .starts_with("| model ")
        );
    }

    #[test]
    fn a_report_that_is_not_there_is_named_with_its_neighbour() {
        let error = format!("{:#}", reports().results(Some("smok")).unwrap_err());
        assert!(
            error.contains("did you mean the profile \"smoke\"?"),
            "{error}"
        );
        let error = format!("{:#}", reports().page(Some("elsewhere")).unwrap_err());
        let hint = "`fig6 reproduce --profile elsewhere` makes it";
        assert!(error.contains(hint), "{error}");
    }

    #[test]
    fn results_of_another_profile_or_with_another_content_are_refused() {
        let folder = testing::folder();
        let kept = reports().folder.join("smoke/results.json");
        let text = fs::read_to_string(kept).unwrap();
        let refused = |text: &str| {
            fs::create_dir_all(folder.path().join("core")).unwrap();
            fs::write(folder.path().join("core/results.json"), text).unwrap();
            let reports = Reports {
                folder: folder.path().to_owned(),
                profile: "core".into(),
            };
            format!("{:#}", reports.results(None).unwrap_err())
        };
        let error = refused(&text);
        assert!(
            error.ends_with("is of the profile \"smoke\", not of \"core\""),
            "{error}"
        );
        let error = refused(&text[..text.len() / 2]);
        assert!(error.contains("is not as fig6 writes it"), "{error}");
    }
}
