//! `http:` and `https:` URLs, as far as a client that follows redirections takes them apart.
//!
//! Unaware of connections.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::Uri;

use crate::place::decode;

/// A URL with a host. Displayed without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl Url {
    /// Takes a URL apart; a fragment is dropped.
    ///
    /// # Errors
    /// If it has no scheme or no host, or has a character that does not belong there. The text is
    /// not repeated, as it may hold a password.
    pub fn parse(text: &str) -> Result<Url> {
        let uri: Uri = text.parse()?;
        ensure!(uri.scheme().is_some(), "no scheme");
        ensure!(uri.host().is_some_and(|host| !host.is_empty()), "no host");
        let after_host = uri.authority().map(|it| it.as_str()).unwrap_or_default();
        let after_host = after_host.rsplit(['@', ']']).next().unwrap_or_default();
        let port = after_host.split_once(':').map_or("", |(_, port)| port);
        ensure!(port.is_empty() || uri.port_u16().is_some(), "no such port");
        Ok(Url(uri))
    }

    /// In lower case.
    pub fn scheme(&self) -> &str {
        self.0.scheme_str().unwrap_or_default()
    }

    /// The host's name or address, the latter without brackets.
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// The port, if only by the scheme.
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16().or(match self.scheme() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }

    /// Host and port, as far as they are written.
    pub fn authority(&self) -> &str {
        let authority = self.0.authority().map(|it| it.as_str()).unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }

    /// User and password, as an authorization header has them.
    pub fn credentials(&self) -> Option<String> {
        let (user, _) = self.0.authority()?.as_str().rsplit_once('@')?;
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let text = format!("{}:{}", decode(user), decode(password));
        Some(format!("Basic {}", BASE64_STANDARD.encode(text)))
    }

    /// As ureq has it.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Where a reference in a document at this URL leads (RFC 3986, 5.2).
    ///
    /// # Errors
    /// If that is not `http:` or `https:`, or no URL.
    pub fn join(&self, reference: &str) -> Result<Url> {
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = self.scheme();
        if let Some((other, _)) = reference
            .split_once(':')
            .filter(|(name, _)| is_scheme(name))
        {
            let known = ["http", "https"].contains(&other.to_ascii_lowercase().as_str());
            ensure!(known, "{other}: is not followed");
            return Url::parse(reference)?.tidy();
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"))?.tidy();
        }
        let authority = self.0.authority().context("no host")?;
        let path = self.0.path();
        let target = match reference.chars().next() {
            Some('/') => reference.to_owned(),
            Some('?') => format!("{path}{reference}"),
            Some(_) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{reference}")
            }
            None => self
                .0
                .path_and_query()
                .map_or(path, |it| it.as_str())
                .to_owned(),
        };
        Url::parse(&format!("{scheme}://{authority}{target}"))?.tidy()
    }

    /// The same place, without `.` and `..` in its path.
    fn tidy(self) -> Result<Url> {
        let authority = self.0.authority().context("no host")?;
        let target = self.0.path_and_query().map_or("/", |it| it.as_str());
        let target = without_dots(target);
        Url::parse(&format!("{}://{authority}{target}", self.scheme()))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.0.path_and_query().map_or("/", |it| it.as_str());
        write!(f, "{}://{}{target}", self.scheme(), self.authority())
    }
}

/// A URL as it may be shown: without user and password.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", &rest[end..])
}

fn is_scheme(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || "+-.".contains(each))
}

/// A path, whose query is left as it is, with `.` and `..` applied.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_where_rfc_3986_has_them_lead() {
        let base = Url::parse("http://me:pw@a.example:8/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("https://other.example/x#y", "https://other.example/x"),
            ("HTTP://other.example", "http://other.example/"),
            ("//other.example/x", "http://other.example/x"),
            ("/g", "http://a.example:8/g"),
            ("g", "http://a.example:8/b/c/g"),
            ("./g?y/../z", "http://a.example:8/b/c/g?y/../z"),
            ("g;x=1/../y", "http://a.example:8/b/c/y"),
            ("?y", "http://a.example:8/b/c/d;p?y"),
            ("", "http://a.example:8/b/c/d;p?q"),
            ("..", "http://a.example:8/b/"),
            ("../..", "http://a.example:8/"),
            ("../../../g", "http://a.example:8/g"),
            ("/./g/.", "http://a.example:8/g/"),
            ("a/b:c", "http://a.example:8/b/c/a/b:c"),
        ] {
            assert_eq!(
                base.join(reference).unwrap().to_string(),
                expected,
                "{reference}"
            );
        }
        for refused in [
            "file:///etc/passwd",
            "ftp://a.example/",
            "data:,",
            "http://",
            "a b",
        ] {
            assert!(base.join(refused).is_err(), "{refused}");
        }
        // The same host is still asked as the same user, another is not.
        assert!(base.join("/g").unwrap().credentials().is_some());
        assert!(
            base.join("//other.example/g")
                .unwrap()
                .credentials()
                .is_none()
        );
    }

    #[test]
    fn a_url_is_shown_without_user_and_password() {
        for (url, expected) in [
            ("http://me:p@ss@a.example/b@c", "http://a.example/b@c"),
            ("https://a.example", "https://a.example"),
            ("http://me@a.example?x", "http://a.example?x"),
            ("/a/b@c", "/a/b@c"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn what_is_no_url_with_a_host_is_refused() {
        for wrong in [
            "",
            "x",
            "http:",
            "http://",
            "http:///x",
            "http://a:99999/",
            "http://a b/",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
        let address = Url::parse("http://u:p@[::1]:80/").unwrap();
        assert_eq!((address.host(), address.port()), ("::1", Some(80)));
    }
}
