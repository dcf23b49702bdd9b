//! The address of a remote, as a person gives it. It holds nothing secret, so that it can be shown.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

/// The address of a remote.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) kind: Kind,
    shown: String,
}

/// What is spoken there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder(PathBuf),
    Url(Scheme, Url),
}

/// A URL that holds nothing secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub url: String,
    /// Behind the bucket or host.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    S3,
    Google,
    Azure,
}

const EXPECTED: &str =
    "expected a folder, or s3://bucket/…, gs://bucket/…, az://container/… or https://…";

impl Address {
    /// Reads an address: a folder, or a URL.
    ///
    /// # Errors
    /// If it is none, or has a part that would hold secrets.
    pub fn parse(text: &str) -> Result<Address> {
        ensure!(!text.is_empty(), "the remote has no address: {EXPECTED}");
        ensure!(
            !text.chars().any(char::is_control),
            "the remote's address has control characters in it: {EXPECTED}"
        );
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Address::folder(text.into()));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "file" => {
                ensure!(rest.starts_with('/'), "a file URL begins with file:///");
                return Ok(Address::folder(rest.into()));
            }
            "http" | "https" => Scheme::Http,
            "s3" | "s3a" => Scheme::S3,
            "gs" => Scheme::Google,
            "az" | "azure" | "abfs" | "abfss" | "adl" => Scheme::Azure,
            other => bail!("a remote of the kind {other:?} is not known: {EXPECTED}"),
        };
        ensure!(!rest.contains(['?', '#']), "{SECRET}");
        let rest = rest.trim_end_matches('/');
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // Before the @ Azure has the container.
        let is_open = match authority.split_once('@') {
            Some((container, _)) => scheme == Scheme::Azure && !container.contains(':'),
            None => true,
        };
        ensure!(is_open, "{SECRET}");
        ensure!(
            !authority.is_empty(),
            "the remote's address names no bucket or host: {EXPECTED}"
        );
        let name = text.split_once("://").map_or("", |(name, _)| name);
        let url = format!("{}://{rest}", name.to_ascii_lowercase());
        Ok(Address {
            shown: url.clone(),
            kind: Kind::Url(
                scheme,
                Url {
                    url,
                    path: path.trim_matches('/').to_owned(),
                },
            ),
        })
    }

    fn folder(path: PathBuf) -> Address {
        Address {
            shown: path.display().to_string(),
            kind: Kind::Folder(path),
        }
    }
}

const SECRET: &str = "a remote's address holds no user, no key and no ? or #: credentials are given by the \
                      variables and files in docs/remote.md";

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Address({:?})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_nothing_secret_and_a_wrong_one_is_not_repeated() {
        for (text, shown) in [
            ("/data/remote", "/data/remote"),
            ("file:///data/remote", "/data/remote"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("HTTPS://host:8443/a", "https://host:8443/a"),
            (
                "abfs://container@account.dfs.core.windows.net/a",
                "abfs://container@account.dfs.core.windows.net/a",
            ),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
        }
        for text in [
            "",
            "ftp://host/geheim",
            "https://host/a?sig=geheim",
            "https://user:geheim@host/a",
            "s3://key:geheim@bucket/a",
            "az://account:geheim@container/a",
            "s3:///geheim",
            "https://host/\u{1b}[2J",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(
                !error.contains("geheim") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
    }
}
