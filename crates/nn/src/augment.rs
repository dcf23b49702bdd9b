//! From pixels to the network's input: normalisation, the padded random crop and the flip of
//! training, and the order in which an epoch shows its images.
//!
//! Everything random is addressed by (seed, epoch, image): neither the batch an image falls
//! into, nor the order of work, nor the number of threads can change it. Unaware of networks
//! and devices.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use cifar::{CHANNELS, IMAGE, Images, PLANE, SIDE};
use random::Draw;
use records::Statistics;

/// How training images are varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Zeros added on each side, after normalisation (so the border has the mean colour), before
    /// a random 32 × 32 part is taken; 0 for no crop.
    pub pad: u32,
    /// Whether every second image, at random, is mirrored left to right.
    pub flip: bool,
}

/// How one image is varied on one occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variation {
    /// First row of the crop within the padded image, 0 to 2 · pad.
    pub top: usize,
    /// First column of the crop within the padded image, 0 to 2 · pad.
    pub left: usize,
    /// Whether the image is mirrored (before the crop).
    pub mirrored: bool,
}

impl Augmentation {
    /// How image `index` is varied in `epoch`.
    pub fn variation(&self, seed: u64, epoch: u64, index: usize) -> Variation {
        let mut draw = Draw::at("variation", &[seed, epoch, index as u64]);
        let offsets = 2 * u64::from(self.pad) + 1;
        // All three are always drawn: switching the flip does not move the crops.
        let (top, left, mirrored) = (draw.below(offsets), draw.below(offsets), draw.coin());
        Variation {
            top: top as usize,
            left: left as usize,
            mirrored: mirrored && self.flip,
        }
    }
}

/// The order in which `epoch` shows `images` images: each index once.
pub fn order(seed: u64, epoch: u64, images: usize) -> Vec<usize> {
    Draw::at("order", &[seed, epoch]).permutation(images)
}

/// Turns pixel values into the network's input, (x / 255 − mean) / std per channel.
#[derive(Clone, Debug)]
pub struct Normalise {
    /// The input for every pixel value, per channel.
    table: [[f32; 256]; CHANNELS],
}

impl Normalise {
    /// With the moments of the training images.
    pub fn new(statistics: &Statistics) -> Normalise {
        let mut table = [[0.0; 256]; CHANNELS];
        for (channel, row) in table.iter_mut().enumerate() {
            let (mean, std) = (statistics.mean[channel], statistics.std[channel]);
            for (value, entry) in row.iter_mut().enumerate() {
                *entry = ((value as f64 / 255.0 - mean) / std) as f32;
            }
        }
        Normalise { table }
    }

    /// The images with these indices as they are: `[indices, 3, 32, 32]`, row-major.
    pub fn batch(&self, images: &Images, indices: &[usize]) -> Vec<f32> {
        assemble(indices, |index, output| {
            for (channel, plane) in output.chunks_exact_mut(PLANE).enumerate() {
                let pixels = &images.image(index)[channel * PLANE..][..PLANE];
                for (entry, &value) in plane.iter_mut().zip(pixels) {
                    *entry = self.table[channel][usize::from(value)];
                }
            }
        })
    }

    /// The images with these indices, varied as `augmentation` says for this seed and epoch:
    /// `[indices, 3, 32, 32]`, row-major.
    pub fn varied_batch(
        &self,
        images: &Images,
        indices: &[usize],
        augmentation: &Augmentation,
        seed: u64,
        epoch: u64,
    ) -> Vec<f32> {
        let pad = augmentation.pad as usize;
        assemble(indices, |index, output| {
            let variation = augmentation.variation(seed, epoch, index);
            for (channel, plane) in output.chunks_exact_mut(PLANE).enumerate() {
                let pixels = &images.image(index)[channel * PLANE..][..PLANE];
                self.vary(channel, pixels, variation, pad, plane);
            }
        })
    }

    /// One plane, mirrored and cropped; `output` starts as zeros, the padding's value.
    fn vary(
        &self,
        channel: usize,
        pixels: &[u8],
        Variation {
            top,
            left,
            mirrored,
        }: Variation,
        pad: usize,
        output: &mut [f32],
    ) {
        let table = &self.table[channel];
        // Row y of the crop is row y + top − pad of the image; those outside stay zero.
        for (y, row) in output.chunks_exact_mut(SIDE).enumerate() {
            let Some(source) = (y + top).checked_sub(pad).filter(|&row| row < SIDE) else {
                continue;
            };
            let source = &pixels[source * SIDE..][..SIDE];
            for (x, entry) in row.iter_mut().enumerate() {
                let Some(column) = (x + left).checked_sub(pad).filter(|&x| x < SIDE) else {
                    continue;
                };
                let column = if mirrored { SIDE - 1 - column } else { column };
                *entry = table[usize::from(source[column])];
            }
        }
    }
}

