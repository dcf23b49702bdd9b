//! What a claim says, as it is written in the file: `test_error(resnet56) = 7.40 ± 0.27 (5 runs)`.
//!
//! Unaware of which models there are and of whether it is true.

use std::fmt;
use std::str::FromStr;

use super::quantity::Quantity;

/// Something that results can bear out or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Assertion {
    /// `test_error(resnet56) = 6.97`: an error, of one run or as a mean over several.
    Mean {
        of: Quantity,
        published: PublishedMean,
    },
    /// `parameters(resnet20) = 269722`, or rounded: `parameters(resnet20) = 0.270M`.
    Exact { of: Quantity, value: Rounded },
    /// `test_error(plain56) > test_error(plain20)`.
    Order { larger: Quantity, smaller: Quantity },
    /// `test_error(resnet8) < 90`.
    Bound {
        of: Quantity,
        relation: Relation,
        number: f64,
    },
    /// `test_error(resnet20) > test_error(resnet56) > test_error(resnet110)`: quantities in the order
    /// in which they fall.
    Trend { falling: Vec<Quantity> },
}

/// A published mean.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedMean {
    /// In percent; of a single run, its error.
    pub mean: f64,
    /// Sample standard deviation over the runs, in percentage points.
    pub std: Option<f64>,
    /// A number without its runs is taken to be of a single one.
    pub runs: u32,
    /// Standard uncertainty of reading it off a figure, in percentage points.
    pub reading_error: f64,
}

impl fmt::Display for PublishedMean {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:.2}", self.mean)?;
        match self.std {
            Some(std) => write!(f, " ± {std:.2} ({} runs)", self.runs),
            None => Ok(()),
        }
    }
}

/// A count as it was printed, rounded or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounded {
    /// In units of `unit`.
    digits: u64,
    /// What the last printed digit counts: 1, or 1,000 in `1.732M`.
    unit: u64,
    text: String,
}

impl Rounded {
    /// Whether a count would have been printed like this: rounded half up, as people do.
    pub fn stands_for(&self, count: u64) -> bool {
        (count + self.unit / 2) / self.unit == self.digits
    }
}

/// On which side of a number a mean is claimed to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Below,
    Above,
}

impl Relation {
    fn sign(self) -> char {
        match self {
            Relation::Below => '<',
            Relation::Above => '>',
        }
    }
}

impl Assertion {
    /// The quantities that it is about.
    pub fn quantities(&self) -> Vec<&Quantity> {
        match self {
            Assertion::Mean { of, .. }
            | Assertion::Exact { of, .. }
            | Assertion::Bound { of, .. } => vec![of],
            Assertion::Order { larger, smaller } => vec![larger, smaller],
            Assertion::Trend { falling } => falling.iter().collect(),
        }
    }
}

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Assertion, String> {
        let mut parts: Vec<&str> = text.split(['=', '<', '>']).map(str::trim).collect();
        let relations: Vec<char> = text.chars().filter(|c| "=<>".contains(*c)).collect();
        match &relations[..] {
            [] => Err(format!(
                "expected a relation (=, < or >), as in `test_error(resnet56) = 6.97`, found {text:?}"
            )),
            ['='] => equality(parts[0], parts[1]),
            [first @ ('<' | '>'), rest @ ..] if rest.iter().all(|other| other == first) => {
                if *first == '<' {
                    parts.reverse();
                }
                falling(&parts)
            }
            _ => Err(format!(
                "expected one =, or the same of < and > throughout, found {text:?}"
            )),
        }
    }
}

fn equality(left: &str, right: &str) -> Result<Assertion, String> {
    let of: Quantity = left.parse()?;
    match of.metric.is_measured() {
        true => Ok(Assertion::Mean {
            of,
            published: mean(right)?,
        }),
        false => Ok(Assertion::Exact {
            of,
            value: rounded(right)?,
        }),
    }
}

