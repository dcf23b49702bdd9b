//! Writes a number in the way in which one is written already: its decimals, its separators, and
//! what surrounds it.
//!
//! Unaware of what the number is about and where it stands.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::verify::quote::Value;
use step::grouped;

/// Decimals where none stand there yet.
const DECIMALS: usize = 2;

/// Most decimals that are written; a result has no more that mean anything.
const MOST_DECIMALS: usize = 10;

/// What may separate thousands.
const THOUSANDS: &[&str] = &[
    ",", ".", "'", "’", " ", "\u{a0}", "\u{2009}", "\u{202f}", "\\,", "{,}", "~", "&nbsp;",
    "&thinsp;",
];

/// Plus or minus, in the ways in which people write it.
const PLUS_MINUS: &[&str] = &["±", "\\pm", "\\textpm", "+/-", "+-", "&plusmn;", "&pm;"];

/// What may stand between a number and its `%` or plus or minus.
const BLANKS: &[&str] = &["\\,", "~", "{", "}", "&nbsp;", "&thinsp;"];

/// A number: its point and its decimals.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9]+(?:(\{,\}|[.,])([0-9]+))?").expect("the pattern is fixed and right")
});

/// The value in the form of the text that stands there. Where that is no such number, in the usual
/// form, with the decimals of the first number in it, and with this sign between mean and deviation.
pub fn like(there: &str, value: Value, plus_minus: &str) -> String {
    let core = there.trim();
    let new = match value {
        Value::Count(count) => like_count(core, count).unwrap_or_else(|| grouped(count)),
        Value::Percent(percent) => like_decimals(core, &[percent], ""),
        Value::MeanAndStd(mean, std) => {
            like_decimals(core, &[mean, std], &format!(" {plus_minus} "))
        }
    };
    let (lead, rest) = there.split_at(there.len() - there.trim_start().len());
    format!("{lead}{new}{}", &rest[core.len()..])
}

/// Whether any number stands there.
pub fn is_there(text: &str) -> bool {
    NUMBER.is_match(text)
}

/// Whether a letter only changes how a number looks. No sign is among them.
fn decorates(letter: char) -> bool {
    letter.is_whitespace() || "*_`$".contains(letter)
}

/// Numbers in the form of a text that is as many already, each in that of the one in its place; otherwise all
/// in that of the first, with a separator between them.
fn like_decimals(text: &str, numbers: &[f64], separator: &str) -> String {
    let mut left = numbers.iter();
    if decimals_in(text) == numbers.len() {
        let like = |form: &Captures| {
            left.next()
                .map_or_else(String::new, |&number| decimal(number, Some(form)))
        };
        return NUMBER.replace_all(text, like).into_owned();
    }
    let form = NUMBER.captures(text);
    let new: Vec<String> = left.map(|&number| decimal(number, form.as_ref())).collect();
    new.join(separator)
}

/// How many numbers a text is: one, two with plus or minus between them, or none if it says anything else.
fn decimals_in(text: &str) -> usize {
    let inner = text.trim_matches(decorates);
    let is_digit = |letter: char| letter.is_ascii_digit();
    if !inner.starts_with(is_digit) || !inner.ends_with(|end| is_digit(end) || end == '%') {
        return 0;
    }
    let mut shape = NUMBER.replace_all(inner, "0").replace("\\%", "%");
    for blank in BLANKS {
        shape = shape.replace(blank, "");
    }
    shape.retain(|letter| !decorates(letter));
    let shape = shape.strip_suffix('%').unwrap_or(&shape);
    match shape {
        "0" => 1,
        _ if PLUS_MINUS.iter().any(|sign| shape == format!("0{sign}0")) => 2,
        _ => 0,
    }
}

/// A number in the form of another one.
fn decimal(number: f64, form: Option<&Captures>) -> String {
    let decimals = form.map_or(DECIMALS, |form| {
        form.get(2).map_or(0, |digits| digits.len())
    });
    let point = form.and_then(|form| form.get(1));
    let number = format!("{number:.0$}", decimals.min(MOST_DECIMALS));
    number.replace('.', point.map_or(".", |point| point.as_str()))
}

