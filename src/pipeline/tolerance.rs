//! A tolerance with its unit: `0.5 points` or `5 percent`.

use serde::Deserialize;

/// By how much two errors may differ and still be called the same.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Tolerance {
    /// Percentage points of error.
    Points(f64),
    /// Percent of the published error.
    Percent(f64),
}

impl Tolerance {
    /// In percentage points, beside a published error in percent.
    pub fn points(self, published: f64) -> f64 {
        match self {
            Tolerance::Points(points) => points,
            Tolerance::Percent(percent) => published * percent / 100.0,
        }
    }
}

/// What is expected, for errors.
const EXPECTED: &str =
    "a tolerance with its unit, \"0.5 points\" (of percent) or \"5 percent\" (of the error)";

/// What stands in the file. A bare number is the mistake that is made.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(f64),
}

impl TryFrom<Written> for Tolerance {
    type Error = String;

    fn try_from(written: Written) -> Result<Tolerance, String> {
        match written {
            Written::Text(text) => {
                parse(&text).ok_or_else(|| format!("expected {EXPECTED}, found {text:?}"))
            }
            Written::Number(number) => Err(format!("expected {EXPECTED}, found {number}")),
        }
    }
}

fn parse(text: &str) -> Option<Tolerance> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    // Whatever is allowed to differ by more than that is allowed to be anything.
    let fits = number > 0.0 && number < 100.0;
    match unit.trim() {
        "points" | "point" if fits => Some(Tolerance::Points(number)),
        "percent" if fits => Some(Tolerance::Percent(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_has_a_unit() {
        let read = |text: &str| ron::from_str::<Tolerance>(text);
        assert_eq!(read("\"0.5 points\"").unwrap(), Tolerance::Points(0.5));
        assert_eq!(read("\"1 point\"").unwrap(), Tolerance::Points(1.0));
        let percent = read("\"5 percent\"").unwrap();
        assert!((percent.points(8.0) - 0.4).abs() < 1e-12);
        for text in [
            "0.5",
            "1",
            "-1",
            "\"0.5\"",
            "\"0 points\"",
            "\"NaN points\"",
            "\"100 points\"",
            "\"1e12 percent\"",
            "\"5 %%\"",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("with its unit"), "{text}: {error}");
        }
    }
}
