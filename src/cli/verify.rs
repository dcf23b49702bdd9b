//! What `fig6 verify` writes for other programs.
#![allow(dead_code)] // until the command is there

mod github;
mod junit;
mod level;
mod summary;
