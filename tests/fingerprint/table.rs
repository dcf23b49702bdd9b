//! The form in which the binary gets its fingerprint.

use crate::fingerprint::{Fingerprint, table};
use crate::package::Package;

fn fingerprint() -> Fingerprint {
    let parts = Package::new("pub fn run() { anyhow::bail!() }")
        .parts()
        .unwrap();
    Fingerprint {
        kinds: [("one".into(), parts.clone()), ("two".into(), parts)].into(),
        backends: [].into(),
    }
}

#[test]
fn a_listing_that_two_kinds_share_is_written_once() {
    let source = table::source(&fingerprint());
    assert_eq!(source.matches("const LISTING_").count(), 2, "{source}");
    assert_eq!(source.matches("listing: LISTING_0").count(), 2, "{source}");
}

#[test]
fn the_same_fingerprint_has_the_same_table() {
    assert_eq!(table::source(&fingerprint()), table::source(&fingerprint()));
}

#[test]
fn the_table_is_rust_also_where_there_is_no_fingerprint() {
    for source in [table::source(&fingerprint()), table::error("a \"reason\"")] {
        assert!(syn::parse_file(&source).is_ok(), "{source}");
    }
    assert!(table::error("a \"reason\"").contains("a \\\"reason\\\""));
}
