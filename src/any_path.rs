//! A path that survives JSON whatever its bytes are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A path, in JSON as text, or as numbers where it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct AnyPath(pub PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<AnyPath> for Written {
    fn from(AnyPath(path): AnyPath) -> Written {
        match path.into_os_string().into_string() {
            Ok(text) => Written::Text(text),
            Err(bytes) => Written::Bytes(bytes.into_vec()),
        }
    }
}

impl From<Written> for AnyPath {
    fn from(written: Written) -> AnyPath {
        AnyPath(match written {
            Written::Text(text) => text.into(),
            Written::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

impl From<PathBuf> for AnyPath {
    fn from(path: PathBuf) -> AnyPath {
        AnyPath(path)
    }
}

impl From<&str> for AnyPath {
    fn from(path: &str) -> AnyPath {
        AnyPath(path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_after_json() {
        for (bytes, json) in [
            (&b"/a/b"[..], "\"/a/b\""),
            ("/é".as_bytes(), "\"/é\""),
            (b"/\xff/b", "[47,255,47,98]"),
            (b"", "\"\""),
        ] {
            let path = AnyPath(OsString::from_vec(bytes.to_vec()).into());
            assert_eq!(serde_json::to_string(&path).unwrap(), json);
            assert_eq!(serde_json::from_str::<AnyPath>(json).unwrap(), path);
        }
    }
}
