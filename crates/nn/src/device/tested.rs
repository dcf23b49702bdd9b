//! Which devices this crate's tests compute on.

use super::Backend;

/// The device that `FIG6_TEST_DEVICE` names; without it flex, and LibTorch's CPU where it is compiled in.
///
/// # Panics
/// If the variable names no device that is there.
pub fn tested() -> Vec<Backend> {
    match std::env::var("FIG6_TEST_DEVICE") {
        Err(_) => {
            let backends = [Backend::Flex, Backend::TchCpu];
            backends.into_iter().filter(|b| b.compiled_in()).collect()
        }
        Ok(name) => {
            let backend: Backend = name.parse().unwrap();
            backend.usable().unwrap();
            vec![backend]
        }
    }
}
