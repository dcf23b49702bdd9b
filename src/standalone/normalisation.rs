//! The mean and standard deviation that images are normalised with, and where they come from. Those
//! of the data at hand are not always those that a net was trained with: they put the test error of
//! published weights off by up to 1.4 points.
//!
//! Unaware of images and of networks.

use serde::Serialize;

use crate::error::Invalid;
use nn::trained_on::TrainedOn;
use records::Statistics;

/// Moments with the name of who has trained with them.
type Known = (&'static str, Statistics);

/// Moments that authors of published weights have trained with, by what a person calls them.
static KNOWN: [Known; 3] = [
    ("akamaster", IMAGENET),
    (
        "a-martyn",
        Statistics {
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.247, 0.243, 0.261],
        },
    ),
    ("imagenet", IMAGENET),
];

const IMAGENET: Statistics = Statistics {
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
};

/// What the user says.
#[derive(Clone, Debug, Default)]
pub struct AskedMoments {
    pub mean: Option<[f64; 3]>,
    pub std: Option<[f64; 3]>,
    pub named: Option<NamedMoments>,
}

/// Moments by name.
#[derive(Clone, Copy, Debug)]
pub enum NamedMoments {
    /// Of the data's training images, whatever the weights say.
    Data,
    /// An author's.
    Known(&'static Known),
}

impl NamedMoments {
    const DATA: &str = "data";

    /// # Errors
    /// If nothing has this name.
    pub fn parse(name: &str) -> Result<NamedMoments, Invalid> {
        if name == NamedMoments::DATA {
            return Ok(NamedMoments::Data);
        }
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        let names = KNOWN.iter().map(|(known, _)| *known);
        known.map(NamedMoments::Known).ok_or_else(|| {
            Invalid::unknown("normalisation", name, names.chain([NamedMoments::DATA]))
        })
    }
}

/// Where a moment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MomentsFrom {
    /// `--mean` or `--std`.
    Option,
    /// The header of the weights.
    Weights,
    /// The data's training images.
    Data,
    /// The author of this name.
    #[serde(untagged)]
    Known(&'static str),
}

/// What images are normalised with.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    pub statistics: Statistics,
    pub mean_from: MomentsFrom,
    pub std_from: MomentsFrom,
}

impl Normalisation {
    /// What the user says, else what the weights say, else the data's own; `data` gives these.
    ///
    /// # Errors
    /// Those of `data`, if it is asked.
    pub fn of<E>(
        asked: &AskedMoments,
        weights: &TrainedOn,
        data: impl Fn() -> Result<Statistics, E>,
    ) -> Result<Normalisation, E> {
        type Moment = fn(&Statistics) -> [f64; 3];
        let choose = |given: Option<[f64; 3]>, header: Option<[f64; 3]>, moment: Moment| {
            if let Some(given) = given {
                return Ok((given, MomentsFrom::Option));
            }
            match (asked.named, header) {
                (Some(NamedMoments::Known((name, statistics))), _) => {
                    Ok((moment(statistics), MomentsFrom::Known(name)))
                }
                (None, Some(header)) => Ok((header, MomentsFrom::Weights)),
                _ => Ok((moment(&data()?), MomentsFrom::Data)),
            }
        };
        let (mean, mean_from) = choose(asked.mean, weights.mean, |of| of.mean)?;
        let (std, std_from) = choose(asked.std, weights.std, |of| of.std)?;
        Ok(Normalisation {
            statistics: Statistics { mean, std },
            mean_from,
            std_from,
        })
    }

    /// The author by whose names the tensors are called, if the moments are the data's and other ones
    /// of that author are known.
    pub fn offered(&self, author: &str) -> Option<&'static str> {
        let guessed = [self.mean_from, self.std_from].contains(&MomentsFrom::Data);
        let mut names = KNOWN.iter().map(|(name, _)| *name);
        names.find(|name| guessed && *name == author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Statistics = Statistics {
        mean: [0.1; 3],
        std: [0.2; 3],
    };

    fn header() -> TrainedOn {
        TrainedOn {
            classes: None,
            mean: Some([0.3; 3]),
            std: Some([0.4; 3]),
        }
    }

    fn of(asked: &AskedMoments, weights: &TrainedOn) -> Normalisation {
        Normalisation::of(asked, weights, || Ok::<_, Invalid>(DATA)).unwrap()
    }

    #[test]
    fn the_user_comes_before_the_weights_and_these_before_the_data() {
        let none = AskedMoments::default();
        let found = of(&none, &TrainedOn::default());
        assert_eq!(
            (found.statistics, found.mean_from),
            (DATA, MomentsFrom::Data)
        );
        let found = of(&none, &header());
        assert_eq!(found.statistics.std, [0.4; 3]);
        assert_eq!(found.std_from, MomentsFrom::Weights);
        let named = |name| AskedMoments {
            named: Some(NamedMoments::parse(name).unwrap()),
            ..AskedMoments::default()
        };
        let found = of(&named("akamaster"), &header());
        assert_eq!(found.statistics, IMAGENET);
        assert_eq!(found.mean_from, MomentsFrom::Known("akamaster"));
        assert_eq!(of(&named("data"), &header()).statistics, DATA);
        // One of the two may be given.
        let asked = AskedMoments {
            mean: Some([0.5; 3]),
            ..named("a-martyn")
        };
        let found = of(&asked, &header());
        assert_eq!(found.statistics.mean, [0.5; 3]);
        assert_eq!(found.statistics.std, [0.247, 0.243, 0.261]);
        let sources = [found.mean_from, found.std_from];
        assert_eq!(
            sources,
            [MomentsFrom::Option, MomentsFrom::Known("a-martyn")]
        );
    }

    #[test]
    fn the_data_is_asked_only_where_nothing_else_is_known() {
        let lacking = || Err(Invalid::new("no training images"));
        assert!(Normalisation::of(&AskedMoments::default(), &header(), lacking).is_ok());
        let mean = TrainedOn {
            std: None,
            ..header()
        };
        assert!(Normalisation::of(&AskedMoments::default(), &mean, lacking).is_err());
    }

    #[test]
    fn an_authors_moments_are_offered_where_the_datas_were_taken() {
        let found = of(&AskedMoments::default(), &TrainedOn::default());
        assert_eq!(found.offered("akamaster"), Some("akamaster"));
        assert_eq!(found.offered("torchvision"), None);
        assert_eq!(
            of(&AskedMoments::default(), &header()).offered("akamaster"),
            None
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let said = NamedMoments::parse("akamster").unwrap_err().to_string();
        assert!(said.contains("did you mean \"akamaster\"?"), "{said}");
        let said = NamedMoments::parse("x").unwrap_err().to_string();
        assert!(
            said.contains("akamaster, a-martyn, imagenet, data"),
            "{said}"
        );
    }

    #[test]
    fn where_a_moment_comes_from_is_one_word_in_json() {
        let sources = [
            MomentsFrom::Option,
            MomentsFrom::Weights,
            MomentsFrom::Data,
            MomentsFrom::Known("a-martyn"),
        ];
        let json = serde_json::to_string(&sources).unwrap();
        assert_eq!(json, r#"["option","weights","data","a-martyn"]"#);
    }
}
