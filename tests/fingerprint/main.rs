//! What changes a step's fingerprint and what does not: one small package and one edit per case.

#[path = "../../build/fingerprint/mod.rs"]
mod fingerprint;
#[path = "../../build/project.rs"]
mod project;

mod commas;
mod crates;
mod doubt;
mod idle;
mod items;
mod members;
mod names;
mod outside;
mod package;
mod real;
mod table;
mod unknown;
mod unnamed;