/// Quantities, or one and a number, each larger than the next.
fn falling(parts: &[&str]) -> Result<Assertion, String> {
    let number = |text: &str| text.parse::<f64>().ok();
    if let [left, right] = parts {
        match (number(left), number(right)) {
            (Some(number), None) => return bound(right, Relation::Below, number),
            (None, Some(number)) => return bound(left, Relation::Above, number),
            _ => {}
        }
    }
    let falling = parts.iter().map(|part| measured_quantity(part));
    let falling = falling.collect::<Result<Vec<_>, _>>()?;
    comparable(&falling)?;
    Ok(match <[Quantity; 2]>::try_from(falling) {
        Ok([larger, smaller]) => Assertion::Order { larger, smaller },
        Err(falling) => Assertion::Trend { falling },
    })
}

fn bound(of: &str, relation: Relation, number: f64) -> Result<Assertion, String> {
    // Any error lies between these.
    if !(number > 0.0 && number < 100.0) {
        return Err(format!(
            "expected a bound between 0 and 100 percent, which an error need not keep, found {number}"
        ));
    }
    Ok(Assertion::Bound {
        of: measured_quantity(of)?,
        relation,
        number,
    })
}

/// A quantity that differs from run to run.
fn measured_quantity(text: &str) -> Result<Quantity, String> {
    let quantity: Quantity = text.parse()?;
    match quantity.metric.is_measured() {
        true => Ok(quantity),
        false => Err(format!(
            "expected test_error, train_error or response, which differ from run to run, found {quantity}"
        )),
    }
}

/// Refuses quantities, at least one, of several metrics, or of which one stands there twice.
fn comparable(quantities: &[Quantity]) -> Result<(), String> {
    for (index, quantity) in quantities.iter().enumerate() {
        if quantities[..index].contains(quantity) {
            return Err(format!("{quantity} cannot be compared with itself"));
        }
    }
    let first = &quantities[0];
    match quantities.iter().find(|other| other.metric != first.metric) {
        None => Ok(()),
        Some(other) => Err(format!("{first} and {other} cannot be compared")),
    }
}

/// `6.97`, `9.67 (1 run)` or `7.40 ± 0.27 (5 runs)`.
fn mean(text: &str) -> Result<PublishedMean, String> {
    let wrong = || {
        format!(
            "expected an error in percent such as `6.97` or `7.40 ± 0.27 (5 runs)`, found {text:?}"
        )
    };
    let (numbers, runs) = match text.split_once('(') {
        None => (text, None),
        Some((numbers, rest)) => {
            let count = rest.trim_end().strip_suffix(')');
            let count = count.and_then(|rest| rest.trim_end_matches('s').strip_suffix("run"));
            let count = count.and_then(|count| count.trim().parse::<u32>().ok());
            (numbers, Some(count.ok_or_else(wrong)?))
        }
    };
    let (mean, std) = match numbers.split_once('±') {
        None => (numbers, None),
        Some((mean, std)) => (mean, Some(std)),
    };
    let number = |text: &str| {
        let number = text.trim().parse::<f64>().ok();
        number
            .filter(|number| (0.0..=100.0).contains(number))
            .ok_or_else(wrong)
    };
    let mean = number(mean)?;
    let std = std.map(number).transpose()?;
    PublishedMean::new(mean, std, runs)
}

impl PublishedMean {
    /// A published mean that makes sense.
    ///
    /// # Errors
    /// If there is a spread without a number of runs, of a single run, or there are no runs.
    pub fn new(mean: f64, std: Option<f64>, runs: Option<u32>) -> Result<PublishedMean, String> {
        let wrong = match (std, runs) {
            (_, Some(0)) => "expected at least 1 run, found 0",
            (Some(_), None) => "a standard deviation says nothing without its number of runs",
            (Some(_), Some(1)) => "one run has no standard deviation",
            (None, Some(2..)) => "the mean of several runs needs their standard deviation",
            _ => {
                return Ok(PublishedMean {
                    mean,
                    std,
                    runs: runs.unwrap_or(1),
                    reading_error: 0.0,
                });
            }
        };
        Err(wrong.to_owned())
    }
}

