//! The fingerprint as Rust source: static tables that the binary reads without parsing anything.

use std::collections::BTreeMap;

use super::{Fingerprint, Listing};

/// Definitions of `KINDS` and `BACKENDS` (see `src/fingerprint.rs`). Equal listings stand once.
pub fn source(fingerprint: &Fingerprint) -> String {
    let mut table = Table::default();
    let mut kinds = String::new();
    for (name, parts) in &fingerprint.kinds {
        let code = table.parts(&parts.code);
        let crates = table.parts(&parts.crates);
        kinds += &format!("    Kind {{ name: {name:?}, code: &{code}, crates: &{crates} }},\n");
    }
    let backends = table.parts(&fingerprint.backends);
    let mut source = String::new();
    for (text, name) in &table.texts {
        source += &format!("const {name}: &str = {text:?};\n");
    }
    source += &format!("\npub(super) static KINDS: &[Kind] = &[\n{kinds}];\n");
    source += &format!("\npub(super) static BACKENDS: &[Part] = &{backends};\n");
    source
}

/// Empty tables, and the reason why they are: rustc shows it beside its own errors, which know the
/// line and the column of what cannot be parsed.
pub fn error(message: &str) -> String {
    let message = format!("there is no fingerprint of the steps' code: {message}");
    let empty = source(&Fingerprint::default());
    format!("compile_error!({message:?});\n{empty}")
}

#[derive(Default)]
struct Table {
    /// The constant of each listing's text.
    texts: BTreeMap<String, String>,
}

impl Table {
    fn parts(&mut self, listings: &BTreeMap<String, Listing>) -> String {
        let mut parts = String::from("[\n");
        for (name, listing) in listings {
            let next = format!("LISTING_{}", self.texts.len());
            let text = self.texts.entry(listing.text()).or_insert(next);
            let digest = listing.digest();
            let digest = digest.as_bytes();
            parts += "        ";
            parts += &format!("Part {{ name: {name:?}, digest: {digest:?}, listing: {text} }},\n");
        }
        parts + "    ]"
    }
}
