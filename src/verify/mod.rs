//! Whether published numbers still hold: a list of checks, each of which passed, failed, or could
//! not be decided.
//!
//! | what is found out | where |
//! |---|---|
//! | code, parameters or data are others than the report's | [`lock`] |
//! | an artifact is missing, corrupt or another one | [`integrity`], by [`store::Store::lookup`] |
//! | a verdict on a claim | [`crate::judge`], by [`statistics::decide`]; [`claims`] makes checks of them |
//! | today's code computes something else from a training's snapshots | [`replay`], by [`crate::run::replay`] |
//! | a step gives other bytes today | [`again`] |
//! | a document says another number | [`prose`], which asks [`quote`] what a mark names |
//!
//! Only reads. Unaware of the terminal and of how a list of checks is written for other programs.

pub mod again;
mod check;
pub mod claims;
pub mod integrity;
pub mod lock;
pub mod prose;
pub mod quote;
pub mod replay;
mod two_runs;
mod unusable;

pub use check::{Check, Level, Place, Status, by_level, overall};
pub use unusable::unusable;
