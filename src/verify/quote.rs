//! What a number in a text is said to be: `test_error(resnet20).mean in core`, or a whole table.
//!
//! Knows the results' record, and nothing of documents or of how a number is written.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, ensure};

use crate::error::Invalid;
use crate::results::{SeedResult, Spread};
use crate::steps::table::{ResultRow, Results};

/// Something that a report says.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    pub what: Quoted,
    /// The report's profile; where it is absent, whatever the reader takes for the default.
    pub profile: Option<String>,
}

/// A number, or the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Quoted {
    Quantity(Quantity),
    /// `table smoke: model, test error`: these columns of the report's table, or all of them.
    Table {
        columns: Option<Vec<String>>,
    },
}

/// A number of one model: `test_error(resnet20).mean`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub metric: Metric,
    /// The model's name in the pipeline (`resnet20`).
    pub model: String,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    Errors(Errors, Field),
    Count(Count),
}

/// Errors over the seeds, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    Test,
    Train,
}

/// Whole numbers of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Layers,
    Parameters,
    MultiplyAdds,
    Iterations,
}

/// Which number of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Mean and standard deviation; of a single run, its value. What stands there without a field.
    Whole,
    Mean,
    Std,
    /// Half the width of the 95 % confidence interval of the mean.
    HalfWidth,
    Min,
    Max,
    /// `.n` or `.runs`
    Runs,
    /// `.seed3`
    Seed(u64),
}

/// A number as the results have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Count(u64),
    /// In percent, or in percentage points.
    Percent(f64),
    /// Mean and sample standard deviation, in percent.
    MeanAndStd(f64, f64),
}

const METRICS: [(&str, Metric); 6] = [
    ("test_error", Metric::Errors(Errors::Test, Field::Whole)),
    ("train_error", Metric::Errors(Errors::Train, Field::Whole)),
    ("layers", Metric::Count(Count::Layers)),
    ("parameters", Metric::Count(Count::Parameters)),
    ("multiply_adds", Metric::Count(Count::MultiplyAdds)),
    ("iterations", Metric::Count(Count::Iterations)),
];

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

impl Quantity {
    /// The number in the results.
    ///
    /// # Errors
    /// If the results have no such model, no such seed, or one run where two are needed.
    pub fn of(&self, results: &Results) -> Result<Value> {
        let row = self.row(results)?;
        let (errors, field) = match self.metric {
            Metric::Count(count) => return Ok(Value::Count(count.of(row))),
            Metric::Errors(errors, field) => (errors, field),
        };
        let spread = errors.over_seeds(row);
        Ok(match field {
            Field::Whole => match spread.std {
                Some(std) => Value::MeanAndStd(spread.mean, std),
                None => Value::Percent(spread.mean),
            },
            Field::Mean => Value::Percent(spread.mean),
            Field::Min => Value::Percent(spread.min),
            Field::Max => Value::Percent(spread.max),
            Field::Runs => Value::Count(spread.n),
            Field::Std => Value::Percent(self.of_several(spread.std, "standard deviation")?),
            Field::HalfWidth => {
                Value::Percent(self.of_several(spread.half_width, "confidence interval")?)
            }
            Field::Seed(seed) => Value::Percent(errors.of(self.run(row, results, seed)?)),
        })
    }

    /// Whether every seed's run enters the number.
    pub fn is_of_all_seeds(&self) -> bool {
        match self.metric {
            Metric::Errors(_, Field::Seed(_)) | Metric::Count(_) => false,
            Metric::Errors(..) => true,
        }
    }

    /// What only several runs have.
    fn of_several(&self, number: Option<f64>, what: &str) -> Result<f64, Invalid> {
        let model = &self.model;
        number.ok_or_else(|| Invalid::new(format!("{model} has a single run, which has no {what}")))
    }

