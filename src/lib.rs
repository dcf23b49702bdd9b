//! fig6 (architecture page: to be written with the modules)

pub mod cifar;
pub mod nn;
pub mod results;
pub mod steps;
