//! Writes a number in the way in which one is written already: its decimals, its separators, and
//! what surrounds it.
//!
//! Unaware of what the number is about and where it stands.

use super::Syntax;
use crate::verify::quote::Value;

/// Decimals where none stand there yet.
const DECIMALS: usize = 2;

/// Most decimals that are written; a result has no more that mean anything.
const MOST_DECIMALS: usize = 10;

/// What may separate thousands.
const THOUSANDS: &[&str] = &[
    ",", ".", "'", "’", " ", "\u{a0}", "\u{2009}", "\u{202f}", "\\,", "{,}", "~", "&nbsp;",
    "&thinsp;",
];

/// What may separate decimals.
const POINTS: &[&str] = &["{,}", ".", ","];

/// Plus or minus, in the ways in which people write it.
const PLUS_MINUS: &[&str] = &["±", "\\pm", "\\textpm", "+/-", "+-", "&plusmn;", "&pm;"];

/// What may stand between a number and its `%`.
const SPACES: &[&str] = &["\\,", "~", "&nbsp;", "&thinsp;"];

/// The value in the form of the text that stands there. Where that is no such number, in the usual
/// form, with the decimals of the first number in it.
pub fn like(there: &str, value: Value, syntax: Syntax) -> String {
    let core = there.trim();
    let (lead, rest) = there.split_at(there.len() - there.trim_start().len());
    let trail = &rest[core.len()..];
    let core = fitting(core, value).unwrap_or_else(|| usual(core, value, syntax));
    format!("{lead}{core}{trail}")
}

/// Whether any number stands there.
pub fn is_there(text: &str) -> bool {
    text.contains(|letter: char| letter.is_ascii_digit())
}

/// The value in the form of a text that is such a number already.
fn fitting(core: &str, value: Value) -> Option<String> {
    let start = core.len() - core.trim_start_matches(decorates).len();
    let end = end_of_number(core, !matches!(value, Value::Count(_)));
    let number = core.get(start..end)?;
    let new = match value {
        Value::Count(count) => grouped(count, separator(number)?),
        Value::Percent(percent) => {
            let (form, rest) = Form::read(number)?;
            rest.is_empty().then(|| form.write(percent))?
        }
        Value::MeanAndStd(mean, std) => {
            let (first, rest) = Form::read(number)?;
            let (between, number) = rest.split_at(rest.find(|c: char| c.is_ascii_digit())?);
            let (second, rest) = Form::read(number)?;
            let bare: String = between.replace("\\,", "").replace(['~', '{', '}'], "");
            let bare: String = bare.chars().filter(|&letter| !decorates(letter)).collect();
            (rest.is_empty() && PLUS_MINUS.contains(&bare.as_str()))
                .then(|| format!("{}{between}{}", first.write(mean), second.write(std)))?
        }
    };
    Some(format!("{}{new}{}", &core[..start], &core[end..]))
}

/// The value as it is written where nothing else is said.
fn usual(core: &str, value: Value, syntax: Syntax) -> String {
    let first = core.find(|letter: char| letter.is_ascii_digit());
    let form = first.and_then(|at| Form::read(&core[at..]));
    let form = form.map_or(Form::USUAL, |(form, _)| form);
    match (value, syntax) {
        (Value::Count(count), _) => grouped(count, ","),
        (Value::Percent(percent), _) => form.write(percent),
        (Value::MeanAndStd(mean, std), Syntax::Latex) => {
            format!("{} $\\pm$ {}", form.write(mean), form.write(std))
        }
        (Value::MeanAndStd(mean, std), _) => {
            format!("{} ± {}", form.write(mean), form.write(std))
        }
    }
}

/// Whether a letter only changes how a number looks. No sign is among them.
fn decorates(letter: char) -> bool {
    letter.is_whitespace() || "*_`$".contains(letter)
}

/// Where the number ends, before decoration and unit.
fn end_of_number(core: &str, percent: bool) -> usize {
    let mut rest = core.trim_end_matches(decorates);
    if let Some(before) = rest.strip_suffix('%').filter(|_| percent) {
        rest = before.strip_suffix('\\').unwrap_or(before);
        while let Some(before) = SPACES.iter().find_map(|space| rest.strip_suffix(space)) {
            rest = before;
        }
        rest = rest.trim_end_matches(decorates);
    }
    rest.len()
}

/// How a number with decimals is written.
#[derive(Clone, Copy)]
struct Form {
    decimals: usize,
    point: &'static str,
}

impl Form {
    const USUAL: Form = Form {
        decimals: DECIMALS,
        point: ".",
    };

    /// The form of the number at the beginning of a text, and what follows it.
    fn read(text: &str) -> Option<(Form, &str)> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(text);
        if whole == 0 {
            return None;
        }
        let rest = &text[whole..];
        for &point in POINTS {
            if let Some(fraction) = rest.strip_prefix(point)
                && let decimals @ 1.. = digits(fraction)
            {
                let form = Form {
                    decimals: decimals.min(MOST_DECIMALS),
                    point,
                };
                return Some((form, &fraction[decimals..]));
            }
        }
        let form = Form {
            decimals: 0,
            point: Form::USUAL.point,
        };
        Some((form, rest))
    }

    fn write(self, number: f64) -> String {
        format!("{number:.0$}", self.decimals).replace('.', self.point)
    }
}

/// What separates the thousands of a whole number; `None` if it is none.
fn separator(number: &str) -> Option<&'static str> {
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &number[digits..];
    match (digits, rest) {
        (0, _) => None,
        // Too small to tell.
        (..4, "") => Some(","),
        (_, "") => Some(""),
        (_, rest) => {
            let mut known = THOUSANDS.iter().copied();
            let separator = known.find(|separator| rest.starts_with(separator))?;
            let only = |group: &str| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
            let groups = rest[separator.len()..].split(separator);
            groups.into_iter().all(only).then_some(separator)
        }
    }
}

fn grouped(number: u64, separator: &str) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(2 * digits.len());
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_decimals_and_what_surrounds_it() {
        let percent = |there| like(there, Value::Percent(8.515), Syntax::Markdown);
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
        let write = |there, syntax| like(there, Value::MeanAndStd(8.515, 0.25), syntax);
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
            assert_eq!(write(there, Syntax::Markdown), expected, "{there:?}");
        }
        assert_eq!(write("", Syntax::Latex), "8.52 $\\pm$ 0.25");
    }

    #[test]
    fn counts_keep_their_separators() {
        let count = |there| like(there, Value::Count(1_727_962), Syntax::Markdown);
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
        assert_eq!(like("1000", Value::Count(20), Syntax::Markdown), "20");
    }
}
