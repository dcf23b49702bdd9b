//! The newest state of what is watched, for any number of readers that each take it when they can.
//!
//! A reader that is slow misses what came between, and nobody waits for it. Unaware of what the state is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A value that is replaced now and then.
#[derive(Debug)]
pub struct Board<T> {
    posted: Mutex<Posted<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Posted<T> {
    /// How often it was replaced.
    number: u64,
    value: Arc<T>,
}

impl<T> Board<T> {
    pub fn new(value: T) -> Board<T> {
        Board {
            posted: Mutex::new(Posted {
                number: 1,
                value: Arc::new(value),
            }),
            changed: Condvar::new(),
        }
    }

    /// Replaces the value.
    pub fn post(&self, value: T) {
        let mut posted = self.posted();
        posted.number += 1;
        posted.value = Arc::new(value);
        self.changed.notify_all();
    }

    /// The value.
    pub fn now(&self) -> Arc<T> {
        self.posted().value.clone()
    }

    /// The value with its number, once that is another than the one that was `seen`; nothing if it is
    /// not within this time. Numbers begin with 1.
    pub fn next(&self, seen: u64, within: Duration) -> Option<(u64, Arc<T>)> {
        let is_old = |posted: &mut Posted<T>| posted.number == seen;
        let waited = self
            .changed
            .wait_timeout_while(self.posted(), within, is_old);
        let (posted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (posted.number != seen).then(|| (posted.number, posted.value.clone()))
    }

    fn posted(&self) -> MutexGuard<'_, Posted<T>> {
        // It is whole after every assignment.
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    #[test]
    fn a_reader_gets_the_newest_value_once_and_misses_those_between() {
        let board = Board::new("a");
        let (seen, value) = board.next(0, NO_TIME).unwrap();
        assert_eq!(*value, "a");
        assert!(board.next(seen, NO_TIME).is_none());
        board.post("b");
        board.post("c");
        let (seen, value) = board.next(seen, NO_TIME).unwrap();
        assert_eq!(*value, "c");
        assert!(board.next(seen, NO_TIME).is_none());
        assert_eq!(*board.now(), "c");
    }

    #[test]
    fn all_who_wait_are_told() {
        let board = Board::new(0);
        std::thread::scope(|scope| {
            let wait = || board.next(1, testing::HANG).map(|(_, value)| *value);
            let readers: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
            board.post(7);
            for reader in readers {
                assert_eq!(reader.join().unwrap(), Some(7));
            }
        });
    }
}
