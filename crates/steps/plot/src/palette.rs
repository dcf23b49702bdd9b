//! Which colour stands for which depth.
//!
//! Unaware of models, panels and drawing.

use std::collections::BTreeMap;

/// As SVG writes it.
pub type Color = &'static str;

/// The hues of Fig. 6, those of olive and cyan darkened so that thin lines and small letters
/// stand out on white.
const PAPER: [(u32, Color); 6] = [
    (20, "#8F8F00"),
    (32, "#009CB0"),
    (44, "#0B842C"),
    (56, "#DC1E1E"),
    (110, "#111111"),
    (1202, "#B800B8"),
];

/// For depths that are not in the paper, in the order of their first appearance.
const OTHERS: [Color; 5] = [
    "#1F5FD6", // blue
    "#D96A00", // orange
    "#7A4A2B", // brown
    "#6A3DC8", // violet
    "#5B6675", // slate
];

/// A colour for each of the depths; only after five depths that are not in the paper do colours
/// repeat.
pub fn colors(depths: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Color> {
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
