//! The made-up images: one figure or texture each, in a random place, size and colour, before a
//! random background with noise. Neither colour nor any single pixel tells the classes apart;
//! edges and their directions do, which is what the first layers of a network learn.
//!
//! Integer arithmetic and a counter-based generator throughout: an image depends on (seed, split,
//! index) alone and is the same on every machine. Unaware of files.

use cifar::{CHANNELS, CLASSES, IMAGE, PLANE, SIDE};
use random::Draw;

/// The classes in the order of their labels.
pub const NAMES: [&str; CLASSES] = [
    "disc",
    "ring",
    "square",
    "cross",
    "triangle",
    "horizontal stripes",
    "vertical stripes",
    "diagonal stripes",
    "checkerboard",
    "dots",
];

/// Least difference in brightness between figure and background.
const CONTRAST: i32 = 60;
/// Largest deviation by noise, per pixel and channel.
const NOISE: u32 = 28;
/// Largest change of the background over the image, per direction and channel.
const SLOPE: u32 = 40;

/// Which split an image belongs to; the splits share no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Train,
    Test,
}

/// The image: [`IMAGE`] bytes, planes R, G, B, row-major.
///
/// # Panics
/// If `label` is not below [`CLASSES`].
pub fn draw(seed: u64, split: Split, index: u32, label: usize) -> Vec<u8> {
    let draw = &mut Draw::keyed(
        seed,
        match split {
            Split::Train => "fig6 scene train",
            Split::Test => "fig6 scene test ",
        },
        index.into(),
    );
    let figure = Figure::random(draw, label);
    let (front, back) = colours(draw);
    let slopes: [[i32; 2]; CHANNELS] =
        std::array::from_fn(|_| std::array::from_fn(|_| within(draw, SLOPE)));

    let mut image = vec![0; IMAGE];
    for channel in 0..CHANNELS {
        for y in 0..SIDE {
            for x in 0..SIDE {
                // Both below 32.
                let (column, row) = (x as i32, y as i32);
                let value = if figure.covers(column, row) {
                    front[channel]
                } else {
                    let [along, down] = slopes[channel];
                    back[channel] + (along * (column - 16) + down * (row - 16)) / SIDE as i32
                };
                let noisy = value + (within(draw, NOISE) + within(draw, NOISE)) / 2;
                // Clamped to the range of a byte.
                image[channel * PLANE + y * SIDE + x] = noisy.clamp(0, 255) as u8;
            }
        }
    }
    image
}

/// Two colours that differ by [`CONTRAST`] in brightness, either of them the brighter one.
fn colours(draw: &mut Draw) -> ([i32; CHANNELS], [i32; CHANNELS]) {
    loop {
        let [front, back]: [[i32; CHANNELS]; 2] =
            std::array::from_fn(|_| std::array::from_fn(|_| draw.below_u32(256) as i32));
        // More than half of all pairs differ enough, so this ends soon.
        if (front.iter().sum::<i32>() - back.iter().sum::<i32>()).abs() >= 3 * CONTRAST {
            return (front, back);
        }
    }
}

/// What an image shows. Lengths are in half pixels, so that a centre may lie between two.
struct Figure {
    label: usize,
    centre: [i32; 2],
    radius: i32,
    /// Width of a stripe or a field, or the dots' spacing, in pixels.
    width: i32,
    /// Where the texture starts, in pixels.
    phase: [i32; 2],
    /// Mirrored: triangles that point down, stripes that fall.
    mirrored: bool,
}

impl Figure {
    fn random(draw: &mut Draw, label: usize) -> Figure {
        assert!(label < CLASSES, "labels run from 0 to 9");
        let texture = label >= 5;
        let radius = if texture {
            22 + draw.below_u32(10) as i32
        } else {
            15 + draw.below_u32(12) as i32
        };
        // Figures stay inside but for a pixel or two, textures may run over the border.
        let free = (32 - radius + 4).max(4).unsigned_abs();
        Figure {
            label,
            centre: std::array::from_fn(|_| 31 + within(draw, free)),
            radius,
            width: 2 + draw.below_u32(3) as i32,
            phase: std::array::from_fn(|_| draw.below_u32(32) as i32),
            mirrored: draw.below_u32(2) == 1,
        }
    }

    /// Whether the figure covers the pixel.
    fn covers(&self, column: i32, row: i32) -> bool {
        let [dx, dy] = [2 * column - self.centre[0], 2 * row - self.centre[1]];
        let (r, square) = (self.radius, dx * dx + dy * dy);
        let within = dx.abs().max(dy.abs()) <= r;
        let [x, y] = [column + self.phase[0], row + self.phase[1]];
        let odd = |position: i32| position.div_euclid(self.width) % 2 != 0;
        match self.label {
            0 => square <= r * r,
            1 => square <= r * r && 9 * square >= 4 * r * r,
            2 => 8 * dx.abs().max(dy.abs()) <= 7 * r,
            3 => within && 4 * dx.abs().min(dy.abs()) <= r,
            4 => {
                let from_tip = if self.mirrored { r - dy } else { r + dy };
                within && 2 * dx.abs() <= from_tip
            }
            5 => within && odd(y),
            6 => within && odd(x),
            7 => within && odd(if self.mirrored { x + y } else { x - y + 64 }),
            8 => within && odd(x) != odd(y),
            _ => {
                let pitch = self.width + 3;
                let [x, y] = [x % pitch - 1, y % pitch - 1];
                within && x * x + y * y <= 2
            }
        }
    }
}

/// Uniform from −`bound` to `bound`, which is small.
fn within(draw: &mut Draw, bound: u32) -> i32 {
    draw.below_u32(2 * bound + 1) as i32 - bound as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_images_in_every_version() {
        let mut images = Vec::new();
        for label in 0..CLASSES {
            for part in [Split::Train, Split::Test] {
                images.extend(draw(7, part, 11 + label as u32, label));
            }
        }
        let expected = "42ac6051e6156b1e019ab0215363033d34a370c342d0156f97b45ac658412c20";
        assert_eq!(sha256::of(&images), expected);
    }
}
