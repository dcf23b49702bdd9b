//! Per-channel mean and standard deviation. The sums are exact integers, so the result does not
//! depend on the order of the images or on the number of threads.
//!
//! Unaware of what the moments are for.

use anyhow::{Result, ensure};

use cifar::{CHANNELS, Images, PLANE};
use records::Statistics;

/// The moments of pixels scaled to [0, 1], over all images; the standard deviation is that of the
/// population (divisor N), as in numpy's `std`.
///
/// # Errors
/// If there is no image, or a channel has one value only: there would be nothing to divide by.
pub fn of(images: &Images) -> Result<Statistics> {
    ensure!(!images.is_empty(), "there is no training image");
    let mut sums = [0_u64; CHANNELS];
    let mut squares = [0_u64; CHANNELS];
    for index in 0..images.len() {
        for (channel, plane) in images.image(index).chunks_exact(PLANE).enumerate() {
            // A plane's sums fit in 32 bits (1024 × 255²), which lets the loop use wide vectors.
            let (sum, square) = plane.iter().fold((0_u32, 0_u32), |(sum, square), &pixel| {
                let pixel = u32::from(pixel);
                (sum + pixel, square + pixel * pixel)
            });
            sums[channel] += u64::from(sum);
            squares[channel] += u64::from(square);
        }
    }
    let count = (images.len() * PLANE) as u64;
    let scale = count as f64 * 255.0;
    let mut statistics = Statistics {
        mean: [0.0; CHANNELS],
        std: [0.0; CHANNELS],
    };
    for channel in 0..CHANNELS {
        // N² times the variance, without rounding.
        let spread = u128::from(count) * u128::from(squares[channel])
            - u128::from(sums[channel]) * u128::from(sums[channel]);
        ensure!(
            spread > 0,
            "all training images have the same {} value in every pixel, so they cannot be normalised",
            ["red", "green", "blue"][channel]
        );
        statistics.mean[channel] = sums[channel] as f64 / scale;
        statistics.std[channel] = (spread as f64).sqrt() / scale;
    }
    Ok(statistics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cifar::IMAGE;

    #[test]
    fn the_moments_are_those_of_the_population() {
        let mut images = Images::default();
        let mut first = vec![0; IMAGE];
        first[0] = 255;
        first[PLANE..2 * PLANE].fill(255);
        first[IMAGE - 1] = 51;
        images.push(0, &first).unwrap();
        images.push(1, &vec![0; IMAGE]).unwrap();
        let Statistics { mean, std } = of(&images).unwrap();
        let n = 2048_f64;
        assert_eq!(mean, [1.0 / n, 0.5, 0.2 / n]);
        let one_pixel = ((n - 1.0) / (n * n)).sqrt();
        for (found, expected) in std.iter().zip([one_pixel, 0.5, 0.2 * one_pixel]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn a_channel_without_contrast_is_refused() {
        let mut images = Images::default();
        let mut image: Vec<u8> = (0..IMAGE).map(|index| index as u8).collect();
        image[PLANE..2 * PLANE].fill(7);
        images.push(0, &image).unwrap();
        let error = of(&images).unwrap_err().to_string();
        assert!(error.contains("the same green value"), "{error}");
        assert!(of(&Images::default()).is_err());
    }
}
