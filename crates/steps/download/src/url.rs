//! URLs of servers, as far as [`Uri`] leaves them open: which of them are asked, where a redirection
//! leads, and how they are shown.
//!
//! Unaware of connections.

use anyhow::{Result, ensure};
use iri_string::types::{UriAbsoluteString, UriReferenceStr};
use ureq::http::Uri;

/// Takes an `http:` or `https:` URL apart; a fragment is dropped.
///
/// # Errors
/// If it is of another scheme, has no host or no valid port, or has a character that does not belong
/// there. The text is not repeated, as it may hold a password.
pub fn parse(text: &str) -> Result<Uri> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let known = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    ensure!(known, "{scheme}: is not followed");
    let uri: Uri = text.parse()?;
    check(&uri)?;
    Ok(uri)
}

/// Refuses what [`Uri`] lets pass and nobody means.
///
/// # Errors
/// If it has no scheme or host, or a port that is none: ureq would take the scheme's.
pub fn check(uri: &Uri) -> Result<()> {
    let host = uri.scheme().and(uri.host()).unwrap_or_default();
    ensure!(!host.is_empty(), "no host");
    let authority = uri.authority().map_or("", |it| it.as_str());
    let after_user = authority.rsplit('@').next();
    ensure!(
        after_user == Some(host) || uri.port_u16().is_some(),
        "no such port"
    );
    Ok(())
}

/// Where a reference in an answer from `base` leads (RFC 3986, 5.2).
///
/// # Errors
/// If that is no URL or one that [`parse`] refuses.
pub fn join(base: &Uri, reference: &str) -> Result<Uri> {
    // Servers do not always encode what the RFC wants encoded. A whole URL is taken as it is.
    if let Ok(url) = parse(reference) {
        return Ok(url);
    }
    let base = UriAbsoluteString::try_from(base.to_string())?;
    let url = UriReferenceStr::new(reference)?.resolve_against(&base);
    parse(&url.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_where_rfc_3986_has_them_lead() {
        let base = parse("http://me:pw@a.example:8/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("https://other.example/x#y", "https://other.example/x"),
            ("HTTP://other.example", "http://other.example/"),
            ("http://b.example/x?y[]=1|2", "http://b.example/x?y[]=1|2"),
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
                shown(&join(&base, reference).unwrap().to_string()),
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
            assert!(join(&base, refused).is_err(), "{refused}");
        }
        // The same host is still asked as the same user, another is not.
        let user = |reference| {
            join(&base, reference)
                .unwrap()
                .to_string()
                .contains("me:pw@")
        };
        assert!(user("/g") && !user("//other.example/g"));
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
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
