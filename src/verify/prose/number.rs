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

/// A number with its separator of decimals and these, in this order.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"[0-9]+(?:(\{,\}|[.,])([0-9]+))?"));

/// A whole number between what only changes its looks.
static COUNT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[\s*_`$]*([0-9](?:.*[0-9])?)[\s*_`$]*$"));

/// A number with decimals, maybe in percent.
static PERCENT: LazyLock<Regex> = LazyLock::new(|| shape(""));

/// Two of them, with plus or minus between them in one of the ways in which people write it.
static MEAN_AND_STD: LazyLock<Regex> = LazyLock::new(|| {
    let between = r"(?:[\s*_`$~{}]|\\,)*";
    let sign = r"(?:±|\\pm|\\textpm|\+/-|\+-|&plusmn;|&pm;)";
    shape(&format!("{between}{sign}{between}{}", NUMBER.as_str()))
});

/// A number and more behind it, then maybe `%`, between what only changes their looks.
fn shape(more: &str) -> Regex {
    let unit = r"(?:[\s*_`$]*(?:\\,|~|&nbsp;|&thinsp;)*\\?%)?";
    let number = NUMBER.as_str();
    pattern(&format!(r"^[\s*_`$]*{number}{more}{unit}[\s*_`$]*$"))
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is fixed and right")
}

/// The value in the form of the text that stands there. Where that is no such number, in the usual
/// form, with the decimals of the first number in it, and with this sign between mean and deviation.
pub fn like(there: &str, value: Value, plus_minus: &str) -> String {
    let core = there.trim();
    let (lead, rest) = there.split_at(there.len() - there.trim_start().len());
    let trail = &rest[core.len()..];
    let first = NUMBER.captures(core);
    let core = match value {
        Value::Count(count) => fitting_count(core, count).unwrap_or_else(|| grouped(count)),
        Value::Percent(percent) => match PERCENT.is_match(core) {
            true => with_numbers(core, &[percent]),
            false => decimal(percent, first.as_ref()),
        },
        Value::MeanAndStd(mean, std) => match MEAN_AND_STD.is_match(core) {
            true => with_numbers(core, &[mean, std]),
            false => {
                let [mean, std] = [mean, std].map(|number| decimal(number, first.as_ref()));
                format!("{mean} {plus_minus} {std}")
            }
        },
    };
    format!("{lead}{core}{trail}")
}

/// Whether any number stands there.
pub fn is_there(text: &str) -> bool {
    NUMBER.is_match(text)
}

/// A text with other numbers, each in the form of the one in its place.
fn with_numbers(text: &str, numbers: &[f64]) -> String {
    let mut numbers = numbers.iter();
    let new = NUMBER.replace_all(text, |form: &Captures| {
        let number = numbers.next().expect("the text has as many numbers");
        decimal(*number, Some(form))
    });
    new.into_owned()
}

/// A number in the form of another one.
fn decimal(number: f64, form: Option<&Captures>) -> String {
    let decimals = form.map_or(DECIMALS, |form| {
        form.get(2).map_or(0, |digits| digits.len())
    });
    let point = form
        .and_then(|form| form.get(1))
        .map_or(".", |point| point.as_str());
    let number = format!("{number:.0$}", decimals.min(MOST_DECIMALS));
    number.replace('.', point)
}

/// A count in the form of a text that is one already.
fn fitting_count(text: &str, count: u64) -> Option<String> {
    let found = COUNT.captures(text)?.get(1)?;
    let number = found.as_str();
    let groups: Vec<&str> = number
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .collect();
    let separator = match groups[..] {
        // Too small to tell.
        [one] if one.len() < 4 => ",",
        [_] => "",
        [first, second, ..] => {
            &number[first.len()..number[first.len()..].find(second)? + first.len()]
        }
        [] => return None,
    };
    let whole =
        groups.join(separator) == number && groups[1..].iter().all(|group| group.len() == 3);
    let known = groups.len() == 1 || THOUSANDS.contains(&separator);
    (whole && known).then(|| {
        let new = grouped(count).replace(',', separator);
        format!("{}{new}{}", &text[..found.start()], &text[found.end()..])
    })
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
            ("1{,}00", "8{,}52"),
            ("1,0", "8,5"),
            // What is no such number goes.
            ("-1.0", "8.5"),
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