/// One image after the other into one buffer, which starts as zeros.
fn assemble(indices: &[usize], fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut batch = vec![0.0; indices.len() * IMAGE];
    batch
        .par_chunks_exact_mut(IMAGE)
        .zip(indices)
        .for_each(|(output, &index)| fill(index, output));
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Augmentation = Augmentation { pad: 4, flip: true };

    fn statistics() -> Statistics {
        Statistics {
            mean: [0.5, 0.25, 0.75],
            std: [0.25, 0.5, 0.125],
        }
    }

    /// Images whose every pixel tells image, channel, row and column apart.
    fn images(count: usize) -> Images {
        let mut images = Images::default();
        for number in 0..count {
            let image: Vec<u8> = (0..IMAGE)
                .map(|i| ((i * 7 + i / PLANE * 31 + number * 13) % 253) as u8)
                .collect();
            images.push((number % 10) as u8, &image).unwrap();
        }
        images
    }

    #[test]
    fn normalisation_subtracts_the_mean_and_divides_by_the_deviation() {
        let mut images = Images::default();
        images.push(0, &[51; IMAGE]).unwrap();
        let batch = Normalise::new(&statistics()).batch(&images, &[0]);
        for (channel, expected) in [(0, -1.2), (1, -0.1), (2, -4.4)] {
            let plane = &batch[channel * PLANE..][..PLANE];
            assert!(plane.iter().all(|x| (x - expected).abs() < 1e-6));
        }
    }

    #[test]
    fn an_image_without_variation_is_the_normalised_image() {
        let images = images(5);
        let normalise = Normalise::new(&statistics());
        let none = Augmentation {
            pad: 0,
            flip: false,
        };
        assert_eq!(
            normalise.varied_batch(&images, &[3, 1], &none, 9, 2),
            normalise.batch(&images, &[3, 1])
        );
    }

    #[test]
    fn crops_shift_the_image_over_a_border_of_the_mean_colour_and_mirror_it_first() {
        let images = images(40);
        let normalise = Normalise::new(&statistics());
        let indices: Vec<usize> = (0..40).collect();
        let varied = normalise.varied_batch(&images, &indices, &PAPER, 1, 2);
        for index in indices {
            let variation = PAPER.variation(1, 2, index);
            let plain = normalise.batch(&images, &[index]);
            for place in 0..IMAGE {
                let (channel, y, x) = (place / PLANE, place % PLANE / SIDE, place % SIDE);
                let row = (y + variation.top) as isize - 4;
                let column = (x + variation.left) as isize - 4;
                let inside = (0..32).contains(&row) && (0..32).contains(&column);
                let column = if variation.mirrored {
                    31 - column
                } else {
                    column
                };
                let expected = if inside {
                    plain[channel * PLANE + row as usize * SIDE + column as usize]
                } else {
                    0.0
                };
                assert_eq!(varied[index * IMAGE + place], expected);
            }
        }
    }

    #[test]
    fn crops_are_uniform_over_nine_offsets_and_half_of_the_images_are_mirrored() {
        let (mut tops, mut lefts, mut mirrored) = ([0; 9], [0; 9], 0);
        for index in 0..9_000 {
            let variation = PAPER.variation(5, 7, index);
            tops[variation.top] += 1;
            lefts[variation.left] += 1;
            mirrored += u32::from(variation.mirrored);
        }
        // Expected 1,000 ± 30 and 4,500 ± 47.
        let even = |counts: [i32; 9]| counts.iter().all(|n| (850..1_150).contains(n));
        assert!(even(tops) && even(lefts), "{tops:?} {lefts:?}");
        assert!((4_260..4_740).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn variations_differ_between_epochs_and_seeds_but_not_between_occasions() {
        let all = |seed, epoch| -> Vec<Variation> {
            (0..50)
                .map(|index| PAPER.variation(seed, epoch, index))
                .collect()
        };
        assert_eq!(all(1, 1), all(1, 1));
        assert_ne!(all(1, 1), all(1, 2));
        assert_ne!(all(1, 1), all(2, 1));
        let unflipped = Augmentation {
            pad: 4,
            flip: false,
        };
        for (index, flipped) in all(1, 1).into_iter().enumerate() {
            let expected = Variation {
                mirrored: false,
                ..flipped
            };
            assert_eq!(unflipped.variation(1, 1, index), expected);
        }
    }

    #[test]
    fn an_epoch_shows_each_image_once_in_its_own_order() {
        let mut first = order(1, 0, 1_000);
        assert_ne!(first, order(1, 1, 1_000));
        assert_ne!(first, order(2, 0, 1_000));
        assert_eq!(first, order(1, 0, 1_000));
        first.sort_unstable();
        assert!(first.into_iter().eq(0..1_000));
    }

    #[test]
    fn a_batch_is_the_same_on_one_thread_and_on_four() {
        let images = images(64);
        let normalise = Normalise::new(&statistics());
        let batch = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let indices = order(1, 3, 64);
            pool.unwrap()
                .install(|| normalise.varied_batch(&images, &indices, &PAPER, 1, 3))
        };
        assert_eq!(batch(1), batch(4));
    }
}
