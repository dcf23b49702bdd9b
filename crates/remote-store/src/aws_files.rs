//! `~/.aws/credentials` and `~/.aws/config`: what other programs for S3 read as well.

#![cfg(any(feature = "net", test))]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::{Failure, Trouble};

/// What the files say of one profile, by the names that they have there.
pub(crate) type Profile = BTreeMap<String, String>;

/// Reads the profile that the environment names, or the default one; empty if there are no files.
///
/// # Errors
/// If the environment names a profile that is in neither file.
pub(crate) fn profile(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Profile, Failure> {
    let text = |name: &str, file: &str| {
        let beside = || Some(PathBuf::from(variable("HOME")?).join(".aws").join(file));
        let path = variable(name).map(PathBuf::from).or_else(beside);
        path.and_then(|path| fs::read_to_string(path).ok())
    };
    let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
    let name = named.as_ref().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or("default");
    let config = text("AWS_CONFIG_FILE", "config").unwrap_or_default();
    let credentials = text("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
    let mut found = section(&config, &format!("profile {name}"));
    found.extend(section(&config, name));
    found.extend(section(&credentials, name));
    if named.is_some() && found.is_empty() {
        let what =
            "AWS_PROFILE names a profile that is in neither ~/.aws/credentials nor ~/.aws/config";
        return Err(Failure::new(Trouble::Failed, what));
    }
    Ok(found)
}

/// The values below `[name]`, without those that are indented: they belong to a value above them.
fn section(text: &str, name: &str) -> Profile {
    let mut found = Profile::new();
    let mut within = false;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(header) = line.strip_prefix('[') {
            within = header.trim_end_matches(']').trim() == name;
        } else if within
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_files_give_the_keys_of_the_profile_that_is_asked_for() {
        let folder = testing::folder();
        fs::create_dir(folder.path().join(".aws")).unwrap();
        let credentials = "[default]\naws_access_key_id = A\n# no\n[work]\naws_access_key_id=B\naws_secret_access_key = s=x\n";
        fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        let config =
            "[default]\nregion = eu-1\ns3 =\n  region = no\n[profile work]\nregion = eu-2\n";
        fs::write(folder.path().join(".aws/config"), config).unwrap();
        let of = |name: Option<&str>| {
            profile(&|variable| match variable {
                "HOME" => Some(folder.path().into()),
                "AWS_PROFILE" => name.map(Into::into),
                _ => None,
            })
        };
        let default = of(None).unwrap();
        assert_eq!(
            (&*default["aws_access_key_id"], &*default["region"]),
            ("A", "eu-1")
        );
        let work = of(Some("work")).unwrap();
        assert_eq!(
            (&*work["aws_access_key_id"], &*work["region"]),
            ("B", "eu-2")
        );
        assert_eq!(work["aws_secret_access_key"], "s=x");
        let error = of(Some("other")).unwrap_err().to_string();
        assert!(error.contains("AWS_PROFILE names"), "{error}");
        assert!(profile(&|_| None).unwrap().is_empty());
    }
}
