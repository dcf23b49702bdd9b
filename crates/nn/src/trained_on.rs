//! What a net was trained on, as the header of its weights says it: the names of its outputs'
//! classes, and the mean and standard deviation that its images were normalised with. Without them
//! a test error may silently be another task's.
//!
//! Unaware of tensors, of files and of what the net is evaluated on.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use cifar::{CHANNELS, CLASSES};
use records::Statistics;

/// The metadata's entries, each a JSON list.
const ENTRIES: [&str; 3] = ["classes", "mean", "std"];

/// Classes, mean and standard deviation; each as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainedOn {
    /// The class of each output, in their order.
    pub classes: Option<Vec<String>>,
    /// Mean of R, G, B of pixels in [0, 1].
    pub mean: Option<[f64; CHANNELS]>,
    /// Their standard deviation.
    pub std: Option<[f64; CHANNELS]>,
}

impl TrainedOn {
    pub fn new(classes: &[String], statistics: &Statistics) -> TrainedOn {
        TrainedOn {
            classes: Some(classes.to_vec()),
            mean: Some(statistics.mean),
            std: Some(statistics.std),
        }
    }

    /// What is known, as entries of a safetensors file's metadata.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let [classes, mean, std] = ENTRIES;
        let entries = [
            (classes, self.classes.as_ref().map(json)),
            (mean, self.mean.as_ref().map(json)),
            (std, self.std.as_ref().map(json)),
        ];
        let known = entries
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?)));
        known.collect()
    }

    /// What a safetensors file's metadata says. A text that is no list of ten different names, or of
    /// moments of pixels in [0, 1], is another program's under the same key.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> TrainedOn {
        let [classes, mean, std] = ENTRIES;
        let ten = |classes: &Vec<String>| {
            let different: BTreeSet<&String> = classes.iter().collect();
            classes.len() == CLASSES && different.len() == CLASSES
        };
        TrainedOn {
            classes: parse(metadata, classes).filter(ten),
            mean: parse(metadata, mean).filter(|mean| check_mean("", mean).is_ok()),
            std: parse(metadata, std).filter(|std| check_std("", std).is_ok()),
        }
    }
}

/// Refuses what is no mean of pixels in [0, 1], under the name `what`.
///
/// # Errors
/// If a number is not in [0, 1], with a hint where it is one of pixels up to 255.
pub fn check_mean(what: &str, mean: &[f64; CHANNELS]) -> Result<()> {
    let fits = mean.iter().all(|x| (0.0..=1.0).contains(x));
    check(what, mean, fits, "in [0, 1]")
}

/// Refuses what is no standard deviation of pixels in [0, 1], likewise.
///
/// # Errors
/// If a number is not above 0 and at most 1, with a hint where it is one of pixels up to 255.
pub fn check_std(what: &str, std: &[f64; CHANNELS]) -> Result<()> {
    let fits = std.iter().all(|&x| x > 0.0 && x <= 1.0);
    check(what, std, fits, "positive and at most 1")
}

fn check(what: &str, values: &[f64; CHANNELS], fits: bool, range: &str) -> Result<()> {
    let text = |values: &[f64; CHANNELS]| values.map(|x| x.to_string()).join(",");
    let large = values.iter().any(|&x| x > 1.0);
    let hint = match large && values.iter().all(|x| (0.0..=255.0).contains(x)) {
        true => {
            let scaled = values.map(|x| (x / 255.0 * 1e4).round() / 1e4);
            format!(
                "; if it is of pixels up to 255, divide by 255: {}",
                text(&scaled)
            )
        }
        false => String::new(),
    };
    ensure!(
        fits,
        "{what} {} must be {range}, for pixels are in [0, 1]{hint}",
        text(values)
    );
    Ok(())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lists of names and numbers have a JSON form")
}

fn parse<T: DeserializeOwned>(metadata: &BTreeMap<String, String>, name: &str) -> Option<T> {
    serde_json::from_str(metadata.get(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), text.to_owned())])
    }

    #[test]
    fn classes_and_moments_read_back_exactly_as_they_were_written() {
        let classes: Vec<String> = (0..10).map(|at| format!("\"{at}\"\n")).collect();
        let statistics = Statistics {
            mean: [0.491_399_678_615_196_1, 0.0, 1.0],
            std: [0.1 + 0.2, 1e-300, 1.0],
        };
        let known = TrainedOn::new(&classes, &statistics);
        assert_eq!(TrainedOn::from_metadata(&known.to_metadata()), known);
        let mean = TrainedOn {
            mean: known.mean,
            ..TrainedOn::default()
        };
        assert_eq!(TrainedOn::from_metadata(&mean.to_metadata()), mean);
        assert!(TrainedOn::default().to_metadata().is_empty());
    }

    #[test]
    fn what_no_training_was_on_is_another_programs_text() {
        for (name, text) in [
            ("classes", "10"),
            ("classes", r#"["a","b"]"#),
            ("classes", r#"["a","a","c","d","e","f","g","h","i","j"]"#),
            ("mean", "imagenet"),
            ("mean", "[0.5,0.5]"),
            ("mean", "[125.3,123.0,113.9]"),
            ("std", "[0.2,0,0.2]"),
        ] {
            let read = TrainedOn::from_metadata(&metadata(name, text));
            assert_eq!(read, TrainedOn::default(), "{name} {text}");
        }
    }

    #[test]
    fn moments_out_of_range_are_refused_and_those_of_bytes_with_a_hint() {
        let mean = |mean| check_mean("--mean", &mean).unwrap_err().to_string();
        let std = |std| check_std("--std", &std).unwrap_err().to_string();
        let said = mean([0.5, -0.1, 0.5]);
        assert_eq!(
            said,
            "--mean 0.5,-0.1,0.5 must be in [0, 1], for pixels are in [0, 1]"
        );
        let said = mean([125.3, 123.0, 113.9]);
        assert!(
            said.ends_with("up to 255, divide by 255: 0.4914,0.4824,0.4467"),
            "{said}"
        );
        assert!(mean([f64::NAN, 0.5, 0.5]).contains("must be in"));
        let said = std([63.0, 62.1, 66.7]);
        assert!(
            said.ends_with("divide by 255: 0.2471,0.2435,0.2616"),
            "{said}"
        );
        assert!(std([0.2, 0.0, 0.2]).contains("must be positive and at most 1"));
        assert!(std([f64::INFINITY, 0.2, 0.2]).contains("must be positive"));
        assert!(
            check_mean("", &[0.0, 0.5, 1.0]).is_ok() && check_std("", &[1e-300, 0.5, 1.0]).is_ok()
        );
    }
}
