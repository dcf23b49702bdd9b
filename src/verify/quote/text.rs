//! How an expression is written: `test_error(resnet20).mean in core`, `table smoke: model, test error`.
//!
//! Unaware of what the results say.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, ensure};

use super::{Expression, Field, Number, Quoted};
use crate::error::Invalid;
use crate::pipeline::{Metric, Quantity};

const FIELDS: [(&str, Field); 7] = [
    ("mean", Field::Mean),
    ("std", Field::Std),
    ("half_width", Field::HalfWidth),
    ("min", Field::Min),
    ("max", Field::Max),
    ("n", Field::Runs),
    ("runs", Field::Runs),
];

/// What begins the field of a single run.
const SEED: &str = "seed";

impl FromStr for Expression {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Expression> {
        let text = text.trim();
        ensure!(
            !text.is_empty(),
            "it names nothing; expected a number like test_error(resnet20).mean, or a table"
        );
        let rest = text.strip_prefix("table");
        if let Some(rest) = rest.filter(|rest| !rest.starts_with(|c| name_goes_on(c) || c == '(')) {
            return table(rest);
        }
        let (number, profile) = match text.rsplit_once(')') {
            Some((before, after)) => match after.split_once(char::is_whitespace) {
                Some((field, rest)) => (
                    &text[..before.len() + 1 + field.len()],
                    Some(in_profile(rest)?),
                ),
                None => (text, None),
            },
            None => (text, None),
        };
        Ok(Expression {
            what: Quoted::Number(number.parse()?),
            profile,
        })
    }
}

fn name_goes_on(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What follows the word `table`.
fn table(text: &str) -> Result<Expression> {
    let (profile, columns) = match text.split_once(':') {
        None => (text, None),
        Some((profile, columns)) => {
            let columns: Vec<String> = columns.split(',').map(|name| name.trim().into()).collect();
            ensure!(
                columns.iter().all(|name| !name.is_empty()),
                "a column has no name; expected `table PROFILE: model, test error`"
            );
            (profile, Some(columns))
        }
    };
    let profile = profile.trim();
    Ok(Expression {
        what: Quoted::Table { columns },
        profile: match profile {
            "" => None,
            name => Some(checked_profile(name)?),
        },
    })
}

/// The profile in `in core`.
fn in_profile(text: &str) -> Result<String> {
    match text.trim().strip_prefix("in") {
        Some(name) if name.starts_with(char::is_whitespace) => checked_profile(name.trim()),
        _ => Err(Invalid::new(format!(
            "{:?} is not understood; expected `in PROFILE` or nothing",
            text.trim()
        ))
        .into()),
    }
}

/// A profile's name becomes a part of a path.
fn checked_profile(name: &str) -> Result<String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    ensure!(
        name.len() <= 100 && name.chars().all(allowed) && !name.starts_with(['.', '-']),
        Invalid::new(format!("{name:?} cannot be the name of a profile"))
    );
    Ok(name.to_owned())
}

impl FromStr for Number {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Number> {
        let parts = text.trim().split_once('(').and_then(|(metric, rest)| {
            let (model, field) = rest.split_once(')')?;
            Some((metric.trim(), model.trim(), field.trim()))
        });
        let Some((name, model, field)) = parts else {
            return Err(Invalid::new(format!(
                "{text:?} is not understood; expected a number like test_error(resnet20).mean, or \
                 a table"
            ))
            .into());
        };
        ensure!(
            !model.is_empty(),
            "no model is named; expected {name}(resnet20)"
        );
        let metric: Metric = name.parse()?;
        let field = match field {
            "" => Field::Whole,
            field if metric.is_error() => field.parse()?,
            field => {
                return Err(Invalid::new(format!(
                    "{field:?} is not understood: {name} is one number, without fields"
                ))
                .into());
            }
        };
        let model = model.to_owned();
        let of = Quantity { metric, model };
        Ok(Number { of, field })
    }
}

impl FromStr for Field {
    type Err = anyhow::Error;

    /// A field with the full stop before it.
    fn from_str(text: &str) -> Result<Field> {
        let name = text.strip_prefix('.').unwrap_or_default();
        let seed = name.strip_prefix(SEED).filter(|digits| {
            // A plain number: `+3` is one for the standard library.
            digits.bytes().all(|digit| digit.is_ascii_digit())
        });
        if let Some(seed) = seed.and_then(|digits| digits.parse().ok()) {
            return Ok(Field::Seed(seed));
        }
        let mut known = FIELDS.iter();
        let found = known.find(|(other, _)| *other == name);
        found.map(|&(_, field)| field).ok_or_else(|| {
            let known = FIELDS.map(|(name, _)| name);
            let known = known.into_iter().chain(["seed0"]);
            match text.strip_prefix('.') {
                Some(name) => Invalid::unknown("field", name, known),
                None => Invalid::new(format!(
                    "{text:?} is not understood; expected a field like .mean, or `in PROFILE`"
                )),
            }
            .into()
        })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, &self.profile) {
            (Quoted::Number(number), None) => write!(f, "{number}"),
            (Quoted::Number(number), Some(profile)) => write!(f, "{number} in {profile}"),
            (Quoted::Table { columns }, profile) => {
                f.write_str("table")?;
                if let Some(profile) = profile {
                    write!(f, " {profile}")?;
                }
                match columns {
                    Some(columns) => write!(f, ": {}", columns.join(", ")),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.of)?;
        match self.field {
            Field::Whole => Ok(()),
            Field::Seed(seed) => write!(f, ".{SEED}{seed}"),
            field => {
                let mut known = FIELDS.iter();
                let name = known.find(|(_, other)| *other == field);
                write!(f, ".{}", name.map_or("", |(name, _)| name))
            }
        }
    }
}
