//! `ro-crate-metadata.json`: the report as a research object, RO-Crate 1.1 with the profile Provenance
//! Run Crate 0.5: which step read and wrote what, with which program and parameters, when and where.
//!
//! The one file of a report that times and hosts are in. Where `provenance.json` is made to be checked,
//! this one is made for catalogues and people: it says nothing that could not be told from the
//! manifests of the run that wrote it. A later run that comes to the same results leaves it as it is.
//! Who ran fig6 is not known and not said.

use serde::Serialize;
use serde_json::Value;

use super::evidence::Record;
use store::key::Digest;
use store::{Manifest, RunRecord};

mod entities;
mod parts;
mod seal;

/// The file's name in a report.
pub const FILE: &str = "ro-crate-metadata.json";

/// The text of the file.
pub fn text(record: &Record) -> String {
    let described = described(record);
    seal::seal(&unsealed(record, &seal::open(&described)), &described)
}

/// Whether this text is that of a crate, unaltered, which describes the same results: it then differs from
/// [`text`] at most in when, where and how fast the steps ran.
pub fn describes_the_same(text: &[u8], record: &Record) -> bool {
    let text = std::str::from_utf8(text);
    text.is_ok_and(|text| seal::is_sealed(text, &described(record)))
}

/// The digest of all that a crate says but when, where and how fast the steps ran.
fn described(record: &Record) -> Digest {
    let mut record = record.clone();
    for Manifest { run, .. } in &mut record.manifests {
        *run = RunRecord {
            fig6: std::mem::take(&mut run.fig6),
            ..RunRecord::default()
        };
    }
    Digest::of(unsealed(&record, "").as_bytes())
}

/// The file's text with this identifier.
fn unsealed(record: &Record, identifier: &str) -> String {
    let metadata = Metadata {
        context: [
            "https://w3id.org/ro/crate/1.1/context",
            "https://w3id.org/ro/terms/workflow-run/context",
        ],
        graph: entities::of(record, FILE, identifier),
    };
    let text = serde_json::to_string_pretty(&metadata);
    text.expect("a JSON value has a JSON form") + "\n"
}

/// The file's content. No [`Value`] itself: `json!` would copy the graph, which is by far the largest
/// thing that a run ever holds.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "@context")]
    context: [&'static str; 2],
    #[serde(rename = "@graph")]
    graph: Vec<Value>,
}
