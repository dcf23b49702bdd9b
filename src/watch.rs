//! The report page, live.
pub mod board;
pub mod request;
pub mod server;