/// `269722`, `269,722`, `0.270M`, `40.6M` or `270k`.
fn rounded(text: &str) -> Result<Rounded, String> {
    let wrong = || format!("expected a count such as `269722` or `0.270M`, found {text:?}");
    let (number, scale) = match text.strip_suffix(['M', 'k']) {
        Some(number) if text.ends_with('M') => (number, 6),
        Some(number) => (number, 3),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.replace([',', '_'], "");
    let digits = format!("{whole}{fraction}");
    let fits = !whole.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && fraction.len() <= scale
        && digits.bytes().any(|byte| byte != b'0');
    let digits = fits.then(|| digits.parse().ok()).flatten();
    Ok(Rounded {
        digits: digits.ok_or_else(wrong)?,
        unit: 10_u64.pow((scale - fraction.len()) as u32),
        text: text.to_owned(),
    })
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Assertion::Mean { of, published } => write!(f, "{of} = {published}"),
            Assertion::Exact { of, value } => write!(f, "{of} = {}", value.text),
            Assertion::Order { larger, smaller } => write!(f, "{larger} > {smaller}"),
            Assertion::Bound {
                of,
                relation,
                number,
            } => write!(f, "{of} {} {number}", relation.sign()),
            Assertion::Trend { falling } => {
                let falling: Vec<String> = falling.iter().map(ToString::to_string).collect();
                f.write_str(&falling.join(" > "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Assertion {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_is_read_and_written_alike() {
        for text in [
            "test_error(resnet56) = 6.97",
            "test_error(resnet56) = 7.40 ± 0.27 (5 runs)",
            "parameters(resnet20) = 269722",
            "parameters(resnet110) = 1.732M",
            "iterations(resnet110) = 64000",
            "train_error(plain56) > train_error(plain20)",
            "test_error(resnet8) < 90",
            "test_error(plain8) > 9.5",
            "test_error(resnet20) > test_error(resnet56) > test_error(resnet110)",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn what_stands_on_either_side_of_a_relation_means_the_same() {
        let same = [
            (
                "test_error(a) < test_error(b)",
                "test_error(b) > test_error(a)",
            ),
            ("90 > test_error(a)", "test_error(a) < 90"),
            (
                "test_error(a)<test_error(b)<test_error(c)",
                "test_error(c) > test_error(b) > test_error(a)",
            ),
        ];
        for (one, other) in same {
            assert_eq!(parse(one), parse(other));
        }
        assert_ne!(parse("test_error(a) < 90"), parse("test_error(a) > 90"));
    }

    #[test]
    fn a_rounded_count_stands_for_what_rounds_to_it() {
        let stands = |text: &str, count| {
            let value = rounded(text).unwrap();
            value.stands_for(count)
        };
        assert!(stands("269,722", 269_722) && !stands("269722", 269_723));
        assert!(stands("0.270M", 269_722) && !stands("0.271M", 269_722));
        assert!(stands("1.728M", 1_727_962) && !stands("1.732M", 1_727_962));
        assert!(stands("1.7M", 1_727_962) && stands("2M", 1_727_962));
        assert!(stands("270k", 269_500) && !stands("270k", 269_499));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (text, said) in [
            ("test_error(resnet56)", "expected a relation"),
            ("test_error(resnet56) = about 7", "7.40 ± 0.27 (5 runs)"),
            ("test_error(resnet56) = 700", "in percent"),
            ("test_error(resnet56) = NaN", "in percent"),
            ("test_error(resnet56) = 7.40 ± 0.27", "number of runs"),
            (
                "test_error(resnet56) = 7.40 ± 0.27 (1 run)",
                "one run has no",
            ),
            (
                "test_error(resnet56) = 7.40 (5 runs)",
                "needs their standard",
            ),
            ("test_error(resnet56) = 7.40 (0 runs)", "at least 1 run"),
            ("parameters(resnet20) = 0.2700001234M", "a count such as"),
            ("parameters(resnet20) = -3", "a count such as"),
            (
                "parameters(resnet20) = 99999999999999999999",
                "a count such as",
            ),
            ("parameters(a) > parameters(b)", "differ from run to run"),
            ("test_error(a) > train_error(b)", "cannot be compared"),
            (
                "test_error(a) > test_error(b) < test_error(c)",
                "throughout",
            ),
            ("7 < 8", "expected a quantity"),
            ("accuracy(a) = 5", "unknown metric"),
            ("test_error(a) > -5", "between 0 and 100"),
            ("test_error(a) < 1e308", "between 0 and 100"),
            ("test_error(a) < NaN", "between 0 and 100"),
            ("parameters(a) = 0M", "a count such as"),
            ("test_error(a) > test_error(a)", "with itself"),
        ] {
            let error = text.parse::<Assertion>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
