//! Large buffers, kept from one use to the next: fresh memory of this size costs a page fault for
//! every 4 kB and a pass of zeros, which for the networks' maps is as much as a tenth of a training.
//!
//! Unaware of what lies in them.

use std::sync::{Mutex, PoisonError};

/// Smaller ones are not worth keeping, in numbers.
const LEAST: usize = 16 * 1024;

/// What a new buffer holds: in tests, which are built for debugging, what nobody may read.
const FRESH: f32 = if cfg!(debug_assertions) {
    f32::NAN
} else {
    0.0
};

static KEPT: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer of `len` numbers with any content. Every number must be written before it is read.
///
/// One that is less than twice as large does as well, the smallest first: an epoch's last, smaller
/// batch needs no buffers of its own, and a layer takes none from those with maps twice as large.
pub fn take(len: usize) -> Vec<f32> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = kept
        .iter()
        .enumerate()
        .map(|(place, buffer)| (buffer.capacity(), place));
    let fitting = fitting.filter(|&(capacity, _)| (len..2 * len).contains(&capacity));
    match fitting.min() {
        Some((_, place)) => {
            let mut buffer = kept.swap_remove(place);
            drop(kept);
            buffer.resize(len, FRESH);
            buffer
        }
        None => vec![FRESH; len],
    }
}

/// Keeps a buffer for [`take`].
pub fn give(buffer: Vec<f32>) {
    if buffer.capacity() >= LEAST {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_for_as_much_or_a_little_less_and_for_nothing_else() {
        // A size that nothing else uses: the buffers are the whole process's.
        let len = 1_234_567;
        let buffer = vec![1.0; len];
        let place = buffer.as_ptr();
        give(buffer);
        let twice_as_small = take(len / 2);
        assert_ne!(twice_as_small.as_ptr(), place);
        let smaller = take(len - 7);
        assert_eq!((smaller.as_ptr(), smaller.len()), (place, len - 7));
        give(smaller);
        let whole = take(len);
        assert_eq!((whole.as_ptr(), whole.len()), (place, len));
        let another = take(len);
        assert_ne!(another.as_ptr(), place);
    }
}
