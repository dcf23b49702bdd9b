//! `fig6 gc` and `fig6 fsck` as a person uses them: beside running reproductions, killed, and on
//! artifacts that are damaged in every way.

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod gc;
mod running;
mod unreadable;

use std::time::Duration;

use common::Project;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const TINY: &str = include_str!("../pipelines/tiny.ron");
const NONE: [&str; 0] = [];

/// A project of which everything is done.
fn finished() -> Project {
    let project = Project::new(TINY);
    let done = project.reproduce(&[]);
    assert_eq!((done.code, done.ran.len()), (0, 18), "{done:?}");
    project
}

/// Times below a given one, at random.
struct Moments(ChaCha8Rng);

impl Moments {
    fn new(seed: u64) -> Moments {
        Moments(ChaCha8Rng::seed_from_u64(seed))
    }

    fn below(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.0.next_u64() % (most.as_micros() as u64).max(1))
    }
}
