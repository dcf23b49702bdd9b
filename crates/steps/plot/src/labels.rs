//! Where the labels at the curves' ends go when the curves end closer together than letters are
//! high, and how much room text takes.
//!
//! Unaware of what the labels say and of drawing.

/// Places labels at least `gap` apart and as near as possible (least squares) to where they want
/// to be, in the order of the wishes and, where there is room, within `low..=high`.
///
/// With the gaps subtracted this is isotonic regression, solved by pooling adjacent violators
/// (Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete Information",
/// Annals of Mathematical Statistics 26, 1955).
pub fn spread_out(wishes: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|&a, &b| wishes[a].total_cmp(&wishes[b]));
    // Each pool: the sum of its members' shifted wishes and how many they are.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (rank, &index) in order.iter().enumerate() {
        let mut pool = (wishes[index] - rank as f64 * gap, 1);
        while let Some(&(sum, count)) = pools.last() {
            if sum / count as f64 <= pool.0 / pool.1 as f64 {
                break;
            }
            pools.pop();
            pool = (pool.0 + sum, pool.1 + count);
        }
        pools.push(pool);
    }
    let room = high - wishes.len().saturating_sub(1) as f64 * gap;
    let shifted = pools.iter().flat_map(|&(sum, count)| {
        std::iter::repeat_n((sum / count as f64).min(room).max(low), count)
    });
    let mut places = vec![0.0; wishes.len()];
    for (rank, (place, index)) in shifted.zip(order).enumerate() {
        places[index] = place + rank as f64 * gap;
    }
    places
}

/// A generous estimate of a text's width, for a sans-serif font of this size: whoever looks at
/// the figure may have another font than whoever drew it.
pub fn width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|character| match character {
            ' ' | '.' | ',' | ':' | ';' | '-' | '(' | ')' | '|' | '!' | '\'' | 'i' | 'j' | 'l'
            | 'f' | 't' | 'r' | 'I' => 0.36,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
            'A'..='Z' | '±' | '+' | '=' => 0.7,
            _ => 0.57,
        })
        .sum();
    em * size
}

/// Breaks a text between words into lines of at most this width; a longer word stands alone.
pub fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_want_to_be() {
        assert_eq!(
            spread_out(&[50.0, 10.0, 30.0], 16.0, 0.0, 100.0),
            [50.0, 10.0, 30.0]
        );
    }

    #[test]
    fn crowded_labels_keep_their_order_their_gap_and_their_centre() {
        assert_eq!(
            spread_out(&[52.0, 48.0, 50.0], 10.0, 0.0, 100.0),
            [60.0, 40.0, 50.0]
        );
    }

    #[test]
    fn labels_stay_inside_where_there_is_room() {
        assert_eq!(spread_out(&[99.0, 98.0], 10.0, 0.0, 100.0), [100.0, 90.0]);
        assert_eq!(spread_out(&[1.0, 2.0], 10.0, 0.0, 100.0), [0.0, 10.0]);
        assert_eq!(spread_out(&[1.0, 2.0], 10.0, 0.0, 5.0), [0.0, 10.0]);
        assert!(spread_out(&[], 10.0, 0.0, 5.0).is_empty());
    }

    #[test]
    fn text_is_broken_between_words_only() {
        let limit = width("the images are", 10.0);
        assert_eq!(
            wrap("the images are generated", 10.0, limit),
            ["the images are", "generated"]
        );
        assert_eq!(wrap("incomparable", 10.0, 1.0), ["incomparable"]);
    }
}
