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
        number(text)
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

/// A number, as `test_error(resnet20).mean in core`.
fn number(text: &str) -> Result<Expression> {
    let parts = text.split_once('(').and_then(|(metric, rest)| {
        let (model, rest) = rest.split_once(')')?;
        let (field, profile) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        Some((metric.trim(), model.trim(), field, profile.trim()))
    });
    let (name, model, field, profile) = parts.ok_or_else(|| {
        Invalid::new(format!(
            "{text:?} is not understood; expected a number like test_error(resnet20).mean, or a table"
        ))
    })?;
    ensure!(
        !model.is_empty(),
        "no model is named; expected {name}(resnet20)"
    );
    let metric: Metric = name.parse()?;
    let field = match field {
        "" => Field::Whole,
        field if metric.is_measured() => field.parse()?,
        field => {
            let what = format!("{field:?} is not understood: {name} is one number, without fields");
            return Err(Invalid::new(what).into());
        }
    };
    let profile = match profile {
        "" => None,
        profile => Some(in_profile(profile)?),
    };
    let model = model.to_owned();
    let of = Quantity { metric, model };
    Ok(Expression {
        what: Quoted::Number(Number { of, field }),
        profile,
    })
}

impl FromStr for Field {
    type Err = anyhow::Error;

    /// A field with the full stop before it.
    fn from_str(text: &str) -> Result<Field> {
        let name = text.strip_prefix('.').ok_or_else(|| {
            Invalid::new(format!(
                "{text:?} is not understood; expected a field like .mean, or `in PROFILE`"
            ))
        })?;
        // A plain number: `+3` is one for the standard library.
        let digits = name
            .strip_prefix(SEED)
            .filter(|digits| !digits.starts_with('+'));
        if let Some(seed) = digits.and_then(|digits| digits.parse().ok()) {
            return Ok(Field::Seed(seed));
        }
        let field = FIELDS.iter().find(|(known, _)| *known == name);
        let field = field.map(|&(_, field)| field).ok_or_else(|| {
            let known = FIELDS.map(|(name, _)| name);
            Invalid::unknown("field", name, known.into_iter().chain(["seed0"]))
        });
        Ok(field?)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.profile.as_deref();
        let columns = match &self.what {
            Quoted::Number(number) => {
                let profile = profile.map(|profile| format!(" in {profile}"));
                return write!(f, "{number}{}", profile.unwrap_or_default());
            }
            Quoted::Table { columns } => columns.as_ref(),
        };
        let profile = profile.map(|profile| format!(" {profile}"));
        let columns = columns.map(|columns| format!(": {}", columns.join(", ")));
        write!(
            f,
            "table{}{}",
            profile.unwrap_or_default(),
            columns.unwrap_or_default()
        )
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known = FIELDS.iter();
        match (self.field, known.find(|(_, field)| *field == self.field)) {
            (Field::Seed(seed), _) => write!(f, "{}.{SEED}{seed}", self.of),
            (_, Some((name, _))) => write!(f, "{}.{name}", self.of),
            (_, None) => write!(f, "{}", self.of),
        }
    }
}
