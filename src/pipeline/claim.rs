//! Published statements that results must bear out: the rows of `published` and the list of
//! `claims`, checked, each with its source.
//!
//! Unaware of results and of how a verdict comes about.

use std::collections::BTreeSet;

use super::assertion::{Assertion, PublishedMean};
use super::complaint::{Checked, out_of_range, wrong};
use super::experiment::Experiment;
use super::file::{self, File, PublishedError, Source as Citation};
use super::names;
use super::place::Place;
use super::quantity::{Metric, Quantity};
use super::tolerance::Tolerance;

/// Level of significance where the file names none.
pub const SIGNIFICANCE: f64 = 0.05;

/// Something that results can bear out, where it was said, and whether it is about this profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub assertion: Assertion,
    /// The source's name in the file.
    pub source: String,
    pub citation: Citation,
    /// Where in the source.
    pub at: Option<String>,
    /// By how many percentage points means may differ; present where the statement needs it.
    pub margin: Option<f64>,
    /// Why it is wrong, where results are expected to refute it.
    pub disputed: Option<String>,
    pub applies: Applies,
}

/// Whether the results of a profile can bear a claim out.
#[derive(Clone, Debug, PartialEq)]
pub enum Applies {
    Yes,
    /// It is about full-length training on the published data, and this profile differs in that.
    No(Vec<String>),
}

impl Claim {
    /// The assertion and its source: `test_error(resnet56) = 6.97 [he]`, unique in a profile.
    pub fn name(&self) -> String {
        format!("{} [{}]", self.assertion, self.source)
    }

    /// The source for people: `He et al. 2015, Table 6`.
    pub fn cited(&self) -> String {
        match &self.at {
            Some(at) => format!("{}, {at}", self.citation.cite),
            None => self.citation.cite.clone(),
        }
    }
}

/// The claims of the file, sorted by whether a profile is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// About this profile's models.
    pub here: Vec<Claim>,
    /// Number of those about models that it does not train, or about other profiles.
    pub elsewhere: usize,
}

/// The claims about a profile.
pub fn about(all: &[Written], experiment: &Experiment) -> Claims {
    let mut claims = Claims::default();
    let models = experiment.models.iter().map(|model| model.name.as_str());
    let models: BTreeSet<&str> = models.collect();
    for written in all {
        let mut quantities = written.claim.assertion.quantities().into_iter();
        let trained = quantities.all(|quantity| models.contains(quantity.model.as_str()));
        let profiles = written.profiles.as_ref();
        let meant = profiles.is_none_or(|profiles| profiles.contains(&experiment.profile));
        if !trained || !meant {
            claims.elsewhere += 1;
            continue;
        }
        let mut claim = written.claim.clone();
        // A count does not depend on how long and on what was trained, and some claims are about
        // this very profile.
        let always = matches!(claim.assertion, Assertion::Exact { .. });
        if !always && profiles.is_none() && !experiment.caveats.is_empty() {
            if experiment.own_claims_only {
                claims.elsewhere += 1;
                continue;
            }
            claim.applies = Applies::No(experiment.caveats.clone());
        }
        claims.here.push(claim);
    }
    claims
}

/// All claims of the file, whatever profile they are about, if each makes sense: the rows of
/// `published`, in the order of their models' names, then the list.
pub fn all(file: &File) -> Checked<Vec<Written>> {
    for (name, source) in &file.sources {
        let place = Place::of("sources").at(&**name);
        names::text("a text", &source.cite, &place.at("cite"))?;
        names::text("a text", &source.url, &place.at("url"))?;
    }
    if let Some(level) = file.significance
        && !(level > 0.0 && level < 0.5)
    {
        let expected = "expected a probability between 0 and 0.5";
        return out_of_range(&Place::of("significance"), expected, level);
    }
    let mut claims = Vec::new();
    for (model, row) in &file.published.results {
        for (source, error) in [("he", &row.he), ("s", &row.s)] {
            if let Some(error) = error {
                let place = Place::of("published").at("results").at(&**model);
                claims.push(of_row(file, model, source, error, place.at(source))?);
            }
        }
    }
    for (index, claim) in file.claims.iter().enumerate() {
        let place = Place::of("claims").at(index);
        let assertion: Result<Assertion, String> = claim.says.parse();
        let assertion = assertion.or_else(|message| wrong(&place.at("says"), message))?;
        claims.push(written(file, claim, assertion, place)?);
    }
    let mut seen = BTreeSet::new();
    for written in &claims {
        let name = written.claim.name();
        if !seen.insert((name.clone(), &written.profiles)) {
            return wrong(&written.place, format!("{name} is claimed twice"));
        }
        check_names(file, written)?;
    }
    Ok(claims)
}

