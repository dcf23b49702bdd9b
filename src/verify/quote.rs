//! What a number in a text is said to be: `test_error(resnet20).mean in core`, or a whole table.
//!
//! Knows the results' record, and nothing of documents or of how a number is written.

mod text;

use anyhow::Result;

use crate::error::Invalid;
use crate::judge::{Measured, error, measured};
use crate::pipeline::Quantity;
use summary::SeedResult;
use table::{ResultRow, Results};

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
    Number(Number),
    /// `table smoke: model, test error`: these columns of the report's table, or all of them.
    Table {
        columns: Option<Vec<String>>,
    },
}

/// A number of one model: `test_error(resnet20).mean`.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub of: Quantity,
    /// Of a count there is only the whole.
    pub field: Field,
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

impl Number {
    /// The number in the results.
    ///
    /// # Errors
    /// If the results have no such model, no such seed, or one run where two are needed.
    pub fn value(&self, results: &Results) -> Result<Value> {
        let row = self.row(results)?;
        let spread = match measured(self.of.metric, row) {
            Measured::Count(count) => return Ok(Value::Count(count)),
            Measured::Errors(spread) => spread,
        };
        let of_several = |number: Option<f64>, what| {
            let model = &self.of.model;
            let none = || Invalid::new(format!("{model} has a single run, which has no {what}"));
            number.ok_or_else(none)
        };
        Ok(Value::Percent(match self.field {
            Field::Whole => match spread.std {
                Some(std) => return Ok(Value::MeanAndStd(spread.mean, std)),
                None => spread.mean,
            },
            Field::Mean => spread.mean,
            Field::Min => spread.min,
            Field::Max => spread.max,
            Field::Runs => return Ok(Value::Count(spread.n)),
            Field::Std => of_several(spread.std, "standard deviation")?,
            Field::HalfWidth => of_several(spread.half_width, "confidence interval")?,
            Field::Seed(seed) => {
                let error = error(self.of.metric, self.run(row, results, seed)?);
                error.expect("what has a spread is an error")
            }
        }))
    }

    /// Whether every seed's run enters the number.
    pub fn is_of_all_seeds(&self) -> bool {
        self.of.metric.is_error() && !matches!(self.field, Field::Seed(_))
    }

    fn row<'r>(&self, results: &'r Results) -> Result<&'r ResultRow, Invalid> {
        let mut rows = results.rows.iter();
        if let Some(row) = rows.find(|row| row.model == self.of.model) {
            return Ok(row);
        }
        let mut missing = results.missing.iter();
        if missing.any(|missing| missing.model == self.of.model) {
            return Err(Invalid::new(format!(
                "{} has no result, because its trainings or evaluations have failed",
                self.of.model
            )));
        }
        let known = results.rows.iter().map(|row| row.model.as_str());
        Err(Invalid::unknown("model", &self.of.model, known))
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
        let model = &self.of.model;
        let mut missing = results.missing.iter();
        let lost = missing.any(|missing| missing.model == *model && missing.seeds.contains(&seed));
        Err(Invalid::new(if lost {
            format!("seed {seed} of {model} has no result, because it has failed")
        } else {
            let seeds: Vec<String> = row.runs.iter().map(|run| run.seed.to_string()).collect();
            let seeds = seeds.join(", ");
            format!("{model} has no seed {seed}; its seeds: {seeds}")
        }))
    }
}

#[cfg(test)]
mod tests;