/// A count in the form of a text that is one already.
fn like_count(text: &str, count: u64) -> Option<String> {
    let old = text.trim_matches(decorates);
    let is_other = |letter: char| !letter.is_ascii_digit();
    let (first, rest) = old.split_at(old.find(is_other).unwrap_or(old.len()));
    let separator = match (first.len(), rest) {
        (0, _) => return None,
        // Too small to tell.
        (..4, "") => ",",
        (_, "") => "",
        (_, rest) => {
            let mut known = THOUSANDS.iter();
            known.find(|separator| rest.starts_with(**separator))?
        }
    };
    let whole = |group: &str| group.len() == 3 && !group.contains(is_other);
    let fits = rest.is_empty() || rest.split(separator).skip(1).all(whole);
    fits.then(|| text.replace(old, &grouped(count).replace(',', separator)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_decimals_and_what_surrounds_it() {
        let percent = |there| like(there, Value::Percent(8.515), "±");
        for (there, expected) in [
            ("1.00", "8.52"),
            ("1.0", "8.5"),
            ("1", "9"),
            ("99.1234", "8.5150"),
            ("**1.0**", "**8.5**"),
            (" `1.0` ", " `8.5` "),
            ("1.0 %", "8.5 %"),
            ("**1.0** %", "**8.5** %"),
            ("$1.0$\\,\\%", "$8.5$\\,\\%"),
            ("1.0~\\%", "8.5~\\%"),
            ("1{,}00", "8{,}52"),
            ("1,0", "8,5"),
            // What is no such number goes.
            ("-1.0", "8.5"),
            ("~1.0", "8.5"),
            ("{1.0", "8.5"),
            ("< 1.0", "8.5"),
            ("1.0 ± 0.2", "8.5"),
            ("1.", "9"),
            ("1.2.3", "8.5"),
            ("1e3", "9"),
            ("08.515", "8.515"),
            ("", "8.52"),
            ("\nTODO\n", "\n8.52\n"),
            ("1.00000000000000000", "8.5150000000"),
        ] {
            assert_eq!(percent(there), expected, "{there:?}");
            assert_eq!(percent(expected), expected, "{there:?}, again");
        }
    }

    #[test]
    fn mean_and_deviation_keep_each_their_own_form() {
        let write = |there, sign| like(there, Value::MeanAndStd(8.515, 0.25), sign);
        for (there, expected) in [
            ("1.00 ± 2.00", "8.52 ± 0.25"),
            ("1.00±2.0", "8.52±0.2"),
            ("**1.0** +/- 2.00 %", "**8.5** +/- 0.25 %"),
            ("$1.00 \\pm 2.00$", "$8.52 \\pm 0.25$"),
            ("$1.00$~$\\pm$~$2.00$", "$8.52$~$\\pm$~$0.25$"),
            ("1.0", "8.5 ± 0.2"),
            ("1.0 or 2.0", "8.5 ± 0.2"),
            ("1.00 ± 2.00 (5)", "8.52 ± 0.25"),
        ] {
            assert_eq!(write(there, "±"), expected, "{there:?}");
        }
        assert_eq!(write("", "$\\pm$"), "8.52 $\\pm$ 0.25");
    }

    #[test]
    fn counts_keep_their_separators() {
        let count = |there| like(there, Value::Count(1_727_962), "±");
        for (there, expected) in [
            ("1,000", "1,727,962"),
            ("1000", "1727962"),
            ("10", "1,727,962"),
            ("**1 000 000**", "**1 727 962**"),
            ("1\\,000", "1\\,727\\,962"),
            ("1'000", "1'727'962"),
            ("", "1,727,962"),
            ("12,34", "1,727,962"),
            ("1.7M", "1,727,962"),
            ("1,000 %", "1,727,962"),
        ] {
            assert_eq!(count(there), expected, "{there:?}");
        }
        assert_eq!(like("1000", Value::Count(20), "±"), "20");
    }
}
