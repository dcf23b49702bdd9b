//! Random numbers by address: what is drawn for one purpose depends on its address alone, never
//! on what else was drawn, in which order or on which thread.
//!
//! The generator is ChaCha8. Numbers are made from its words here, so that no other crate's choice
//! of algorithm can change them. Unaware of what they are used for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream at the address (`purpose`, `numbers`): its digest is the generator's key.
    pub fn at(purpose: &str, numbers: &[u64]) -> Draw {
        let mut hasher = blake3::Hasher::new_derive_key("fig6 2026 random numbers by address");
        hasher.update(&(purpose.len() as u64).to_le_bytes());
        hasher.update(purpose.as_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Draw(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Stream `stream` under the key `seed` and `label`. Splits and generated images are drawn so:
    /// [`Draw::at`] would give them other bytes.
    ///
    /// # Panics
    /// If the label has more than 24 bytes.
    pub fn keyed(seed: u64, label: &str, stream: u64) -> Draw {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..][..label.len()].copy_from_slice(label.as_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Draw(generator)
    }

    /// A number below `bound`, each equally likely up to one part in 2^64 / `bound`; 0 where
    /// `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// The same from half as many random bits: equally likely up to one part in 2^32 / `bound`.
    pub fn below_u32(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// True or false, equally likely.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// A number of [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (-53.0_f64).exp2()
    }

    /// A number from the standard normal distribution (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        // 1 − u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The numbers below `length` in random order (Fisher–Yates).
    pub fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_addresses_give_unrelated_numbers() {
        let first = |purpose, numbers: &[u64]| Draw::at(purpose, numbers).uniform();
        let all = [
            first("a", &[0, 1]),
            first("a", &[1, 0]),
            first("a", &[0]),
            first("b", &[0, 1]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{all:?}");
        }
        assert_eq!(first("a", &[0, 1]), all[0]);
    }

    #[test]
    fn seed_label_and_stream_each_give_unrelated_numbers() {
        let first = |seed, label, stream| Draw::keyed(seed, label, stream).below_u32(u32::MAX);
        let all = [
            first(0, "a", 0),
            first(1, "a", 0),
            first(0, "b", 0),
            first(0, "a", 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{all:?}");
        }
        assert_eq!(first(0, "a", 0), all[0]);
    }

    #[test]
    fn normal_numbers_have_mean_zero_variance_one_and_normal_tails() {
        let mut draw = Draw::at("moments", &[]);
        let n = 200_000;
        let sample: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let mean = sample.iter().sum::<f64>() / n as f64;
        let variance = sample.iter().map(|x| x * x).sum::<f64>() / n as f64 - mean * mean;
        let beyond_two = sample.iter().filter(|x| x.abs() > 2.0).count() as f64 / n as f64;
        // Five standard errors each.
        assert!(mean.abs() < 0.0112, "{mean}");
        assert!((variance - 1.0).abs() < 0.0159, "{variance}");
        assert!((beyond_two - 0.0455).abs() < 0.0024, "{beyond_two}");
    }

    #[test]
    fn every_place_of_a_permutation_is_equally_likely() {
        let mut counts = [[0u32; 5]; 5];
        for number in 0..10_000 {
            let order = Draw::at("permutation", &[number]).permutation(5);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            for (place, &value) in order.iter().enumerate() {
                counts[place][value] += 1;
            }
        }
        // Expected 2,000 with a standard deviation of 40.
        assert!(
            counts.iter().flatten().all(|n| (1_800..2_200).contains(n)),
            "{counts:?}"
        );
    }
}
