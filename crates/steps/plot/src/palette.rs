//! Which colour stands for which depth.
//!
//! Unaware of models, panels and drawing.

use std::collections::BTreeMap;

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

/// The hues of Fig. 6, those of olive and cyan darkened so that thin lines and small letters
/// stand out on white.
const PAPER: [(u32, Rgb); 6] = [
    (20, (0x8f, 0x8f, 0x00)),
    (32, (0x00, 0x9c, 0xb0)),
    (44, (0x0b, 0x84, 0x2c)),
    (56, (0xdc, 0x1e, 0x1e)),
    (110, (0x11, 0x11, 0x11)),
    (1202, (0xb8, 0x00, 0xb8)),
];

/// For depths that are not in the paper, in the order of their first appearance.
const OTHERS: [Rgb; 5] = [
    (0x1f, 0x5f, 0xd6), // blue
    (0xd9, 0x6a, 0x00), // orange
    (0x7a, 0x4a, 0x2b), // brown
    (0x6a, 0x3d, 0xc8), // violet
    (0x5b, 0x66, 0x75), // slate
];

/// A colour for each of the depths; only after five depths that are not in the paper do colours
/// repeat.
pub fn colors(depths: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Rgb> {
    let mut colors = BTreeMap::from(PAPER);
    let mut others = OTHERS.iter().copied().cycle();
    for depth in depths {
        colors
            .entry(depth)
            .or_insert_with(|| others.next().expect("a cycle of five colours has no end"));
    }
    colors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_of_the_paper_keep_their_colours_whatever_else_is_drawn() {
        let colors = colors([8, 56, 20, 14]);
        for (depth, color) in PAPER {
            assert_eq!(colors[&depth], color);
        }
    }

    #[test]
    fn other_depths_get_colours_of_their_own() {
        let colors = colors([8, 20, 8, 14]);
        assert_eq!((colors[&8], colors[&14]), (OTHERS[0], OTHERS[1]));
    }
}
