//! How two key inputs differ, as data and in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// One difference between two [`KeyInputs`](super::KeyInputs); `None` on the side that lacks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub part: KeyPart,
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Which part of the key inputs differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    Schema,
    Kind,
    Parameter,
    Code,
    Crate,
    Numeric,
    Input,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let what = match self.part {
            KeyPart::Parameter
            | KeyPart::Numeric
            | KeyPart::Schema
            | KeyPart::Kind
            | KeyPart::Crate => "",
            KeyPart::Code => "code ",
            KeyPart::Input => "input ",
        };
        let side = |value: &Option<String>| match value {
            Some(value) if self.part != KeyPart::Parameter => shortened(value).to_owned(),
            Some(value) => value.clone(),
            None => "none".to_owned(),
        };
        write!(
            formatter,
            "{what}{}: {} → {}",
            self.name,
            side(&self.old),
            side(&self.new)
        )
    }
}

/// A digest's first digits, which tell it apart well enough for people; any other text as it is.
pub fn shortened(value: &str) -> &str {
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { &value[..10] } else { value }
}

/// Names whose values differ, with both values, sorted by name.
pub(super) fn differences<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, Option<String>, Option<String>)> + 'a {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|&name| old.get(name) != new.get(name))
        .map(|name| (name.clone(), old.get(name).cloned(), new.get(name).cloned()))
}