    fn row<'r>(&self, results: &'r Results) -> Result<&'r ResultRow, Invalid> {
        let mut rows = results.rows.iter();
        if let Some(row) = rows.find(|row| row.model == self.model) {
            return Ok(row);
        }
        let mut missing = results.missing.iter();
        if missing.any(|missing| missing.model == self.model) {
            return Err(Invalid::new(format!(
                "{} has no result, because its trainings or evaluations have failed",
                self.model
            )));
        }
        let known = results.rows.iter().map(|row| row.model.as_str());
        Err(Invalid::unknown("model", &self.model, known))
    }

    fn run<'r>(
        &self,
        row: &'r ResultRow,
        results: &Results,
        seed: u64,
    ) -> Result<&'r SeedResult, Invalid> {
        if let Some(run) = row.runs.iter().find(|run| run.seed == seed) {
            return Ok(run);
        }
        let model = &self.model;
        Err(Invalid::new(if lost(results, model).contains(&seed) {
            format!("seed {seed} of {model} has no result, because it has failed")
        } else {
            let seeds: Vec<String> = row.runs.iter().map(|run| run.seed.to_string()).collect();
            let seeds = seeds.join(", ");
            format!("{model} has no seed {seed}; its seeds: {seeds}")
        }))
    }
}

/// A model's seeds that have failed.
pub fn lost<'r>(results: &'r Results, model: &str) -> &'r [u64] {
    let mut missing = results.missing.iter();
    let missing = missing.find(|missing| missing.model == model);
    missing.map_or(&[], |missing| &missing.seeds)
}

impl Errors {
    fn over_seeds(self, row: &ResultRow) -> &Spread {
        match self {
            Errors::Test => &row.test_error,
            Errors::Train => &row.train_error,
        }
    }

    fn of(self, run: &SeedResult) -> f64 {
        match self {
            Errors::Test => run.test_error,
            Errors::Train => run.train_error,
        }
    }
}

impl Count {
    fn of(self, row: &ResultRow) -> u64 {
        match self {
            Count::Layers => row.layers.into(),
            Count::Parameters => row.parameters,
            Count::MultiplyAdds => row.multiply_adds,
            Count::Iterations => row.iterations,
        }
    }
}

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
        let (quantity, profile) = match text.rsplit_once(')') {
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
            what: Quoted::Quantity(quantity.parse()?),
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

impl FromStr for Quantity {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Quantity> {
        let parts = text.trim().split_once('(').and_then(|(metric, rest)| {
            let (model, field) = rest.split_once(')')?;
            Some((metric.trim(), model.trim(), field.trim()))
        });
        let Some((metric, model, field)) = parts else {
            return Err(Invalid::new(format!(
                "{text:?} is not understood; expected a number like test_error(resnet20).mean, or \
                 a table"
            ))
            .into());
        };
        ensure!(
            !model.is_empty(),
            "no model is named; expected {metric}(resnet20)"
        );
        let found = find(metric, &METRICS).ok_or_else(|| {
            let known = METRICS.map(|(name, _)| name);
            Invalid::unknown("metric", metric, known)
        })?;
        let metric = match (found, field) {
            (metric, "") => metric,
            (Metric::Errors(errors, _), field) => Metric::Errors(errors, field.parse()?),
            (Metric::Count(_), field) => {
                return Err(Invalid::new(format!(
                    "{field:?} is not understood: {metric} is one number, without fields"
                ))
                .into());
            }
        };
        let model = model.to_owned();
        Ok(Quantity { metric, model })
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
        find(name, &FIELDS).ok_or_else(|| {
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

fn find<T: Copy>(name: &str, known: &[(&str, T)]) -> Option<T> {
    let mut known = known.iter();
    known.find(|(other, _)| *other == name).map(|&(_, it)| it)
}

fn name_of<T: PartialEq>(it: &T, known: &[(&'static str, T)]) -> &'static str {
    let mut known = known.iter();
    known
        .find(|(_, other)| other == it)
        .map_or("", |(name, _)| name)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, &self.profile) {
            (Quoted::Quantity(quantity), None) => write!(f, "{quantity}"),
            (Quoted::Quantity(quantity), Some(profile)) => write!(f, "{quantity} in {profile}"),
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

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = &self.model;
        match self.metric {
            Metric::Count(_) => write!(f, "{}({model})", name_of(&self.metric, &METRICS)),
            Metric::Errors(errors, field) => {
                let metric = Metric::Errors(errors, Field::Whole);
                write!(f, "{}({model})", name_of(&metric, &METRICS))?;
                match field {
                    Field::Whole => Ok(()),
                    Field::Seed(seed) => write!(f, ".{SEED}{seed}"),
                    field => write!(f, ".{}", name_of(&field, &FIELDS)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
