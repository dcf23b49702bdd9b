//! The options that say what images are normalised with, and how it is said.

use anyhow::Result;
use clap::Args;

use crate::error::Invalid;
use crate::standalone::{AskedMoments, NamedMoments};
use nn::trained_on::{check_mean, check_std};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Mean of R, G, B in [0, 1] that the weights were trained with [default: what the weights say,
    /// else that of the training images].
    #[arg(long, value_name = "R,G,B", allow_hyphen_values = true)]
    mean: Option<String>,
    /// Standard deviation of R, G, B, likewise.
    #[arg(long, value_name = "R,G,B", allow_hyphen_values = true)]
    std: Option<String>,
    /// Mean and standard deviation by name: akamaster's (ImageNet's), a-martyn's, imagenet, or data
    /// for those of the training images.
    #[arg(long, value_name = "NAME", alias = "normalization")]
    normalisation: Option<String>,
}

impl Arguments {
    /// # Errors
    /// If they are no moments of pixels in [0, 1], or a name is unknown.
    pub fn asked(&self) -> Result<AskedMoments, Invalid> {
        let mean = self.mean.as_deref().map(|text| moments("--mean", text));
        let std = self.std.as_deref().map(|text| moments("--std", text));
        let named = self.normalisation.as_deref().map(NamedMoments::parse);
        let asked = AskedMoments {
            mean: mean.transpose()?,
            std: std.transpose()?,
            named: named.transpose()?,
        };
        let invalid = |error: anyhow::Error| Invalid::new(error.to_string());
        if let Some(mean) = &asked.mean {
            check_mean("--mean", mean).map_err(invalid)?;
        }
        if let Some(std) = &asked.std {
            check_std("--std", std).map_err(invalid)?;
        }
        Ok(asked)
    }
}

/// Three numbers of an option, with or without spaces and brackets.
fn moments(option: &str, text: &str) -> Result<[f64; 3], Invalid> {
    let inside = text.trim().trim_matches(['(', ')', '[', ']']);
    let numbers = inside.split(',').map(|number| number.trim().parse());
    let numbers: Option<Vec<f64>> = numbers.collect::<Result<_, _>>().ok();
    let numbers = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    numbers.ok_or_else(|| {
        Invalid::new(format!(
            "{option} takes three numbers, for red, green and blue, not {text:?}: {option} 0.4914,0.4822,0.4465 (in quotes if there are spaces)"
        ))
    })
}

/// Three moments as they are given to an option, to four digits.
pub fn in_digits(moments: &[f64; 3]) -> String {
    let digits = moments.map(|moment| match moment {
        0.0..0.001 => moment.to_string(),
        _ => ((moment * 1e4).round() / 1e4).to_string(),
    });
    digits.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_taken_with_spaces_and_brackets() {
        for text in [
            "0.49,0.48,0.44",
            "0.49, 0.48, 0.44",
            " 0.49 ,0.48,\t0.44 ",
            "(0.49, 0.48, 0.44)",
            "[.49, .48, 44e-2]",
        ] {
            assert_eq!(
                moments("--mean", text).unwrap(),
                [0.49, 0.48, 0.44],
                "{text}"
            );
        }
        for text in [
            "",
            "0.49",
            "0.49,0.48",
            "0.49,,0.48,0.44",
            "a,b,c",
            "0,49 0,48 0,44",
        ] {
            let said = moments("--std", text).unwrap_err().to_string();
            assert!(said.contains("--std takes three numbers"), "{said}");
        }
    }

    #[test]
    fn moments_are_shown_to_four_digits_and_small_ones_whole() {
        assert_eq!(in_digits(&[0.491_399_67, 0.5, 1.0]), "0.4914,0.5,1");
        assert_eq!(in_digits(&[0.0, 1e-5, 0.247_03]), "0,0.00001,0.247");
    }
}
