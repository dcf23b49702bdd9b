//! Where an archive may lie: the mirrors first, by file name, then the sources' own URLs.
//!
//! Only names places; unaware of whether what is there is the archive.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::source::{ArchiveId, Source};
use crate::url::shown;

/// A file or URL that may hold the archive with identity `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub location: Location,
    pub id: ArchiveId,
    /// Last component of the source's URL; what a mirror is asked for.
    pub file_name: String,
}

/// How a place is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A file on this machine.
    File(PathBuf),
    /// `http:` or `https:` URL.
    Http(String),
    /// A URL that cannot be read.
    Unsupported(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::File(path) => write!(f, "{}", path.display()),
            Location::Http(url) | Location::Unsupported(url) => f.write_str(&shown(url)),
        }
    }
}

/// All places in the order in which to try them, each once: every mirror for every source in its
/// order, then the sources.
pub fn places(sources: &[Source], mirrors: &[PathBuf]) -> Vec<Place> {
    let at = |location, source: &Source| Place {
        location,
        id: source.id(),
        file_name: decode(raw_name(&source.url)),
    };
    let mirrored = mirrors.iter().flat_map(|mirror| {
        sources
            .iter()
            .map(move |source| at(in_mirror(mirror, raw_name(&source.url)), source))
    });
    let own = sources
        .iter()
        .map(|source| at(Location::parse(&source.url), source));
    let mut seen = HashSet::new();
    mirrored
        .chain(own)
        .filter(|place| seen.insert(place.clone()))
        .collect()
}

impl Location {
    /// The location that a URL names.
    fn parse(url: &str) -> Location {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        // RFC 8089: file:///path, file://localhost/path and file:/path are the same file.
        let path = rest.strip_prefix("//localhost");
        let path = path.or(rest.strip_prefix("//")).unwrap_or(rest);
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Location::Http(url.to_owned()),
            "file" if path.starts_with('/') => {
                let bytes = percent_decode_str(path).collect();
                Location::File(OsString::from_vec(bytes).into())
            }
            _ => Location::Unsupported(url.to_owned()),
        }
    }
}

/// The file `name` (as it stands in a URL) of a mirror, or the mirror itself if it is an archive: a
/// file, or called as the one that is looked for or as archives are.
fn in_mirror(mirror: &Path, name: &str) -> Location {
    let is_archive_name = |own: &str| {
        let own = decode(own);
        let ends = [".tar.gz", ".tgz", ".tar"];
        own == decode(name) || ends.iter().any(|end| own.ends_with(end))
    };
    let path = match mirror.to_str().map(Location::parse) {
        Some(Location::Http(url)) if is_archive_name(raw_name(&url)) => return Location::Http(url),
        Some(Location::Http(url)) => {
            return Location::Http(format!("{}/{name}", url.trim_end_matches('/')));
        }
        Some(Location::File(path)) => path,
        _ => mirror.to_owned(),
    };
    let own = path.file_name().and_then(|own| own.to_str());
    let is_archive = path.is_file() || (own.is_some_and(is_archive_name) && !path.is_dir());
    Location::File(match is_archive {
        true => path,
        false => path.join(decode(name)),
    })
}

/// The last component of a URL's path, still percent-encoded; `archive` if it has none, or one
/// that would lead out of a mirror's folder.
fn raw_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let after_scheme = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = after_scheme.rsplit_once('/').map_or("", |(_, name)| name);
    let plain = decode(name);
    if ["", ".", ".."].contains(&plain.as_str()) || plain.contains(['/', '\\', '\0']) {
        return "archive";
    }
    name
}

/// Percent-decoding. Text that is no valid encoding stays as it is.
fn decode(text: &str) -> String {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map_or_else(|_| text.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> Source {
        Source {
            url: url.to_owned(),
            bytes: 1,
            sha256: "00".to_owned(),
        }
    }

    fn shown(urls: &[&str], mirrors: &[&str]) -> Vec<String> {
        let sources: Vec<Source> = urls.iter().map(|url| source(url)).collect();
        let mirrors: Vec<PathBuf> = mirrors.iter().map(|&mirror| mirror.into()).collect();
        places(&sources, &mirrors)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn mirrors_come_first_and_are_asked_for_the_last_component_of_the_url() {
        assert_eq!(
            shown(
                &["https://a.example/x/c.tar.gz?raw=1", "file:///d/e%20f.tgz"],
                &["/mnt/m", "HTTP://m.example/p/", "file:///n"],
            ),
            [
                "/mnt/m/c.tar.gz",
                "/mnt/m/e f.tgz",
                "HTTP://m.example/p/c.tar.gz",
                "HTTP://m.example/p/e%20f.tgz",
                "/n/c.tar.gz",
                "/n/e f.tgz",
                "https://a.example/x/c.tar.gz?raw=1",
                "/d/e f.tgz",
            ]
        );
    }

    #[test]
    fn a_mirror_may_be_the_archive_itself() {
        let folder = testing::folder();
        let here = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(here("other"), "").unwrap();
        std::fs::create_dir(here("c.tgz")).unwrap();
        let url = "https://a.example/x/c%20d.tar.gz";
        for (mirror, expected) in [
            (here("other"), here("other")),
            (here("c d.tar.gz"), here("c d.tar.gz")),
            (here("c.tgz"), here("c.tgz/c d.tar.gz")),
            (here("folder"), here("folder/c d.tar.gz")),
            (format!("file://{}", here("other")), here("other")),
            (
                "file:///m/c%20d.tar.gz".to_owned(),
                "/m/c d.tar.gz".to_owned(),
            ),
        ] {
            assert_eq!(shown(&[url], &[&mirror])[0], expected);
        }
        for itself in [
            "http://m/c%20d.tar.gz",
            "http://m/y.tgz",
            "http://m/c%20d.tar.gz?raw=1",
        ] {
            assert_eq!(shown(&[url], &[itself])[0], itself);
        }
        assert_eq!(
            shown(&[url], &["http://m/c.tgz/"])[0],
            "http://m/c.tgz/c%20d.tar.gz"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_mirror_need_not_be_utf8() {
        let source = source("http://a.example/c");
        let mirror = PathBuf::from(OsString::from_vec(b"/m\xff".to_vec()));
        let places = places(&[source], &[mirror, "file:///n%FE".into()]);
        let expected = [&b"/m\xff/c"[..], b"/n\xfe/c"];
        for (place, bytes) in places.iter().zip(expected) {
            let path = OsString::from_vec(bytes.to_vec()).into();
            assert_eq!(place.location, Location::File(path));
        }
    }

    #[test]
    fn a_place_that_two_sources_share_is_tried_once() {
        let shared = shown(&["http://a.example/c", "http://b.example/c"], &["/m"]);
        assert_eq!(shared, ["/m/c", "http://a.example/c", "http://b.example/c"]);
    }

    #[test]
    fn a_name_never_leads_out_of_the_mirror() {
        for url in [
            "http://a.example/..",
            "http://a.example/%2e%2e",
            "http://a.example/%2Fetc%2Fpasswd",
            "http://a.example/",
            "http://a.example",
        ] {
            assert_eq!(shown(&[url], &["/m"])[0], "/m/archive", "{url}");
        }
    }

    #[test]
    fn file_urls_of_every_form_name_the_same_file() {
        for url in ["file:///a/b", "file://localhost/a/b", "FILE:/a/b"] {
            assert_eq!(Location::parse(url), Location::File("/a/b".into()), "{url}");
        }
        for url in ["ftp://a/b", "file://host/b", "/a/b", "file:b"] {
            assert_eq!(Location::parse(url), Location::Unsupported(url.to_owned()));
        }
    }
}
