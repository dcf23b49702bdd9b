//! The devices that networks run on. The only module, beside `kernels`, that names concrete
//! backends.
//!
//! Unaware of networks and of what runs on a device.

mod backend;
mod environment;
mod open;
mod request;
#[cfg(test)]
mod tested;

pub use backend::{BURN_VERSION, Backend};
pub use environment::environment;
pub use request::Request;
#[cfg(test)]
pub use tested::tested;
