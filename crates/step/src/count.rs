//! Counts as people read them.

/// A count with a comma before every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_by_three_from_the_right() {
        assert_eq!(
            [0, 999, 1_000, 269_722, 1_727_962, 19_421_274].map(grouped),
            ["0", "999", "1,000", "269,722", "1,727,962", "19,421,274"]
        );
    }
}
