//! fig6 (architecture page: to be written with the modules)

pub mod cifar;
pub mod cli;
pub mod error;
pub mod fingerprint;
pub mod key;
pub mod nn;
pub mod pipeline;
pub mod plan;
pub mod report;
pub mod results;
pub mod run;
pub mod steps;
pub mod store;
