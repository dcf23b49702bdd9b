//! Large buffers, kept from one use to the next: fresh memory of this size costs a page fault for
//! every 4 kB and a pass of zeros, which for the networks' maps is as much as a tenth of a training.
//!
//! Unaware of what lies in them.

use std::sync::{Mutex, PoisonError};

/// Smaller ones are not worth keeping.
const LEAST: usize = 16 * 1024;

static KEPT: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer of `len` numbers with any content. Every number must be written before it is read.
pub fn take(len: usize) -> Vec<f32> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.iter().rposition(|buffer| buffer.len() == len) {
        Some(place) => kept.swap_remove(place),
        None => vec![0.0; len],
    }
}

/// Keeps a buffer for [`take`].
pub fn give(buffer: Vec<f32>) {
    if buffer.len() >= LEAST {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(buffer);
    }
}