/// Refuses a claim about models or profiles that do not fit.
fn check_names(file: &File, written: &Written) -> Checked<()> {
    let quantities = written.claim.assertion.quantities();
    let place = written.place.at("profiles");
    if let Some(profiles) = &written.profiles {
        names::all_known("profile", profiles, &place, &file.profiles)?;
        if profiles.is_empty() {
            return wrong(&place, "expected at least one profile, found none");
        }
    }
    for Quantity { model, .. } in &quantities {
        names::known("model", model, &written.place, &file.models)?;
    }
    for profile in written.profiles.iter().flatten() {
        let trained = &file.profiles[profile].models;
        let mut models = quantities.iter().map(|quantity| &quantity.model);
        if let Some(other) = models.find(|model| !trained.contains(model)) {
            return wrong(
                &place,
                format!("profile {profile:?} does not train {other}"),
            );
        }
    }
    Ok(())
}

/// A claim of the file and where it stands.
#[derive(Debug)]
pub struct Written {
    claim: Claim,
    profiles: Option<Vec<String>>,
    place: Place,
}

/// The claim that a row of the published results makes.
fn of_row(
    file: &File,
    model: &str,
    source: &str,
    error: &PublishedError,
    place: Place,
) -> Checked<Written> {
    let mean = PublishedMean::new(error.mean, error.std, error.runs);
    let mut published = mean.or_else(|message| wrong(&place, message))?;
    let reading_error = error.read_off.map(|off| off.points(error.mean));
    published.reading_error = reading_error.unwrap_or(0.0);
    let of = Quantity {
        metric: Metric::TestError,
        model: error.with.as_deref().unwrap_or(model).to_owned(),
    };
    let claim = file::Claim {
        says: String::new(),
        source: source.to_owned(),
        at: error.at.clone().or_else(|| error.note.clone()),
        within: error.within,
        disputed: None,
        profiles: None,
    };
    written(file, &claim, Assertion::Mean { of, published }, place)
}

fn written(
    file: &File,
    claim: &file::Claim,
    assertion: Assertion,
    place: Place,
) -> Checked<Written> {
    let source = &claim.source;
    names::known("source", source, &place.at("source"), &file.sources)?;
    let citation = file.sources[source].clone();
    let margin = match (&assertion, claim.within.or(citation.within)) {
        (Assertion::Mean { published, .. }, Some(within)) => Some(within.points(published.mean)),
        (Assertion::Mean { .. }, None) => {
            let expected = format!("expected `within` here or in source {source:?}");
            let meaning = "by how much means may differ and still be the same";
            return wrong(&place, format!("{expected}: {meaning}"));
        }
        (Assertion::Trend { .. }, _) => match claim.within {
            Some(Tolerance::Points(points)) => Some(points),
            _ => {
                return wrong(
                    &place,
                    "a trend needs `within`, by how many \"points\" a mean may rise and still count as level",
                );
            }
        },
        _ if claim.within.is_some() => {
            let message = "an order, a bound and an exact number have no tolerance";
            return wrong(&place.at("within"), message);
        }
        _ => None,
    };
    for (field, what, text) in [
        ("at", "a text", &claim.at),
        ("disputed", "why it is wrong", &claim.disputed),
    ] {
        if let Some(text) = text {
            names::text(what, text, &place.at(field))?;
        }
    }
    Ok(Written {
        claim: Claim {
            assertion,
            source: source.clone(),
            citation,
            at: claim.at.clone(),
            margin,
            disputed: claim.disputed.clone(),
            applies: Applies::Yes,
        },
        profiles: claim.profiles.clone(),
        place,
    })
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
