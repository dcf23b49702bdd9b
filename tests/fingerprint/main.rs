//! What changes a step's fingerprint and what does not: a small workspace and one edit per case.

#[path = "../../build/fingerprint/mod.rs"]
mod fingerprint;

mod backends;
mod code;
mod errors;
mod golden;
mod manifests;
mod packages;
mod test_code;
mod tree;
