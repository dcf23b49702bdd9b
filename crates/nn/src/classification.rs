//! Classes from logits, and how many of them are wrong.
//!
//! Unaware of networks and devices.

use cifar::CLASSES;

/// The place of the largest logit, the first of equals.
pub fn argmax(logits: &[f32]) -> u8 {
    let mut best = 0;
    for (class, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = class;
        }
    }
    best as u8
}

/// The class that each row of logits `[images, 10]` finds likeliest.
pub fn argmax_rows(logits: &[f32]) -> Vec<u8> {
    logits.chunks_exact(CLASSES).map(argmax).collect()
}

/// How many of the predictions differ from the labels.
pub fn errors(predictions: &[u8], labels: &[u8]) -> u64 {
    let pairs = predictions.iter().zip(labels);
    pairs
        .filter(|(prediction, label)| prediction != label)
        .count() as u64
}

/// `part / whole` in percent; 0 where there is nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    100.0 * part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_is_the_first_of_the_largest() {
        assert_eq!(argmax(&[0.0, 3.0, 3.0, -1.0]), 1);
        assert_eq!(argmax(&[-2.0, -3.0]), 0);
    }

    #[test]
    fn errors_count_differences_and_percent_survives_nothing() {
        assert_eq!(errors(&[1, 2, 3], &[1, 3, 2]), 2);
        assert_eq!(percent(2, 8), 25.0);
        assert_eq!(percent(0, 0), 0.0);
    }
}
