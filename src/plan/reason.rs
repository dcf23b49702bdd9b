//! Why a step runs, as data and in words.

use std::fmt;

use serde::Serialize;

use store::key::{Change, Detail, KeyPart, shortened};

/// Entries of a listing that are spelt out; more are only counted.
const DETAILS_SHOWN: usize = 3;

/// Why a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It never ran, or only as another profile has it.
    NoResult,
    /// The user wants it.
    Forced,
    /// Its result cannot be used.
    Damaged { what: String },
    /// Something that it depends on differs from its closest earlier result.
    Changed {
        #[serde(flatten)]
        change: Change,
        /// For code, the files that differ; for packages, the versions.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        details: Vec<Detail>,
        /// For an input, the step that makes it.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// A step that it reads from runs first.
    Producer { step: String },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Reason::NoResult => formatter.write_str("no result yet"),
            Reason::Forced => formatter.write_str("forced"),
            Reason::Damaged { what } => formatter.write_str(what),
            Reason::Producer { step } => write!(formatter, "after {step}"),
            Reason::Changed {
                change,
                details,
                from,
            } => changed(formatter, change, details, from.as_deref()),
        }
    }
}

fn changed(
    formatter: &mut fmt::Formatter,
    change: &Change,
    details: &[Detail],
    from: Option<&str>,
) -> fmt::Result {
    let name = &change.name;
    match (change.part, details, from) {
        // Files and versions say more than the digest of all of them.
        (KeyPart::Crate, [_, ..], _) => write!(formatter, "{name}: {}", words(details, version)),
        (KeyPart::Code, [_, ..], _) => write!(formatter, "code {name}: {}", words(details, item)),
        (KeyPart::Input, _, Some(from)) => write!(formatter, "{change}, made by {from}"),
        _ => write!(formatter, "{change}"),
    }
}

/// The first details in words.
fn words(details: &[Detail], word: fn(&Detail) -> String) -> String {
    let mut words: Vec<String> = details.iter().take(DETAILS_SHOWN).map(word).collect();
    if details.len() > DETAILS_SHOWN {
        words.push(format!("{} more", details.len() - DETAILS_SHOWN));
    }
    words.join(", ")
}

/// A file that differs.
pub fn item(detail: &Detail) -> String {
    let name = &detail.name;
    match (&detail.old, &detail.new) {
        (None, _) => format!("{name} is new"),
        (_, None) => format!("{name} is gone"),
        _ => format!("{name} changed"),
    }
}

/// A package that differs.
pub fn version(detail: &Detail) -> String {
    let side = |value: &Option<String>| value.as_deref().map_or("none", shortened).to_owned();
    format!(
        "{} {} → {}",
        detail.name,
        side(&detail.old),
        side(&detail.new)
    )
}
